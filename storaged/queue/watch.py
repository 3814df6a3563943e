"""Tells those who wait for a job when it changes: one query for all waiters of a node, at each wake-up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

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
        self._watches: set[Watch] = set()
        self._subscription = wakeups.subscribe()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(watch.waits for watch in self._watches)

    @property
    def closed(self) -> bool:
        """Whether the daemon stops, so that nobody is to wait any more."""
        return self._closed

    @contextmanager
    def watch(self, token: Token) -> Iterator["Watch"]:
        """A waiter for the job, while the block runs."""
        watch = Watch(self, token)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def look(self) -> None:
        """Look at the jobs of all waiters soon, without a notification."""
        self._subscription.wake()

    def close(self) -> None:
        """Let all waiters go at once, and those that come from now on."""
        self._closed = True
        for watch in self._watches:
            watch.tell(None)

    async def run(self) -> None:
        """Serve the waiters until cancelled."""
        while True:
            await self._subscription.wait(self._poll_seconds)
            waiting = [watch for watch in self._watches if watch.waits]
            if waiting:
                await self._serve(waiting)

    async def _serve(self, waiting: list["Watch"]) -> None:
        try:
            async with self._engine.connect() as conn:
                changed = await jobs.changed(conn, list({(watch.token, watch.since) for watch in waiting}))
        except DATABASE_SICK as error:
            log.warning("cannot look at jobs that are waited for", error=str(error))
            return
        by_token = {job.token: job for job in changed}
        for watch in waiting:
            job = by_token.get(watch.token)
            if job is not None and job.sequence > watch.since:
                watch.tell(job)


class Watch:
    """One waiter for one job; made by `Watchers.watch`."""

    def __init__(self, watchers: Watchers, token: Token) -> None:
        self._watchers = watchers
        self._change: asyncio.Future[Job | None] | None = None
        self.token = token
        self.since = 0

    @property
    def waits(self) -> bool:
        """Whether it has not been told of a change since it was asked for one."""
        return self._change is not None and not self._change.done()

    async def next_change(self, since: int, timeout: float) -> Job | None:
        """The job as soon as its sequence is beyond `since`.

        None when the time has passed before, or the daemon stops. To ask again with the same `since` goes on with the
        same wait, and costs nothing.
        """
        if self._watchers.closed:
            return None
        if self._change is None or since != self.since:
            self._change, self.since = asyncio.get_running_loop().create_future(), since
            # What changed between the caller's own look and now brings no notification any more.
            self._watchers.look()
        await asyncio.wait([self._change], timeout=timeout)
        return self._change.result() if self._change.done() else None

    def tell(self, job: Job | None) -> None:
        """Say that the job has changed, or, by None, that there is nothing to wait for any more."""
        if self._change is not None and not self._change.done():
            self._change.set_result(job)


@asynccontextmanager
async def open_watchers(engine: Engine, wakeups: Wakeups, poll_seconds: float) -> AsyncIterator[Watchers]:
    """Watchers that are served while the block runs."""
    watchers = Watchers(engine, wakeups, poll_seconds)
    async with running(watchers.run()):
        yield watchers
