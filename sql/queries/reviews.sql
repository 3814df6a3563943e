-- What people say of report hashes.

-- fragment: rule_columns
replace(v.report_hash::text, '-', '') AS report_hash_text, v.foreign_hash, v.status, v.message, v.author, v.reviewed_at

-- name: set_rule
-- Nothing is written when status and message are as they were: who said it first, and when, stays. What was closed stays so
-- since when it was.
INSERT INTO review_rule AS v (product_id, report_hash, foreign_hash, status, message, author, reviewed_at, closed_at)
VALUES (:product, :report_hash, :foreign_hash, :status, :message, :author, coalesce(:at::timestamptz, now()),
        CASE WHEN :status IN ('false_positive', 'intentional') THEN coalesce(:at, now()) END)
ON CONFLICT (product_id, report_hash) DO UPDATE
SET status = excluded.status, message = excluded.message, author = excluded.author, reviewed_at = excluded.reviewed_at,
    closed_at = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(v.closed_at, excluded.closed_at) END
WHERE (v.status, v.message) <> (excluded.status, excluded.message);

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
