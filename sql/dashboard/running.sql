-- The jobs that run now, the longest running first; 100 at most.
--
-- running_seconds        since it started
-- phase, done, total     how far it is: done of total in this phase; total 0: nobody knows how long
-- heartbeat_age_seconds  since its node last said that it holds the job; beyond some 30 s the node is in trouble
-- attempt                how often it was started
-- cancelling             somebody asked it to stop
--
-- What to look for: a job that is far beyond the p99 of processing.sql, or whose `done` stands still. `storectl jobs
-- cancel TOKEN` stops it; nothing of it is stored then.
SELECT
    job.token,
    job.kind,
    product.endpoint AS product,
    job.run,
    job.username AS "user",
    job.node,
    job.attempt,
    job.phase,
    job.done,
    job.total,
    round(extract(epoch FROM now() - job.started_at), 3)::float8 AS running_seconds,
    round(extract(epoch FROM now() - job.heartbeat_at), 3)::float8 AS heartbeat_age_seconds,
    job.cancel_requested AS cancelling
FROM job
LEFT JOIN product ON product.id = job.product_id
WHERE job.status = 'running'
ORDER BY job.started_at, job.id
LIMIT 100;
