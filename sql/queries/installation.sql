-- The database itself.

-- name: get_installation_id
SELECT id FROM installation;
