-- The sides of a diff.

-- name: find_operand
-- What an operand names, by the readings of it in their order (the run's name, and the tag or NULL): the first one of
-- which there are both; else the first of which there is the run.
SELECT reading.run AS name, reading.tag, run.id AS run, s.stored_at,
       reading.tag IS NOT NULL AND s.id IS NULL AS tag_missing
FROM unnest(:runs::text[], :tags::text[]) WITH ORDINALITY AS reading (run, tag, position)
JOIN run ON run.product_id = :product AND run.name = reading.run
LEFT JOIN store s ON s.product_id = run.product_id AND s.run_id = run.id AND s.tag = reading.tag
ORDER BY tag_missing, reading.position
LIMIT 1;
