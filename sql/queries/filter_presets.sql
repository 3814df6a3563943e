-- Filters of reports that have a name.

-- name: list_presets
-- The oldest first.
SELECT id, name, filter FROM filter_preset
WHERE product_id = :product AND (:preset::bigint IS NULL OR id = :preset)
ORDER BY id;

-- name: add_preset
-- Nothing where the name is taken.
INSERT INTO filter_preset (product_id, name, filter) VALUES (:product, :name, :filter)
ON CONFLICT (product_id, name) DO NOTHING
RETURNING id;

-- name: change_preset
-- The filter stays when none is given.
UPDATE filter_preset SET name = :name, filter = coalesce(:filter::jsonb, filter)
WHERE product_id = :product AND id = :preset;

-- name: remove_preset
DELETE FROM filter_preset WHERE product_id = :product AND id = :preset;
