-- The daemons, and what they run.
--
-- state                alive; late: it holds its lock, but its heartbeat is 30 s old (the loop or the database is slow);
--                      unlocked: heartbeats come, but its connection for notifications is lost, so it polls;
--                      gone: neither, its jobs will be rescued
-- heartbeat_age_seconds   since it said that it lives; null for one that is forgotten already, but has running jobs
-- up_seconds           since it started
-- running              jobs that it runs
-- longest_seconds      how long the oldest of these has been running
-- jobs                 product/run of these, or the kind of a job without a run; the oldest first, ten at most
--
-- Good: a row for each daemon that you started, all alive. Bad: one is missing, late or gone; or one runs nothing while
-- much waits (queue.sql): read its log, and its /readyz.
WITH node_lock AS (
    SELECT (classid::bigint << 32) | objid::bigint AS lock_key
    FROM pg_locks
    WHERE
        locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), busy AS (
    SELECT
        job.node,
        count(*) AS running,
        min(job.started_at) AS oldest,
        (array_agg(coalesce(product.endpoint || '/' || job.run, job.kind) ORDER BY job.started_at))[1:10] AS jobs
    FROM job
    LEFT JOIN product ON product.id = job.product_id
    WHERE job.status = 'running'
    GROUP BY job.node
)
SELECT
    coalesce(node.id, busy.node) AS node,
    CASE
        WHEN node.id IS NULL THEN 'gone'
        WHEN node_lock.lock_key IS NOT NULL AND node.heartbeat_at > now() - interval '30 seconds' THEN 'alive'
        WHEN node_lock.lock_key IS NOT NULL THEN 'late'
        WHEN node.heartbeat_at > now() - interval '30 seconds' THEN 'unlocked'
        ELSE 'gone'
    END AS state,
    round(extract(epoch FROM now() - node.heartbeat_at), 3)::float8 AS heartbeat_age_seconds,
    round(extract(epoch FROM now() - node.started_at))::float8 AS up_seconds,
    coalesce(busy.running, 0) AS running,
    round(extract(epoch FROM now() - busy.oldest), 3)::float8 AS longest_seconds,
    coalesce(busy.jobs, '{}') AS jobs
FROM node
LEFT JOIN node_lock ON node_lock.lock_key = node.lock_key
FULL JOIN busy ON busy.node = node.id
ORDER BY node;
