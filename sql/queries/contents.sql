-- Sources, known by the SHA-256 of their bytes.

-- name: missing_contents
-- Those of the hashes that the product has no content of, in the order given.
SELECT h.hash
FROM unnest(:hashes::bytea[]) WITH ORDINALITY AS h (hash, position)
WHERE NOT EXISTS (SELECT FROM content c WHERE c.product_id = :product AND c.hash = h.hash)
ORDER BY h.position;

-- name: insert_contents
INSERT INTO content (product_id, hash, size, data)
SELECT :product, n.hash, n.size, n.data
FROM unnest(:hashes::bytea[], :sizes::bigint[], :data::bytea[]) AS n (hash, size, data)
ORDER BY n.hash
ON CONFLICT DO NOTHING;

-- name: create_incoming
CREATE TEMPORARY TABLE incoming_content (hash bytea, size bigint, data bytea) ON COMMIT DROP;
ALTER TABLE incoming_content ALTER COLUMN data SET STORAGE EXTERNAL;

-- name: insert_incoming
INSERT INTO content (product_id, hash, size, data)
SELECT :product::integer, n.hash, n.size, n.data
FROM incoming_content n
ORDER BY n.hash
ON CONFLICT DO NOTHING;

-- name: get_piece
-- `data` is stored EXTERNAL, not compressed, so that only the pages of the piece are read.
SELECT substring(data FROM :offset::integer FOR :length::integer) FROM content WHERE product_id = :product AND hash = :hash;
