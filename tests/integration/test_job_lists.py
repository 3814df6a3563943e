"""Lists of jobs: each filter, all of them together, and pages that cost the same wherever they are."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from storaged.database.engine import Engine, open_connection
from storaged.database.sql import Connection, planned_anew
from storaged.model import Job, JobKind, JobStatus, Token
from storaged.queue.jobs import ESTIMATE_SAMPLE, FAR
from storaged.queue.lists import QUERIES, JobFilter, conditions, list_jobs
from tests.integration.queue_scenes import DEFAULT, add_product, enqueue

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNT = 48
# Jobs of each kind of value, in steps that are prime to each other, so that the values come in many combinations.
SCENE = """
INSERT INTO job (
    token, kind, product_id, run, username, summary, status, head, node, node_instance, lease_id,
    cancel_requested, consumed, enqueued_at, started_at, finished_at, heartbeat_at, arguments
)
SELECT
    lpad(to_hex(n), 64, '0'), CASE WHEN n % 3 = 0 THEN 'dummy' ELSE 'store' END, product,
    CASE WHEN product IS NOT NULL THEN 'run ' || n END,
    (ARRAY['ann', 'bob', NULL])[n % 3 + 1], 'Job', status, status = 'running',
    CASE WHEN begun THEN 'node ' || n % 2 END,
    CASE WHEN begun THEN gen_random_uuid() END,
    CASE WHEN status = 'running' THEN gen_random_uuid() END,
    n % 7 < 3, status NOT IN ('enqueued', 'running') AND n % 2 = 0,
    at, CASE WHEN begun THEN at + interval '10 minutes' END,
    CASE WHEN status NOT IN ('enqueued', 'running') THEN at + interval '20 minutes' END,
    CASE WHEN begun THEN at + interval '15 minutes' END,
    CASE n % 4 WHEN 1 THEN '{"legacy": true}'::jsonb WHEN 2 THEN '{"legacy": false}' ELSE '{}' END
