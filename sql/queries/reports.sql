-- Reports as readers see them.

-- fragment: reports_that_fit
-- What a filter asks of a report r, its checker c and its file f; NULL asks nothing.
FROM current_report r
JOIN checker c ON c.id = r.checker_id
JOIN file f ON f.product_id = r.product_id AND f.id = r.file_id
WHERE r.product_id = :product
AND (:runs::bigint[] IS NULL OR r.run_id = ANY (:runs))
-- One run by itself, so that the index which has a run's reports in the order of their ids is seen to lead to the page.
AND (:only_run::bigint IS NULL OR r.run_id = :only_run)
AND (:tags::text[] IS NULL OR EXISTS (
    SELECT FROM store s
    WHERE s.product_id = r.product_id AND s.run_id = r.run_id AND s.tag = ANY (:tags)
      AND r.detected_at <= s.stored_at AND (r.fixed_at IS NULL OR r.fixed_at > s.stored_at)))
AND (:stores::bigint[] IS NULL OR EXISTS (
    SELECT FROM store s
    WHERE s.product_id = r.product_id AND s.run_id = r.run_id AND s.id = ANY (:stores)
      AND r.detected_at <= s.stored_at AND (r.fixed_at IS NULL OR r.fixed_at > s.stored_at)))
AND (:statuses::text[] IS NULL OR r.status = ANY (:statuses))
AND (:detection_statuses::text[] IS NULL OR r.detection_status = ANY (:detection_statuses))
-- As a CASE it counts for half of the reports with the planner, which knows nothing of what rules leave.
AND (:review_statuses::text[] IS NULL OR CASE WHEN r.review_status = ANY (:review_statuses) THEN true ELSE false END)
AND (:open::boolean IS NULL OR (r.status IN ('new', 'reopened', 'unresolved')) = :open)
AND (:outstanding::boolean IS NULL OR :outstanding = (
    r.status IN ('new', 'reopened', 'unresolved') AND r.review_status NOT IN ('false_positive', 'intentional')))
AND (:open_at::timestamptz IS NULL OR (r.detected_at <= :open_at AND (r.fixed_at IS NULL OR r.fixed_at > :open_at)))
AND (:severities::smallint[] IS NULL OR c.severity = ANY (:severities))
AND (:checkers::text[] IS NULL OR c.name ILIKE ANY (:checkers))
AND (:analyzers::text[] IS NULL OR c.analyzer ILIKE ANY (:analyzers))
AND (:files::text[] IS NULL OR f.path LIKE ANY (:files) OR (:files_any_case::boolean AND f.path ILIKE ANY (:files))
     OR (:anywhere::boolean AND EXISTS (
    SELECT FROM report_path p
    JOIN file pf ON pf.product_id = p.product_id AND pf.id = ANY (p.files)
    WHERE p.product_id = r.product_id AND p.report_id = r.id
      AND (pf.path LIKE ANY (:files) OR (:files_any_case AND pf.path ILIKE ANY (:files))))))
AND (:file_ids::uuid[] IS NULL OR CASE :file_ids_of::text
    WHEN 'any' THEN r.file_id = ANY (:file_ids) OR EXISTS (
        SELECT FROM report_path p WHERE p.product_id = r.product_id AND p.report_id = r.id AND p.files && :file_ids)
    WHEN 'all' THEN r.file_id = ANY (:file_ids) AND NOT EXISTS (
        SELECT FROM report_path p WHERE p.product_id = r.product_id AND p.report_id = r.id AND NOT p.files <@ :file_ids)
    ELSE r.file_id = ANY (:file_ids)
END)
AND (:messages::text[] IS NULL OR r.message ILIKE ANY (:messages))
AND (:report_hashes::uuid[] IS NULL OR r.report_hash = ANY (:report_hashes)
     OR coalesce(r.foreign_hash, replace(r.report_hash::text, '-', '')) LIKE ANY (:report_hash_globs::text[]))
AND (:in_plans::uuid[] IS NULL OR r.report_hash = ANY (:in_plans))
AND (:annotation_names::text[] IS NULL OR EXISTS (
    SELECT FROM unnest(:annotation_names, :annotation_values::text[]) AS a (name, value)
    WHERE r.annotations ->> a.name ILIKE a.value))
