-- Products.

-- name: get_product
SELECT id, endpoint, display_name, description, run_limit, report_limit FROM product WHERE endpoint = :endpoint;

-- name: list_products
SELECT id, endpoint, display_name, description, run_limit, report_limit FROM product ORDER BY endpoint;
