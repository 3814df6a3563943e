"""The queue: functions over the caller's connection; docs/queue.md tells the states, the line and the lease.

The caller owns the transaction. Change one job in a transaction, or jobs in the order of their ids: two
transactions that change the same jobs in different orders block each other.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, load_queries
from storaged.errors import AlreadyEnded, CancelRequested, IdempotencyConflict, JobNotFound, LeaseLost, NotRetryable
from storaged.model import Claim, Comment, Job, JobId, JobKind, JobStatus, ProductId, Reason, Token, storable

QUERIES = load_queries("jobs")

# How long an Idempotency-Key stands for its job.
KEY_KEPT = timedelta(hours=24)
# Positions are counted no further than this; it stands for itself and more.
FAR = 10_000
# How many of the jobs that ended last an estimate goes by.
ESTIMATE_SAMPLE = 100

# The first lines of comments; scripts look for them (CodeChecker's words).
CANCEL_REQUESTED = "User requested cancellation."
CANCEL_QUEUED = "CANCEL!\nTask cancelled before execution began!"
CANCEL_RUNNING = "CANCEL!\nCancel request of admin honoured by task."
FAILED = "FAILED!\nException during execution:\n"
DROPPED = "DROPPED!\n"
SHUTDOWN = "SHUTDOWN!\n"

# Of what was cancelled nothing is kept.
INSTEAD_OF_RETRY = {JobKind.STORE: " Store the results again.", JobKind.DELETE_RUN: " Delete the run again."}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What became of the leases that a node believes it holds."""

    held: frozenset[UUID]
    # Those of `held` whose job was asked to stop.
    cancelling: frozenset[UUID]


def new_token() -> Token:
    """A token that nobody can guess: 64 hex digits."""
    return Token(secrets.token_hex(32))


# Into the queue


async def enqueue(
    conn: Connection,
    *,
    kind: JobKind,
    product_id: ProductId | None,
    run: str | None,
    username: str | None,
    summary: str,
    arguments: Mapping[str, Any],
    priority: int = 0,
    submitter: str | None = None,
    token: Token,
) -> Job:
    """Add a job that may run as soon as the older unfinished jobs of its run have ended.

    `submitter` is the address that asked for it, None when nobody did from outside.
    Jobs of a higher priority go before the others of their product, never before the older ones of their run.
    """
    job_id = await QUERIES["enqueue_job"].value(
        conn,
        token=token,
        kind=kind,
        product_id=product_id,
        run=run,
        username=username,
        submitter=submitter,
        summary=summary,
        arguments=dict(arguments),
        priority=priority,
    )
    return await _read(conn, job_id)


async def find_by_key(
    conn: Connection, *, product_id: ProductId, username: str | None, key: str, body_digest: bytes
) -> Token | None:
    """The job that this user's Idempotency-Key stands for already.

    Call it in the transaction that enqueues: another request with the same key waits here until that has ended.
    Raises IdempotencyConflict when the key came with another body.
    """
    named = {"product_id": product_id, "username": username or "", "key": key}
    await QUERIES["lock_key"].value(conn, **named)
    row = await QUERIES["find_by_key"].row(conn, **named, kept=KEY_KEPT)
    if row is None:
        return None
    if bytes(row["body_digest"]) != body_digest:
        raise IdempotencyConflict(
            f"The Idempotency-Key {key!r} was sent with another body, or other options, in the last 24 hours. "
            "Send a new key."
        )
    return Token(row["token"])


async def remember_key(
    conn: Connection, *, product_id: ProductId, username: str | None, key: str, body_digest: bytes, job: Job
) -> None:
    """Let the key stand for the job; `find_by_key` in the same transaction has said that it stands for none."""
    count = await QUERIES["remember_key"].execute(
        conn,
        product_id=product_id,
        username=username or "",
        key=key,
        body_digest=body_digest,
        job_id=job.id,
        kept=KEY_KEPT,
    )
    if count == 0:
        raise IdempotencyConflict(f"The Idempotency-Key {key!r} stands for another job already.")


# A worker's writes: each names its lease


