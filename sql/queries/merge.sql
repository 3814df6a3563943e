-- The merge of a store into its run, in the caller's transaction. docs/statuses.md tells the rules in prose.

-- name: register_checkers
-- Checkers that the database has not seen yet; rows are never taken away, so this needs no part in the merge.
INSERT INTO checker (analyzer, name, severity)
SELECT * FROM unnest(:analyzers::text[], :names::text[], :severities::smallint[])
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: register_files
-- Paths that the product has not seen yet; sorted, so that two stores cannot wait for each other. As in fill_incoming a
-- scalar subquery is looked up row by row: of a table that was never analysed the planner thinks that one row of it is no
-- orphan, and compared each path with all of them (60,000 with as many: 99 s).
INSERT INTO file (product_id, id, path)
SELECT DISTINCT :product::integer, s.file_id, s.path
FROM staged_file s
WHERE s.lease_id = :lease
  AND (SELECT f.orphaned_at IS NULL FROM file f WHERE f.product_id = :product AND f.id = s.file_id) IS NOT TRUE
ORDER BY 2
ON CONFLICT (product_id, id) DO UPDATE SET orphaned_at = NULL WHERE file.orphaned_at IS NOT NULL;

-- name: create_work_tables
-- What came (one row for each path hash; report_id: the run's row that is already what came) and what was known (one
-- row for each report hash of the run).
CREATE TEMPORARY TABLE incoming (
    path_hash         uuid NOT NULL,
    report_hash       uuid NOT NULL,
    ordinal           bigint NOT NULL,
    checker_id        integer NOT NULL,
    report_id         bigint,
    review_status     text,
    review_message    text,
    review_in_source  boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE known (
    report_hash    uuid NOT NULL,
    detected_at    timestamptz NOT NULL,
    was_open       boolean NOT NULL,
    was_resolved   boolean NOT NULL,
    -- since when a review has closed it
    suppressed_at  timestamptz
) ON COMMIT DROP;

-- name: count_staged
-- Staging survives no crash of the server: it comes back empty, even while the worker's connections go on.
SELECT (SELECT count(*) FROM staged_report WHERE lease_id = :lease) AS reports,
       (SELECT count(*) FROM staged_file WHERE lease_id = :lease) AS files;

-- name: fill_incoming
-- Duplicates are dropped across the whole store; the first one in the archive's order stays. The path hash leaves out
-- the analyzer, the report's place and message, what events mark, control positions and notes, so these are compared.
-- A scalar subquery is looked up row by row, whatever the planner thinks of a run that its statistics do not know.
INSERT INTO incoming
SELECT came.path_hash, came.report_hash, came.ordinal, came.checker_id, (
    SELECT r.id
    FROM report r
    LEFT JOIN report_path p ON p.product_id = r.product_id AND p.report_id = r.id
    WHERE r.product_id = :product AND r.run_id = :run AND r.path_hash = came.path_hash
      AND (r.checker_id, r.file_id, r.line, r."column", r.message)
        = (came.checker_id, came.file_id, came.line, came."column", came.message)
      AND (p.files, p.steps) IS NOT DISTINCT FROM (came.files, came.steps)),
    came.review_status, came.review_message, came.review_in_source
FROM (
    SELECT DISTINCT ON (s.path_hash) s.*, c.id AS checker_id
    FROM staged_report s
    JOIN checker c ON c.analyzer = s.analyzer AND c.name = s.checker
    WHERE s.lease_id = :lease
    ORDER BY s.path_hash, s.ordinal
) came;

-- name: fill_known
INSERT INTO known
SELECT report_hash, min(detected_at),
       bool_or(status IN ('new', 'reopened', 'unresolved')),
       bool_or(status = 'resolved'),
       min(fixed_at) FILTER (WHERE review_status IN ('false_positive', 'intentional'))
FROM current_report
WHERE product_id = :product AND run_id = :run
GROUP BY report_hash;

-- name: index_work_tables
-- The planner may take a run that is new to its statistics for one of a few rows, and loop: indexes keep that cheap.
CREATE UNIQUE INDEX ON incoming (path_hash);
CREATE INDEX ON incoming (report_hash);
CREATE INDEX ON incoming (report_id);
CREATE UNIQUE INDEX ON known (report_hash);
ANALYZE incoming, known;

-- name: replace_reports
-- Rows of a report hash that came again, but by another path or with another content, make room for what came.
WITH gone AS (
    DELETE FROM report r
    WHERE r.product_id = :product AND r.run_id = :run
      AND EXISTS (SELECT FROM incoming i WHERE i.report_hash = r.report_hash)
      AND NOT EXISTS (SELECT FROM incoming i WHERE i.report_id = r.id)
    RETURNING r.id
), paths AS (
    DELETE FROM report_path p USING gone WHERE p.product_id = :product AND p.report_id = gone.id
)
SELECT count(*) FROM gone;

-- name: open_reports
-- Closed rows that came again: reopened if the hash was resolved and nothing of it was open, else unresolved. What a review
-- in the upload closes is closed since the first store that had one which did.
UPDATE report r
SET status = CASE WHEN k.was_resolved AND NOT k.was_open THEN 'reopened' ELSE 'unresolved' END,
    status_by = :store,
    fixed_at = CASE WHEN i.review_status IN ('false_positive', 'intentional') THEN coalesce(k.suppressed_at, :stored_at) END
FROM incoming i
JOIN known k ON k.report_hash = i.report_hash
WHERE r.product_id = :product AND r.run_id = :run
  AND r.id = i.report_id
  AND r.status IN ('resolved', 'off', 'unavailable');

-- name: review_reports
-- Rows that stay, but for what the upload says of them; in the current status, for open_reports went before. The few that can
-- differ are found first, and each is then led to by its id, whatever the planner thinks of the run.
WITH candidate AS MATERIALIZED (
    SELECT report_id AS id FROM incoming WHERE review_status IS NOT NULL AND report_id IS NOT NULL
    UNION
    SELECT id FROM report WHERE product_id = :product AND run_id = :run AND review_status IS NOT NULL
), differing AS MATERIALIZED (
    SELECT i.*, k.suppressed_at
    FROM candidate
    JOIN incoming i ON i.report_id = candidate.id
    JOIN known k ON k.report_hash = i.report_hash
)
UPDATE report r
SET review_status = d.review_status, review_message = d.review_message, review_in_source = d.review_in_source,
    review_author = CASE WHEN d.review_status IS NOT NULL THEN :username END,
    reviewed_at = CASE WHEN d.review_status IS NOT NULL THEN :stored_at::timestamptz END,
    fixed_at = CASE WHEN d.review_status IN ('false_positive', 'intentional') THEN coalesce(d.suppressed_at, :stored_at) END
FROM differing d
WHERE r.product_id = :product AND r.id = ANY (ARRAY(SELECT report_id FROM differing)) AND r.id = d.report_id
  AND (r.review_status, r.review_message, r.review_in_source)
      IS DISTINCT FROM (d.review_status, d.review_message, d.review_in_source);

-- name: loop_no_joins
-- For the rest of the transaction, or until `loop_joins`.
SELECT set_config('enable_nestloop', 'off', true);

-- name: loop_joins
SELECT set_config('enable_nestloop', 'on', true);

-- name: insert_reports
-- What came and is not there. A hash that the run knows keeps its time of detection. It joins all of what came with all of
-- what was staged, so it is to be planned without loops: rows of a lease that is newer than the statistics are taken for one.
WITH inserted AS (
    INSERT INTO report (product_id, checker_id, run_id, report_hash, path_hash, file_id, line, "column", status_by,
                        status, path_length, detected_at, message, foreign_hash, annotations, review_status,
                        review_message, review_in_source, review_author, reviewed_at, fixed_at)
    SELECT :product, i.checker_id, :run, s.report_hash, s.path_hash, s.file_id, s.line, s."column", :store,
           CASE
               WHEN k.report_hash IS NULL THEN 'new'
               WHEN k.was_resolved AND NOT k.was_open THEN 'reopened'
               ELSE 'unresolved'
           END,
           s.path_length, coalesce(k.detected_at, :stored_at), s.message, s.foreign_hash, s.annotations,
           s.review_status, s.review_message, s.review_in_source, CASE WHEN s.review_status IS NOT NULL THEN :username END,
           CASE WHEN s.review_status IS NOT NULL THEN :stored_at END,
           CASE WHEN s.review_status IN ('false_positive', 'intentional') THEN coalesce(k.suppressed_at, :stored_at) END
    FROM incoming i
    JOIN staged_report s ON s.lease_id = :lease AND s.path_hash = i.path_hash AND s.ordinal = i.ordinal
    LEFT JOIN known k ON k.report_hash = i.report_hash
    WHERE i.report_id IS NULL
    ORDER BY i.ordinal
    RETURNING id, path_hash
), paths AS (
    INSERT INTO report_path (product_id, report_id, files, steps)
    SELECT :product, n.id, s.files, s.steps
    FROM inserted n
    JOIN incoming i ON i.path_hash = n.path_hash
    JOIN staged_report s ON s.lease_id = :lease AND s.path_hash = i.path_hash AND s.ordinal = i.ordinal
    WHERE s.steps IS NOT NULL
)
SELECT count(*) FROM inserted;

-- name: close_reports
-- Hashes that did not come; the verdict is the checker's. status_by and fixed_at name the store that closed the report,
-- also when a later one has another verdict.
WITH gone AS MATERIALIZED (
    SELECT r.id, r.checker_id
    FROM report r
    WHERE r.product_id = :product AND r.run_id = :run
      AND NOT EXISTS (SELECT FROM incoming i WHERE i.report_hash = r.report_hash)
), verdict AS MATERIALIZED (
    SELECT c.id,
           CASE
               WHEN c.name = ANY (:disabled::text[]) THEN 'off'
               WHEN :enabled::text[] <> '{}' AND c.name <> ALL (:enabled::text[])
                    AND c.name NOT LIKE 'clang-diagnostic-%' THEN 'unavailable'
               ELSE 'resolved'
           END AS status
    FROM checker c
    WHERE c.id IN (SELECT checker_id FROM gone)
)
UPDATE report r
SET status = v.status,
    status_by = CASE WHEN r.status IN ('resolved', 'off', 'unavailable') THEN r.status_by ELSE :store END,
    fixed_at = coalesce(r.fixed_at, :stored_at)
FROM gone
JOIN verdict v ON v.id = gone.checker_id
WHERE r.product_id = :product AND r.id = gone.id
  AND r.status <> v.status;

-- fragment: content_of_file
-- The content of a staged file s, if it is there. Rows of a lease that is newer than the statistics are taken for one row:
-- a scalar subquery is looked up row by row all the same, where a join became a loop over all pairs.
(SELECT c.hash FROM content c WHERE c.product_id = :product AND c.hash = s.content_hash)

-- name: insert_run_files
-- The content that each file of the store had, where it is not what the run had of it.
INSERT INTO run_file (product_id, run_id, file_id, since, content_hash)
SELECT :product, :run, came.file_id, :store, came.content_hash
FROM (
    SELECT DISTINCT ON (s.file_id) s.file_id,
        -- use: content_of_file
        AS content_hash
    FROM staged_file s
    WHERE s.lease_id = :lease
    ORDER BY s.file_id, content_hash NULLS LAST
) came
WHERE (
    SELECT had.content_hash IS NOT DISTINCT FROM came.content_hash
    FROM run_file had
    WHERE had.product_id = :product AND had.run_id = :run AND had.file_id = came.file_id
    ORDER BY had.since DESC
    LIMIT 1) IS NOT TRUE;

-- name: missing_sources
-- Files of the store whose content neither came nor was there.
SELECT min(s.path) AS path
FROM staged_file s
WHERE s.lease_id = :lease
GROUP BY s.file_id
HAVING count(
    -- use: content_of_file
) = 0
ORDER BY 1
LIMIT :limit;

-- name: count_incoming
SELECT count(*) FROM incoming;

-- name: count_statuses
-- How many reports of the run have each detection status, once `store` is its last store.
SELECT CASE WHEN status IN ('new', 'reopened') AND status_by <> :store THEN 'unresolved' ELSE status END AS status,
       count(*) AS reports
FROM report
WHERE product_id = :product AND run_id = :run
GROUP BY 1;

-- name: sweep_lease
WITH reports AS (DELETE FROM staged_report WHERE lease_id = :lease)
DELETE FROM staged_file WHERE lease_id = :lease;

-- name: sweep_dead_leases
-- Rows under a lease that no running job holds.
WITH reports AS (
    DELETE FROM staged_report s WHERE NOT EXISTS (SELECT FROM job j WHERE j.lease_id = s.lease_id)
)
DELETE FROM staged_file s WHERE NOT EXISTS (SELECT FROM job j WHERE j.lease_id = s.lease_id);
