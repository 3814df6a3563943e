-- Checkers.

-- name: list_checkers
SELECT id, analyzer, name, severity FROM checker;

-- name: set_severities
UPDATE checker c SET severity = n.severity
FROM unnest(:ids::integer[], :severities::smallint[]) AS n (id, severity)
WHERE c.id = n.id;
