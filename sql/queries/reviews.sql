-- What people say of report hashes.

-- fragment: rule_columns
replace(v.report_hash::text, '-', '') AS report_hash_text, v.foreign_hash, v.status, v.message, v.author, v.reviewed_at

-- name: set_rule
-- Nothing is written when status and message are as they were: who said it first, and when, stays. What was closed stays so
-- since when it was. A change is written down as a comment: `kind`, the status before with a capital, and `change`; not a
-- second time where an import brought the comment already.
WITH before AS (
    SELECT b.status FROM review_rule b WHERE b.product_id = :product AND b.report_hash = :report_hash
), said AS (
    INSERT INTO review_rule AS v (product_id, report_hash, foreign_hash, status, message, author, reviewed_at, closed_at)
    VALUES (:product, :report_hash, :foreign_hash, :status, :message, :author, coalesce(:at::timestamptz, now()),
            CASE WHEN :status IN ('false_positive', 'intentional') THEN coalesce(:at, now()) END)
    ON CONFLICT (product_id, report_hash) DO UPDATE
    SET status = excluded.status, message = excluded.message, author = excluded.author, reviewed_at = excluded.reviewed_at,
        closed_at = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(v.closed_at, excluded.closed_at) END
    WHERE (v.status, v.message) <> (excluded.status, excluded.message)
    RETURNING v.author, v.reviewed_at
)
INSERT INTO report_comment (product_id, report_hash, foreign_hash, author, message, by_system, created_at)
SELECT :product, :report_hash, :foreign_hash, said.author,
       :kind || ' ' || upper(left(was.status, 1)) || substr(was.status, 2) || ' ' || :change, true, said.reviewed_at
FROM said
CROSS JOIN (SELECT coalesce((SELECT before.status FROM before), 'unreviewed') AS status) was
WHERE NOT EXISTS (
    SELECT FROM report_comment c
    WHERE c.product_id = :product AND c.report_hash = :report_hash AND c.by_system AND c.created_at = said.reviewed_at);

-- name: get_rule
SELECT
    -- use: rule_columns
FROM review_rule v
WHERE v.product_id = :product AND v.report_hash = :report_hash;

-- name: remove_rule
DELETE FROM review_rule WHERE product_id = :product AND report_hash = :report_hash;

-- fragment: rules_that_fit
FROM review_rule v
WHERE v.product_id = :product
AND (:report_hashes::uuid[] IS NULL OR v.report_hash = ANY (:report_hashes)
     OR coalesce(v.foreign_hash, replace(v.report_hash::text, '-', '')) LIKE ANY (:report_hash_globs::text[]))
AND (:statuses::text[] IS NULL OR v.status = ANY (:statuses))
AND (:authors::text[] IS NULL OR v.author ILIKE ANY (:authors))

-- name: list_rules
-- A page of rules, the newest first.
SELECT
    -- use: rule_columns
    , v.report_hash
-- use: rules_that_fit
AND (:before_at::timestamptz IS NULL OR (v.reviewed_at, v.report_hash) < (:before_at, :before_hash::uuid))
ORDER BY v.reviewed_at DESC, v.report_hash DESC
LIMIT :limit;

-- fragment: reports_of_rules
-- How many reports of the product each rule that fits has. Where none fits, no report is looked at.
counted AS MATERIALIZED (
    SELECT r.report_hash, count(*) AS reports
    FROM report r
    WHERE r.product_id = :product AND r.report_hash IN (
        SELECT v.report_hash
        -- use: rules_that_fit
    )
    GROUP BY r.report_hash
)

-- name: page_of_rules
-- Rules in the order that is asked for, each with the number of its reports.
WITH
-- use: reports_of_rules
SELECT page.*
FROM (
    SELECT
        -- use: rule_columns
        , coalesce(c.reports, 0) AS reports
    FROM (
        SELECT v.*
        -- use: rules_that_fit
    ) v
    LEFT JOIN counted c ON c.report_hash = v.report_hash
    WHERE :without_reports::boolean IS NOT TRUE OR c.report_hash IS NULL
) page
ORDER BY
    CASE WHEN NOT :descending::boolean THEN CASE :sort::text WHEN 'status' THEN page.status WHEN 'author' THEN page.author END END,
    CASE WHEN :descending THEN CASE :sort WHEN 'status' THEN page.status WHEN 'author' THEN page.author END END DESC,
    CASE WHEN :sort = 'reviewed_at' AND NOT :descending THEN page.reviewed_at END,
    CASE WHEN :sort = 'reviewed_at' AND :descending THEN page.reviewed_at END DESC,
    CASE WHEN :sort = 'reports' AND NOT :descending THEN page.reports END,
    CASE WHEN :sort = 'reports' AND :descending THEN page.reports END DESC,
    CASE WHEN :sort = 'report_hash' AND :descending THEN coalesce(page.foreign_hash, page.report_hash_text) END COLLATE "C" DESC,
    coalesce(page.foreign_hash, page.report_hash_text) COLLATE "C"
LIMIT :limit OFFSET :offset;

-- name: count_rules
WITH
-- use: reports_of_rules
SELECT count(*)
FROM (
    SELECT v.report_hash
    -- use: rules_that_fit
) v
LEFT JOIN counted c ON c.report_hash = v.report_hash
WHERE :without_reports::boolean IS NOT TRUE OR c.report_hash IS NULL;

-- name: remove_rules
WITH
-- use: reports_of_rules
DELETE FROM review_rule gone
WHERE gone.product_id = :product AND gone.report_hash IN (
    SELECT v.report_hash
    -- use: rules_that_fit
) AND (:without_reports::boolean IS NOT TRUE OR gone.report_hash NOT IN (SELECT report_hash FROM counted));

-- name: reviews_of_runs
-- What is said of the reports of runs, by their hashes; of several things the last. Without runs (NULL) all that is said,
-- also of hashes that no report has.
SELECT DISTINCT ON (said.report_hash) replace(said.report_hash::text, '-', '') AS report_hash_text, said.*
FROM (
    SELECT r.report_hash, r.foreign_hash, r.review_status AS status, r.review_message AS message, r.review_author AS author,
           r.reviewed_at, r.review_source
    FROM current_report r
    WHERE r.product_id = :product AND (:runs::bigint[] IS NULL OR r.run_id = ANY (:runs))
    UNION ALL
    SELECT v.report_hash, v.foreign_hash, v.status, v.message, v.author, v.reviewed_at, 'rule'
    FROM review_rule v
    WHERE v.product_id = :product AND :runs IS NULL
) said
WHERE said.status <> 'unreviewed'
ORDER BY said.report_hash, said.reviewed_at DESC;
