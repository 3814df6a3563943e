-- The database itself: its size, and what may slow the queue down.
--
-- server                      the version of PostgreSQL
-- database_bytes, job_bytes   size of the whole database, and of the table of jobs with its indexes
-- job_dead_rows               row versions of jobs that wait for vacuum; vacuumed_ago_seconds: since autovacuum's last
--                             round there, null when there was none since the server's statistics began
-- connections                 connections to this database, this one among them
-- oldest_transaction_seconds  age of the oldest open transaction; oldest_transaction_pid: its backend
--
-- Good: job_dead_rows stays below some ten thousand, no transaction is older than a long store (minutes). Bad: a
-- transaction that stays open for long: vacuum cannot clean behind it, and claims become slow. `SELECT * FROM
-- pg_stat_activity WHERE pid = ...` tells whose it is.
SELECT
    current_setting('server_version') AS server,
    pg_database_size(current_database()) AS database_bytes,
    pg_total_relation_size('job') AS job_bytes,
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'job'::regclass) AS job_dead_rows,
    (
        SELECT round(extract(epoch FROM now() - last_autovacuum))::float8
        FROM pg_stat_user_tables WHERE relid = 'job'::regclass
    ) AS vacuumed_ago_seconds,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    round(extract(epoch FROM now() - oldest.xact_start), 3)::float8 AS oldest_transaction_seconds,
    oldest.pid AS oldest_transaction_pid
FROM (VALUES (1)) AS one (row)
LEFT JOIN LATERAL (
    SELECT pid, xact_start FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    ORDER BY xact_start LIMIT 1
) AS oldest ON true;
