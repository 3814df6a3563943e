-- Runs and their history.

-- name: lock_run_id
SELECT id FROM run WHERE product_id = :product AND name = :name FOR UPDATE;

-- name: lock_run
-- With the time of the store to come: now, but after the last one even when a clock was set back.
SELECT r.id, greatest(clock_timestamp(), s.stored_at + interval '1 microsecond') AS stored_at
FROM run r
LEFT JOIN store s ON s.product_id = r.product_id AND s.id = r.last_store
WHERE r.product_id = :product AND r.name = :name
FOR UPDATE OF r;

-- name: insert_run
INSERT INTO run (product_id, name) VALUES (:product, :name) RETURNING id, clock_timestamp() AS stored_at;

-- name: count_runs
SELECT count(*) FROM run WHERE product_id = :product;

-- name: has_run
SELECT EXISTS (SELECT FROM run WHERE product_id = :product AND name = :name);

-- name: lock_product_limits
-- Stores that make a run wait for each other here, so that two cannot both take the last place.
SELECT run_limit FROM product WHERE id = :product FOR NO KEY UPDATE;

-- name: delete_run
-- All that belongs to a run; what runs share (contents, paths, sets of checkers) is left for upkeep to sweep.
WITH paths AS (
    DELETE FROM report_path p USING report r
    WHERE r.product_id = :product AND r.run_id = :run AND p.product_id = :product AND p.report_id = r.id
), reports AS (
    DELETE FROM report WHERE product_id = :product AND run_id = :run RETURNING 1
), files AS (
    DELETE FROM run_file WHERE product_id = :product AND run_id = :run
), gone AS (
    DELETE FROM run WHERE product_id = :product AND id = :run
)
SELECT (SELECT count(*) FROM reports) AS reports,
       (SELECT count(*) FROM store WHERE product_id = :product AND run_id = :run) AS stores;

-- name: run_awaited
-- Whether there is a run of this name, or a store is accepted that will make it.
SELECT EXISTS (SELECT FROM run WHERE product_id = :product AND name = :name)
    OR EXISTS (
        SELECT FROM job
        WHERE product_id = :product AND run = :name AND kind = 'store'
          AND (head OR (status = 'enqueued' AND NOT head)));

-- name: unknown_tags
-- Tags that no store has, of these runs, or, when there are none, of any run of the product; and what the runs are called.
SELECT named.tag,
       coalesce((SELECT string_agg(r.name, ', ') FROM run r WHERE r.product_id = :product AND r.id = ANY (:runs)), '*') AS runs
FROM unnest(:tags::text[]) WITH ORDINALITY AS named (tag, position)
WHERE NOT EXISTS (
    SELECT FROM store s
    WHERE s.product_id = :product AND s.tag = named.tag
      AND (cardinality(:runs::bigint[]) = 0 OR s.run_id = ANY (:runs)))
ORDER BY named.position;

-- name: free_tag
UPDATE store SET tag = NULL WHERE product_id = :product AND run_id = :run AND tag = :tag;

-- name: insert_store
INSERT INTO store (product_id, run_id, job_token, username, tag, description, client_version, command, duration,
                   stored_at)
VALUES (:product, :run, :job_token, :username, :tag, :description, :client_version, :command, :duration, :stored_at)
RETURNING id;

-- name: insert_checker_set
INSERT INTO checker_set (product_id, digest, enabled, disabled)
SELECT :product::integer, :digest::uuid, :enabled::text[], :disabled::text[]
WHERE NOT EXISTS (
    SELECT FROM checker_set WHERE product_id = :product AND digest = :digest AND orphaned_at IS NULL)
ON CONFLICT (product_id, digest) DO UPDATE SET orphaned_at = NULL WHERE checker_set.orphaned_at IS NOT NULL;

-- name: insert_store_analyzer
INSERT INTO store_analyzer (product_id, store_id, analyzer, version, successful, failed, failed_sources, checker_set)
VALUES (:product, :store, :analyzer, :version, :successful, :failed, :failed_sources, :checker_set);

