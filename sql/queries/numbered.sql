-- Runs, stores and files by their numbers, as CodeChecker's clients name them.

-- fragment: runs_that_fit
-- What is asked of a run r and its last store s; NULL asks nothing.
FROM run r
LEFT JOIN store s ON s.product_id = r.product_id AND s.id = r.last_store
WHERE r.product_id = :product
AND (:ids::bigint[] IS NULL OR r.id = ANY (:ids))
AND (:names::text[] IS NULL OR r.name = ANY (:names))
AND (:patterns::text[] IS NULL OR r.name ILIKE ANY (:patterns))
AND (:stored_after::timestamptz IS NULL OR s.stored_at > :stored_after)
AND (:stored_before::timestamptz IS NULL OR s.stored_at < :stored_before)

-- name: page_of_runs
SELECT run.*
FROM (
    SELECT r.id, r.name, coalesce(s.stored_at, r.created_at) AS stored_at, s.tag, s.description, s.client_version,
           s.duration, coalesce(s.counts, '{}') AS counts,
           -- use: runs.analyzers_of_store
    -- use: runs_that_fit
) run
ORDER BY
    CASE :sort::text
        WHEN 'stored_at' THEN extract(epoch FROM run.stored_at)
        WHEN 'duration' THEN coalesce(run.duration::numeric, 0)
        WHEN 'open' THEN coalesce((
            SELECT sum(n.value::numeric) FROM jsonb_each_text(run.counts) AS n (status, value)
            WHERE n.status IN ('new', 'reopened', 'unresolved')), 0)
    END * CASE WHEN :reverse::boolean THEN -1 ELSE 1 END,
    CASE WHEN NOT :reverse THEN CASE :sort WHEN 'name' THEN run.name WHEN 'client_version' THEN run.client_version END END,
    CASE WHEN :reverse THEN CASE :sort WHEN 'name' THEN run.name WHEN 'client_version' THEN run.client_version END END DESC,
    run.id
LIMIT :limit OFFSET :offset;

-- name: count_runs
SELECT count(*)
-- use: runs_that_fit
;

-- name: names_of_runs
SELECT r.id, r.name
-- use: runs_that_fit
ORDER BY r.id;

-- name: lock_run
SELECT id FROM run WHERE product_id = :product AND id = :run FOR UPDATE;

-- name: rename_run
-- Nothing when there is a run of that name already. The caller holds the lock under which runs are made.
UPDATE run SET name = :name
WHERE product_id = :product AND id = :run
  AND NOT EXISTS (SELECT FROM run o WHERE o.product_id = :product AND o.name = :name)
RETURNING id;

-- fragment: stores_that_fit
FROM store s
JOIN run r ON r.product_id = s.product_id AND r.id = s.run_id
WHERE s.product_id = :product
AND (:runs::bigint[] IS NULL OR s.run_id = ANY (:runs))
AND (:ids::bigint[] IS NULL OR s.id = ANY (:ids))
AND (:tags::text[] IS NULL OR s.tag ILIKE ANY (:tags))
AND (:stored_after::timestamptz IS NULL OR s.stored_at >= :stored_after)
AND (:stored_before::timestamptz IS NULL OR s.stored_at <= :stored_before)

-- name: page_of_stores
-- The newest first.
SELECT s.id, s.run_id, r.name AS run, s.stored_at, s.tag, s.username, s.description, s.client_version, s.command,
       -- use: runs.analyzers_of_store
-- use: stores_that_fit
ORDER BY s.stored_at DESC, s.id DESC
LIMIT :limit OFFSET :offset;

-- name: count_stores
SELECT count(*)
-- use: stores_that_fit
;

-- name: last_stores
-- The ids of the last stores of runs (NULL: of all).
SELECT r.last_store AS id FROM run r
WHERE r.product_id = :product AND r.last_store IS NOT NULL AND (:runs::bigint[] IS NULL OR r.id = ANY (:runs));

-- name: side_of_diff
-- Runs, each at its store among `stores`, or else at a time (NULL: now). Without runs, those of the stores; without both,
-- all.
SELECT r.id AS run, coalesce(s.stored_at, :at::timestamptz) AS at
FROM run r
LEFT JOIN store s ON s.product_id = r.product_id AND s.run_id = r.id AND s.id = ANY (:stores::bigint[])
WHERE r.product_id = :product
  AND CASE
      WHEN cardinality(:runs::bigint[]) > 0 THEN r.id = ANY (:runs)
      ELSE cardinality(:stores) = 0 OR s.id IS NOT NULL
  END
ORDER BY r.id, s.id;

-- name: open_hashes
-- The hashes that are open in runs, each at a time (NULL: now); reports that have one of the statuses `skipped` now do not
-- count. Of them, those `among` the given ones, or those not among them.
SELECT DISTINCT coalesce(r.foreign_hash, replace(r.report_hash::text, '-', '')) AS report_hash
FROM reports_open_at(:product, :runs::bigint[], :times::timestamptz[]) AS open
JOIN current_report r ON r.product_id = :product AND r.id = open.id
WHERE r.detection_status <> ALL (:skipped::text[])
  AND (r.report_hash = ANY (:hashes::uuid[])) = :among::boolean;

