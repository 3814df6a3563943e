"""JSON as the API speaks it: times in RFC 3339 UTC with a Z, states in lower case."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from storaged.model import Job


def json_bytes(value: Any) -> bytes:
    """orjson writes datetimes as RFC 3339; `OPT_UTC_Z` gives the Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=json_bytes(value), status=status, content_type="application/json", headers=headers)


async def large_json_response(value: Any) -> web.Response:
    """As `json_response`, encoded in a thread, so that a large answer does not hold up the loop."""
    return web.Response(body=await asyncio.to_thread(json_bytes, value), content_type="application/json")


def job_object(job: Job, position: int | None = None) -> dict[str, Any]:
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
        "cancel_requested": job.cancel_requested,
        "consumed": job.consumed,
        "result": job.result,
        "comments": [{"who": comment.who, "at": comment.at, "text": comment.text} for comment in job.comments],
    }
