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

-- name: tokens_with_upload_of_product
-- Of the others the uploads went when they ended.
SELECT token FROM job WHERE product_id = :id AND status IN ('failed', 'dropped')

-- name: remove_product
DELETE FROM product WHERE id = :id

-- name: like_product
-- The endpoints that are likeliest to be meant by one that is not there, few enough to be compared one by one.
SELECT endpoint FROM product
WHERE abs(length(endpoint) - length(:endpoint::text)) < 4
ORDER BY left(lower(endpoint), 2) = left(lower(:endpoint), 2) DESC,
         right(lower(endpoint), 2) = right(lower(:endpoint), 2) DESC, endpoint
LIMIT 60
