"""Claims jobs and runs them: one task a job, heartbeats for all, and an end for each, whatever happens."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

import asyncpg
import structlog

from storaged.database.engine import DATABASE_SICK, Engine
from storaged.database.sql import Connection
from storaged.errors import (
    BadArchive,
    BadResultFiles,
    CancelRequested,
    ContradictingReviews,
    DatabaseUnavailable,
    DummyFailed,
    LeaseLost,
    ReportLimitReached,
    RunLimitReached,
    StagedRowsLost,
    UploadGone,
    WorkerDied,
)
from storaged.metrics import Metrics
from storaged.model import Claim, JobKind, JobStatus, Reason
from storaged.queue import jobs, nodes, rescue
from storaged.queue.rescue import Rescuer
from storaged.queue.wakeup import Wakeups
from storaged.tasks import task_group
from storaged.worker.rescued import tell_rescued

log = structlog.get_logger(__name__)

Execute = Callable[[Claim], Awaitable[None]]
# Writes a job's end and says what it is; None when that is for others to say.
Settle = Callable[[Connection, Claim], Awaitable["End | None"]]
Settled = Callable[[Claim, JobStatus], Awaitable[None]]

# What is the upload's own fault: its job ends `failed`, and the message is for the person who stored.
FAULTS_OF_THE_UPLOAD: Mapping[type[Exception], Reason] = {
    BadArchive: Reason.BAD_ARCHIVE,
    BadResultFiles: Reason.BAD_RESULT_FILES,
    ContradictingReviews: Reason.CONTRADICTING_REVIEWS,
    ReportLimitReached: Reason.REPORT_LIMIT,
    RunLimitReached: Reason.RUN_LIMIT,
    DummyFailed: Reason.TOLD_TO,
}
# What is the system's fault: its job ends `dropped`. The database is away or has no room, a disk is full.
FAULTS_OF_THE_SYSTEM: Mapping[type[Exception], Reason] = {
    DatabaseUnavailable: Reason.DATABASE,
    StagedRowsLost: Reason.DATABASE,
    UploadGone: Reason.UPLOAD_GONE,
    OSError: Reason.DISK,
}
# How long to wait before a settling statement is tried again, while the database is sick.
SETTLE_AGAIN_SECONDS = 1.0
# How long a stopping daemon tries to write down the ends of its jobs.
LAST_WORDS_SECONDS = 5.0
# Of what went wrong; the job's comment has it all, with each of a thousand files.
LOGGED_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended, and, when it failed or was dropped, of what kind the fault was, and what."""

    status: JobStatus
    reason: Reason | None = None
    error: str | None = None

    def log(self, claim: Claim) -> None:
        """One line; that of a bad end is a warning."""
        told = {"token": claim.token, "run": claim.run, "status": self.status}
        if self.status not in {JobStatus.FAILED, JobStatus.DROPPED}:
            log.info("job ended", **told)
            return
        error = self.error or ""
        cut = error if len(error) <= LOGGED_CHARACTERS else f"{error[:LOGGED_CHARACTERS]}..."
        log.warning("job ended", **told, reason=self.reason, error=cut)


class Stop(Enum):
    """Why a running job's task is cancelled."""

    CANCEL = auto()
    SHUTDOWN = auto()
    LEASE_LOST = auto()


@dataclass(slots=True)
class Running:
    """A claimed job and the task that runs it."""

    claim: Claim
    task: asyncio.Task[None]
    stop: Stop | None = None
    settling: bool = False

    def end(self, stop: Stop) -> None:
        """Cancel the task, unless it is writing the job's end already; the first reason counts."""
        if self.stop is None and not self.settling:
            self.stop = stop
            self.task.cancel()


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The runner's slice of the settings."""

    concurrent_jobs: int
    poll_seconds: float
    heartbeat_seconds: float
    grace_seconds: float
    dead_after: timedelta
    max_crashes: int
    retry_at_shutdown: bool