async def claim(conn: Connection, *, node: str, instance: UUID, slots: int) -> list[Claim]:
    """Start up to `slots` jobs (one statement; commit it at once, for others wait for a product's turn).

    Fewer may come although more wait, when other nodes claim at the same moment: their commit notifies.
    """
    if slots <= 0:
        return []
    rows = await QUERIES["claim_jobs"].fetch(conn, node=node, instance=instance, slots=slots)
    return [_claim_of(row) for row in rows]


async def heartbeat(conn: Connection, *, node: str, instance: UUID, leases: Collection[UUID]) -> Heartbeat:
    """Renew all leases of a node at once; a lease that is not `held` any more has lost its job."""
    if not leases:
        return Heartbeat(frozenset(), frozenset())
    rows = await QUERIES["heartbeat"].fetch(conn, node=node, instance=instance, leases=list(leases))
    return Heartbeat(
        held=frozenset(row["lease_id"] for row in rows),
        cancelling=frozenset(row["lease_id"] for row in rows if row["cancel_requested"]),
    )


async def cancelling(conn: Connection, leases: Collection[UUID]) -> frozenset[UUID]:
    """Those of the leases whose job was asked to stop."""
    rows = await QUERIES["cancelling"].fetch(conn, leases=list(leases))
    return frozenset(row["lease_id"] for row in rows)


async def progress(conn: Connection, claim: Claim, phase: str, done: int, total: int) -> bool:
    """Tell waiters how far the job is, and learn whether it was asked to stop. Raises LeaseLost."""
    asked: bool | None = await QUERIES["progress"].value(
        conn, id=claim.id, lease_id=claim.lease_id, phase=phase, done=done, total=total
    )
    if asked is None:
        raise _lease_lost(claim)
    return asked


async def complete(
    conn: Connection, claim: Claim, *, comment: str | None = None, result: Mapping[str, Any] | None = None
) -> None:
    """End the job `completed`, in the transaction that stores what it did, which must be rolled back on an error.

    Raises LeaseLost, and CancelRequested when somebody asked that it stop: then roll back and `cancel` it.
    """
    await _settle(conn, claim, JobStatus.COMPLETED, comment, result)


async def is_completed(conn: Connection, claim: Claim) -> bool:
    """Whether the job is `completed`, and by this attempt: asked by who did not hear of its own commit."""
    return bool(await QUERIES["is_completed"].value(conn, id=claim.id, attempt=claim.attempt))


async def fail(
    conn: Connection,
    claim: Claim,
    *,
    comment: str,
    reason: Reason | None = None,
    result: Mapping[str, Any] | None = None,
) -> None:
    """End the job `failed` by its own fault; the comment says which, the reason of what kind. Raises LeaseLost."""
    await _settle(conn, claim, JobStatus.FAILED, FAILED + comment, result, reason=reason)


async def cancel(
    conn: Connection, claim: Claim, *, comment: str | None = None, result: Mapping[str, Any] | None = None
) -> None:
    """End the job `cancelled`, because it was asked to stop and did. Raises LeaseLost."""
    text = CANCEL_RUNNING if comment is None else f"{CANCEL_RUNNING}\n{comment}"
    await _settle(conn, claim, JobStatus.CANCELLED, text, result)


async def drop(
    conn: Connection,
    claim: Claim,
    *,
    comment: str,
    heading: str = DROPPED,
    reason: Reason | None = None,
    result: Mapping[str, Any] | None = None,
) -> None:
    """End the job `dropped` by the system's fault; at shutdown the heading is SHUTDOWN. Raises LeaseLost."""
    await _settle(conn, claim, JobStatus.DROPPED, heading + comment, result, reason=reason)


async def release(conn: Connection, claim: Claim, *, comment: str) -> JobStatus:
    """Enqueue the job again at shutdown; the attempt does not count. Raises LeaseLost.

    Returns what it is now: `enqueued`, or `cancelled` when somebody had asked that it stop.
    """
    return await _requeue(conn, claim, SHUTDOWN + comment, refund=1)


