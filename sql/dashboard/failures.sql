-- Jobs that failed or were dropped within the last day, by reason; the most frequent of the last hour first.
--
-- status               failed: by a fault of the upload; dropped: by a fault of the system
-- reason               a word for why; docs/operations.md tells what to do about each. `-`: none was given
-- last_5_minutes, last_hour, last_day    how many
-- products             of how many products they are: a broken client is usually one
-- latest_ago_seconds   since the latest of them ended
-- latest_token         the latest of them: `storectl jobs show TOKEN` has its log
--
-- Good: no row, or a few `failed` ones. Bad: any `dropped` that goes on, and `failed` of all products at once.
SELECT
    job.status,
    coalesce(job.reason, '-') AS reason,
    count(*) FILTER (WHERE job.finished_at >= now() - interval '5 minutes') AS last_5_minutes,
    count(*) FILTER (WHERE job.finished_at >= now() - interval '1 hour') AS last_hour,
    count(*) AS last_day,
    count(DISTINCT coalesce(job.product_id, 0)) AS products,
    round(extract(epoch FROM now() - max(job.finished_at)), 3)::float8 AS latest_ago_seconds,
    (array_agg(job.token ORDER BY job.finished_at DESC))[1] AS latest_token
FROM job
WHERE job.finished_at >= now() - interval '1 day' AND job.status IN ('failed', 'dropped')
GROUP BY job.status, coalesce(job.reason, '-')
ORDER BY last_hour DESC, last_day DESC, job.status, reason;
