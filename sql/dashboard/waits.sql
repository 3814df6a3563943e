-- Queueing time, from enqueued to started, of the jobs that started within the last 5 minutes, hour and day.
--
-- jobs                 how many started
-- median_, p90_, p99_, longest_seconds   so long, or less, waited half of them, 90 %, 99 %, all
-- earlier_, later_median_seconds         the median in the first and in the second half of the time
-- trend                growing or shrinking when these two differ by more than a quarter, and by 0.1 s; else steady
--
-- Good: the medians of the three rows are alike. Bad: growing in the first two rows: jobs come faster than they are
-- done, see processing.sql. Jobs that have not started yet are not in here, but in queue.sql: when nothing starts any more
-- this stands still, and oldest_wait_seconds grows there. After a retry it counts from the retry.
WITH recent AS MATERIALIZED (
    -- Who started in the last day still runs or ended in the last day: two small indexes, none on started_at.
    SELECT started_at, date_part('epoch', started_at - enqueued_at) AS waited
    FROM job
    WHERE finished_at >= now() - interval '1 day' AND started_at >= now() - interval '1 day'
    UNION ALL
    SELECT started_at, date_part('epoch', started_at - enqueued_at) AS waited
    FROM job
    WHERE status = 'running' AND started_at >= now() - interval '1 day'
)
SELECT
    span.period,
    figures.jobs,
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
        count(*) AS jobs,
        percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY waited) AS percentiles,
        max(waited) AS longest,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY waited)
            FILTER (WHERE started_at < now() - span.length / 2) AS earlier,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY waited)
            FILTER (WHERE started_at >= now() - span.length / 2) AS later
    FROM recent
    WHERE started_at >= now() - span.length
) AS figures
ORDER BY span.place;
