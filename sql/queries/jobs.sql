-- The queue. What the triggers of job do (the line of a run, notifications) is told in docs/queue.md.

-- name: enqueue_job
INSERT INTO job (
    token, kind, product_id, run, username, submitter, summary, arguments, status, priority, enqueued_at
) VALUES (
    :token, :kind, :product_id, :run, :username, :submitter, :summary, :arguments, 'enqueued', :priority,
    clock_timestamp()
)
RETURNING id

-- name: claim_jobs
-- Claims up to :slots jobs. Of each product that waits, its next jobs come forward (by priority, then age). Of those,
-- first come the ones whose product has the least running jobs for its weight, then those of higher priority, then
-- those whose product is behind in its turns. Jobs that another node is claiming are passed over: hence a few more
-- candidates than slots.
WITH RECURSIVE waiting (product) AS (
    (
        SELECT coalesce(product_id, 0) FROM job
        WHERE status = 'enqueued' AND head
        ORDER BY coalesce(product_id, 0) LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT coalesce(job.product_id, 0) FROM job
        WHERE job.status = 'enqueued' AND job.head AND coalesce(job.product_id, 0) > waiting.product
        ORDER BY coalesce(job.product_id, 0) LIMIT 1
    )
    FROM waiting
    WHERE waiting.product IS NOT NULL
), busy AS (
    SELECT coalesce(product_id, 0) AS product, count(*) AS jobs
    FROM job WHERE status = 'running'
    GROUP BY coalesce(product_id, 0)
), shares AS (
    SELECT
        waiting.product,
        coalesce(busy.jobs, 0) AS running,
        weights.weight,
        greatest(job_turn.turn + 1 / weights.weight, (SELECT max(turn) FROM job_turn), 0) AS turn
    FROM waiting
    LEFT JOIN busy ON busy.product = waiting.product
    LEFT JOIN job_turn ON job_turn.product = waiting.product
    LEFT JOIN product ON product.id = waiting.product
    CROSS JOIN LATERAL (SELECT coalesce(product.weight, 1)::double precision AS weight) AS weights
    WHERE waiting.product IS NOT NULL
), candidates AS MATERIALIZED (
    SELECT
        next.id,
        next.priority,
        shares.product,
        (shares.running + next.rank - 1) / shares.weight AS share,
        shares.turn + (next.rank - 1) / shares.weight AS turn
    FROM shares
    CROSS JOIN LATERAL (
        SELECT job.id, job.priority, row_number() OVER (ORDER BY job.priority DESC, job.id) AS rank
        FROM job
        WHERE job.status = 'enqueued' AND job.head AND coalesce(job.product_id, 0) = shares.product
        ORDER BY job.priority DESC, job.id
        LIMIT :slots::integer + 16
    ) AS next
    ORDER BY share, next.priority DESC, turn, next.id
    LIMIT :slots::integer + 16
), picked AS (
    SELECT job.id, candidates.product, candidates.turn
    FROM candidates
    JOIN job ON job.id = candidates.id
    -- Still enqueued and head, in words that do not fit job_claimable: by statistics from before a flood the whole of
    -- that index would look cheaper than a few keys.
    WHERE job.head AND job.lease_id IS NULL
    ORDER BY candidates.share, candidates.priority DESC, candidates.turn, candidates.id
    LIMIT :slots::integer
    FOR UPDATE OF job SKIP LOCKED
), turned AS (
    -- Always in the order of the products, so that two nodes that claim at once wait for each other, not in a ring.
    INSERT INTO job_turn (product, turn)
    SELECT product, max(turn) FROM picked GROUP BY product ORDER BY product
    ON CONFLICT (product) DO UPDATE SET turn = greatest(job_turn.turn, excluded.turn)
), claimed AS (
    UPDATE job SET
        status = 'running',
        attempt = attempt + 1,
        lease_id = gen_random_uuid(),
        node = :node,
        node_instance = :instance,
        started_at = clock_timestamp(),
        heartbeat_at = clock_timestamp(),
        phase = NULL,
        done = 0,
        total = 0,
        sequence = sequence + 1
    FROM picked
    WHERE job.id = picked.id
    RETURNING job.*, picked.turn
)
SELECT
    claimed.id, claimed.token, claimed.kind, claimed.product_id, product.endpoint AS product, claimed.run,
    claimed.username, claimed.attempt, claimed.crashes, claimed.lease_id, claimed.arguments,
    extract(epoch FROM claimed.started_at - claimed.enqueued_at)::float8 AS waited_seconds
FROM claimed
LEFT JOIN product ON product.id = claimed.product_id
ORDER BY claimed.turn, claimed.id