FROM generate_series(1, $3) AS n
CROSS JOIN LATERAL (
    SELECT
        (ARRAY['enqueued', 'running', 'completed', 'failed', 'cancelled', 'dropped'])[n % 6 + 1] AS status,
        (ARRAY[$1::integer, $2::integer, NULL])[n * 5 % 7 % 3 + 1] AS product,
        $4::timestamptz + n % 5 * interval '1 hour' AS at
) AS drawn
CROSS JOIN LATERAL (SELECT drawn.status <> 'enqueued' AS begun) AS state
"""

Expected = Callable[[Job], bool]


@pytest.fixture
async def scene(engine: Engine) -> list[Job]:
    """All jobs, the newest first."""
    other = await add_product(engine, "other")
    async with engine.begin() as conn:
        await conn.execute(SCENE, DEFAULT, other, COUNT, NOON)
        made = await list_jobs(conn, limit=COUNT + 1)
    assert len(made) == COUNT
    return made


def moment_filters(moment: str, read: Callable[[Job], datetime | None]) -> Iterator[tuple[dict[str, Any], Expected]]:
    def at_least(job: Job, bound: datetime) -> bool:
        found = read(job)
        return found is not None and found >= bound

    def at_most(job: Job, bound: datetime) -> bool:
        found = read(job)
        return found is not None and found <= bound

    # A bound that some jobs have to the microsecond: both ends are included.
    bound = NOON + 2 * HOUR + {"enqueued": 0, "started": 10, "last_seen": 15, "finished": 20}[moment] * HOUR / 60
    yield {f"{moment}_after": bound}, lambda job: at_least(job, bound)
    yield {f"{moment}_before": bound}, lambda job: at_most(job, bound)


FILTERS: list[tuple[dict[str, Any], Expected]] = [
    (
        {"tokens": [Token(f"{n:064x}") for n in range(1, 30, 4)]},
        lambda job: int(job.token, 16) in range(1, 30, 4),
    ),
    ({"tokens": [f"{46:064X}", f"{12:064x}"]}, lambda job: int(job.token, 16) in {46, 12}),
    ({"tokens": ["*D", f"{12:064x}"]}, lambda job: job.token.endswith("d") or int(job.token, 16) == 12),
    ({"nodes": ["node 1"]}, lambda job: job.node == "node 1"),
    ({"nodes": ["NODE 1"]}, lambda job: job.node == "node 1"),
    ({"nodes": ["N*0", "nothing"]}, lambda job: job.node == "node 0"),
    ({"kinds": [JobKind.DUMMY]}, lambda job: job.kind is JobKind.DUMMY),
    ({"kinds": ["Dummy"]}, lambda job: job.kind is JobKind.DUMMY),
    ({"kinds": ["S*E", "delete*"]}, lambda job: job.kind is JobKind.STORE),
    ({"legacy": True}, lambda job: int(job.token, 16) % 4 == 1 or job.kind is not JobKind.STORE),
    ({"legacy": False}, lambda job: int(job.token, 16) % 4 != 1 or job.kind is not JobKind.STORE),
    (
        {"statuses": [JobStatus.ENQUEUED, JobStatus.RUNNING]},
        lambda job: job.status in {JobStatus.ENQUEUED, JobStatus.RUNNING},
    ),
    ({"statuses": [JobStatus.FAILED]}, lambda job: job.status is JobStatus.FAILED),
    ({"runs": [f"run {n}" for n in range(20)]}, lambda job: job.run in {f"run {n}" for n in range(20)}),
    ({"users": ["ann"]}, lambda job: job.username == "ann"),
    ({"users": ["ANN", "nobody"]}, lambda job: job.username == "ann"),
    ({"users": ["*B"]}, lambda job: job.username == "bob"),
    ({"users": ["*"]}, lambda job: job.username is not None),
    ({"users": ["B*"], "no_user": True}, lambda job: job.username in {"bob", None}),
    ({"no_user": True}, lambda job: job.username is None),
    ({"users": ["ann"], "no_user": True}, lambda job: job.username in {"ann", None}),
    ({"products": [DEFAULT]}, lambda job: job.product == "Default"),
    ({"no_product": True}, lambda job: job.product is None),
    ({"products": [DEFAULT], "no_product": True}, lambda job: job.product in {"Default", None}),
    *moment_filters("enqueued", lambda job: job.enqueued_at),
    *moment_filters("started", lambda job: job.started_at),
    *moment_filters("finished", lambda job: job.finished_at),
    *moment_filters("last_seen", lambda job: job.heartbeat_at),
    ({"cancelled": True}, lambda job: job.cancel_requested),
    ({"cancelled": False}, lambda job: not job.cancel_requested),
    ({"consumed": True}, lambda job: job.consumed),
    ({"consumed": False}, lambda job: job.status.ended and not job.consumed),
]


async def listed(engine: Engine, **where: Any) -> list[Token]:
    async with engine.connect() as conn:
        return [job.token for job in await list_jobs(conn, JobFilter(**where))]


def tokens(scene: list[Job], *expected: Expected) -> list[Token]:
    return [job.token for job in scene if all(one(job) for one in expected)]


@pytest.mark.parametrize(("where", "expected"), FILTERS, ids=["+".join(where) for where, _ in FILTERS])
async def test_each_filter_keeps_what_it_names_and_nothing_else(
    engine: Engine, scene: list[Job], where: dict[str, Any], expected: Expected
) -> None:
    kept = tokens(scene, expected)
    assert 0 < len(kept) < COUNT
    assert await listed(engine, **where) == kept


def test_every_filter_is_tried() -> None:
    assert {name for where, _ in FILTERS for name in where} == {field.name for field in fields(JobFilter)}


@pytest.mark.parametrize("name", ["an%", "an_", "a_n", r"ann\\", "", "a n n", '"', "{}", "NULL", "ann,bob"])
async def test_a_name_with_signs_of_the_database_is_only_a_name(engine: Engine, scene: list[Job], name: str) -> None:
    for field in ("tokens", "nodes", "users", "kinds"):
        assert await listed(engine, **{field: [name]}) == []
        assert await listed(engine, **{field: [f"{name}**{name}x"]}) == []
    async with engine.begin() as conn:
        await conn.execute("UPDATE job SET username = $1 WHERE token = $2", name, scene[0].token)
    assert await listed(engine, users=[name]) == [scene[0].token]
    assert await listed(engine, users=[f"*{name}", "ann"]) == await listed(engine, users=[f"*{name}*", "Ann"])


async def test_a_name_with_other_letters_is_found_as_it_is_written(engine: Engine, scene: list[Job]) -> None:
    async with engine.begin() as conn:
        await conn.execute("UPDATE job SET username = 'Ärön', node = 'Ω-1' WHERE token = $1", scene[3].token)
    assert await listed(engine, users=["Ärön"], nodes=["Ω-1"]) == [scene[3].token]
    assert await listed(engine, users=["*Ä*ÖN", "Är*N"], nodes=["Ω*"]) == [scene[3].token]


async def test_filters_narrow_each_other(engine: Engine, scene: list[Job]) -> None:
    for (one, of_one), (two, of_two) in combinations(FILTERS, 2):
        if (
            one.keys() & two.keys()
            or {*one, *two} >= {"users", "no_user"}
            or {*one, *two} >= {"products", "no_product"}
        ):
            continue
        assert await listed(engine, **one, **two) == tokens(scene, of_one, of_two), (one, two)


async def test_pages_follow_each_other_without_gap_and_without_overlap(engine: Engine, scene: list[Job]) -> None:
    where = JobFilter(statuses=[JobStatus.COMPLETED, JobStatus.ENQUEUED])
    found: list[Job] = []
    async with engine.connect() as conn:
        while page := await list_jobs(conn, where, limit=3, after_id=found[-1].id if found else None):
            found += page
            if len(found) == 6:
                await enqueue(engine, "came meanwhile")
    assert [job.token for job in found] == tokens(scene, lambda job: job.status in where.statuses)


# What it costs


OLDEST = """
INSERT INTO job (token, kind, product_id, run, summary, status, enqueued_at)
SELECT repeat(digit, 64), 'store', 1, 'run 0', 'Job', 'enqueued', now() FROM unnest(ARRAY['f', 'e']) AS digit
"""
BEGIN = """
UPDATE job SET status = 'running', lease_id = gen_random_uuid(), node = 'n', node_instance = gen_random_uuid()
WHERE token = repeat('f', 64)
"""
FLOOD = """
INSERT INTO job (
    token, kind, product_id, run, summary, status, username, node, enqueued_at, started_at, finished_at, consumed
)
SELECT
    lpad(to_hex(n), 64, '0'), 'store',
    CASE WHEN n % 2 = 0 THEN 1 END, CASE WHEN n % 2 = 0 THEN 'run ' || n % 300 END, 'Job',
    CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'completed' END,
    CASE WHEN n % 1000 = 7 THEN 'rare' ELSE 'user ' || n % 10 END,
    CASE WHEN n % 10000 = 7 THEN 'lone' ELSE 'node ' || n % 2 END,
    now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second', n % 4 = 0
