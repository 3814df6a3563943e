"""The operator's queries: what they tell of a queue, and that they do not read what ended long ago."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from storaged.database.engine import Engine, open_connection
from storaged.database.sql import sql_folder
from storaged.model import Reason
from storaged.queue import dashboard, jobs, nodes, rescue
from storaged.queue.rescue import Rescuer
from tests.integration.finished_jobs import add_finished_jobs, add_unfinished_jobs
from tests.integration.queue_scenes import INSTANCE, NODE, add_product, claim, claim_one, complete, enqueue

PERIODS = ["5 minutes", "hour", "day"]


async def ask(engine: Engine, name: str) -> list[dict[str, Any]]:
    async with engine.connect() as conn:
        return await dashboard.ask(conn, name)


async def execute(engine: Engine, statement: str, *arguments: Any) -> None:
    async with engine.begin() as conn:
        await conn.fetch(statement, *arguments)


async def end(engine: Engine, *, ago: timedelta, waited: float = 1, took: float = 1, status: str = "completed") -> None:
    """A job that ended so long ago, after it had waited and run so many seconds."""
    job = await enqueue(engine)
    await execute(
        engine,
        "UPDATE job SET status = $2, finished_at = now() - $3::interval, "
        "started_at = now() - $3::interval - $4::interval, "
        "enqueued_at = now() - $3::interval - $4::interval - $5::interval WHERE id = $1",
        job.id,
        status,
        ago,
        timedelta(seconds=took),
        timedelta(seconds=waited),
    )


def test_every_file_is_a_query_that_the_daemon_knows() -> None:
    files = {path.stem for path in (sql_folder() / "dashboard").glob("*.sql")}
    assert files == set(dashboard.NAMES)


@pytest.mark.parametrize("name", dashboard.NAMES)
async def test_every_file_runs_as_it_stands_and_explains_each_of_its_columns(engine: Engine, name: str) -> None:
    file = (sql_folder() / "dashboard" / f"{name}.sql").read_text(encoding="utf-8")
    async with engine.connect() as conn:
        # Without arguments it goes the way of psql: the text as it is, comment and semicolon.
        await conn.execute(file)
        columns = [column.name for column in (await conn.prepare(file)).get_attributes()]  # type: ignore[attr-defined]
    about = dashboard.QUERIES[name].about
    obvious = {"token", "kind", "product", "run", "user", "status", "node", "period"}
    told = about.replace(
        "median_, p90_, p99_, longest_seconds", "median_seconds p90_seconds p99_seconds longest_seconds"
    )
    told = told.replace("earlier_, later_median_seconds", "earlier_median_seconds later_median_seconds")
    assert [column for column in columns if column not in obvious and column not in told] == []


async def test_the_queue_is_counted_in_all_and_by_product(engine: Engine) -> None:
    other = await add_product(engine, "other")
    for _ in range(2):
        await enqueue(engine, "a")
    await claim_one(engine)
    await enqueue(engine, "b", product=other)
    await enqueue(engine, None, product=None)
    await execute(engine, "UPDATE job SET enqueued_at = now() - interval '1 hour' WHERE product_id = $1", other)
    rows = await ask(engine, "queue")
    assert [(row["product"], row["waiting"], row["blocked"], row["running"]) for row in rows] == [
        ("*", 3, 1, 1),
        ("other", 1, 0, 0),
        ("Default", 1, 1, 1),
        ("-", 1, 0, 0),
    ]
    assert rows[0]["oldest_wait_seconds"] == rows[1]["oldest_wait_seconds"] >= 3600 > rows[2]["oldest_wait_seconds"]


async def test_an_empty_queue_has_one_row_that_says_so(engine: Engine) -> None:
    (row,) = await ask(engine, "queue")
    assert row == {"product": "*", "waiting": 0, "blocked": 0, "running": 0, "oldest_wait_seconds": None}


async def test_waiting_jobs_are_counted_by_their_age(engine: Engine) -> None:
    for ago in (-60, 1, 30, 90, 10_000_000):
        job = await enqueue(engine, "line")
        await execute(
            engine,
            "UPDATE job SET enqueued_at = now() - $2::interval WHERE id = $1",
            job.id,
            timedelta(seconds=ago),
        )
    rows = await ask(engine, "waiting")
    assert [row["waiting"] for row in rows] == [2, 1, 1, 0, 0, 1]
    assert [row["blocked"] for row in rows] == [1, 1, 1, 0, 0, 1]
    assert [row["products"] for row in rows] == [1, 1, 1, 0, 0, 1]


async def test_waits_are_those_of_all_that_started_whether_they_ended_or_not(engine: Engine) -> None:
    await end(engine, ago=timedelta(minutes=1), waited=10)
    await end(engine, ago=timedelta(minutes=30), waited=20)
    await end(engine, ago=timedelta(hours=3), waited=30)
    await end(engine, ago=timedelta(days=2), waited=40)
    # It ended a minute ago, but started long before.
    await end(engine, ago=timedelta(minutes=1), waited=50, took=7200)
    running = await enqueue(engine)
    await claim_one(engine)
    await execute(engine, "UPDATE job SET enqueued_at = started_at - interval '12 s' WHERE id = $1", running.id)
    rows = await ask(engine, "waits")
    assert [(row["period"], row["jobs"]) for row in rows] == list(zip(PERIODS, [2, 3, 5], strict=True))
    assert [row["median_seconds"] for row in rows] == [11, 12, 20]
    assert [row["longest_seconds"] for row in rows] == [12, 20, 50]


@pytest.mark.parametrize(("earlier", "later", "trend"), [(1, 2, "growing"), (2, 1, "shrinking"), (1, 1.2, "steady")])
async def test_waits_and_processing_tell_whether_they_grow(
    engine: Engine, earlier: float, later: float, trend: str
) -> None:
    await end(engine, ago=timedelta(minutes=4), waited=earlier, took=earlier)
    await end(engine, ago=timedelta(minutes=1), waited=later, took=later)
    for query in ("waits", "processing"):
        row = (await ask(engine, query))[0]
        assert (row["earlier_median_seconds"], row["later_median_seconds"], row["trend"]) == (earlier, later, trend)


async def test_there_is_no_trend_without_jobs(engine: Engine) -> None:
    for query in ("waits", "processing"):
        assert [row["trend"] for row in await ask(engine, query)] == [None, None, None]


async def test_throughput_counts_what_was_completed_and_times_leave_the_rest_out(engine: Engine) -> None:
    for number in range(10):
        await end(engine, ago=timedelta(minutes=1), took=number)
    await end(engine, ago=timedelta(minutes=20), took=1000)
    await end(engine, ago=timedelta(minutes=1), took=5000, status="failed")
    await end(engine, ago=timedelta(minutes=1), took=5000, status="dropped")
    await end(engine, ago=timedelta(minutes=1), took=5000, status="cancelled")
    first, hour, _ = await ask(engine, "processing")
    counts = ("ended", "completed", "failed", "dropped", "cancelled", "per_minute")
    assert [first[name] for name in counts] == [13, 10, 1, 1, 1, 2]
    assert (first["median_seconds"], first["longest_seconds"]) == (4.5, 9)
    assert first["p90_seconds"] == pytest.approx(8.1)
    assert (hour["completed"], hour["longest_seconds"]) == (11, 1000)


async def test_the_jobs_that_ended_last_come_first(engine: Engine) -> None:
    await end(engine, ago=timedelta(minutes=2), waited=3, took=4)
    await end(engine, ago=timedelta(minutes=1), waited=5, took=6)
    await enqueue(engine)
    rows = await ask(engine, "latest")
    assert [(row["waited_seconds"], row["took_seconds"]) for row in rows] == [(5, 6), (3, 4)]


async def test_failures_and_drops_are_counted_by_reason(engine: Engine) -> None:
    other = await add_product(engine, "other")
    for product in (other, *[jobs.ProductId(1)] * 2):
        await enqueue(engine, str(uuid4()), product=product)
        claimed = await claim_one(engine)
        async with engine.begin() as conn:
            await jobs.fail(conn, claimed, comment="Cut off.", reason=Reason.BAD_ARCHIVE)
    await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.drop(conn, claimed, comment="Bye.", heading=jobs.SHUTDOWN, reason=Reason.SHUTDOWN)
    await end(engine, ago=timedelta(minutes=1), status="cancelled")
    await end(engine, ago=timedelta(hours=5), status="failed")
    await end(engine, ago=timedelta(days=3), status="failed")
    rows = await ask(engine, "failures")
    columns = ("status", "reason", "last_5_minutes", "last_hour", "last_day", "products")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("failed", "bad-archive", 3, 3, 3, 2),
        ("dropped", "shutdown", 1, 1, 1, 1),
        ("failed", "-", 0, 0, 1, 1),
    ]
    assert rows[1]["latest_token"] == claimed.token


async def test_what_failed_last_comes_with_the_end_of_its_log(engine: Engine) -> None:
    await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.add_comment(conn, claimed.token, "ann", "What is this?")
        await jobs.fail(conn, claimed, comment="It is cut off.", reason=Reason.BAD_ARCHIVE)
    (row,) = await ask(engine, "failed")
    assert (row["token"], row["reason"]) == (claimed.token, "bad-archive")
    assert row["comment"].startswith("FAILED!")
    assert row["comment"].endswith("It is cut off.")


async def test_a_retry_forgets_the_reason(engine: Engine) -> None:
    await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.fail(conn, claimed, comment="Bad.", reason=Reason.BAD_ARCHIVE)
        assert (await jobs.get(conn, claimed.token)).reason == Reason.BAD_ARCHIVE
        assert (await jobs.retry(conn, claimed.token, "ann")).reason is None
    assert await ask(engine, "failures") == []


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (rescue.drop_own_orphans, Reason.NODE_RESTARTED),
        (
            lambda conn, rescuer: rescue.drop_orphans_of_dead_nodes(conn, rescuer, dead_after=timedelta(0)),
            Reason.NODE_GONE,
        ),
    ],
)
async def test_what_a_dead_node_left_behind_has_its_reason(engine: Engine, lose: Any, reason: Reason) -> None:
    await enqueue(engine)
    await claim_one(engine)
    async with engine.connect() as conn:
        (job,) = await lose(conn, Rescuer(NODE, uuid4()))
    assert (job.status, job.reason) == ("dropped", reason)


async def test_nodes_are_told_by_lock_and_heartbeat_with_what_they_run(engine: Engine, database_url: str) -> None:
    held = await open_connection(database_url)
    try:
        for node in ("alive", "late"):
            await nodes.register(held, node)
        for node in ("unlocked", "silent"):
            connection = await open_connection(database_url)
            await nodes.register(connection, node)
            await connection.close()
        await execute(
            engine, "UPDATE node SET heartbeat_at = now() - interval '1 min' WHERE id = ANY($1)", ["late", "silent"]
        )
        await enqueue(engine, "a")
        await enqueue(engine, None)
        await claim(engine, 2, node="alive")
        await enqueue(engine, "b")
        await claim_one(engine, node="forgotten")
        rows = {row["node"]: row for row in await ask(engine, "nodes")}
    finally:
        await held.close()
    states = {node: row["state"] for node, row in rows.items()}
    assert states == {"alive": "alive", "late": "late", "unlocked": "unlocked", "silent": "gone", "forgotten": "gone"}
    assert (rows["alive"]["running"], rows["alive"]["jobs"]) == (2, ["Default/a", "dummy"])
    assert (rows["late"]["running"], rows["late"]["jobs"], rows["late"]["longest_seconds"]) == (0, [], None)


async def test_what_runs_longest_comes_first_with_its_progress(engine: Engine) -> None:
    for run in ("a", "b"):
        await enqueue(engine, run)
    first, second = await claim(engine, 2)
    await execute(engine, "UPDATE job SET started_at = now() - interval '1 min' WHERE id = $1", second.id)
    async with engine.begin() as conn:
        await jobs.progress(conn, second, "parse", 3, 7)
    rows = await ask(engine, "running")
    assert [row["token"] for row in rows] == [second.token, first.token]
    assert tuple(rows[0][name] for name in ("phase", "done", "total", "attempt")) == ("parse", 3, 7, 1)
    assert rows[0]["running_seconds"] >= 60 > rows[1]["running_seconds"]


async def test_a_claim_says_how_long_its_job_waited(engine: Engine) -> None:
    job = await enqueue(engine)
    await execute(engine, "UPDATE job SET enqueued_at = now() - interval '9 s' WHERE id = $1", job.id)
    assert (await claim_one(engine)).waited_seconds >= 9
    await complete(engine, await _reclaimed(engine))


async def _reclaimed(engine: Engine) -> Any:
    """The job again, after its first claim was given back."""
    async with engine.begin() as conn:
        (lease,) = await conn.fetch("SELECT id, lease_id, token FROM job WHERE status = 'running'")
        await conn.fetch("UPDATE job SET status = 'enqueued', lease_id = NULL WHERE id = $1", lease["id"])
    return await claim_one(engine, instance=INSTANCE)


async def test_no_query_reads_what_ended_long_ago(database_url: str) -> None:
    connection = await open_connection(database_url)
    try:
        await add_unfinished_jobs(connection, waiting=50, running=4)
        await add_finished_jobs(connection, 200, days=0.9)
        await add_finished_jobs(connection, 1000, days=30, days_ago=2)
        few = await read_by_each(connection)
        await add_finished_jobs(connection, 49_000, days=30, days_ago=2)
        many = await read_by_each(connection)
        whole = await connection.fetchval("SELECT pg_relation_size('job') / 8192")
    finally:
        await connection.close()
    for name, (blocks, ways) in many.items():
        assert blocks < 2 * few[name][0] + 50 < whole / 5, name
        assert "Seq Scan" not in ways, name


async def read_by_each(connection: asyncpg.Connection) -> dict[str, tuple[int, list[str]]]:
    """For each query: how many blocks it reads, and the ways in which it goes through the table of jobs."""
    await connection.execute("VACUUM ANALYZE job")
    return {name: await explain(connection, query.text) for name, query in dashboard.QUERIES.items()}


async def explain(connection: asyncpg.Connection, query: str) -> tuple[int, list[str]]:
    found = orjson.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}"))
    plan = found[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], [scan["Node Type"] for scan in job_scans(plan)]


def job_scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if plan.get("Relation Name") == "job":
        yield plan
    for below in plan.get("Plans", ()):
        yield from job_scans(below)
