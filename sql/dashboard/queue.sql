-- How much waits and runs now, in all and for each product that has something.
--
-- product              `*` is all, `-` are jobs without product
-- waiting              jobs that are enqueued and have not started
-- blocked              those of them that wait for an older job of their own run; more slots would not start them
-- running              jobs that run now, on any node
-- oldest_wait_seconds  how long the job that waits longest has been waiting; null when none waits
--
-- Good: oldest_wait_seconds goes up and down. Bad: it grows as fast as the clock, which means that nothing is started:
-- look at nodes.sql and running.sql. One product alone is high: its jobs are many, or all of one run (blocked).
SELECT
    CASE WHEN grouping(product.endpoint) = 1 THEN '*' ELSE coalesce(product.endpoint, '-') END AS product,
    count(*) FILTER (WHERE job.status = 'enqueued') AS waiting,
    count(*) FILTER (WHERE job.status = 'enqueued' AND NOT job.head) AS blocked,
    count(*) FILTER (WHERE job.status = 'running') AS running,
    round(extract(epoch FROM now() - min(job.enqueued_at) FILTER (WHERE job.status = 'enqueued')), 3)::float8
        AS oldest_wait_seconds
FROM job
LEFT JOIN product ON product.id = job.product_id
WHERE job.status IN ('allocated', 'enqueued', 'running')
GROUP BY GROUPING SETS ((), (product.endpoint))
ORDER BY grouping(product.endpoint) DESC, oldest_wait_seconds DESC NULLS LAST, product;
