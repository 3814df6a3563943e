-- Sources, known by the SHA-256 of their bytes. Whether one is there is asked in a scalar subquery, which is looked up
-- row by row: of a table that was never analysed the planner thinks that one row of it is no orphan, and compares each
-- hash with all of them.

-- name: missing_contents
-- Those of the hashes that the product has no content of, or one that is about to be swept, in the order given.
SELECT h.hash
FROM unnest(:hashes::bytea[]) WITH ORDINALITY AS h (hash, position)
WHERE (SELECT c.orphaned_at IS NULL FROM content c WHERE c.product_id = :product AND c.hash = h.hash) IS NOT TRUE
ORDER BY h.position;

-- name: insert_contents
-- One that is there and marked as an orphan is not any more; one that is there unmarked is not even locked.
INSERT INTO content (product_id, hash, size, reviewed, data)
SELECT DISTINCT ON (n.hash) :product::integer, n.hash, n.size, n.reviewed, n.data
FROM unnest(:hashes::bytea[], :sizes::bigint[], :reviewed::boolean[], :data::bytea[]) AS n (hash, size, reviewed, data)
WHERE (SELECT c.orphaned_at IS NULL FROM content c WHERE c.product_id = :product AND c.hash = n.hash) IS NOT TRUE
ORDER BY n.hash
ON CONFLICT (product_id, hash) DO UPDATE SET orphaned_at = NULL WHERE content.orphaned_at IS NOT NULL;

-- name: create_incoming
CREATE TEMPORARY TABLE incoming_content (hash bytea, size bigint, reviewed boolean, data bytea) ON COMMIT DROP;
ALTER TABLE incoming_content ALTER COLUMN data SET STORAGE EXTERNAL;

-- name: insert_incoming
INSERT INTO content (product_id, hash, size, reviewed, data)
SELECT DISTINCT ON (n.hash) :product::integer, n.hash, n.size, n.reviewed, n.data
FROM incoming_content n
WHERE (SELECT c.orphaned_at IS NULL FROM content c WHERE c.product_id = :product AND c.hash = n.hash) IS NOT TRUE
ORDER BY n.hash
ON CONFLICT (product_id, hash) DO UPDATE SET orphaned_at = NULL WHERE content.orphaned_at IS NOT NULL;

-- name: has_reviewed
SELECT EXISTS (SELECT FROM content WHERE product_id = :product AND reviewed);

-- name: reviewed_contents
SELECT c.hash
FROM unnest(:hashes::bytea[]) AS h (hash)
JOIN content c ON c.product_id = :product AND c.hash = h.hash AND c.reviewed;

-- name: get_piece
-- `data` is stored EXTERNAL, not compressed, so that only the pages of the piece are read.
SELECT substring(data FROM :offset::integer FOR :length::integer) FROM content WHERE product_id = :product AND hash = :hash;
