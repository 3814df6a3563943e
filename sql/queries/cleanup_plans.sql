-- Cleanup plans: reports, by their hashes, that are to be gone by some day.

-- name: list_plans
-- With the hashes of each, by name.
SELECT p.id, p.name, p.description, p.due_at, p.closed_at,
       ARRAY(
           SELECT coalesce(h.foreign_hash, replace(h.report_hash::text, '-', ''))
           FROM cleanup_plan_hash h WHERE h.product_id = p.product_id AND h.plan_id = p.id
           ORDER BY 1) AS report_hashes
FROM cleanup_plan p
WHERE p.product_id = :product
  AND (:ids::bigint[] IS NULL OR p.id = ANY (:ids))
  AND (:names::text[] IS NULL OR p.name = ANY (:names))
  AND (:open::boolean IS NULL OR (p.closed_at IS NULL) = :open)
ORDER BY p.name;

-- name: add_plan
-- Nothing where the name is taken.
INSERT INTO cleanup_plan (product_id, name, description, due_at) VALUES (:product, :name, :description, :due_at)
ON CONFLICT (product_id, name) DO NOTHING
RETURNING id;

-- name: change_plan
UPDATE cleanup_plan SET name = :name, description = :description, due_at = :due_at
WHERE product_id = :product AND id = :plan;

-- name: close_plan
-- Or open it again; one that is closed stays so since when it was.
UPDATE cleanup_plan SET closed_at = CASE WHEN :closed::boolean THEN coalesce(closed_at, now()) END
WHERE product_id = :product AND id = :plan;

-- name: remove_plan
DELETE FROM cleanup_plan WHERE product_id = :product AND id = :plan;

-- name: lock_plan
SELECT id FROM cleanup_plan WHERE product_id = :product AND id = :plan FOR UPDATE;

-- name: add_hash
INSERT INTO cleanup_plan_hash (product_id, plan_id, report_hash, foreign_hash)
VALUES (:product, :plan, :report_hash, :foreign_hash)
ON CONFLICT (product_id, plan_id, report_hash) DO NOTHING;

-- name: remove_hashes
DELETE FROM cleanup_plan_hash WHERE product_id = :product AND plan_id = :plan AND report_hash = ANY (:report_hashes::uuid[]);

-- name: hashes_of_plans
SELECT DISTINCT h.report_hash
FROM cleanup_plan p
JOIN cleanup_plan_hash h ON h.product_id = p.product_id AND h.plan_id = p.id
WHERE p.product_id = :product AND p.name = ANY (:names::text[]);