AND (:path_length_min::integer IS NULL OR r.path_length >= :path_length_min)
AND (:path_length_max::integer IS NULL OR r.path_length <= :path_length_max)
AND (:detected_after::timestamptz IS NULL OR r.detected_at >= :detected_after)
AND (:detected_before::timestamptz IS NULL OR r.detected_at <= :detected_before)
AND (:fixed_after::timestamptz IS NULL OR r.fixed_at >= :fixed_after)
AND (:fixed_before::timestamptz IS NULL OR r.fixed_at <= :fixed_before)
AND (:in_other::boolean IS NULL OR r.id IN (
    SELECT diff_reports(:product, :shown_runs, :shown_times, :other_runs, :other_times, :other_hashes::text::uuid[], :in_other)))

-- fragment: chosen_reports
-- use: reports_that_fit
-- Of those that fit, the one with the shortest bug path for each report hash.
AND (:unique::boolean IS NOT TRUE OR r.id IN (
    SELECT DISTINCT ON (r.report_hash) r.id
    -- use: reports_that_fit
    ORDER BY r.report_hash, r.path_length, r.id))

-- name: page_by_id
-- The ids of a page in their own order, to which an index leads that is partial. (By the comparison of rows that the other orders use it
-- would not.)
SELECT r.id, '' AS sort_key
-- use: chosen_reports
AND r.id > 0
AND (:after_id::bigint IS NULL OR CASE WHEN :reverse::boolean THEN r.id < :after_id ELSE r.id > :after_id END)
ORDER BY CASE WHEN NOT :reverse THEN r.id END, CASE WHEN :reverse THEN r.id END DESC
LIMIT :limit;

-- fragment: sort_value
-- What a report has that `asked.sort` sorts by, as a text of which the bytes count: numbers have leading zeros, those that go
-- down are taken from a larger one.
CASE asked.sort
    WHEN 'severity' THEN lpad((1000 - c.severity)::text, 4, '0')
    -- By itself it is the place, which comes behind all keys.
    WHEN 'file' THEN CASE WHEN :then_sorts::text[] IS NULL THEN '' ELSE left(f.path, 500) END
    WHEN 'checker' THEN c.name
    WHEN 'message' THEN left(r.message, 200)
    WHEN 'path_length' THEN lpad(r.path_length::text, 10, '0')
    WHEN 'detected_at' THEN lpad((1e16 - extract(epoch FROM r.detected_at) * 1e6)::bigint::text, 17, '0')
    WHEN 'detection_status' THEN
        array_position(ARRAY['new', 'reopened', 'unresolved', 'resolved', 'unavailable', 'off'], r.detection_status)::text
    WHEN 'review_status' THEN
        array_position(ARRAY['unreviewed', 'confirmed', 'false_positive', 'intentional'], r.review_status)::text
    WHEN 'timestamp' THEN coalesce(r.annotations ->> 'timestamp', '')
    WHEN 'testcase' THEN coalesce(left(r.annotations ->> 'testcase', 200), '')
    WHEN 'chronological_order' THEN coalesce(lpad(
        (least(greatest((r.annotations ->> 'chronological_order')::numeric, -1e30), 1e30) + 1e30)::text, 31, '0'), '')
END

-- name: page_by_key
-- The ids of a page in the order that is asked for, each with its key, so that all orders have one form. What comes first in
-- it sorts, then what further sorts ask for, then the place. A sort that goes against the first one has the digits of its
-- bytes turned round, and an end that is greater than any digit. Each page sorts all that the filters leave; OFFSET 0 keeps
-- the key from being made before they are.
SELECT found.id, found.sort_key
FROM (
    SELECT r.id, ((
            SELECT
                -- use: sort_value
            FROM (SELECT :sort::text AS sort) asked
        ) || E'\n' || CASE WHEN :then_sorts IS NULL THEN '' ELSE (
            SELECT string_agg(
                CASE
                    WHEN further.against THEN
                        translate(encode(convert_to(further.value, 'UTF8'), 'hex'), '0123456789abcdef', 'fedcba9876543210') || 'g'
                    ELSE further.value || E'\n'
                END, '' ORDER BY further.position)
            FROM (
                SELECT asked.against, asked.position,
                    -- use: sort_value
                    AS value
                FROM unnest(:then_sorts, :then_against::boolean[]) WITH ORDINALITY AS asked (sort, against, position)
            ) further
        ) END || left(f.path, 500) || E'\n' || lpad(r.line::text, 10, '0') || lpad(r."column"::text, 10, '0')
        ) COLLATE "C" AS sort_key
    -- use: chosen_reports
    OFFSET 0
) found
WHERE :after_id::bigint IS NULL OR CASE
    WHEN :reverse::boolean THEN (found.sort_key, found.id) < (:after_key::text COLLATE "C", :after_id)
    ELSE (found.sort_key, found.id) > (:after_key COLLATE "C", :after_id)
