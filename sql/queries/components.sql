-- Source components.

-- name: list_components
SELECT name, value, description FROM source_component
WHERE product_id = :product AND (:names::text[] IS NULL OR name ILIKE ANY (:names))
ORDER BY name;

-- name: set_component
INSERT INTO source_component (product_id, name, value, description) VALUES (:product, :name, :value, :description)
ON CONFLICT (product_id, name) DO UPDATE SET value = excluded.value, description = excluded.description;

-- name: remove_component
DELETE FROM source_component WHERE product_id = :product AND name = :name;
