"""The kind of job that only tests use: it counts seconds, fails when told to, and honours a cancel."""

import asyncio

from storaged.database.engine import Engine
from storaged.errors import CancelRequested, DummyFailed
from storaged.model import Claim
from storaged.queue import jobs


async def run_dummy(engine: Engine, claim: Claim) -> None:
    """Count `seconds` of the job's arguments, one step each; then fail if `fail` says so, else complete."""
    seconds, fail = int(claim.arguments["seconds"]), bool(claim.arguments["fail"])
    for done in range(seconds):
        async with engine.connect() as conn:
            if await jobs.progress(conn, claim, "count", done, seconds):
                raise CancelRequested
        await asyncio.sleep(1)
    if fail:
        raise DummyFailed("The job was told to fail.")
    async with engine.begin() as conn:
        await jobs.complete(conn, claim, result={"seconds": seconds})
