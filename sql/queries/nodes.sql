-- Daemons that live, and what those left behind that do not.

-- name: node_lock_key
SELECT hashtextextended(concat_ws(chr(1), 'node', :node::text), 0)

-- name: wait_for_lock
SELECT pg_advisory_lock(:lock_key)

-- name: try_lock
SELECT pg_try_advisory_lock(:lock_key)

-- name: unlock
SELECT pg_advisory_unlock(:lock_key)

-- name: register_node
INSERT INTO node (id, instance, lock_key) VALUES (:node, :instance, :lock_key)
ON CONFLICT (id) DO UPDATE SET
    instance = excluded.instance,
    lock_key = excluded.lock_key,
    started_at = CASE WHEN node.instance = excluded.instance THEN node.started_at ELSE excluded.started_at END,
    heartbeat_at = excluded.heartbeat_at,
    steady_since = excluded.steady_since

-- name: node_instance
SELECT instance FROM node WHERE id = :node

-- name: beat_node
-- The row comes back when others took the node for dead, with its own instance only.
INSERT INTO node (id, instance, lock_key) VALUES (:node, :instance, :lock_key)
ON CONFLICT (id) DO UPDATE SET
    heartbeat_at = excluded.heartbeat_at,
    steady_since = CASE
        WHEN node.heartbeat_at < now() - :dead_after::interval / 2 THEN now()
        ELSE node.steady_since
    END
    WHERE node.instance = excluded.instance

-- name: unregister_node
DELETE FROM node WHERE id = :node AND instance = :instance

-- name: bury_nodes
-- Forget the nodes that are dead: no heartbeat for long, and the lock is free (it is taken here until the end of the
-- transaction, so that such a node does not come back before its jobs are seen to). Only a node whose own heartbeats
-- were regular meanwhile may judge: after an outage of the database all others look dead.
WITH judge AS MATERIALIZED (
    SELECT FROM node
    WHERE
        id = :node AND instance = :instance
        AND heartbeat_at > now() - :dead_after::interval / 2
        AND steady_since < now() - :dead_after::interval
), silent AS MATERIALIZED (
    SELECT node.id, node.lock_key
    FROM node, judge
    WHERE node.id <> :node AND node.heartbeat_at < now() - :dead_after::interval
    ORDER BY node.id
), dead AS MATERIALIZED (
    SELECT id FROM silent WHERE pg_try_advisory_xact_lock(lock_key)
)
DELETE FROM node USING dead WHERE node.id = dead.id
RETURNING node.id

-- name: own_orphans
SELECT lease_id FROM job
WHERE status = 'running' AND node = :node AND node_instance <> :instance

-- name: lost_claims
SELECT lease_id FROM job
WHERE
    status = 'running' AND node = :node AND node_instance = :instance
    AND heartbeat_at < now() - :dead_after::interval AND NOT lease_id = ANY(:held)

-- name: orphans_of_nobody
-- The leases of nodes that are not there (any more), or that started anew since.
SELECT job.lease_id FROM job
WHERE
    job.status = 'running'
    AND job.heartbeat_at < now() - :dead_after::interval
    AND NOT EXISTS (
        SELECT FROM node WHERE node.id = job.node AND node.instance = job.node_instance
    )

-- name: rescue_jobs
-- End the jobs under these leases, or enqueue them again. One that is locked is being settled, or rescued by another
-- node at this moment: it is left to the next time.
WITH orphan AS MATERIALIZED (
    SELECT
        id,
        node AS was_on,
        CASE
            WHEN cancel_requested THEN 'cancelled'
            WHEN :retry::boolean AND attempt < :max_attempts::integer THEN 'enqueued'
            ELSE 'dropped'
        END AS outcome
    FROM job
    WHERE status = 'running' AND lease_id = ANY(:leases)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), rescued AS (
    UPDATE job SET
        status = outcome,
        lease_id = NULL,
        finished_at = CASE WHEN outcome <> 'enqueued' THEN clock_timestamp() END,
        node = CASE WHEN outcome <> 'enqueued' THEN node END,
        node_instance = CASE WHEN outcome <> 'enqueued' THEN node_instance END,
        started_at = CASE WHEN outcome <> 'enqueued' THEN started_at END,
        heartbeat_at = CASE WHEN outcome <> 'enqueued' THEN heartbeat_at END,
        phase = CASE WHEN outcome <> 'enqueued' THEN phase END,
        reason = CASE WHEN outcome = 'dropped' THEN :reason::text END,
        sequence = sequence + 1
    FROM orphan
    WHERE job.id = orphan.id
    RETURNING job.id, job.token, job.attempt, orphan.was_on, orphan.outcome
)
INSERT INTO job_comment (job_id, who, text)
SELECT
    id,
    'storaged@' || :node,
    concat(
        CASE WHEN outcome = 'cancelled' THEN E'CANCEL!\n' ELSE E'DROPPED!\n' END,
        format(:told, was_on),
        CASE
            WHEN outcome = 'enqueued'
                THEN format(' The job was enqueued again after attempt %s of %s.', attempt, :max_attempts::integer)
            WHEN outcome = 'dropped' AND :retry::boolean
                THEN format(' That was attempt %s of %s.', attempt, :max_attempts::integer)
        END,
        CASE
            WHEN outcome = 'dropped'
                THEN format(' `storectl jobs retry %s` enqueues it again while its upload is kept.', token)
        END
    )
FROM rescued
RETURNING job_id