END
ORDER BY
    CASE WHEN NOT :reverse THEN found.sort_key END, CASE WHEN NOT :reverse THEN found.id END,
    CASE WHEN :reverse THEN found.sort_key END DESC, CASE WHEN :reverse THEN found.id END DESC
LIMIT :limit;

-- name: read_reports
-- Reports by their ids, in the order of these; one that is gone is left out.
SELECT r.id, r.run, r.run_id, c.name AS checker, c.analyzer, c.severity, r.foreign_hash, f.path AS file, r.message, r.line, r."column",
       r.path_length, r.detection_status, r.detected_at, r.fixed_at, r.annotations,
       r.review_status, r.review_message, r.review_author, r.reviewed_at, r.review_source,
       replace(r.report_hash::text, '-', '') AS report_hash_text,
       CASE WHEN :details::boolean THEN p.steps END AS steps,
       CASE WHEN :details THEN (
           SELECT array_agg(pf.path ORDER BY n.position)
           FROM unnest(p.files) WITH ORDINALITY AS n (id, position)
           JOIN file pf ON pf.product_id = r.product_id AND pf.id = n.id) END AS files
FROM unnest(:ids::bigint[]) WITH ORDINALITY AS wanted (id, position)
JOIN current_report r ON r.product_id = :product AND r.id = wanted.id
JOIN checker c ON c.id = r.checker_id
JOIN file f ON f.product_id = r.product_id AND f.id = r.file_id
LEFT JOIN report_path p ON :details AND p.product_id = r.product_id AND p.report_id = r.id
ORDER BY wanted.position;

-- name: summarize_reports
-- Reports by checker and detection status.
SELECT c.name AS checker, c.analyzer, c.severity, r.detection_status, count(*) AS reports
-- use: chosen_reports
GROUP BY c.name, c.analyzer, c.severity, r.detection_status
ORDER BY c.severity DESC, c.name, c.analyzer, r.detection_status;

-- name: summarize_files
-- The files that have the most reports that are open, or else the most reports.
SELECT f.path AS file, count(*) AS reports, count(*) FILTER (WHERE r.status IN ('new', 'reopened', 'unresolved')) AS open,
       count(*) FILTER (WHERE r.detection_status = 'new') AS new,
       count(*) FILTER (WHERE r.detection_status = 'reopened') AS reopened,
       count(*) FILTER (WHERE r.detection_status = 'unresolved') AS unresolved,
       count(*) FILTER (WHERE r.detection_status = 'resolved') AS resolved,
       count(*) FILTER (WHERE r.detection_status = 'off') AS off,
       count(*) FILTER (WHERE r.detection_status = 'unavailable') AS unavailable
-- use: chosen_reports
GROUP BY f.path
ORDER BY open DESC, reports DESC, f.path
LIMIT :limit;

-- name: count_reports
-- How many reports have each value of what is counted by (NULL: all together); of unique ones, each hash once for a value.
SELECT counted.key, max(counted.severity) AS severity,
       CASE WHEN :unique::boolean THEN count(DISTINCT counted.report_hash) ELSE count(*) END AS reports
FROM (
    SELECT r.report_hash, c.severity, CASE :by::text
            WHEN 'run' THEN r.run_id::text
            WHEN 'checker' THEN c.name
            WHEN 'analyzer' THEN c.analyzer
            WHEN 'severity' THEN c.severity::text
            WHEN 'message' THEN r.message
            WHEN 'file' THEN f.path
            WHEN 'detection_status' THEN r.detection_status
            WHEN 'review_status' THEN r.review_status
            WHEN 'outstanding' THEN (
                r.status IN ('new', 'reopened', 'unresolved') AND r.review_status NOT IN ('false_positive', 'intentional')
            )::text
        END AS key
    -- use: reports_that_fit
    OFFSET 0
) counted
GROUP BY counted.key
ORDER BY counted.key
LIMIT :limit OFFSET :offset;

