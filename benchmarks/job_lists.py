"""What a page of the list of jobs costs, with each kind of filter, at the beginning, in the middle and at the end.

    python -m benchmarks.job_lists [--jobs 100000]

It fills an embedded PostgreSQL of its own with jobs of a month that have ended, and a few that have not. Times are the
least of some tries, from the call to the last job as a Python value; blocks are pages of tables and indexes.
"""

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from storaged.database.embedded import open_embedded
from storaged.database.engine import open_connection
from storaged.database.migrate import migrate
from storaged.database.sql import planned_anew
from storaged.model import JobKind, JobStatus, Token
from storaged.queue.lists import QUERIES, JobFilter, conditions, list_jobs

FILL = """
INSERT INTO job (
    token, kind, product_id, run, username, summary, status, node, node_instance, cancel_requested, consumed,
    enqueued_at, started_at, finished_at, heartbeat_at
)
SELECT
    lpad(to_hex(n), 64, '0'), 'store', 1, 'run ' || n % 300,
    CASE WHEN n % 1000 = 7 THEN 'rare' ELSE 'user ' || n % 10 END, 'Store of results to Default',
    CASE WHEN n % 50 = 0 THEN 'failed' WHEN n % 97 = 0 THEN 'cancelled' ELSE 'completed' END,
    'node ' || n % 3, gen_random_uuid(), n % 97 = 0, n % 40 > 0, at, at + interval '1 s', at + interval '3 s', at
FROM generate_series($1::integer, 1, -1) AS n
CROSS JOIN LATERAL (SELECT now() - n * interval '30 days' / $1::integer AS at) AS drawn
"""
WAITING = """
INSERT INTO job (token, kind, product_id, run, summary, status, enqueued_at)
SELECT 'f' || lpad(to_hex(n), 63, '0'), 'store', 1, 'waiting ' || n, 'Store', 'enqueued', now()
FROM generate_series(1, 20) AS n
"""
TRIES = 5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=100_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as scratch:
        Console().print(asyncio.run(measure(Path(scratch), options.jobs)))


def filters() -> dict[str, JobFilter]:
    """Those that many jobs pass, then those that few do."""
    week, hour = timedelta(days=7), timedelta(hours=1)
    then = datetime.now(UTC) - 2 * week
    return {
        "none": JobFilter(),
        "status completed": JobFilter(statuses=[JobStatus.COMPLETED]),
        "one of ten users": JobFilter(users=["user 3"]),
        "one of 300 runs": JobFilter(runs=["run 7"]),
        "status failed": JobFilter(statuses=[JobStatus.FAILED]),
        "cancelled": JobFilter(cancelled=True),
        "not consumed": JobFilter(consumed=False),
        "node, user, product": JobFilter(nodes=["node 1"], users=["user 1"], no_product=False),
        "enqueued 2 weeks ago": JobFilter(enqueued_before=then),
        "finished in an hour": JobFilter(finished_after=then - hour, finished_before=then),
        "waiting": JobFilter(statuses=[JobStatus.ENQUEUED, JobStatus.RUNNING]),
        "one token": JobFilter(tokens=[Token(f"{77:064x}")]),
        "a token in upper case": JobFilter(tokens=[f"{77:064X}"]),
        "tokens *7": JobFilter(tokens=["*7"]),
        "tokens 0*4d, just one": JobFilter(tokens=[f"{77:064x}"[:32] + "*004d"]),
        "nodes NODE*": JobFilter(nodes=["NODE*"]),
        "users *3": JobFilter(users=["*3"]),
        "one of 1000 users": JobFilter(users=["RARE"]),
        "users r*e, one of 1000": JobFilter(users=["r*e"]),
        "a user that is not there": JobFilter(users=["nobody"]),
        "a node that is not there": JobFilter(nodes=["nothing"]),
        "users nob*, not there": JobFilter(users=["nob*"]),
        "a run that is not there": JobFilter(runs=["nothing"]),
        "a kind that is not there": JobFilter(kinds=[JobKind.DUMMY]),
    }


async def measure(folder: Path, count: int) -> Table:
    async with open_embedded(folder / "postgres") as dsn:
        conn = await open_connection(dsn)
        try:
            await migrate(conn)
            await conn.execute(FILL, count)
            await conn.execute(WAITING)
            await conn.execute("VACUUM (ANALYZE) job")
            return await table_of(conn, count)
        finally:
            await conn.close()


async def table_of(conn: Any, count: int) -> Table:
    table = Table("filter", title=f"Pages of 100 out of {count} jobs: ms (blocks): jobs")
    newest = await conn.fetchval("SELECT max(id) FROM job")
    places = {"first page": None, "in the middle": newest - count // 2, "near the end": newest - count * 9 // 10}
    for name in places:
        table.add_column(name, justify="right")
    for name, where in filters().items():
        table.add_row(name, *[await cost(conn, where, after) for after in places.values()])
    return table


async def cost(conn: Any, where: JobFilter, after: int | None) -> str:
    taken = []
    for _ in range(TRIES):
        started = time.perf_counter()
        found = await list_jobs(conn, where, after_id=after)
        taken.append(time.perf_counter() - started)
    return f"{min(taken) * 1e3:.1f} ({await blocks(conn, where, after)}): {len(found)}"


async def blocks(conn: Any, where: JobFilter, after: int | None) -> int:
    query = QUERIES["list_jobs"]
    values = query.arguments({**await conditions(conn, where), "limit": 100, "after_id": after})
    async with planned_anew(conn):
        (plan,) = json.loads(await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.text}", *values))
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


if __name__ == "__main__":
    main()