-- name: checkers_of_stores
-- In which runs the last store had a checker enabled, and in which disabled. No checker: a store, or one analyzer of it,
-- does not say.
SELECT a.analyzer, named.checker, named.enabled, array_agg(DISTINCT r.id ORDER BY r.id) AS runs
FROM run r
LEFT JOIN store_analyzer a ON a.product_id = r.product_id AND a.store_id = r.last_store
LEFT JOIN checker_set c ON c.product_id = a.product_id AND c.digest = a.checker_set
LEFT JOIN LATERAL (
    SELECT e.checker, true AS enabled FROM unnest(c.enabled) AS e (checker)
    UNION ALL
    SELECT d.checker, false FROM unnest(c.disabled) AS d (checker)) named ON true
WHERE r.product_id = :product AND (:runs::bigint[] IS NULL OR r.id = ANY (:runs))
GROUP BY a.analyzer, named.checker, named.enabled
ORDER BY a.analyzer, named.checker, named.enabled;

-- name: verdicts_on_checkers
-- How many reports of each checker are open, and how many are not; of unique ones, each hash once.
SELECT c.analyzer, c.name AS checker, c.severity,
       CASE WHEN :unique::boolean THEN count(DISTINCT r.report_hash) FILTER (WHERE r.fixed_at IS NULL)
            ELSE count(*) FILTER (WHERE r.fixed_at IS NULL) END AS open,
       CASE WHEN :unique THEN count(DISTINCT r.report_hash) FILTER (WHERE r.fixed_at IS NOT NULL)
            ELSE count(*) FILTER (WHERE r.fixed_at IS NOT NULL) END AS closed
FROM current_report r
JOIN checker c ON c.id = r.checker_id
WHERE r.product_id = :product AND (:runs::bigint[] IS NULL OR r.run_id = ANY (:runs))
GROUP BY c.id
ORDER BY c.analyzer, c.name;

-- name: suppressed_reports
-- How many reports that a run's last store had are called false positive or intentional. Where nobody has said so of
-- any, the reports are not looked at.
SELECT r.run_id AS run, count(*) AS reports
FROM current_report r
WHERE r.product_id = :product AND r.run_id = ANY (:runs::bigint[])
  AND r.status IN ('new', 'reopened', 'unresolved')
  AND r.review_status IN ('false_positive', 'intentional')
  AND (EXISTS (SELECT FROM review_rule v WHERE v.product_id = :product AND v.closed_at IS NOT NULL)
       OR EXISTS (SELECT FROM report o WHERE o.product_id = :product AND o.run_id = ANY (:runs) AND o.review_status IS NOT NULL))
GROUP BY r.run_id;

-- name: files_in_components
-- The files whose paths have a component; each is lines of patterns, that a path must or must not fit. `other`: those that
-- have none.
SELECT f.id
FROM file f
WHERE f.product_id = :product AND :other::boolean = NOT coalesce((
    SELECT bool_or(component.fits)
    FROM (
        SELECT coalesce(bool_or(f.path LIKE line.pattern) FILTER (WHERE line.included), count(*) FILTER (WHERE line.included) = 0)
            AND coalesce(NOT bool_or(f.path LIKE line.pattern) FILTER (WHERE NOT line.included), true) AS fits
        FROM unnest(:components::integer[], :included::boolean[], :patterns::text[]) AS line (component, included, pattern)
        GROUP BY line.component
    ) component), false);

-- name: checkers_of_store
-- What each analyzer of a store had enabled and disabled.
SELECT a.analyzer, c.enabled, c.disabled
FROM store_analyzer a
JOIN checker_set c ON c.product_id = a.product_id AND c.digest = a.checker_set
WHERE a.product_id = :product AND a.store_id = :store
ORDER BY a.analyzer;

-- name: run_of_report
SELECT run_id FROM report WHERE product_id = :product AND id = :report;

-- name: files_of_reports
-- The number of each file that a report names: of its content when the report was last seen in it.
SELECT r.id AS report, f.path, seen.id AS number
FROM report r
LEFT JOIN report_path p ON :details::boolean AND p.product_id = r.product_id AND p.report_id = r.id
CROSS JOIN LATERAL (SELECT DISTINCT n.id FROM unnest(array_append(p.files, r.file_id)) AS n (id)) named
JOIN file f ON f.product_id = r.product_id AND f.id = named.id
CROSS JOIN LATERAL (
    -- use: reports.last_seen
) seen
WHERE r.product_id = :product AND r.id = ANY (:reports::bigint[]);

-- name: contents_of_files
-- Paths and contents of files by their numbers; NULL where the content never came.
SELECT rf.id AS number, f.path, c.data
FROM run_file rf
JOIN file f ON f.product_id = rf.product_id AND f.id = rf.file_id
LEFT JOIN content c ON c.product_id = rf.product_id AND c.hash = rf.content_hash
WHERE rf.product_id = :product AND rf.id = ANY (:numbers::bigint[]);

-- name: failed_sources
-- What the last stores of runs say could not be analysed, with the runs' names.
SELECT failed.source, array_agg(DISTINCT r.name ORDER BY r.name) AS runs
FROM run r
JOIN store_analyzer a ON a.product_id = r.product_id AND a.store_id = r.last_store
CROSS JOIN LATERAL unnest(a.failed_sources) AS failed (source)
WHERE r.product_id = :product AND (:runs::bigint[] IS NULL OR r.id = ANY (:runs))
GROUP BY failed.source
ORDER BY failed.source;