-- name: heartbeat
-- A row that is locked at this moment is being settled or asked to stop: it is held, but not waited for.
WITH beaten AS (
    UPDATE job SET heartbeat_at = clock_timestamp()
    WHERE id IN (
        SELECT id FROM job
        WHERE status = 'running' AND node = :node AND node_instance = :instance AND lease_id = ANY(:leases)
        FOR UPDATE SKIP LOCKED
    )
)
SELECT lease_id, cancel_requested FROM job
WHERE status = 'running' AND node = :node AND node_instance = :instance AND lease_id = ANY(:leases)

-- name: cancelling
SELECT lease_id FROM job WHERE status = 'running' AND cancel_requested AND lease_id = ANY(:leases)

-- name: progress
UPDATE job SET
    phase = :phase, done = :done, total = :total, heartbeat_at = clock_timestamp(), sequence = sequence + 1
WHERE id = :id AND lease_id = :lease_id
RETURNING cancel_requested

-- name: settle_job
-- A job that somebody asked to stop before it was settled cannot complete any more.
WITH settled AS (
    UPDATE job SET
        status = :status,
        lease_id = NULL,
        finished_at = clock_timestamp(),
        crashes = crashes + :crashes,
        result = :result,
        reason = :reason,
        sequence = sequence + 1
    WHERE id = :id AND lease_id = :lease_id AND (:status <> 'completed' OR NOT cancel_requested)
    RETURNING id, node
), commented AS (
    INSERT INTO job_comment (job_id, who, text)
    SELECT id, 'storaged@' || node, :comment::text FROM settled WHERE :comment::text IS NOT NULL
)
SELECT id FROM settled

-- name: is_completed
SELECT status = 'completed' AND attempt = :attempt AS completed FROM job WHERE id = :id

-- name: requeue_job
-- Back into its line, unless somebody asked that it stop.
WITH requeued AS (
    UPDATE job SET
        status = 'enqueued',
        attempt = attempt - :refund,
        crashes = crashes + :crashes,
        lease_id = NULL,
        node = NULL,
        node_instance = NULL,
        started_at = NULL,
        heartbeat_at = NULL,
        phase = NULL,
        done = 0,
        total = 0,
        sequence = sequence + 1
    WHERE id = :id AND lease_id = :lease_id AND NOT cancel_requested
    RETURNING id
), commented AS (
    INSERT INTO job_comment (job_id, who, text)
    SELECT requeued.id, 'storaged@' || job.node, :comment FROM requeued JOIN job ON job.id = requeued.id
)
SELECT id FROM requeued

-- name: lease_cancel_requested
SELECT cancel_requested FROM job WHERE id = :id AND lease_id = :lease_id

-- name: request_cancel
-- A job that does not run yet ends here; one that runs is told to.
WITH asked AS (
    UPDATE job SET
        status = CASE status WHEN 'running' THEN status ELSE 'cancelled' END,
        finished_at = CASE status WHEN 'running' THEN NULL ELSE clock_timestamp() END,
        cancel_requested = true,
        sequence = sequence + 1
    WHERE token = :token AND status IN ('allocated', 'enqueued', 'running') AND NOT cancel_requested
    RETURNING id, status
), commented AS (
    INSERT INTO job_comment (job_id, who, text)
    SELECT asked.id, said.who, said.text
    FROM asked
    CROSS JOIN LATERAL (VALUES (1, :who, :request), (2, 'storaged', :outcome)) AS said (number, who, text)
    WHERE said.number = 1 OR asked.status = 'cancelled'
    ORDER BY said.number
)
SELECT id FROM asked

-- name: retry_job
WITH retried AS (
    UPDATE job SET
        status = 'enqueued',
        crashes = 0,
        cancel_requested = false,
        consumed = false,
        node = NULL,
        node_instance = NULL,
        enqueued_at = clock_timestamp(),
        started_at = NULL,
        finished_at = NULL,
        heartbeat_at = NULL,
        phase = NULL,
        done = 0,
        total = 0,
        result = NULL,
        reason = NULL,
        sequence = sequence + 1
    WHERE token = :token AND status IN ('failed', 'dropped')
    RETURNING id
), commented AS (
    INSERT INTO job_comment (job_id, who, text) SELECT id, :who, :comment FROM retried
)
SELECT id FROM retried

-- name: read_job
SELECT * FROM job_record WHERE token = :token

-- name: read_jobs
SELECT * FROM job_record WHERE id = ANY(:ids) ORDER BY id

-- name: lower_names
-- Which letters have a lower case is for the database's locale to say. As the text of an array they change all at once.
SELECT lower(:nodes::text[]::text)::text[] AS nodes, lower(:users::text[]::text)::text[] AS users

