"""Daemons that live, daemons that are gone, and what becomes of the jobs they ran."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from storaged.database.engine import Engine, open_connection
from storaged.errors import LeaseLost, NodeIdInUse
from storaged.model import Claim, JobStatus
from storaged.queue import jobs, nodes, rescue
from storaged.queue.rescue import Rescuer
from tests.integration.queue_scenes import WAITS_FOR_A_LOCK, claim, claim_one, complete, enqueue, get, status, texts

DEAD_AFTER = timedelta(seconds=30)
NO_PATIENCE = timedelta(milliseconds=50)


def retry(token: str) -> str:
    return f" `storectl jobs retry {token}` enqueues it again while its upload is kept."


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await open_connection(url)
    try:
        yield opened
    finally:
        opened.terminate()


@pytest.fixture
async def judge(database_url: str, engine: Engine) -> AsyncIterator[Rescuer]:
    """A node that lives and has lived long enough to judge others."""
    async with connection(database_url) as conn:
        instance = await nodes.register(conn, "judge")
        await age(engine, "steady_since", "judge")
        yield Rescuer("judge", instance)


async def age(engine: Engine, column: str, node: str, by: timedelta = DEAD_AFTER * 2) -> None:
    """Let time pass for one node."""
    async with engine.connect() as conn:
        await conn.execute(f"UPDATE node SET {column} = {column} - $1::interval WHERE id = $2", by, node)  # noqa: S608


async def age_jobs(engine: Engine, node: str) -> None:
    async with engine.connect() as conn:
        await conn.execute(
            "UPDATE job SET heartbeat_at = heartbeat_at - $1::interval WHERE node = $2", DEAD_AFTER * 2, node
        )


async def die(engine: Engine, conn: asyncpg.Connection, node: str) -> None:
    """Its connection breaks, and its heartbeats end long enough ago."""
    pid = conn.get_server_pid()
    conn.terminate()
    async with asyncio.timeout(10), engine.connect() as other:
        while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
            pass
    await age(engine, "heartbeat_at", node)
    await age_jobs(engine, node)


async def rescue_all(engine: Engine, rescuer: Rescuer) -> list[tuple[str, JobStatus]]:
    async with engine.connect() as conn:
        found = await rescue.drop_orphans_of_dead_nodes(conn, rescuer, dead_after=DEAD_AFTER)
    return [(job.token, job.status) for job in found]


# The node id


async def test_two_daemons_cannot_have_one_node_id(database_url: str) -> None:
    async with connection(database_url) as one, connection(database_url) as two:
        await nodes.register(one, "n")
        with pytest.raises(NodeIdInUse, match="'n'"):
            await nodes.register(two, "n", patience=NO_PATIENCE)
        assert await nodes.register(two, "m", patience=NO_PATIENCE)


async def test_a_daemon_waits_for_the_connection_of_its_predecessor_to_end(database_url: str) -> None:
    async with connection(database_url) as one, connection(database_url) as two:
        first = await nodes.register(one, "n")
        successor = asyncio.create_task(nodes.register(two, "n"))
        async with connection(database_url) as witness, asyncio.timeout(10):
            while not await witness.fetchval(WAITS_FOR_A_LOCK):
                pass
        one.terminate()
        assert await successor != first


async def test_a_node_that_signed_off_frees_its_id(database_url: str) -> None:
    async with connection(database_url) as one, connection(database_url) as two:
        await nodes.unregister(one, "n", await nodes.register(one, "n"))
        assert await nodes.register(two, "n", patience=NO_PATIENCE)


async def test_a_node_keeps_its_instance_on_a_new_connection(database_url: str) -> None:
    async with connection(database_url) as one, connection(database_url) as two:
        instance = await nodes.register(one, "n")
        assert not await nodes.register_again(two, "n", instance)
        await nodes.unregister(one, "n", instance)
        assert await nodes.register_again(two, "n", instance)
        assert await nodes.heartbeat(two, "n", instance, dead_after=DEAD_AFTER)


async def test_a_node_whose_id_was_taken_meanwhile_is_told(database_url: str) -> None:
    async with connection(database_url) as one, connection(database_url) as two, connection(database_url) as three:
        instance = await nodes.register(one, "n")
        one.terminate()
        await nodes.register(two, "n")
        with pytest.raises(NodeIdInUse):
            await nodes.register_again(three, "n", instance)
        assert not await nodes.heartbeat(three, "n", instance, dead_after=DEAD_AFTER)


# Its own earlier life


async def earlier_life(engine: Engine, node: str = "n") -> Claim:
    return await claim_one(engine, node=node, instance=uuid4())


async def test_a_restarted_node_drops_what_it_ran_and_leaves_what_waits(engine: Engine) -> None:
    first, second = [await enqueue(engine) for _ in range(2)]
    orphan = await earlier_life(engine)
    async with engine.connect() as conn:
        (dropped,) = await rescue.drop_own_orphans(conn, Rescuer("n", uuid4()))
    assert dropped == await get(engine, first.token)
    assert dropped.status is JobStatus.DROPPED
    assert dropped.comments[0].who == "storaged@n"
    assert dropped.comments[0].text == "DROPPED!\nThe daemon n stopped without finishing the job." + retry(first.token)
    assert (await claim_one(engine)).token == second.token
    with pytest.raises(LeaseLost):
        await complete(engine, orphan)


async def test_a_restarted_node_leaves_the_jobs_of_others_and_of_this_life(engine: Engine) -> None:
    for run in "ab":
        await enqueue(engine, run)
    now = uuid4()
    mine = await claim_one(engine, node="n", instance=now)
    theirs = await claim_one(engine, node="m", instance=uuid4())
    async with engine.connect() as conn:
        assert await rescue.drop_own_orphans(conn, Rescuer("n", now)) == []
    assert [await status(engine, claimed.token) for claimed in (mine, theirs)] == [JobStatus.RUNNING] * 2


async def test_under_retry_an_orphan_is_enqueued_again_under_its_token_until_its_attempts_are_used_up(
    engine: Engine,
) -> None:
    job = await enqueue(engine)
    states = []
    for _ in range(3):
        await earlier_life(engine)
        async with engine.connect() as conn:
            (rescued,) = await rescue.drop_own_orphans(conn, Rescuer("n", uuid4(), "retry", max_attempts=3))
        states.append((rescued.token, rescued.status, rescued.attempt))
    assert states == [
        (job.token, JobStatus.ENQUEUED, 1),
        (job.token, JobStatus.ENQUEUED, 2),
        (job.token, JobStatus.DROPPED, 3),
    ]
    first, _, last = texts(await get(engine, job.token))
    assert first.startswith("DROPPED!\n")
    assert first.endswith("The job was enqueued again after attempt 1 of 3.")
    assert last.endswith("That was attempt 3 of 3." + retry(job.token))


@pytest.mark.parametrize("on_orphan", ["drop", "retry"])
async def test_an_orphan_that_was_asked_to_stop_is_cancelled(engine: Engine, on_orphan: Any) -> None:
    job = await enqueue(engine)
    await earlier_life(engine)
    async with engine.connect() as conn:
        await jobs.request_cancel(conn, job.token, "ann")
        (rescued,) = await rescue.drop_own_orphans(conn, Rescuer("n", uuid4(), on_orphan))
    assert rescued.status is JobStatus.CANCELLED
    assert texts(rescued)[-1].startswith("CANCEL!\n")


async def test_an_orphan_whose_end_is_being_written_is_not_taken(engine: Engine) -> None:
    job = await enqueue(engine)
    orphan = await earlier_life(engine)
    async with engine.begin() as late, engine.connect() as conn:
        await jobs.complete(late, orphan)
        await conn.execute("SET statement_timeout = '5s'")
        assert await rescue.drop_own_orphans(conn, Rescuer("n", uuid4())) == []
    assert await status(engine, job.token) is JobStatus.COMPLETED


# Other nodes


async def test_the_jobs_of_a_dead_node_are_dropped_by_one_that_lives(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        await claim_one(engine, node="gone", instance=await nodes.register(conn, "gone"))
        await die(engine, conn, "gone")
    assert await rescue_all(engine, judge) == [(job.token, JobStatus.DROPPED)]
    comment = (await get(engine, job.token)).comments[-1]
    assert (comment.who, comment.text) == (
        "storaged@judge",
        "DROPPED!\nThe daemon gone, which ran the job, is gone." + retry(job.token),
    )
    async with engine.connect() as conn:
        assert [row["id"] for row in await conn.fetch("SELECT id FROM node")] == ["judge"]


async def test_the_jobs_of_a_dead_node_are_enqueued_again_under_retry(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        await claim_one(engine, node="gone", instance=await nodes.register(conn, "gone"))
        await die(engine, conn, "gone")
    retrying = Rescuer(judge.node, judge.instance, "retry")
    assert await rescue_all(engine, retrying) == [(job.token, JobStatus.ENQUEUED)]
    assert (await claim_one(engine)).attempt == 2


async def test_a_node_that_holds_its_lock_lives_however_old_its_heartbeat(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        await claim_one(engine, node="busy", instance=await nodes.register(conn, "busy"))
        await age(engine, "heartbeat_at", "busy")
        await age_jobs(engine, "busy")
        assert await rescue_all(engine, judge) == []
    assert await status(engine, job.token) is JobStatus.RUNNING


async def test_a_node_that_lost_its_connection_a_moment_ago_lives(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        instance = await nodes.register(conn, "moved")
        await claim_one(engine, node="moved", instance=instance)
        await die(engine, conn, "moved")
    async with engine.connect() as other:
        await nodes.heartbeat(other, "moved", instance, dead_after=DEAD_AFTER)
    assert await rescue_all(engine, judge) == []
    assert await status(engine, job.token) is JobStatus.RUNNING


@pytest.mark.parametrize("column", ["heartbeat_at", "steady_since"])
async def test_a_node_that_was_away_itself_does_not_judge_others(
    database_url: str, engine: Engine, judge: Rescuer, column: str
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        await claim_one(engine, node="gone", instance=await nodes.register(conn, "gone"))
        await die(engine, conn, "gone")
    await age(engine, column, "judge", DEAD_AFTER * (2 if column == "heartbeat_at" else -2))
    assert await rescue_all(engine, judge) == []
    assert await status(engine, job.token) is JobStatus.RUNNING


async def test_after_an_outage_a_node_begins_anew_to_be_steady(engine: Engine, judge: Rescuer) -> None:
    async def steady_for() -> timedelta:
        async with engine.connect() as conn:
            value: timedelta = await conn.fetchval("SELECT now() - steady_since FROM node WHERE id = 'judge'")
            return value

    async with engine.connect() as conn:
        await nodes.heartbeat(conn, judge.node, judge.instance, dead_after=DEAD_AFTER)
    assert await steady_for() > DEAD_AFTER
    await age(engine, "heartbeat_at", "judge", DEAD_AFTER * 0.6)
    async with engine.connect() as conn:
        await nodes.heartbeat(conn, judge.node, judge.instance, dead_after=DEAD_AFTER)
    assert await steady_for() < DEAD_AFTER


async def test_a_node_that_was_taken_for_dead_comes_back(database_url: str, engine: Engine, judge: Rescuer) -> None:
    async with connection(database_url) as conn:
        instance = await nodes.register(conn, "slow")
        await die(engine, conn, "slow")
    await rescue_all(engine, judge)
    async with connection(database_url) as conn:
        assert await nodes.register_again(conn, "slow", instance)
        await enqueue(engine)
        await claim_one(engine, node="slow", instance=instance)
        await age_jobs(engine, "slow")
        assert await rescue_all(engine, judge) == []


async def test_what_a_node_left_running_when_it_signed_off_is_found(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    job = await enqueue(engine)
    async with connection(database_url) as conn:
        instance = await nodes.register(conn, "left")
        await claim_one(engine, node="left", instance=instance)
        await nodes.unregister(conn, "left", instance)
    assert await rescue_all(engine, judge) == []
    await age_jobs(engine, "left")
    assert await rescue_all(engine, judge) == [(job.token, JobStatus.DROPPED)]


async def test_nodes_that_rescue_at_once_rescue_each_job_once(
    database_url: str, engine: Engine, judge: Rescuer
) -> None:
    made = {(await enqueue(engine, f"run {n}")).token for n in range(12)}
    async with connection(database_url) as gone, connection(database_url) as conn:
        await claim(engine, 12, node="gone", instance=await nodes.register(gone, "gone"))
        second = Rescuer("second", await nodes.register(conn, "second"))
        await age(engine, "steady_since", "second")
        await die(engine, gone, "gone")
        found = await asyncio.gather(*(rescue_all(engine, rescuer) for rescuer in (judge, second) * 2))
    rescued = [token for tokens in found for token, _ in tokens]
    assert len(rescued) == len(set(rescued))
    assert set(rescued) | {token for token, _ in await rescue_all(engine, judge)} == made
    for token in made:
        assert len(texts(await get(engine, token))) == 1


async def test_a_claim_that_a_living_node_never_heard_of_is_found_by_its_heartbeat(
    engine: Engine, judge: Rescuer
) -> None:
    for run in "ab":
        await enqueue(engine, run)
    known, unheard = await claim(engine, 2, node=judge.node, instance=judge.instance)
    await age_jobs(engine, judge.node)
    async with engine.connect() as conn:
        held = [known.lease_id]
        await jobs.heartbeat(conn, node=judge.node, instance=judge.instance, leases=held)
        (dropped,) = await rescue.drop_lost_claims(conn, judge, held=held, dead_after=DEAD_AFTER)
    assert (dropped.token, dropped.status) == (unheard.token, JobStatus.DROPPED)
    assert await status(engine, known.token) is JobStatus.RUNNING


async def test_a_claim_of_a_moment_ago_is_not_taken_for_lost(engine: Engine, judge: Rescuer) -> None:
    await enqueue(engine)
    await claim_one(engine, node=judge.node, instance=judge.instance)
    async with engine.connect() as conn:
        assert await rescue.drop_lost_claims(conn, judge, held=[], dead_after=DEAD_AFTER) == []


async def test_a_stranger_does_not_judge(database_url: str, engine: Engine) -> None:
    await enqueue(engine)
    async with connection(database_url) as conn:
        await claim_one(engine, node="gone", instance=await nodes.register(conn, "gone"))
        await die(engine, conn, "gone")
    assert await rescue_all(engine, Rescuer("nobody", UUID(int=0))) == []
