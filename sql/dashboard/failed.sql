-- The 20 jobs of the last day that failed or were dropped last, the latest first, with what their log says at the end.
--
-- ended_ago_seconds    since it ended
-- reason               a word for why; docs/operations.md tells what to do about each
-- attempt              how often it was started, a shutdown not counted
-- comment              the last entry of its log, cut after 500 characters
--
-- `storectl jobs retry TOKEN` enqueues one again while its upload is kept.
SELECT
    job.token,
    job.kind,
    product.endpoint AS product,
    job.run,
    job.username AS "user",
    job.status,
    job.reason,
    job.node,
    job.attempt,
    round(extract(epoch FROM now() - job.finished_at), 3)::float8 AS ended_ago_seconds,
    (
        SELECT left(comment.text, 500) FROM job_comment AS comment
        WHERE comment.job_id = job.id
        ORDER BY comment.id DESC LIMIT 1
    ) AS comment
FROM job
LEFT JOIN product ON product.id = job.product_id
WHERE job.finished_at >= now() - interval '1 day' AND job.status IN ('failed', 'dropped')
ORDER BY job.finished_at DESC
LIMIT 20;