-- name: list_jobs
-- Conditions that are NULL, or empty where several values are meant, narrow nothing. Tokens, nodes and users come in
-- lower case, for which there are indexes, or as patterns of LIKE; kinds, which are few, always so.
SELECT * FROM job_record
WHERE
    CASE
        WHEN cardinality(:tokens::text[]) + cardinality(:tokens_like::text[]) = 0 THEN true
        ELSE token = ANY(:tokens::text[])
            OR (cardinality(:tokens_like::text[]) > 0 AND token LIKE ANY(:tokens_like::text[]))
    END
    AND CASE
        WHEN cardinality(:nodes::text[]) + cardinality(:nodes_like::text[]) = 0 THEN true
        ELSE (cardinality(:nodes::text[]) > 0 AND lower(node) = ANY(:nodes::text[]))
            OR (cardinality(:nodes_like::text[]) > 0 AND node ILIKE ANY(:nodes_like::text[]))
    END
    AND (cardinality(:kinds::text[]) = 0 OR kind LIKE ANY(:kinds::text[]))
    AND (:legacy::boolean IS NULL OR kind <> 'store' OR legacy = :legacy::boolean)
    AND (cardinality(:statuses::text[]) = 0 OR status = ANY(:statuses::text[]))
    AND (cardinality(:runs::text[]) = 0 OR run = ANY(:runs::text[]))
    AND CASE
        WHEN cardinality(:users::text[]) + cardinality(:users_like::text[]) = 0 AND NOT :no_user::boolean THEN true
        ELSE (cardinality(:users::text[]) > 0 AND lower(username) = ANY(:users::text[]))
            OR (cardinality(:users_like::text[]) > 0 AND username ILIKE ANY(:users_like::text[]))
            OR (:no_user::boolean AND username IS NULL)
    END
    AND CASE
        WHEN cardinality(:products::integer[]) = 0 AND NOT :no_product::boolean THEN true
        ELSE product_id = ANY(:products::integer[]) OR (:no_product::boolean AND product_id IS NULL)
    END
    AND (:enqueued_after::timestamptz IS NULL OR enqueued_at >= :enqueued_after::timestamptz)
    AND (:enqueued_before::timestamptz IS NULL OR enqueued_at <= :enqueued_before::timestamptz)
    AND (:started_after::timestamptz IS NULL OR started_at >= :started_after::timestamptz)
    AND (:started_before::timestamptz IS NULL OR started_at <= :started_before::timestamptz)
    AND (:finished_after::timestamptz IS NULL OR finished_at >= :finished_after::timestamptz)
    AND (:finished_before::timestamptz IS NULL OR finished_at <= :finished_before::timestamptz)
    AND (:last_seen_after::timestamptz IS NULL OR heartbeat_at >= :last_seen_after::timestamptz)
    AND (:last_seen_before::timestamptz IS NULL OR heartbeat_at <= :last_seen_before::timestamptz)
    AND (:cancelled::boolean IS NULL OR cancel_requested = :cancelled::boolean)
    AND (:consumed::boolean IS NULL OR (finished_at IS NOT NULL AND consumed = :consumed::boolean))
    AND (:after_id::bigint IS NULL OR id < :after_id::bigint)
ORDER BY id DESC
LIMIT :limit

-- name: changed_jobs
SELECT job_record.*
FROM (
    SELECT seen.token, min(seen.sequence) AS sequence
    FROM unnest(:tokens::text[], :sequences::bigint[]) AS seen (token, sequence)
    GROUP BY seen.token
) AS known
JOIN job_record ON job_record.token = known.token AND job_record.sequence > known.sequence

-- name: job_position
-- The waiting jobs of its own product that go before it, and of each other product as many as get their turn
-- meanwhile; counted up to :most.
WITH self AS (
    SELECT job.id, job.product_id, job.run, job.priority, coalesce(product.weight, 1) AS weight
    FROM job
    LEFT JOIN product ON product.id = job.product_id
    WHERE job.id = :id AND job.status = 'enqueued'
), own AS (
    SELECT count(*) AS jobs FROM (
        SELECT FROM self
        JOIN job ON coalesce(job.product_id, 0) = coalesce(self.product_id, 0)
        WHERE job.status = 'enqueued' AND job.head AND job.id <> self.id
            AND CASE WHEN job.run = self.run THEN true ELSE (-job.priority::integer, job.id) < (-self.priority::integer, self.id) END
        UNION ALL
        SELECT FROM self
        JOIN job ON job.product_id = self.product_id
        WHERE job.status = 'enqueued' AND NOT job.head AND job.id < self.id
            AND (job.run = self.run OR job.priority >= self.priority)
        LIMIT :most
    ) AS ahead
), others AS (
    SELECT count(*) AS jobs FROM (
        SELECT FROM own
        CROSS JOIN self
        JOIN product ON product.id <> coalesce(self.product_id, 0)
        CROSS JOIN LATERAL (
            SELECT FROM job
            WHERE job.status = 'enqueued' AND job.head AND coalesce(job.product_id, 0) = product.id
            LIMIT ceil((own.jobs + 1) * product.weight / self.weight)::bigint
        ) AS ahead
        LIMIT :most
    ) AS ahead
)
SELECT least(own.jobs + others.jobs, :most) FROM own, others, self

