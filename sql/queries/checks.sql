-- What `storaged check` asks besides sql/dashboard.

-- name: vacuum_holders
-- Who keeps vacuum from cleaning up what became dead since, the worst first: `transactions` is how many have begun in the
-- whole server since the snapshot that is held; `seconds`, since when, is not known of replication slots.
SELECT holder, transactions, seconds
FROM (
    SELECT
        concat_ws(' ', 'backend', pid, 'of user', usename, nullif('(' || application_name || ')', '()')) AS holder,
        greatest(age(backend_xmin), age(backend_xid)) AS transactions,
        extract(epoch FROM now() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database() AND xact_start IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction ' || gid, age(transaction), extract(epoch FROM now() - prepared)::float8
    FROM pg_prepared_xacts
    WHERE database = current_database()
    UNION ALL
    SELECT 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)), NULL
    FROM pg_replication_slots
    WHERE (xmin IS NOT NULL OR catalog_xmin IS NOT NULL) AND (database IS NULL OR database = current_database())
) AS held
WHERE transactions IS NOT NULL
ORDER BY transactions DESC;

-- name: overdue_leases
-- Running jobs whose heartbeat stopped so long ago that another node should have ended them.
SELECT count(*) AS jobs, extract(epoch FROM now() - min(heartbeat_at))::float8 AS seconds, min(token) AS token
FROM job
WHERE status = 'running' AND heartbeat_at < now() - :overdue::interval;

-- name: jobs_with_uploads
-- Stores that need their upload still.
SELECT token FROM job WHERE kind = 'store' AND status IN ('enqueued', 'running');