async def record_crash(conn: Connection, claim: Claim, *, limit: int = 3) -> JobStatus:
    """A worker process died of the job: enqueue it again, or fail it when that was the `limit`th time.

    Returns what it is now: `enqueued`, `failed`, or `cancelled` when somebody had asked that it stop. Raises LeaseLost.
    """
    crashes = claim.crashes + 1
    died = f"A worker process died while it ran this job ({crashes} of {limit} times)."
    if crashes < limit:
        return await _requeue(conn, claim, f"{DROPPED}{died} The job was enqueued again.", crashes=1)
    comment = (
        f"{FAILED}{died} It is not tried again: the upload may need more memory than there is, or crash the parser."
    )
    await _settle(conn, claim, JobStatus.FAILED, comment, None, crashes=1, reason=Reason.WORKER_CRASHES)
    return JobStatus.FAILED


# What people ask for


async def request_cancel(conn: Connection, token: Token, who: str, text: str = "") -> Job:
    """Cancel a waiting job at once, or ask a running one to stop; `text` is the reason, may be empty.

    Asking again changes nothing. Raises JobNotFound and AlreadyEnded.
    """
    request = f"{CANCEL_REQUESTED}\n{text}" if text else CANCEL_REQUESTED
    job_id = await QUERIES["request_cancel"].value(conn, token=token, who=who, request=request, outcome=CANCEL_QUEUED)
    if job_id is not None:
        return await _read(conn, job_id)
    job = await get(conn, token)
    if job.status.ended:
        raise AlreadyEnded(f"Job {token} is {job.status} already: there is nothing to cancel.")
    return job


async def retry(conn: Connection, token: Token, who: str) -> Job:
    """Enqueue a failed or dropped job again, at its old place among the waiting jobs of its run.

    That its upload is still kept is for the caller to know. Raises JobNotFound and NotRetryable.
    """
    job_id = await QUERIES["retry_job"].value(conn, token=token, who=who, comment="User requested a retry.")
    if job_id is not None:
        return await _read(conn, job_id)
    job = await get(conn, token)
    advice = INSTEAD_OF_RETRY.get(job.kind, "") if job.status is JobStatus.CANCELLED else ""
    raise NotRetryable(f"Job {token} is {job.status}; only failed and dropped jobs can be retried.{advice}")


async def add_comment(conn: Connection, token: Token, who: str, text: str) -> None:
    """Append to the job's log. Raises JobNotFound."""
    if await QUERIES["add_comment"].execute(conn, token=token, who=who, text=text) == 0:
        raise JobNotFound(token)


async def mark_consumed(conn: Connection, tokens: Collection[Token]) -> None:
    """Note of those of the jobs that have ended that somebody was told so."""
    await QUERIES["mark_consumed"].execute(conn, tokens=list(tokens))


# What readers see


async def get(conn: Connection, token: Token) -> Job:
    """The job with its comments. Raises JobNotFound."""
    row = await QUERIES["read_job"].row(conn, token=token)
    if row is None:
        raise JobNotFound(token)
    return job_of(row)


async def changed(conn: Connection, tokens: Sequence[tuple[Token, int]]) -> list[Job]:
    """The jobs whose sequence is beyond the one given with their token: one query for all waiters of a node."""
    rows = await QUERIES["changed_jobs"].fetch(
        conn, tokens=[token for token, _ in tokens], sequences=[since for _, since in tokens]
    )
    return [job_of(row) for row in rows]


async def position(conn: Connection, job: Job) -> int | None:
    """About how many jobs will be claimed before this one, counted up to FAR; None when it does not wait."""
    ahead: int | None = await QUERIES["job_position"].value(conn, id=job.id, most=FAR)
    return ahead


async def estimate(conn: Connection, job: Job, *, position: int, node_slots: int) -> float | None:
    """About how many seconds a waiting job has to wait yet; None while no job has been completed.

    `node_slots`: how many jobs each living node runs at a time; they are taken to be alike.
    """
    seconds: float | None = await QUERIES["job_estimate"].value(
        conn, id=job.id, position=position, node_slots=node_slots, most=FAR, sample=ESTIMATE_SAMPLE
    )
    return seconds


