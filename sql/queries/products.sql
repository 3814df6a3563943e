-- Products.

-- name: get_product
SELECT id, endpoint, display_name, description, weight, run_limit, report_limit, created_at FROM product WHERE endpoint = :endpoint;

-- name: list_products
SELECT id, endpoint, display_name, description, weight, run_limit, report_limit, created_at FROM product ORDER BY endpoint;

-- name: add_product
INSERT INTO product (endpoint, display_name, description, weight, run_limit, report_limit)
VALUES (:endpoint, :display_name, :description, :weight, :run_limit, :report_limit)
ON CONFLICT (endpoint) DO NOTHING
RETURNING id, endpoint, display_name, description, weight, run_limit, report_limit, created_at

-- name: edit_product
UPDATE product SET
    display_name = :display_name,
    description = :description,
    weight = :weight,
    run_limit = :run_limit,
    report_limit = :report_limit
WHERE id = :id
RETURNING id, endpoint, display_name, description, weight, run_limit, report_limit, created_at

-- name: lock_product
-- Nobody enqueues a job or makes a run in it until the end of the transaction.
SELECT id, endpoint, display_name, description, weight, run_limit, report_limit, created_at FROM product WHERE endpoint = :endpoint FOR UPDATE

-- name: count_uses
SELECT
    (SELECT count(*) FROM run WHERE product_id = :id) AS runs,
    (SELECT count(*) FROM job WHERE product_id = :id AND status IN ('allocated', 'enqueued', 'running')) AS jobs

-- name: tokens_of_product
SELECT token FROM job WHERE product_id = :id

-- name: remove_product
DELETE FROM product WHERE id = :id
