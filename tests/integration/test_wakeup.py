"""Waiters are woken by what happens, whatever becomes of the connection that brings the news."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from storaged.database.engine import Engine, open_connection
from storaged.database.sql import Connection
from storaged.errors import DatabaseUnavailable, NodeIdInUse
from storaged.model import Claim
from storaged.queue import jobs, nodes
from storaged.queue.wakeup import APPLICATION, Subscription, Wakeups, jittered, open_wakeups
from tests.integration.queue_scenes import INSTANCE, NODE, WAITS_FOR_A_LOCK, claim, claim_one, enqueue

# Longer than any test may take: who is woken was notified.
NEVER = 600.0
SOON = 0.2


@pytest.fixture
async def wakeups(database_url: str) -> AsyncIterator[Wakeups]:
    async with open_wakeups(database_url, probe_seconds=1.0) as opened:
        yield opened


async def break_connection(engine: Engine) -> None:
    """The server ends the session that listens."""
    async with engine.connect() as conn:
        assert await conn.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = $1 AND datname = current_database()",
            APPLICATION,
        )


async def until_mode(wakeups: Wakeups, mode: str) -> None:
    while wakeups.mode != mode:  # noqa: ASYNC110 (a property brings no event)
        await asyncio.sleep(0)


async def quiet(subscription: Subscription) -> None:
    """Take in all that was notified so far."""
    while await subscription.wait(SOON):
        pass


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


async def test_what_changes_wakes_all_who_wait(engine: Engine, wakeups: Wakeups) -> None:
    waiters = [asyncio.create_task(wakeups.subscribe().wait(NEVER)) for _ in range(3)]
    await asyncio.sleep(0)
    await enqueue(engine)
    assert await asyncio.gather(*waiters) == [True, True, True]


async def test_each_change_that_somebody_waits_for_is_notified(engine: Engine, wakeups: Wakeups) -> None:
    subscription = wakeups.subscribe()
    job = await enqueue(engine)
    assert await subscription.wait(NEVER)
    claimed = await claim_one(engine)
    assert await subscription.wait(NEVER)
    async with engine.connect() as conn:
        await jobs.progress(conn, claimed, "parse", 1, 2)
        assert await subscription.wait(NEVER)
        await jobs.add_comment(conn, job.token, "ann", "look")
        assert await subscription.wait(NEVER)
        await jobs.request_cancel(conn, job.token, "ann")
        assert await subscription.wait(NEVER)
        await jobs.cancel(conn, claimed)
        assert await subscription.wait(NEVER)


async def test_neither_an_idle_claim_nor_a_heartbeat_wakes_anybody(engine: Engine, wakeups: Wakeups) -> None:
    await enqueue(engine)
    claimed = await claim_one(engine)
    subscription = wakeups.subscribe()
    await quiet(subscription)
    assert await claim(engine) == []
    async with engine.connect() as conn:
        await jobs.heartbeat(conn, node=NODE, instance=INSTANCE, leases=[claimed.lease_id])
        await jobs.prune(conn, timedelta(days=1))
    assert not await subscription.wait(SOON)


async def test_what_is_rolled_back_wakes_nobody(engine: Engine, wakeups: Wakeups) -> None:
    await enqueue(engine)
    claimed = await claim_one(engine)
    subscription = wakeups.subscribe()
    await quiet(subscription)
    with pytest.raises(ZeroDivisionError):
        await complete_and_break(engine, claimed)
    assert not await subscription.wait(SOON)


async def complete_and_break(engine: Engine, claimed: Claim) -> None:
    async with engine.begin() as conn:
        await jobs.complete(conn, claimed)
        raise ZeroDivisionError


async def test_what_changes_while_a_waiter_looks_wakes_it_again(engine: Engine, wakeups: Wakeups) -> None:
    subscription = wakeups.subscribe()
    await enqueue(engine)
    assert await subscription.wait(NEVER)
    # Now it looks; meanwhile:
    other = wakeups.subscribe()
    await enqueue(engine)
    assert await other.wait(NEVER)
    assert await subscription.wait(NEVER)
    assert not await subscription.wait(SOON)


async def test_without_news_a_wait_ends_when_its_time_has_passed(wakeups: Wakeups) -> None:
    assert not await wakeups.subscribe().wait(SOON)


async def test_a_waiter_that_went_away_is_forgotten(wakeups: Wakeups) -> None:
    kept = wakeups.subscribe()
    wakeups.subscribe()
    assert len(wakeups._subscriptions) == 1
    wakeups.wake_all()
    assert await kept.wait(NEVER)


async def test_a_lost_connection_is_replaced_and_what_changed_meanwhile_is_seen(
    engine: Engine, wakeups: Wakeups
) -> None:
    subscription = wakeups.subscribe()
    assert wakeups.mode == "listening"
    await break_connection(engine)
    await until_mode(wakeups, "polling")
    await enqueue(engine)
    await until_mode(wakeups, "listening")
    assert await subscription.wait(NEVER)
    await quiet(subscription)
    await enqueue(engine)
    assert await subscription.wait(NEVER)


async def test_a_connection_that_brings_no_news_is_found_out_and_replaced(engine: Engine, wakeups: Wakeups) -> None:
    subscription = wakeups.subscribe()
    # As behind a pooler that gives the session to somebody else: it answers, but does not listen.
    await wakeups._connection.execute("UNLISTEN *")
    await until_mode(wakeups, "polling")
    await until_mode(wakeups, "listening")
    await quiet(subscription)
    await enqueue(engine)
    assert await subscription.wait(NEVER)


async def test_a_node_holds_its_id_while_it_listens(database_url: str) -> None:
    async with open_wakeups(database_url, node="n") as wakeups:
        assert wakeups.instance
        conn = await open_connection(database_url)
        with pytest.raises(NodeIdInUse):
            await nodes.register(conn, "n", patience=timedelta(milliseconds=50))
        await conn.close()
    async with open_wakeups(database_url, node="n") as successor:
        assert successor.instance != wakeups.instance


async def test_a_node_takes_its_id_anew_with_a_new_connection(database_url: str, engine: Engine) -> None:
    async with open_wakeups(database_url, node="n", probe_seconds=1.0) as wakeups:
        await break_connection(engine)
        await until_mode(wakeups, "polling")
        await until_mode(wakeups, "listening")
        conn = await open_connection(database_url)
        with pytest.raises(NodeIdInUse):
            await nodes.register(conn, "n", patience=timedelta(milliseconds=50))
        await conn.close()
        async with engine.connect() as other:
            assert await nodes.heartbeat(other, "n", wakeups.instance, dead_after=timedelta(seconds=30))


async def test_a_node_whose_id_was_taken_while_it_was_cut_off_ends(database_url: str, engine: Engine) -> None:
    conn = await open_connection(database_url)
    with pytest.raises(NodeIdInUse):
        await lose_to(conn, database_url, engine)
    await conn.close()


async def lose_to(successor: Connection, url: str, engine: Engine) -> None:
    async with open_wakeups(url, node="n", probe_seconds=1.0):
        registration = asyncio.create_task(nodes.register(successor, "n"))
        async with engine.connect() as witness:
            while not await witness.fetchval(WAITS_FOR_A_LOCK):
                pass
        # Who waits for the lock gets it before the node has its new connection.
        await break_connection(engine)
        await registration
        await asyncio.Event().wait()


async def test_a_session_that_is_broken_while_the_node_signs_off_hurts_nobody(
    database_url: str, engine: Engine
) -> None:
    async with open_wakeups(database_url, node="n", probe_seconds=NEVER):
        await break_connection(engine)
    async with open_wakeups(database_url, node="n"):
        pass


async def test_errors_of_the_block_leave_as_they_are(database_url: str) -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        await fail_inside(database_url, error)
    assert caught.value is error


async def fail_inside(url: str, error: Exception) -> None:
    async with open_wakeups(url):
        raise error


async def test_without_a_database_it_does_not_open() -> None:
    with pytest.raises(DatabaseUnavailable):
        await fail_inside(f"postgresql:///none?host=/nowhere/{uuid4().hex}", ValueError())


def test_jitter_stays_between_half_and_all() -> None:
    drawn = [jittered(2.0) for _ in range(200)]
    assert all(1.0 <= seconds <= 2.0 for seconds in drawn)
    assert len(set(drawn)) > 100
