"""How soon clients that long-poll hear that their job has ended: from the COMMIT's return to the whole answer.

    python -m benchmarks.long_poll [--clients 1000] [--rate 100] [--rounds 3]

It starts a daemon on an embedded PostgreSQL of its own. Each round makes as many jobs as there are clients, lets each
client wait for one of them over a connection of its own, and then ends the jobs, one transaction for each, at the rate.
The clients and whoever ends the jobs are one process with one clock; the time it takes to read the answers is part of
what is measured. Run it on an idle machine: client, daemon and database share its cores.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.daemons import daemon
from storaged.database.embedded import open_embedded
from storaged.database.engine import open_connection
from storaged.model import Claim, JobId, JobKind, ProductId, Token
from storaged.queue import jobs

# Under a node that is not there; the time of the last heartbeat keeps the daemon from taking them for orphans.
RUNNING_JOBS = """
INSERT INTO job (
    token, kind, product_id, run, summary, status, head, attempt, node, node_instance, lease_id,
    enqueued_at, started_at, heartbeat_at
)
SELECT
    token, 'store', 1, 'run ' || token, 'A job of the benchmark', 'running', true, 1, 'benchmark', $2,
    gen_random_uuid(), now(), now(), now() + interval '1 hour'
FROM unnest($1::text[]) AS token
RETURNING id, token, run, lease_id
"""
GIVE_UP_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds from the COMMIT's return to the receipt of each who was told, and how fast the jobs ended."""

    delays: Sequence[float]
    clients: int
    per_second: float


class Waiter(asyncio.Protocol):
    """One client: notes when the whole answer is there."""

    def __init__(self) -> None:
        self._received = bytearray()
        self.told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if blank and len(body) == content_length(head):
            self.told.set_result(time.perf_counter())


def content_length(head: bytearray) -> int:
    (length,) = (line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length"))
    return int(length)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clients", type=int, default=1000)
    arguments.add_argument("--rate", type=float, default=100, help="jobs that end in a second")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as scratch, daemon(Path(scratch) / "data") as url:
        rounds = uvloop.run(measure(url, Path(scratch) / "data", options))
    report(rounds)


async def measure(url: str, data_dir: Path, options: argparse.Namespace) -> list[Round]:
    async with open_embedded(data_dir / "postgres") as dsn:
        conn = await open_connection(dsn)
        try:
            return [await one_round(conn, url, options.clients, options.rate) for _ in range(options.rounds)]
        finally:
            await conn.close()


async def one_round(conn: asyncpg.Connection, url: str, clients: int, rate: float) -> Round:
    claims = await run_jobs(conn, clients)
    async with AsyncExitStack() as stack:
        waiters = await connect_all(stack, url, [claim.token for claim in claims])
        started = time.perf_counter()
        committed = await end_jobs(conn, claims, rate)
        took = time.perf_counter() - started
        told, _ = await asyncio.wait([waiter.told for waiter in waiters], timeout=GIVE_UP_SECONDS)
    pairs = zip(waiters, committed, strict=True)
    return Round(
        [waiter.told.result() - ended for waiter, ended in pairs if waiter.told in told], clients, clients / took
    )


async def run_jobs(conn: asyncpg.Connection, count: int) -> list[Claim]:
    """New jobs that run, each of a run of its own, and the leases to end them with."""
    rows = await conn.fetch(RUNNING_JOBS, [jobs.new_token() for _ in range(count)], uuid4())
    return [claim_of(row["id"], row["token"], row["run"], row["lease_id"]) for row in rows]


def claim_of(job_id: int, token: str, run: str, lease: UUID) -> Claim:
    return Claim(
        id=JobId(job_id),
        token=Token(token),
        kind=JobKind.STORE,
        product_id=ProductId(1),
        product="Default",
        run=run,
        username=None,
        attempt=1,
        crashes=0,
        lease_id=lease,
    )


async def connect_all(stack: AsyncExitStack, url: str, tokens: Sequence[Token]) -> list[Waiter]:
    """A waiting client for each; not all at once, so that the daemon's backlog of connections has room."""
    waiters = []
    for start in range(0, len(tokens), 50):
        waiters += await asyncio.gather(*(connect(stack, url, token) for token in tokens[start : start + 50]))
    # The daemon looks at jobs in the order of the requests: when this one is answered all others wait.
    await ask_once(stack, url, tokens[-1])
    return waiters


async def connect(stack: AsyncExitStack, url: str, token: Token, *, wait: float = 300) -> Waiter:
    address = urlsplit(url)
    transport, waiter = await asyncio.get_running_loop().create_connection(
        Waiter, address.hostname or "", address.port or 80
    )
    transport.write(f"GET /api/v1/jobs/{token}?wait={wait} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    stack.callback(transport.close)
    return waiter


async def ask_once(stack: AsyncExitStack, url: str, token: Token) -> None:
    waiter = await connect(stack, url, token, wait=0)
    await waiter.told


async def end_jobs(conn: asyncpg.Connection, claims: Sequence[Claim], rate: float) -> list[float]:
    """End them one after the other, at the rate; when the COMMIT of each had returned."""
    started = time.perf_counter()
    committed = []
    for number, claim in enumerate(claims):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        # Without a transaction around it the statement's end is that of its COMMIT.
        await jobs.complete(conn, claim)
        committed.append(time.perf_counter())
    return committed


def report(rounds: Sequence[Round]) -> None:
    table = Table("round", "ended a second", "told", "p50 ms", "p99 ms", "max ms", title="COMMIT to receipt")
    for number, one in enumerate(rounds, 1):
        p50, p99 = (statistics.quantiles(one.delays, n=100, method="inclusive")[at] for at in (49, 98))
        told = f"{len(one.delays)} of {one.clients}"
        table.add_row(
            str(number), f"{one.per_second:.0f}", told, *(f"{s * 1e3:.1f}" for s in (p50, p99, max(one.delays)))
        )
    Console().print(table)


if __name__ == "__main__":
    main()