FROM generate_series(100000, 1, -1) AS n
"""


@pytest.fixture
async def flooded(database_url: str) -> Any:
    """A connection to a database with 100,000 ended jobs, and the two oldest that wait."""
    connection = await open_connection(database_url)
    await connection.execute(OLDEST)
    await connection.execute(FLOOD)
    await connection.execute("VACUUM (ANALYZE) job")
    yield connection
    await connection.close()


async def touched(conn: Connection, query: str, **values: Any) -> int:
    """The pages of tables and indexes that a query touches."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {QUERIES[query].text}"
    (plan,) = json.loads(await conn.fetchval(explain, *QUERIES[query].arguments(values)))
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def blocks(conn: Connection, where: JobFilter, after_id: int | None) -> int:
    """What one page of the list touches."""
    async with planned_anew(conn):
        return await touched(conn, "list_jobs", **await conditions(conn, where), limit=100, after_id=after_id)


MANY = {
    "all": JobFilter(),
    "status": JobFilter(statuses=[JobStatus.COMPLETED]),
    "consumed": JobFilter(consumed=True),
    "user": JobFilter(users=["User 3"]),
    "users": JobFilter(users=["U*3"]),
    "node": JobFilter(nodes=["Node 1"]),
    "nodes": JobFilter(nodes=["*1"]),
    "kinds": JobFilter(kinds=["st*"]),
    "tokens": JobFilter(tokens=["*7"]),
    "several": JobFilter(no_product=True, cancelled=False, finished_before=datetime(2100, 1, 1, tzinfo=UTC)),
}
FEW = {
    "waiting": JobFilter(statuses=[JobStatus.ENQUEUED]),
    "unfinished": JobFilter(statuses=[JobStatus.ENQUEUED, JobStatus.RUNNING]),
    "dropped": JobFilter(statuses=[JobStatus.DROPPED, JobStatus.CANCELLED]),
    "token": JobFilter(tokens=["f" * 64]),
    "token in upper case": JobFilter(tokens=["F" * 64]),
    "rare user": JobFilter(users=["Rare"]),
    "unknown user": JobFilter(users=["nobody"], nodes=["node 0"]),
    "rare node": JobFilter(nodes=["Lone"]),
}


async def test_each_page_of_a_hundred_thousand_jobs_costs_the_same(flooded: Connection) -> None:
    newest = await flooded.fetchval("SELECT max(id) FROM job")
    starts = (None, newest - 30_000, newest - 60_000, newest - 90_000)
    for name, where in MANY.items():
        costs = [await blocks(flooded, where, after) for after in starts]
        assert max(costs) <= 1.5 * min(costs), (name, costs)


async def test_to_find_the_few_it_does_not_read_the_many(flooded: Connection) -> None:
    whole = await flooded.fetchval("SELECT pg_relation_size('job') / current_setting('block_size')::bigint")
    for name, where in FEW.items():
        assert await blocks(flooded, where, None) < whole / 10, name


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_where_a_job_stands_is_known_without_a_look_at_the_jobs_that_ended(
    flooded: Connection, mode: str
) -> None:
    last = await flooded.fetchval("SELECT id FROM job WHERE token = repeat('e', 64)")
    await flooded.execute(f"SET plan_cache_mode = {mode}")
    assert await touched(flooded, "job_position", id=last, most=FAR) < 50
    values = {"position": 1, "node_slots": 4, "most": FAR, "sample": ESTIMATE_SAMPLE}
    assert await touched(flooded, "job_estimate", id=last, **values) < 50
    # The last hundred to end are read, for what they were.
    await flooded.execute(BEGIN)
    begun = await flooded.fetchval("SELECT id FROM job WHERE status = 'running'")
    assert await touched(flooded, "job_remaining", id=begun, sample=ESTIMATE_SAMPLE) < 150