-- name: finish_store
WITH finished AS (UPDATE store SET counts = :counts WHERE product_id = :product AND id = :store)
UPDATE run SET last_store = :store WHERE product_id = :product AND id = :run;

-- name: match_runs
-- The runs that fit each pattern of LIKE; of one that none fits there is a row without run.
SELECT wanted.position, run.id AS run
FROM unnest(:patterns::text[]) WITH ORDINALITY AS wanted (pattern, position)
LEFT JOIN run ON run.product_id = :product AND run.name LIKE wanted.pattern
ORDER BY wanted.position;

-- fragment: run_columns
r.name, r.created_at, s.stored_at, s.tag, s.username, s.description, s.client_version, s.duration, s.counts

-- fragment: runs_with_last_store
FROM run r
LEFT JOIN store s ON s.product_id = r.product_id AND s.id = r.last_store
WHERE r.product_id = :product

-- fragment: analyzers_of_store
coalesce((
    SELECT jsonb_agg(jsonb_build_object(
               'name', a.analyzer, 'version', a.version, 'successful', a.successful, 'failed', a.failed,
               'failed_sources', a.failed_sources) ORDER BY a.analyzer)
    FROM store_analyzer a WHERE a.product_id = s.product_id AND a.store_id = s.id), '[]'::jsonb) AS analyzers

-- name: list_runs
-- Runs in the order that is asked for, `limit` of them behind a key and a name; the key is less the more there is.
SELECT listed.*
FROM (
    SELECT
        -- use: run_columns
        , CASE :sort::text
            WHEN 'stored_at' THEN -coalesce(extract(epoch FROM s.stored_at)::numeric * 1000000, -1)
            WHEN 'duration' THEN -coalesce(s.duration::numeric, -1)
            WHEN 'open' THEN -coalesce((
                SELECT sum(n.value::numeric) FROM jsonb_each_text(s.counts) AS n (status, value)
                WHERE n.status IN ('new', 'reopened', 'unresolved')), 0)
            ELSE 0
        END AS sort_key
    -- use: runs_with_last_store
    AND (:names::text[] IS NULL OR r.name LIKE ANY (:names))
    AND (:stored_after::timestamptz IS NULL OR s.stored_at >= :stored_after)
    AND (:stored_before::timestamptz IS NULL OR s.stored_at <= :stored_before)
) listed
WHERE :after_name::text IS NULL OR CASE
    WHEN :reverse::boolean THEN (listed.sort_key, listed.name) < (:after_key::numeric, :after_name)
    ELSE (listed.sort_key, listed.name) > (:after_key, :after_name)
END
ORDER BY
    CASE WHEN NOT :reverse THEN listed.sort_key END, CASE WHEN NOT :reverse THEN listed.name END,
    CASE WHEN :reverse THEN listed.sort_key END DESC, CASE WHEN :reverse THEN listed.name END DESC
LIMIT :limit;

-- name: get_run
SELECT
    -- use: run_columns
    , (SELECT count(*) FROM store o WHERE o.product_id = r.product_id AND o.run_id = r.id) AS stores,
    -- use: analyzers_of_store
-- use: runs_with_last_store
AND r.name = :name;

-- name: list_history
-- The stores of a run, the newest first.
SELECT s.id, s.stored_at, s.tag, s.username, s.description, s.client_version, s.command, s.duration, s.counts,
       s.job_token,
       -- use: analyzers_of_store
FROM store s
JOIN run r ON r.product_id = s.product_id AND r.id = s.run_id
WHERE s.product_id = :product AND r.name = :name
  AND (:before::bigint IS NULL OR s.id < :before)
ORDER BY s.id DESC
LIMIT :limit;

-- name: like_run
-- The names that are likeliest to be meant by one that is not there, few enough to be compared one by one.
SELECT name FROM run
WHERE product_id = :product AND abs(length(name) - length(:name::text)) < 4
ORDER BY left(lower(name), 2) = left(lower(:name), 2) DESC, right(lower(name), 2) = right(lower(:name), 2) DESC, name
LIMIT 60;
