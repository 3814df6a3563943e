-- Throughput and processing time, from started to ended, of what ended within the last 5 minutes, hour and day.
--
-- ended                jobs that ended, in whatever way; completed, failed, dropped, cancelled: in which
-- per_minute           completed jobs per minute of the period
-- median_, p90_, p99_, longest_seconds   so long, or less, took half of the completed jobs, 90 %, 99 %, all
-- earlier_, later_median_seconds         the median in the first and in the second half of the time
-- trend                growing or shrinking when these two differ by more than a quarter, and by 0.1 s; else steady
--
-- Good: per_minute follows what comes in, and the medians of the rows are alike. Bad: growing: uploads became larger, or
-- the machine or the database slower (running.sql shows the phase). A p99 far above the median is usual: some runs are
-- large. Much that failed or was dropped: failures.sql.
WITH recent AS MATERIALIZED (
    SELECT
        status, finished_at,
        CASE status WHEN 'completed' THEN date_part('epoch', finished_at - started_at) END AS took
    FROM job
    WHERE finished_at >= now() - interval '1 day'
)
SELECT
    span.period,
    figures.ended,
    figures.completed,
    figures.failed,
    figures.dropped,
    figures.cancelled,
    round((figures.completed / (extract(epoch FROM span.length) / 60))::numeric, 2)::float8 AS per_minute,
    round(figures.percentiles[1]::numeric, 3)::float8 AS median_seconds,
    round(figures.percentiles[2]::numeric, 3)::float8 AS p90_seconds,
    round(figures.percentiles[3]::numeric, 3)::float8 AS p99_seconds,
    round(figures.longest::numeric, 3)::float8 AS longest_seconds,
    round(figures.earlier::numeric, 3)::float8 AS earlier_median_seconds,
    round(figures.later::numeric, 3)::float8 AS later_median_seconds,
    CASE
        WHEN figures.later > greatest(figures.earlier * 1.25, figures.earlier + 0.1) THEN 'growing'
        WHEN figures.earlier > greatest(figures.later * 1.25, figures.later + 0.1) THEN 'shrinking'
        WHEN figures.earlier IS NOT NULL AND figures.later IS NOT NULL THEN 'steady'
    END AS trend
FROM (VALUES
    (1, '5 minutes', interval '5 minutes'), (2, 'hour', interval '1 hour'), (3, 'day', interval '1 day')
) AS span (place, period, length)
CROSS JOIN LATERAL (
    SELECT
        count(*) AS ended,
        count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'dropped') AS dropped,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY took) AS percentiles,
        max(took) AS longest,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took)
            FILTER (WHERE finished_at < now() - span.length / 2) AS earlier,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took)
            FILTER (WHERE finished_at >= now() - span.length / 2) AS later
    FROM recent
    WHERE finished_at >= now() - span.length
) AS figures
ORDER BY span.place;
