"""How long each query of sql/dashboard takes beside a million finished jobs of 30 days, and what its plan reads.

    python -m benchmarks.dashboard [--jobs N] [--waiting N] [--url URL]

Without --url it starts an embedded PostgreSQL of its own; with it, it makes a database of its own on that server and
drops it at the end. The time is the median and the slowest of the rounds, as a client sees it; blocks are those of
8 KiB that the plan read, in the cache or not. The aim is 50 ms for each.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from rich.console import Console
from rich.table import Table

from storaged.database.embedded import open_embedded
from storaged.database.engine import open_connection
from storaged.database.migrate import migrate
from storaged.queue.dashboard import QUERIES
from tests.conftest import database_of
from tests.integration.finished_jobs import add_finished_jobs, add_products, add_unfinished_jobs

ROUNDS = 15
PRODUCTS = 20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=1_000_000)
    arguments.add_argument("--waiting", type=int, default=1000)
    arguments.add_argument("--url", help="a server to make a database on")
    options = arguments.parse_args()
    asyncio.run(measure(options.jobs, options.waiting, options.url))


async def measure(jobs: int, waiting: int, url: str | None) -> None:
    async with open_database(url) as database_url:
        connection = await open_connection(database_url)
        await migrate(connection)
        started = time.perf_counter()
        await add_products(connection, PRODUCTS)
        await add_finished_jobs(connection, jobs, days=30, products=PRODUCTS)
        await add_unfinished_jobs(connection, waiting=waiting, running=16, products=PRODUCTS)
        await connection.execute("VACUUM ANALYZE job")
        print(f"{jobs:,} finished jobs in {time.perf_counter() - started:.0f} s")
        rows = [await measure_query(connection, name, query.text) for name, query in QUERIES.items()]
        await connection.close()
    report(rows)


async def measure_query(connection: asyncpg.Connection, name: str, text: str) -> list[str]:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await connection.fetch(text)
        times.append(1000 * (time.perf_counter() - started))
    plan = orjson.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {text}"))[0]["Plan"]
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    used = sorted({node["Index Name"] for node in nodes(plan) if "Index Name" in node})
    return [name, f"{statistics.median(times):.1f}", f"{max(times):.1f}", f"{blocks:,}", ", ".join(used)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def report(rows: list[list[str]]) -> None:
    table = Table("query", "median ms", "slowest ms", "blocks", "indexes")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@asynccontextmanager
async def open_database(url: str | None) -> AsyncIterator[str]:
    if url is None:
        with tempfile.TemporaryDirectory(prefix="storaged-bench-") as folder:
            async with open_embedded(Path(folder) / "postgres", None) as own:
                yield own
        return
    name = f"bench_{uuid4().hex}"
    server = await asyncpg.connect(url)
    await server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield database_of(url, name)
    finally:
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await server.close()


if __name__ == "__main__":
    main()
