"""Large queues, made in one statement: jobs that ended over many days, and jobs that wait and run."""

from datetime import timedelta

import asyncpg

FINISHED = """
INSERT INTO job (
    token, kind, product_id, run, username, summary, arguments, status, attempt, node, node_instance, created_at,
    enqueued_at, started_at, finished_at, heartbeat_at, phase, consumed, sequence, result, reason
)
SELECT
    replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
    CASE WHEN i % 50 = 0 THEN 'delete_run' ELSE 'store' END,
    1 + i % $4,
    'run ' || i % 2000,
    'ann',
    'Store of results to ''Default'' - ''run ' || i % 2000 || '''',
    '{"tag": null, "force": false, "client": "storectl/0.1.0", "description": null, "keep_going": false}',
    ends.status,
    1,
    '127.0.0.1:8001',
    '7f2b3c64-3f5e-4e9a-9a0e-9d4f0f3f1c11',
    ends.at - interval '30 seconds',
    ends.at - interval '30 seconds',
    ends.at - (1 + i % 20) * interval '0.9 seconds',
    ends.at,
    ends.at,
    'merge',
    true,
    7,
    '{"reports": 26, "new": 26, "resolved": 0, "written": {"inserted": 26, "closed": 0}, "warnings": []}',
    CASE ends.status WHEN 'failed' THEN 'bad-archive' WHEN 'dropped' THEN 'shutdown' END
FROM generate_series(1, $1::integer) AS i
CROSS JOIN LATERAL (
    SELECT
        now() - $3::interval - $2::interval * (1 - i::float8 / $1) AS at,
        CASE WHEN i % 100 < 2 THEN 'failed' WHEN i % 100 = 2 THEN 'dropped' WHEN i % 100 = 3 THEN 'cancelled'
            ELSE 'completed' END AS status
) AS ends
"""

COMMENTS = """
INSERT INTO job_comment (job_id, who, text)
SELECT id, 'storaged@' || node, 'FAILED!' || chr(10) || 'Something was wrong.' FROM job WHERE reason IS NOT NULL
"""

WAITING = """
INSERT INTO job (token, kind, product_id, run, summary, status, enqueued_at)
SELECT
    md5('w' || i) || md5('x' || i), 'store', 1 + i % $2, 'waiting ' || i % ($1::integer / 2 + 1), 'Store', 'enqueued',
    now() - i * interval '1 second'
FROM generate_series(1, $1::integer) AS i
"""

RUNNING = """
INSERT INTO job (
    token, kind, product_id, run, summary, status, head, attempt, lease_id, node, node_instance, enqueued_at,
    started_at, heartbeat_at, phase, done, total
)
SELECT
    md5('r' || i) || md5('s' || i), 'store', 1 + i % $2, 'running ' || i, 'Store', 'running', true, 1,
    gen_random_uuid(), '127.0.0.1:8001', '7f2b3c64-3f5e-4e9a-9a0e-9d4f0f3f1c11', now() - interval '1 minute',
    now() - i * interval '1 second', now(), 'parse', i, 100
FROM generate_series(1, $1::integer) AS i
"""

PRODUCTS = """
INSERT INTO product (endpoint, display_name)
SELECT 'product-' || i, 'Product ' || i FROM generate_series(2, $1::integer) AS i
"""


async def add_finished_jobs(
    connection: asyncpg.Connection, count: int, *, days: float, days_ago: float = 0, products: int = 1
) -> None:
    """Jobs that ended one after the other in so many days until `days_ago`, those of each product in turn."""
    # Triggers keep the line of those that wait; an ended job never stands in it.
    await connection.execute("ALTER TABLE job DISABLE TRIGGER USER")
    await connection.execute(FINISHED, count, timedelta(days=days), timedelta(days=days_ago), products)
    await connection.execute("ALTER TABLE job ENABLE TRIGGER USER")
    await connection.execute(COMMENTS)


async def add_unfinished_jobs(connection: asyncpg.Connection, *, waiting: int, running: int, products: int = 1) -> None:
    """Jobs that wait, two to a run, one more every second, and jobs that run on a node that is not there."""
    await connection.execute(WAITING, waiting, products)
    await connection.execute(RUNNING, running, products)


async def add_products(connection: asyncpg.Connection, count: int) -> None:
    """So many in all, the default one among them."""
    await connection.execute(PRODUCTS, count)
