"""Those who wait for a job are told of its changes, each at its own pace."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storaged.database.engine import Engine
from storaged.model import Job
from storaged.queue import jobs
from storaged.queue.wakeup import open_wakeups
from storaged.queue.watch import Watchers, open_watchers
from tests.integration.queue_scenes import enqueue

# Longer than any test may take: who is told so soon was told by a notification.
NEVER = 600.0


@pytest.fixture
async def watchers(engine: Engine, database_url: str) -> AsyncIterator[Watchers]:
    async with open_wakeups(database_url) as wakeups, open_watchers(engine, wakeups, NEVER) as opened:
        yield opened


async def change(engine: Engine, job: Job) -> None:
    async with engine.connect() as conn:
        await jobs.add_comment(conn, job.token, "ann", "look")


async def test_one_that_does_not_take_its_news_holds_up_no_other(engine: Engine, watchers: Watchers) -> None:
    job = await enqueue(engine)
    with watchers.watch(job.token) as slow, watchers.watch(job.token) as quick:
        assert await slow.next_change(job.sequence, 0) is None
        seen = job.sequence
        for expected in range(seen + 1, seen + 4):
            await change(engine, job)
            changed = await quick.next_change(seen, NEVER)
            assert changed is not None
            seen = changed.sequence
            assert seen == expected
        late = await slow.next_change(job.sequence, NEVER)
        assert late is not None
        newest = await slow.next_change(late.sequence, NEVER)
    assert newest is not None
    assert newest.sequence == seen


async def test_a_wait_that_is_over_goes_on_when_it_is_asked_again(engine: Engine, watchers: Watchers) -> None:
    job, other = await enqueue(engine, "one"), await enqueue(engine, "two")
    with watchers.watch(job.token) as watch:
        assert await watch.next_change(job.sequence, 0) is None
        await change(engine, other)
        assert await watch.next_change(job.sequence, 0) is None
        await change(engine, job)
        changed = await watch.next_change(job.sequence, NEVER)
    assert changed is not None
    assert changed.token == job.token


async def test_what_changed_before_the_wait_is_told_at_once(engine: Engine, watchers: Watchers) -> None:
    job = await enqueue(engine)
    await change(engine, job)
    with watchers.watch(job.token) as watch:
        changed = await watch.next_change(job.sequence, NEVER)
    assert changed is not None
    assert changed.sequence == job.sequence + 1


async def test_when_the_daemon_stops_nobody_waits(engine: Engine, watchers: Watchers) -> None:
    job = await enqueue(engine)
    with watchers.watch(job.token) as watch:
        waiting = asyncio.create_task(watch.next_change(job.sequence, NEVER))
        await asyncio.sleep(0)
        watchers.close()
        assert await waiting is None
        assert await watch.next_change(job.sequence + 1, NEVER) is None
