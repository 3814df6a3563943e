"""How the runner settles what it runs, where the queue's own tests cannot see it."""

import asyncio
from datetime import timedelta

from storaged.database.engine import Engine
from storaged.errors import DatabaseUnavailable
from storaged.metrics import Metrics
from storaged.model import Claim, JobKind, JobStatus
from storaged.queue.rescue import Rescuer
from storaged.queue.wakeup import open_wakeups
from storaged.worker.runner import Execute, Runner, RunnerOptions
from tests.integration.queue_scenes import complete, enqueue, status

OPTIONS = RunnerOptions(
    concurrent_jobs=1,
    poll_seconds=0.05,
    heartbeat_seconds=0.05,
    grace_seconds=10,
    dead_after=timedelta(seconds=30),
    max_crashes=3,
    retry_at_shutdown=False,
)


async def ends_told(engine: Engine, execute: Execute) -> list[JobStatus]:
    """How jobs ended, as the runner tells it, which stops with the first."""
    ends: list[JobStatus] = []

    async def execute_one(claim: Claim) -> None:
        try:
            await execute(claim)
        finally:
            runner.stop()

    async def settled(_claim: Claim, end: JobStatus) -> None:
        ends.append(end)

    async with asyncio.timeout(30), open_wakeups(engine.dsn, node="n") as wakeups:
        runner = Runner(
            rescuer=Rescuer("n", wakeups.instance),
            engine=engine,
            wakeups=wakeups,
            execute={JobKind.STORE: execute_one},
            settled=settled,
            metrics=Metrics(),
            options=OPTIONS,
        )
        await runner.run()
    return ends


async def test_a_job_that_committed_just_before_a_heartbeat_missed_its_lease_is_tidied_up_behind(
    engine: Engine,
) -> None:
    async def commit_and_linger(claim: Claim) -> None:
        await complete(engine, claim)
        await asyncio.Event().wait()

    job = await enqueue(engine)
    assert await ends_told(engine, commit_and_linger) == [JobStatus.COMPLETED]
    assert await status(engine, job.token) is JobStatus.COMPLETED


async def test_a_job_whose_commit_was_not_answered_is_tidied_up_behind(engine: Engine) -> None:
    async def commit_unheard(claim: Claim) -> None:
        await complete(engine, claim)
        raise DatabaseUnavailable("the connection was lost")

    job = await enqueue(engine)
    assert await ends_told(engine, commit_unheard) == [JobStatus.COMPLETED]
    assert await status(engine, job.token) is JobStatus.COMPLETED


async def test_a_job_that_was_taken_away_is_left_to_who_has_it(engine: Engine) -> None:
    async def lose_and_linger(claim: Claim) -> None:
        async with engine.connect() as conn:
            await conn.execute("UPDATE job SET lease_id = gen_random_uuid() WHERE id = $1", claim.id)
        await asyncio.Event().wait()

    job = await enqueue(engine)
    assert await ends_told(engine, lose_and_linger) == []
    assert await status(engine, job.token) is JobStatus.RUNNING
