-- The 20 jobs that ended last, the latest first: how long each waited, and how long it took.
--
-- waited_seconds       from enqueued to started; null when it was cancelled before it started
-- took_seconds         from started to ended
-- ended_ago_seconds    since it ended
-- reason               why it failed or was dropped; failures.sql counts them
--
-- What to look for: whether waits grow from the bottom to the top, and whether one product or run stands out.
SELECT
    job.token,
    job.kind,
    product.endpoint AS product,
    job.run,
    job.status,
    job.reason,
    job.node,
    round(extract(epoch FROM job.started_at - job.enqueued_at), 3)::float8 AS waited_seconds,
    round(extract(epoch FROM job.finished_at - job.started_at), 3)::float8 AS took_seconds,
    round(extract(epoch FROM now() - job.finished_at), 3)::float8 AS ended_ago_seconds
FROM job
LEFT JOIN product ON product.id = job.product_id
WHERE job.finished_at IS NOT NULL
ORDER BY job.finished_at DESC
LIMIT 20;
