-- The jobs that wait now, by how long they have been waiting.
--
-- age          since they were enqueued
-- waiting      how many are that old
-- blocked      those of them that wait for an older job of their own run
-- products     of how many products they are
--
-- Good: all in the first rows. Bad: many in the last ones; when they are all blocked, a run is stored faster than it can be
-- merged, and only the order of its stores holds them up.
SELECT
    age.label AS age,
    count(job.id) AS waiting,
    count(job.id) FILTER (WHERE NOT job.head) AS blocked,
    count(DISTINCT coalesce(job.product_id, 0)) FILTER (WHERE job.id IS NOT NULL) AS products
FROM (VALUES
    (1, 'under 10 s', interval '0', interval '10 seconds'),
    (2, '10 s to 1 min', interval '10 seconds', interval '1 minute'),
    (3, '1 to 5 min', interval '1 minute', interval '5 minutes'),
    (4, '5 to 30 min', interval '5 minutes', interval '30 minutes'),
    (5, '30 min to 2 h', interval '30 minutes', interval '2 hours'),
    (6, 'over 2 h', interval '2 hours', interval '100 years')
) AS age (place, label, least, most)
LEFT JOIN job
    ON job.status = 'enqueued'
    -- What a clock that was set back would put into the future is young.
    AND greatest(now() - job.enqueued_at, interval '0') >= age.least
    AND greatest(now() - job.enqueued_at, interval '0') < age.most
GROUP BY age.place, age.label
ORDER BY age.place;
