"""Tasks beside a block end with it, and errors leave as they are."""

import asyncio

import pytest

from storaged.errors import LeaseLost
from storaged.tasks import running, task_group


async def test_tasks_beside_a_block_are_cancelled_at_its_end() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with running(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_an_error_of_a_task_ends_the_block_and_leaves_as_it_is() -> None:
    async def work() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost, match="gone"):
        async with running(work()):
            await asyncio.Event().wait()


async def test_an_error_of_the_block_leaves_as_it_is() -> None:
    with pytest.raises(LeaseLost, match="gone"):
        async with running(asyncio.Event().wait()):  # type: ignore[arg-type]
            raise LeaseLost("gone")


async def test_a_cancelled_block_stays_cancelled() -> None:
    async def block() -> None:
        async with task_group() as tasks:
            tasks.create_task(asyncio.Event().wait())
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