-- name: job_estimate
-- Seconds until a waiting job starts: the jobs before it, shared by all slots, or those before it in the line of its
-- run, one after the other, whichever takes longer; each takes as long as the median of those completed last.
WITH last_ended AS (
    SELECT status, finished_at - started_at AS took
    FROM job
    WHERE finished_at IS NOT NULL
    ORDER BY finished_at DESC
    LIMIT :sample
), typical AS (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM took)) AS seconds
    FROM last_ended
    WHERE status = 'completed'
), busy AS (
    SELECT (SELECT count(*) FROM job WHERE status = 'running') AS jobs, greatest(count(*), 1) * :node_slots::float8 AS slots
    FROM node
), line AS (
    -- Two conditions that fit two indexes, counted up to :most.
    SELECT count(*) AS jobs FROM (
        SELECT FROM job AS self
        JOIN job AS first ON first.product_id = self.product_id AND first.run = self.run
        WHERE self.id = :id AND first.head AND first.run IS NOT NULL AND first.id <> self.id
        UNION ALL
        SELECT FROM job AS self
        JOIN job AS before ON before.product_id = self.product_id AND before.run = self.run
        WHERE self.id = :id AND before.status = 'enqueued' AND NOT before.head AND before.id < self.id
        LIMIT :most
    ) AS before
)
SELECT typical.seconds * greatest(line.jobs, (:position + 1 + busy.jobs - busy.slots) / busy.slots, 0)
FROM typical, busy, line

-- name: job_remaining
-- Seconds until a running job ends: what those like it that were completed lately took beyond the time for which it has
-- run already, in the median. Shorter ones tell nothing any more. Like it are those of its run, or, when there is none,
-- those of its kind.
WITH self AS (
    SELECT kind, product_id, run, clock_timestamp() - started_at AS ran
    FROM job
    WHERE id = :id AND status = 'running'
), last_ended AS (
    SELECT status, kind, product_id, run, finished_at - started_at AS took
    FROM job
    WHERE finished_at IS NOT NULL
    ORDER BY finished_at DESC
    LIMIT :sample
), alike AS (
    SELECT
        last_ended.took,
        self.ran,
        coalesce(last_ended.product_id = self.product_id AND last_ended.run = self.run, false) AS of_its_run
    FROM last_ended
    JOIN self ON self.kind = last_ended.kind
    WHERE last_ended.status = 'completed'
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM took - ran))
FROM alike
WHERE took > ran AND of_its_run = (SELECT bool_or(of_its_run) FROM alike)

-- name: add_comment
WITH commented AS (
    UPDATE job SET sequence = sequence + 1 WHERE token = :token RETURNING id
)
INSERT INTO job_comment (job_id, who, text) SELECT id, :who, :text FROM commented

-- name: mark_consumed
-- In the order of ids, as all who change several jobs.
UPDATE job SET consumed = true
WHERE id IN (
    SELECT id FROM job
    WHERE token = ANY(:tokens) AND finished_at IS NOT NULL AND NOT consumed
    ORDER BY id
    FOR UPDATE
)

-- name: tokens_with_upload
SELECT token FROM job
WHERE
    token = ANY(:tokens)
    AND (
        status IN ('allocated', 'enqueued', 'running')
        OR (status IN ('failed', 'dropped') AND finished_at > now() - :keep::interval)
    )

-- name: prune_jobs
DELETE FROM job
WHERE id IN (
    SELECT id FROM job
    WHERE finished_at < now() - :older_than::interval
    ORDER BY finished_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
RETURNING token

-- name: lock_key
-- Of two requests with one key that come together the second waits until the first has ended.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(chr(1), 'key', :product_id::integer, :username::text, :key::text), 0))

-- name: find_by_key
SELECT job.token, idempotency_key.body_digest
FROM idempotency_key
JOIN job ON job.id = idempotency_key.job_id
WHERE
    idempotency_key.product_id = :product_id AND idempotency_key.username = :username
    AND idempotency_key.key = :key AND idempotency_key.created_at > now() - :kept::interval

-- name: remember_key
INSERT INTO idempotency_key (product_id, username, key, body_digest, job_id)
VALUES (:product_id, :username, :key, :body_digest, :job_id)
ON CONFLICT (product_id, username, key) DO UPDATE
    SET body_digest = excluded.body_digest, job_id = excluded.job_id, created_at = excluded.created_at
    WHERE idempotency_key.created_at <= now() - :kept::interval

-- name: prune_keys
DELETE FROM idempotency_key WHERE created_at <= now() - :kept::interval
