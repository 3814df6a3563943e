"""Tasks beside a block: an error of either ends both, and leaves as it is, not in a group."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup whose first error is raised by itself: callers handle domain errors, not groups of them."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        failure = group.exceptions[0]
    if failure is not None:
        raise failure


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the coroutines while the block runs, and cancel them at its end."""
    async with task_group() as tasks:
        started = [tasks.create_task(coroutine) for coroutine in coroutines]
        try:
            yield
        finally:
            for task in started:
                task.cancel()