-- name: count_by_file
-- How many reports the files of a page have, of each severity, review and detection status.
SELECT counted.file, counted.severity, counted.review_status, counted.detection_status, counted.reports
FROM (
    SELECT found.file, found.severity, found.review_status, found.detection_status, count(*) AS reports,
           dense_rank() OVER (ORDER BY found.file COLLATE "C") AS position
    FROM (
        SELECT f.path AS file, c.severity, r.review_status, r.detection_status
        -- use: chosen_reports
        OFFSET 0
    ) found
    GROUP BY found.file, found.severity, found.review_status, found.detection_status
) counted
WHERE counted.position > :offset::bigint AND counted.position - :limit::bigint <= :offset
ORDER BY counted.position;

-- name: annotation_values
-- What the annotations of these names (NULL: of any) say.
SELECT DISTINCT a.value
FROM (
    SELECT r.annotations
    -- use: reports_that_fit
    OFFSET 0
) found
CROSS JOIN LATERAL jsonb_each_text(found.annotations) AS a (name, value)
WHERE :names::text[] IS NULL OR a.name = ANY (:names)
ORDER BY a.value;

-- name: count_at_stores
-- How many of the reports were open at each of these stores; of unique ones, each hash once.
SELECT at.id AS store,
       CASE WHEN :unique::boolean THEN count(DISTINCT found.report_hash) ELSE count(*) END AS reports
FROM store at
JOIN (
    SELECT r.run_id, r.report_hash, r.detected_at, r.fixed_at
    -- use: reports_that_fit
    OFFSET 0
) found ON found.run_id = at.run_id
    AND found.detected_at <= at.stored_at AND (found.fixed_at IS NULL OR found.fixed_at > at.stored_at)
WHERE at.product_id = :product AND at.id = ANY (:counted::bigint[])
GROUP BY at.id;

-- name: lock_runs_of
SELECT run.id FROM run
WHERE run.product_id = :product
  AND run.id IN (SELECT r.run_id FROM report r WHERE r.product_id = :product AND r.id = ANY (:ids::bigint[]))
ORDER BY run.id
FOR UPDATE;

-- name: delete_reports
WITH paths AS (
    DELETE FROM report_path p WHERE p.product_id = :product AND p.report_id = ANY (:ids::bigint[])
), gone AS (
    DELETE FROM report r WHERE r.product_id = :product AND r.id = ANY (:ids) RETURNING r.run_id
)
SELECT count(*) AS reports, array_agg(DISTINCT gone.run_id) AS runs FROM gone;

-- name: count_anew
-- What the last stores of runs say of how many reports these have.
UPDATE store s
SET counts = coalesce((
    SELECT jsonb_object_agg(counted.status, counted.reports)
    FROM (
        SELECT r.detection_status AS status, count(*) AS reports FROM current_report r
        WHERE r.product_id = :product AND r.run_id = s.run_id
        GROUP BY r.detection_status
    ) counted), '{}')
FROM run
WHERE run.product_id = :product AND run.id = ANY (:runs::bigint[])
  AND s.product_id = run.product_id AND s.id = run.last_store;

-- fragment: last_seen
-- The content of a file `named` in which a report r was last seen: the run's newest one, or, for a report that is gone, the
-- newest from before the store that closed it.
SELECT rf.id, rf.content_hash FROM run_file rf
WHERE rf.product_id = r.product_id AND rf.run_id = r.run_id AND rf.file_id = named.id
  AND (r.status NOT IN ('resolved', 'off', 'unavailable') OR rf.since < r.status_by)
ORDER BY rf.since DESC
LIMIT 1

-- name: sources_of_report
-- The files that a report names with what they held when it was last seen in them. The report's own file comes first, then
-- the smallest; of those that come when `size_limit` bytes are full there is the size alone.
SELECT sized.path, sized.size, CASE WHEN sized.total <= :size_limit::bigint THEN c.data END AS data
FROM (
    SELECT f.path, c.size, c.hash, sum(c.size) OVER (ORDER BY named.id <> r.file_id, c.size, f.path) AS total
    FROM report r
    LEFT JOIN report_path p ON p.product_id = r.product_id AND p.report_id = r.id
    CROSS JOIN LATERAL (SELECT DISTINCT n.id FROM unnest(array_append(p.files, r.file_id)) AS n (id)) named
    JOIN file f ON f.product_id = r.product_id AND f.id = named.id
    LEFT JOIN LATERAL (
        -- use: last_seen
    ) seen ON true
    LEFT JOIN content c ON c.product_id = r.product_id AND c.hash = seen.content_hash
    WHERE r.product_id = :product AND r.id = :report
) sized
LEFT JOIN content c ON c.product_id = :product AND c.hash = sized.hash
ORDER BY sized.path;
