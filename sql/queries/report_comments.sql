-- What people write below reports.

-- name: hash_of_report
SELECT report_hash, foreign_hash FROM report WHERE product_id = :product AND id = :report;

-- name: list_comments
-- The newest first.
SELECT id, author, message, by_system, created_at
FROM report_comment
WHERE product_id = :product AND report_hash = :report_hash
ORDER BY created_at DESC, id DESC;

-- name: count_comments
SELECT count(*) FROM report_comment WHERE product_id = :product AND report_hash = :report_hash;

-- name: comments_of_reports
-- Those on the hashes of reports, the newest first.
SELECT r.id AS report, c.id, c.author, c.message, c.by_system, c.created_at
FROM report r
JOIN report_comment c ON c.product_id = r.product_id AND c.report_hash = r.report_hash
WHERE r.product_id = :product AND r.id = ANY (:reports::bigint[])
ORDER BY c.created_at DESC, c.id DESC;

-- name: comments_of_runs
-- Those on the reports of runs (NULL: on all), the newest first.
SELECT replace(c.report_hash::text, '-', '') AS report_hash_text, c.foreign_hash,
       c.id, c.author, c.message, c.by_system, c.created_at
FROM report_comment c
WHERE c.product_id = :product
  AND (:runs::bigint[] IS NULL OR c.report_hash IN (
      SELECT r.report_hash FROM report r WHERE r.product_id = :product AND r.run_id = ANY (:runs)))
ORDER BY c.created_at DESC, c.id DESC;

-- name: add_comment
INSERT INTO report_comment (product_id, report_hash, foreign_hash, author, message)
VALUES (:product, :report_hash, :foreign_hash, :author, :message);

-- name: import_comment
-- One that is there already is not added again.
INSERT INTO report_comment (product_id, report_hash, foreign_hash, author, message, by_system, created_at)
SELECT :product::integer, :report_hash::uuid, :foreign_hash::text, :author::text, :message::text, :by_system::boolean,
       :created_at::timestamptz
WHERE NOT EXISTS (
    SELECT FROM report_comment c
    WHERE c.product_id = :product AND c.report_hash = :report_hash
      AND (c.message, c.by_system, c.created_at) = (:message, :by_system, :created_at));

-- name: lock_comment
-- What a comment says that somebody wrote.
SELECT message FROM report_comment WHERE product_id = :product AND id = :comment AND NOT by_system FOR UPDATE;

-- name: change_comment
WITH changed AS (
    UPDATE report_comment SET message = :message WHERE product_id = :product AND id = :comment
    RETURNING report_hash, foreign_hash
)
INSERT INTO report_comment (product_id, report_hash, foreign_hash, author, message, by_system)
SELECT :product, changed.report_hash, changed.foreign_hash, :author, :change, true FROM changed;

-- name: remove_comment
DELETE FROM report_comment WHERE product_id = :product AND id = :comment AND NOT by_system;
