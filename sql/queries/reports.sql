-- Reports as readers see them.

-- name: list_reports
-- Reports of a product after the id `after`, in the order of their ids; a filter that is NULL passes everything.
SELECT r.id, r.run, c.name AS checker, c.analyzer, c.severity, replace(r.report_hash::text, '-', '') AS report_hash,
       r.foreign_hash, f.path AS file, r.message, r.line, r."column", r.path_length, r.detection_status,
       r.detected_at, r.fixed_at, r.annotations, r.file_id,
       CASE WHEN :details::boolean THEN p.steps END AS steps,
       CASE WHEN :details THEN (
           SELECT array_agg(pf.path ORDER BY n.position)
           FROM unnest(p.files) WITH ORDINALITY AS n (id, position)
           JOIN file pf ON pf.product_id = r.product_id AND pf.id = n.id) END AS files
FROM current_report r
JOIN checker c ON c.id = r.checker_id
JOIN file f ON f.product_id = r.product_id AND f.id = r.file_id
LEFT JOIN report_path p ON :details AND p.product_id = r.product_id AND p.report_id = r.id
WHERE r.product_id = :product
  AND (:runs::text[] IS NULL OR r.run = ANY (:runs))
  AND (:report::bigint IS NULL OR r.id = :report)
  AND (:detection_statuses::text[] IS NULL OR r.detection_status = ANY (:detection_statuses))
  AND (:severities::smallint[] IS NULL OR c.severity = ANY (:severities))
  AND (:checkers::text[] IS NULL OR c.name ILIKE ANY (:checkers))
  AND (:files::text[] IS NULL OR f.path LIKE ANY (:files))
  AND (:report_hashes::uuid[] IS NULL OR r.report_hash = ANY (:report_hashes))
  AND (:in_other::boolean IS NULL OR r.id IN (
      SELECT diff_reports(:product, :shown_runs, :shown_times, :other_runs, :other_times, :other_hashes::text::uuid[], :in_other)))
  AND r.id > :after
ORDER BY r.id
LIMIT :limit;

-- name: sources_of_report
-- The files that a report names with what they held when it was last seen in them: the run's newest content of each,
-- or, for a report that is closed, the newest from before the store that closed it.
SELECT f.path, c.data
FROM current_report r
LEFT JOIN report_path p ON p.product_id = r.product_id AND p.report_id = r.id
CROSS JOIN LATERAL (SELECT DISTINCT n.id FROM unnest(array_append(p.files, r.file_id)) AS n (id)) named
JOIN file f ON f.product_id = r.product_id AND f.id = named.id
LEFT JOIN LATERAL (
    SELECT rf.content_hash FROM run_file rf
    WHERE rf.product_id = r.product_id AND rf.run_id = r.run_id AND rf.file_id = named.id
      AND (r.status NOT IN ('resolved', 'off', 'unavailable') OR rf.since < r.status_by)
    ORDER BY rf.since DESC
    LIMIT 1) seen ON true
LEFT JOIN content c ON c.product_id = r.product_id AND c.hash = seen.content_hash
WHERE r.product_id = :product AND r.id = :report
ORDER BY f.path;
