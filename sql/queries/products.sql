-- Products.

-- name: get_product
SELECT * FROM product WHERE endpoint = :endpoint;

-- name: list_products
SELECT * FROM product ORDER BY endpoint;

-- name: find_product
-- The number may be larger than an id can be.
SELECT * FROM product WHERE id = :id::bigint;

-- name: list_overviews
-- Conditions that are NULL narrow nothing.
SELECT
    product.*,
    (SELECT count(*) FROM run WHERE run.product_id = product.id) AS runs,
    (SELECT stored_at FROM store WHERE store.product_id = product.id ORDER BY store.id DESC LIMIT 1) AS latest_store,
    ARRAY(
        SELECT job.run FROM job
        WHERE job.product_id = product.id AND job.kind = 'store' AND job.status = 'running'
        ORDER BY job.run
    ) AS storing
FROM product
WHERE
    (:id::bigint IS NULL OR product.id = :id::bigint)
    AND (:endpoint::text IS NULL OR product.endpoint ILIKE :endpoint::text)
    AND (:display_name::text IS NULL OR product.display_name ILIKE :display_name::text)
ORDER BY product.id

-- name: count_products
SELECT count(*) FROM product
WHERE
    (:endpoint::text IS NULL OR endpoint ILIKE :endpoint::text)
    AND (:display_name::text IS NULL OR display_name ILIKE :display_name::text)

-- name: add_product
INSERT INTO product (endpoint, display_name, description, weight, run_limit, report_limit, confidentiality)
VALUES (:endpoint, :display_name, :description, :weight, :run_limit, :report_limit, :confidentiality)
ON CONFLICT (endpoint) DO NOTHING
RETURNING *

-- name: edit_product
UPDATE product SET
    display_name = :display_name,
    description = :description,
    weight = :weight,
    run_limit = :run_limit,
    report_limit = :report_limit,
    confidentiality = :confidentiality
WHERE id = :id
RETURNING *

-- name: move_product
UPDATE product SET endpoint = :endpoint WHERE id = :id RETURNING *

-- name: lock_product
-- Nobody enqueues a job or makes a run in it until the end of the transaction.
SELECT * FROM product WHERE endpoint = :endpoint FOR UPDATE

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
