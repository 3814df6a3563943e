"""JSON as the API speaks it: times in RFC 3339 UTC with a Z, states in lower case."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web
from typing_extensions import TypedDict

from storaged.model import Job, JobKind, JobStatus


class CommentObject(TypedDict):
    """One entry of a job's log."""

    who: str
    at: datetime
    text: str


class ProgressObject(TypedDict):
    """How far a job is: `done` of `total` in its phase; no phase before it started."""

    phase: str | None
    done: int
    total: int


class JobObject(TypedDict):
    """A job; `position` counts those ahead of one that waits, `result` depends on the kind.

    `reason` is a word for why it failed or was dropped. `estimated_seconds` are about what it has to wait yet,
    or, when it runs, to run; null when it has ended, was asked to stop, or nothing is known.
    """

    token: str
    kind: JobKind
    product: str | None
    run: str | None
    user: str | None
    summary: str
    status: JobStatus
    attempt: int
    node: str | None
    priority: int
    sequence: int
    created_at: datetime
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    last_seen_at: datetime | None
    progress: ProgressObject
    position: int | None
    estimated_seconds: float | None
    cancel_requested: bool
    consumed: bool
    result: Mapping[str, Any] | None
    reason: str | None
    comments: list[CommentObject]


def json_bytes(value: Any) -> bytes:
    """orjson writes datetimes as RFC 3339; `OPT_UTC_Z` gives the Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=json_bytes(value), status=status, content_type="application/json", headers=headers)


async def large_json_response(value: Any) -> web.Response:
    """As `json_response`, encoded in a thread, so that a large answer does not hold up the loop."""
    return web.Response(body=await asyncio.to_thread(json_bytes, value), content_type="application/json")


def job_object(job: Job, position: int | None = None, estimated_seconds: float | None = None) -> JobObject:
    """The job object; `position` counts the jobs that will be claimed before it, None when it does not wait."""
    return {
        "token": job.token,
        "kind": job.kind,
        "product": job.product,
        "run": job.run,
        "user": job.username,
        "summary": job.summary,
        "status": job.status,
        "attempt": job.attempt,
        "node": job.node,
        "priority": job.priority,
        "sequence": job.sequence,
        "created_at": job.created_at,
        "enqueued_at": job.enqueued_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "last_seen_at": job.heartbeat_at,
        "progress": {"phase": job.phase, "done": job.done, "total": job.total},
        "position": position,
        "estimated_seconds": estimated_seconds,
        "cancel_requested": job.cancel_requested,
        "consumed": job.consumed,
        "result": job.result,
        "reason": job.reason,
        "comments": [{"who": comment.who, "at": comment.at, "text": comment.text} for comment in job.comments],
    }
