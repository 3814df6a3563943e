-- Reports that are compared and not stored, in a transaction that is rolled back (storaged/store/comparison.py).

-- name: create_tables
CREATE TEMPORARY TABLE compared_report (LIKE staged_report) ON COMMIT DROP;
CREATE TEMPORARY TABLE compared_file (LIKE staged_file) ON COMMIT DROP;
CREATE TEMPORARY TABLE other_hash (report_hash uuid PRIMARY KEY) ON COMMIT DROP;

-- name: drop_suppressed
-- Those that are reviewed as false positive or intentional: they are not open, on whichever side.
DELETE FROM compared_report s
WHERE coalesce(
    CASE WHEN s.review_in_source THEN s.review_status END,
    (SELECT v.status FROM review_rule v WHERE v.product_id = :product AND v.report_hash = s.report_hash),
    s.review_status) IN ('false_positive', 'intentional');

-- name: count_compared
SELECT count(DISTINCT path_hash) FROM compared_report;

-- name: compared_hashes
SELECT coalesce(array_agg(DISTINCT report_hash), '{}')::text FROM compared_report;

-- name: fill_other
INSERT INTO other_hash
SELECT DISTINCT report_hash FROM reports_open_at(:product, :runs::bigint[], :times::timestamptz[]);

-- name: analyze_tables
ANALYZE compared_report, other_hash;

-- name: insert_run
INSERT INTO run (product_id, name) VALUES (:product, :name) RETURNING id;

-- name: insert_files
INSERT INTO file (product_id, id, path)
SELECT DISTINCT :product::integer, s.file_id, s.path
FROM compared_file s
WHERE NOT EXISTS (SELECT FROM file f WHERE f.product_id = :product AND f.id = s.file_id AND f.orphaned_at IS NULL)
ORDER BY 2
ON CONFLICT (product_id, id) DO UPDATE SET orphaned_at = NULL WHERE file.orphaned_at IS NOT NULL;

-- name: insert_reports
-- Those whose hash the other side has too, or has not; as in a store, what comes twice counts once.
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT ON (s.path_hash) s.*, c.id AS checker_id
    FROM compared_report s
    JOIN checker c ON c.analyzer = s.analyzer AND c.name = s.checker
    LEFT JOIN other_hash o ON o.report_hash = s.report_hash
    WHERE (o.report_hash IS NOT NULL) = :in_other
    ORDER BY s.path_hash, s.ordinal
), inserted AS (
    INSERT INTO report (product_id, checker_id, run_id, report_hash, path_hash, file_id, line, "column", status_by,
                        status, path_length, detected_at, message, foreign_hash, annotations,
                        review_status, review_message, review_in_source, reviewed_at)
    SELECT :product, checker_id, :run, report_hash, path_hash, file_id, line, "column", 0,
           'new', path_length, now(), message, foreign_hash, annotations,
           review_status, review_message, review_in_source, CASE WHEN review_status IS NOT NULL THEN now() END
    FROM wanted
    ORDER BY ordinal
    RETURNING id, path_hash
)
INSERT INTO report_path (product_id, report_id, files, steps)
SELECT :product, i.id, w.files, w.steps
FROM inserted i
JOIN wanted w ON w.path_hash = i.path_hash
WHERE w.steps IS NOT NULL;