class Runner:
    """The part of a node that works off the queue."""

    def __init__(
        self,
        *,
        rescuer: Rescuer,
        engine: Engine,
        wakeups: Wakeups,
        execute: Mapping[JobKind, Execute],
        settled: Settled,
        metrics: Metrics,
        options: RunnerOptions,
    ) -> None:
        """`wakeups` is open for `node`; `settled` is told of each job that ended here, once the database knows it."""
        self._rescuer = rescuer
        self._node, self._instance = rescuer.node, rescuer.instance
        self._engine = engine
        self._subscription = wakeups.subscribe()
        self._execute = execute
        self._settled = settled
        self._metrics = metrics
        self._options = options
        self._running: dict[UUID, Running] = {}
        self._stopping = asyncio.Event()

    @property
    def running(self) -> int:
        """How many jobs run here now."""
        return len(self._running)

    def stop(self) -> None:
        """Claim no more; `run` returns when what runs has ended or was stopped after the grace time."""
        self._stopping.set()
        self._subscription.wake()

    async def run(self) -> None:
        """Claim and run jobs until `stop`."""
        async with task_group() as tasks:
            beating = tasks.create_task(self._beat())
            while not self._stopping.is_set():
                await self._claim(tasks)
                await self._subscription.wait(self._options.poll_seconds)
                await self._stop_cancelled()
            await self._drain()
            beating.cancel()

    async def _claim(self, tasks: asyncio.TaskGroup) -> None:
        """Start as many jobs as there are free slots for."""
        free = self._options.concurrent_jobs - len(self._running)
        if free <= 0:
            return
        try:
            async with self._engine.connect() as conn:
                claims = await jobs.claim(conn, node=self._node, instance=self._instance, slots=free)
        except DATABASE_SICK as error:
            log.warning("cannot claim jobs", error=str(error))
            return
        for claim in claims:
            log.info("job claimed", token=claim.token, run=claim.run, attempt=claim.attempt)
            self._metrics.job_claimed(claim.kind, claim.waited_seconds)
            task = tasks.create_task(self._run_job(claim))
            self._running[claim.lease_id] = Running(claim, task)

    async def _run_job(self, claim: Claim) -> None:
        """Run one job to its end; raises nothing, whatever the job does."""
        started = time.monotonic()
        try:
            settle = await self._attempt(claim)
            self._running[claim.lease_id].settling = True
            end = await self._settle(claim, settle)
        finally:
            self._running.pop(claim.lease_id, None)
            self._subscription.wake()
        if end is not None:
            end.log(claim)
            self._metrics.job_settled(claim.kind, end.status, time.monotonic() - started)
            await self._settled(claim, end.status)

    async def _attempt(self, claim: Claim) -> Settle:
        """Execute the job and say how it is to be settled."""
        try:
            await self._execute[claim.kind](claim)
        except LeaseLost:
            return _leave
        except CancelRequested:
            return _cancel
        except WorkerDied:
            log.warning("worker died", token=claim.token)
            return self._record_crash
        except tuple(FAULTS_OF_THE_UPLOAD) as error:
            return _failing(str(error), _reason(FAULTS_OF_THE_UPLOAD, error))
        except tuple(FAULTS_OF_THE_SYSTEM) as error:
            log.warning("job hindered", token=claim.token, error=str(error))
            return _dropping(str(error), _reason(FAULTS_OF_THE_SYSTEM, error))
        except asyncio.CancelledError:
            return self._stopped(claim)
        except Exception as error:
            log.exception("job failed unexpectedly", token=claim.token)
            comment = f"{type(error).__name__}: {error}. This is a fault of storaged; its log has more."
            return _failing(comment, Reason.INTERNAL_ERROR)
        return _completed

    def _stopped(self, claim: Claim) -> Settle:
        """How a job whose task was cancelled is settled; raises CancelledError when it was not the runner's doing."""
        running = self._running.get(claim.lease_id)
        if running is None or running.stop is None:
            raise asyncio.CancelledError
        if running.stop is Stop.SHUTDOWN:
            return self._shut_down
        return _cancel if running.stop is Stop.CANCEL else _leave

    async def _settle(self, claim: Claim, settle: Settle) -> End | None:
        """Write the job's end, again and again while the database is away; None when the lease was lost.

        An end that the database refuses for good, such as a comment that it cannot hold, is written without its words.
        """
        while True:
            try:
                async with self._engine.begin() as conn:
                    return await settle(conn, claim)
            except LeaseLost:
                settle = _leave
                continue
            except DatabaseUnavailable as error:
                log.warning("cannot settle job yet", token=claim.token, error=str(error))
            except asyncpg.PostgresError as error:
                log.exception("cannot settle job so", token=claim.token, error=str(error))
                comment = "How the job ended cannot be written down; the log of the daemon tells it."
                settle = _failing(comment, Reason.INTERNAL_ERROR)
            await asyncio.sleep(SETTLE_AGAIN_SECONDS)

    async def _record_crash(self, conn: Connection, claim: Claim) -> End:
        status = await jobs.record_crash(conn, claim, limit=self._options.max_crashes)
        if status is not JobStatus.FAILED:
            return End(status)
        return End(status, Reason.WORKER_CRASHES, "worker processes died while they ran it")

    async def _shut_down(self, conn: Connection, claim: Claim) -> End:
        if self._options.retry_at_shutdown:
            comment = f"{self._node} was stopped; the job was enqueued again."
            return End(await jobs.release(conn, claim, comment=comment))
        comment = (
            f"{self._node} was stopped before the job had ended; `storectl jobs retry {claim.token}` enqueues it again."
        )
        await jobs.drop(conn, claim, comment=comment, heading=jobs.SHUTDOWN, reason=Reason.SHUTDOWN)
        return End(JobStatus.DROPPED, Reason.SHUTDOWN, comment)

    async def _stop_cancelled(self) -> None:
        """Stop the jobs that somebody asked to stop; a call that computes is killed with its process."""
        if not self._running:
            return
        try:
            async with self._engine.connect() as conn:
                asked = await jobs.cancelling(conn, list(self._running))
        except DATABASE_SICK as error:
            log.warning("cannot look for cancelled jobs", error=str(error))
            return
        self._end(asked, Stop.CANCEL)

    async def _beat(self) -> None:
        """Mark the node and its jobs alive; stop those whose lease is lost, end those it was given unawares."""
        while True:
            await asyncio.sleep(self._options.heartbeat_seconds)
            leases = frozenset(self._running)
            try:
                async with self._engine.connect() as conn:
                    await nodes.heartbeat(conn, self._node, self._instance, dead_after=self._options.dead_after)
                    beat = await jobs.heartbeat(conn, node=self._node, instance=self._instance, leases=leases)
                    lost = await rescue.drop_lost_claims(
                        conn, self._rescuer, held=leases, dead_after=self._options.dead_after
                    )
            except DATABASE_SICK as error:
                log.warning("no heartbeat", error=str(error))
                continue
            self._end(beat.cancelling, Stop.CANCEL)
            self._end(leases - beat.held, Stop.LEASE_LOST)
            tell_rescued(self._metrics, "a claim was lost on the way", lost)

    def _end(self, leases: Iterable[UUID], reason: Stop) -> None:
        for lease in leases:
            running = self._running.get(lease)
            if running is not None:
                running.end(reason)

    async def _drain(self) -> None:
        """Let what runs go on for the grace time, then stop it."""
        tasks = {running.task for running in self._running.values()}
        if not tasks:
            return
        log.info("waiting for running jobs", jobs=len(tasks), seconds=self._options.grace_seconds)
        await asyncio.wait(tasks, timeout=self._options.grace_seconds)
        self._end(list(self._running), Stop.SHUTDOWN)
        _, unsettled = await asyncio.wait(tasks, timeout=LAST_WORDS_SECONDS)
        for task in unsettled:
            # The database is away: the jobs stay `running`, as after a crash, for the next start to see to.
            task.cancel()
        await asyncio.wait(tasks)


