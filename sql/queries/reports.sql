-- Reports as readers see them.

-- fragment: report_conditions
-- What a filter asks of a report r, its checker c and its file f; NULL asks nothing.
AND (:runs::text[] IS NULL OR r.run = ANY (:runs))
AND (:tags::text[] IS NULL OR EXISTS (
    SELECT FROM store s
    WHERE s.product_id = r.product_id AND s.run_id = r.run_id AND s.tag = ANY (:tags)
      AND r.detected_at <= s.stored_at AND (r.fixed_at IS NULL OR r.fixed_at > s.stored_at)))
AND (:detection_statuses::text[] IS NULL OR r.detection_status = ANY (:detection_statuses))
AND (:open::boolean IS NULL OR (r.status IN ('new', 'reopened', 'unresolved')) = :open)
AND (:severities::smallint[] IS NULL OR c.severity = ANY (:severities))
AND (:checkers::text[] IS NULL OR c.name ILIKE ANY (:checkers))
AND (:analyzers::text[] IS NULL OR c.analyzer ILIKE ANY (:analyzers))
AND (:files::text[] IS NULL OR f.path LIKE ANY (:files))
AND (:messages::text[] IS NULL OR r.message ILIKE ANY (:messages))
AND (:report_hashes::uuid[] IS NULL OR r.report_hash = ANY (:report_hashes))
AND (:path_length_min::integer IS NULL OR r.path_length >= :path_length_min)
AND (:path_length_max::integer IS NULL OR r.path_length <= :path_length_max)
AND (:detected_after::timestamptz IS NULL OR r.detected_at >= :detected_after)
AND (:detected_before::timestamptz IS NULL OR r.detected_at <= :detected_before)
AND (:fixed_after::timestamptz IS NULL OR r.fixed_at >= :fixed_after)
AND (:fixed_before::timestamptz IS NULL OR r.fixed_at <= :fixed_before)

-- name: list_reports
-- Reports of a product behind the last one of the page before, in the order that is asked for. The key is text of bytes, so that all orders have one form: what comes first in it sorts, then the
-- place; numbers have leading zeros, those that go down are taken from a larger one.
WITH page AS (
    SELECT r.product_id, r.id, r.run, c.name AS checker, c.analyzer, c.severity, r.report_hash, r.foreign_hash,
           f.path AS file, r.message, r.line, r."column", r.path_length, r.detection_status, r.detected_at, r.fixed_at,
           r.annotations, place.sort_key
    FROM current_report r
    JOIN checker c ON c.id = r.checker_id
    JOIN file f ON f.product_id = r.product_id AND f.id = r.file_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN :sort::text = 'id' THEN '' ELSE
            CASE :sort
                WHEN 'severity' THEN lpad((1000 - c.severity)::text, 4, '0')
                WHEN 'checker' THEN c.name
                WHEN 'message' THEN left(r.message, 200)
                WHEN 'path_length' THEN lpad(r.path_length::text, 10, '0')
                WHEN 'detected_at' THEN lpad((1e16 - extract(epoch FROM r.detected_at) * 1e6)::bigint::text, 17, '0')
                WHEN 'detection_status' THEN
                    array_position(ARRAY['new', 'reopened', 'unresolved', 'resolved', 'unavailable', 'off'], r.detection_status)::text
                ELSE ''
            END || E'\n' || left(f.path, 500) || E'\n' || lpad(r.line::text, 10, '0') || lpad(r."column"::text, 10, '0')
        END COLLATE "C" AS sort_key
    ) place
    WHERE r.product_id = :product
      AND (:report::bigint IS NULL OR r.id = :report)
      -- use: report_conditions
      AND (:in_other::boolean IS NULL OR r.id IN (
          SELECT diff_reports(:product, :shown_runs, :shown_times, :other_runs, :other_times, :other_hashes::text::uuid[], :in_other)))
      -- In the order of ids the index leads to the page; it cannot, by the row comparisons alone.
      AND (:sort <> 'id' OR :after_id::bigint IS NULL OR CASE WHEN :reverse::boolean THEN r.id < :after_id ELSE r.id > :after_id END)
      AND (:after_id IS NULL OR CASE
          WHEN :reverse THEN (place.sort_key, r.id) < (:after_key::text COLLATE "C", :after_id)
          ELSE (place.sort_key, r.id) > (:after_key COLLATE "C", :after_id)
      END)
    ORDER BY
        CASE WHEN NOT :reverse AND :sort <> 'id' THEN place.sort_key END, CASE WHEN NOT :reverse THEN r.id END,
        CASE WHEN :reverse AND :sort <> 'id' THEN place.sort_key END DESC, CASE WHEN :reverse THEN r.id END DESC
    LIMIT :limit
)
SELECT page.*, replace(page.report_hash::text, '-', '') AS report_hash_text,
       CASE WHEN :details::boolean THEN p.steps END AS steps,
       CASE WHEN :details THEN (
           SELECT array_agg(pf.path ORDER BY n.position)
           FROM unnest(p.files) WITH ORDINALITY AS n (id, position)
           JOIN file pf ON pf.product_id = page.product_id AND pf.id = n.id) END AS files
FROM page
LEFT JOIN report_path p ON :details AND p.product_id = page.product_id AND p.report_id = page.id
ORDER BY
    CASE WHEN NOT :reverse THEN page.sort_key END, CASE WHEN NOT :reverse THEN page.id END,
    CASE WHEN :reverse THEN page.sort_key END DESC, CASE WHEN :reverse THEN page.id END DESC;

-- name: summarize_reports
-- Reports by checker and detection status.
SELECT c.name AS checker, c.analyzer, c.severity, r.detection_status, count(*) AS reports
FROM current_report r
JOIN checker c ON c.id = r.checker_id
JOIN file f ON f.product_id = r.product_id AND f.id = r.file_id
WHERE r.product_id = :product
  -- use: report_conditions
GROUP BY c.name, c.analyzer, c.severity, r.detection_status
ORDER BY c.severity DESC, c.name, c.analyzer, r.detection_status;

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
