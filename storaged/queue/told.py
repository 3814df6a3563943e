"""Notes which ended jobs somebody was told of, some moments later, in one statement for many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from storaged.database.engine import DATABASE_SICK, Engine
from storaged.model import Job, Token
from storaged.queue import jobs
from storaged.tasks import running

log = structlog.get_logger(__name__)

# Long enough for the answers of a burst to share a statement, too short for people to notice.
GATHER_SECONDS = 0.2


class Told:
    """The jobs whose end was told, and not noted yet: an answer does not wait for that."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tokens: set[Token] = set()
        self._some = asyncio.Event()

    def note(self, job: Job) -> None:
        """The job, as it is here, was told to somebody who asked for it."""
        if job.status.ended and not job.consumed:
            self._tokens.add(job.token)
            self._some.set()

    async def run(self) -> None:
        """Write the notes until cancelled; those of the last moments may be lost, and the next reader makes them."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some.clear()
            tokens, self._tokens = self._tokens, set()
            try:
                async with self._engine.connect() as conn:
                    await jobs.mark_consumed(conn, tokens)
            except DATABASE_SICK as error:
                log.warning("cannot note which jobs were told of", jobs=len(tokens), error=str(error))


@asynccontextmanager
async def open_told(engine: Engine) -> AsyncIterator[Told]:
    """Notes that are written while the block runs."""
    told = Told(engine)
    async with running(told.run()):
        yield told