async def _completed(_conn: Connection, _claim: Claim) -> End:
    """The job completed itself, in the transaction of what it did."""
    return End(JobStatus.COMPLETED)


async def _leave(conn: Connection, claim: Claim) -> End | None:
    """The lease is gone: it was lost, or the job's own commit ended it just before the task was stopped."""
    if await jobs.is_completed(conn, claim):
        return End(JobStatus.COMPLETED)
    log.warning("lease lost", token=claim.token)
    return None


async def _cancel(conn: Connection, claim: Claim) -> End:
    await jobs.cancel(conn, claim)
    return End(JobStatus.CANCELLED)


def _reason(reasons: Mapping[type[Exception], Reason], error: Exception) -> Reason:
    return next(reason for kind, reason in reasons.items() if isinstance(error, kind))


def _failing(comment: str, reason: Reason) -> Settle:
    async def fail(conn: Connection, claim: Claim) -> End:
        await jobs.fail(conn, claim, comment=comment, reason=reason)
        return End(JobStatus.FAILED, reason, comment)

    return fail


def _dropping(comment: str, reason: Reason) -> Settle:
    async def drop(conn: Connection, claim: Claim) -> End:
        await jobs.drop(conn, claim, comment=comment, reason=reason)
        return End(JobStatus.DROPPED, reason, comment)

    return drop