async def remaining(conn: Connection, job: Job) -> float | None:
    """About how many seconds a running job has to run yet.

    None when it does not run, and when no job like it took as long as it has run: then nothing is known.
    """
    seconds: float | None = await QUERIES["job_remaining"].value(conn, id=job.id, sample=ESTIMATE_SAMPLE)
    return seconds


async def prune(conn: Connection, older_than: timedelta, *, limit: int = 1000) -> list[Token]:
    """Delete the jobs that ended so long ago, the oldest first, at most `limit` of them, and worn out keys.

    Returns the tokens deleted, whose uploads nobody can ask for any more.
    """
    await QUERIES["prune_keys"].execute(conn, kept=KEY_KEPT)
    rows = await QUERIES["prune_jobs"].fetch(conn, older_than=older_than, limit=limit)
    return [Token(row["token"]) for row in rows]


async def tokens_with_upload(conn: Connection, tokens: Collection[Token], keep: timedelta) -> list[Token]:
    """Those of the tokens whose upload is needed: the job is unfinished, or failed or dropped less than `keep` ago.

    A token without a job is not among them: the caller must know uploads that are about to get theirs.
    """
    rows = await QUERIES["tokens_with_upload"].fetch(conn, tokens=list(tokens), keep=keep)
    return [Token(row["token"]) for row in rows]


async def read_jobs(conn: Connection, ids: Collection[JobId]) -> list[Job]:
    """The jobs of these ids, in their order."""
    return [job_of(row) for row in await QUERIES["read_jobs"].fetch(conn, ids=list(ids))]


def job_of(row: Any) -> Job:
    """A row of job_record."""
    comments = tuple(
        Comment(datetime.fromisoformat(at).astimezone(UTC), who, text) for at, who, text in row["comments"] or ()
    )
    values = {name: row[name] for name in _JOB_COLUMNS}
    values["status"] = JobStatus(row["status"])
    values["kind"] = JobKind(row["kind"])
    return Job(**values, comments=comments)


_JOB_COLUMNS = tuple(name for name in Job.__dataclass_fields__ if name != "comments")


def _claim_of(row: Any) -> Claim:
    values = {name: row[name] for name in Claim.__dataclass_fields__}
    values["kind"] = JobKind(row["kind"])
    return Claim(**values)


async def _read(conn: Connection, job_id: JobId) -> Job:
    return (await read_jobs(conn, [job_id]))[0]


async def _settle(
    conn: Connection,
    claim: Claim,
    status: JobStatus,
    comment: str | None,
    result: Mapping[str, Any] | None,
    *,
    crashes: int = 0,
    reason: Reason | None = None,
) -> None:
    settled = await QUERIES["settle_job"].value(
        conn,
        id=claim.id,
        lease_id=claim.lease_id,
        status=status,
        comment=None if comment is None else storable(comment),
        crashes=crashes,
        result=None if result is None else dict(result),
        reason=reason,
    )
    if settled is None:
        await _check_lease(conn, claim)
        raise CancelRequested(f"Job {claim.token} was asked to stop before it was done.")


async def _requeue(conn: Connection, claim: Claim, comment: str, *, refund: int = 0, crashes: int = 0) -> JobStatus:
    requeued = await QUERIES["requeue_job"].value(
        conn, id=claim.id, lease_id=claim.lease_id, comment=storable(comment), refund=refund, crashes=crashes
    )
    if requeued is not None:
        return JobStatus.ENQUEUED
    await cancel(conn, claim)
    return JobStatus.CANCELLED


async def _check_lease(conn: Connection, claim: Claim) -> None:
    if await QUERIES["lease_cancel_requested"].value(conn, id=claim.id, lease_id=claim.lease_id) is None:
        raise _lease_lost(claim)


def _lease_lost(claim: Claim) -> LeaseLost:
    return LeaseLost(
        f"Attempt {claim.attempt} of job {claim.token} holds it no more: it was dropped, or claimed anew. "
        "What it did is not stored."
    )
