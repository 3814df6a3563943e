-- What runs share and nobody refers to any more: marked, then swept. storaged/store/orphans.py tells why so.

-- name: mark_contents
UPDATE content SET orphaned_at = now()
WHERE (product_id, hash) IN (
    SELECT c.product_id, c.hash
    FROM content c
    WHERE c.orphaned_at IS NULL
      AND NOT EXISTS (SELECT FROM run_file r WHERE r.product_id = c.product_id AND r.content_hash = c.hash)
    FOR UPDATE SKIP LOCKED);

-- name: mark_files
-- A run has a row of run_file for each file that its reports and their paths name.
UPDATE file SET orphaned_at = now()
WHERE (product_id, id) IN (
    SELECT f.product_id, f.id
    FROM file f
    WHERE f.orphaned_at IS NULL
      AND NOT EXISTS (SELECT FROM run_file r WHERE r.product_id = f.product_id AND r.file_id = f.id)
    FOR UPDATE SKIP LOCKED);

-- name: mark_checker_sets
UPDATE checker_set SET orphaned_at = now()
WHERE (product_id, digest) IN (
    SELECT s.product_id, s.digest
    FROM checker_set s
    WHERE s.orphaned_at IS NULL
      AND NOT EXISTS (SELECT FROM store_analyzer a WHERE a.product_id = s.product_id AND a.checker_set = s.digest)
    FOR UPDATE SKIP LOCKED);

-- name: unmark_contents
-- Those that a store referred to at the moment when they were marked.
UPDATE content SET orphaned_at = NULL
WHERE (product_id, hash) IN (
    SELECT c.product_id, c.hash
    FROM content c
    WHERE c.orphaned_at IS NOT NULL
      AND EXISTS (SELECT FROM run_file r WHERE r.product_id = c.product_id AND r.content_hash = c.hash)
    FOR UPDATE SKIP LOCKED);

-- name: unmark_files
UPDATE file SET orphaned_at = NULL
WHERE (product_id, id) IN (
    SELECT f.product_id, f.id
    FROM file f
    WHERE f.orphaned_at IS NOT NULL
      AND EXISTS (SELECT FROM run_file r WHERE r.product_id = f.product_id AND r.file_id = f.id)
    FOR UPDATE SKIP LOCKED);

-- name: unmark_checker_sets
UPDATE checker_set SET orphaned_at = NULL
WHERE (product_id, digest) IN (
    SELECT s.product_id, s.digest
    FROM checker_set s
    WHERE s.orphaned_at IS NOT NULL
      AND EXISTS (SELECT FROM store_analyzer a WHERE a.product_id = s.product_id AND a.checker_set = s.digest)
    FOR UPDATE SKIP LOCKED);

-- name: swept_before
-- For each product that has orphans: those marked before this time are wanted by no store, be it accepted already, kept
-- for a retry, or still on its way here.
SELECT p.id AS product, least(now(), min(j.created_at)) - :upload::interval AS before
FROM product p
LEFT JOIN job j ON j.product_id = p.id AND j.kind = 'store' AND (
    j.status IN ('allocated', 'enqueued', 'running')
    OR (j.status IN ('failed', 'dropped') AND j.finished_at > now() - :keep::interval))
WHERE EXISTS (SELECT FROM content c WHERE c.product_id = p.id AND c.orphaned_at IS NOT NULL)
   OR EXISTS (SELECT FROM file f WHERE f.product_id = p.id AND f.orphaned_at IS NOT NULL)
   OR EXISTS (SELECT FROM checker_set s WHERE s.product_id = p.id AND s.orphaned_at IS NOT NULL)
GROUP BY p.id;

-- name: sweep_contents
DELETE FROM content
WHERE product_id = :product AND hash = ANY (ARRAY(
    SELECT c.hash
    FROM content c
    WHERE c.product_id = :product AND c.orphaned_at < :before
      AND NOT EXISTS (SELECT FROM run_file r WHERE r.product_id = :product AND r.content_hash = c.hash)
    LIMIT :limit
    FOR UPDATE SKIP LOCKED));

-- name: sweep_files
DELETE FROM file
WHERE product_id = :product AND id = ANY (ARRAY(
    SELECT f.id
    FROM file f
    WHERE f.product_id = :product AND f.orphaned_at < :before
      AND NOT EXISTS (SELECT FROM run_file r WHERE r.product_id = :product AND r.file_id = f.id)
    LIMIT :limit
    FOR UPDATE SKIP LOCKED));

-- name: sweep_checker_sets
DELETE FROM checker_set
WHERE product_id = :product AND digest = ANY (ARRAY(
    SELECT s.digest
    FROM checker_set s
    WHERE s.product_id = :product AND s.orphaned_at < :before
      AND NOT EXISTS (SELECT FROM store_analyzer a WHERE a.product_id = :product AND a.checker_set = s.digest)
    LIMIT :limit
    FOR UPDATE SKIP LOCKED));
