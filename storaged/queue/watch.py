"""Tells those who wait for a job when it changes: one query for all waiters of a node, at each wake-up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from storaged.database.engine import DATABASE_SICK, Engine
from storaged.model import Job, Token
from storaged.queue import jobs
from storaged.queue.wakeup import Wakeups
from storaged.tasks import running

log = structlog.get_logger(__name__)


class Watchers:
    """The waiters of this node; each waits for one job to change beyond a sequence number that it has seen."""

    def __init__(self, engine: Engine, wakeups: Wakeups, poll_seconds: float) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._waiting: dict[asyncio.Future[Job], tuple[Token, int]] = {}
        self._subscription = wakeups.subscribe()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    async def next_change(self, token: Token, since: int, timeout: float) -> Job | None:
        """The job as soon as its sequence is beyond `since`; None when the time has passed before."""
        change: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiting[change] = (token, since)
        # What changed between the caller's own look and now brings no notification any more: look once for all.
        self._subscription.wake()
        try:
            async with asyncio.timeout(timeout):
                return await change
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(change, None)

    async def run(self) -> None:
        """Serve the waiters until cancelled."""
        while True:
            await self._subscription.wait(self._poll_seconds)
            if self._waiting:
                await self._serve()

    async def _serve(self) -> None:
        try:
            async with self._engine.connect() as conn:
                changed = await jobs.changed(conn, list(set(self._waiting.values())))
        except DATABASE_SICK as error:
            log.warning("cannot look at jobs that are waited for", error=str(error))
            return
        by_token = {job.token: job for job in changed}
        for change, (token, since) in list(self._waiting.items()):
            job = by_token.get(token)
            if job is not None and job.sequence > since and not change.done():
                change.set_result(job)


@asynccontextmanager
async def open_watchers(engine: Engine, wakeups: Wakeups, poll_seconds: float) -> AsyncIterator[Watchers]:
    """Watchers that are served while the block runs."""
    watchers = Watchers(engine, wakeups, poll_seconds)
    async with running(watchers.run()):
        yield watchers
