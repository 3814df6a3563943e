"""Is the process alive, and can it do its work."""

import asyncio
from http import HTTPStatus
from typing import Literal, NotRequired

from aiohttp import web
from typing_extensions import TypedDict

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES, Services
from storaged.api.params import Query, read_query
from storaged.errors import DatabaseUnavailable

# A probe waits no longer for the database.
PATIENCE_SECONDS = 3.0


class Liveness(TypedDict):
    """The process lives."""

    status: Literal["alive"]


class Readiness(TypedDict):
    """Whether work can be done, and if not, why."""

    status: Literal["ready", "unavailable"]
    database: Literal["available", "unavailable"]
    queue: Literal["listening", "polling"]
    node: str
    detail: NotRequired[str]


async def livez(request: web.Request) -> web.Response:
    """The event loop turns."""
    read_query(request, Query)
    return json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers; `queue` tells whether notifications come or only polling wakes the queue."""
    read_query(request, Query)
    services = request.app[SERVICES]
    state = {"database": "available", "queue": services.wakeups.mode, "node": services.node}
    fault = await database_fault(services)
    if fault is not None:
        state |= {"database": "unavailable", "detail": fault}
        return json_response({"status": "unavailable", **state}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return json_response({"status": "ready", **state})


async def database_fault(services: Services) -> str | None:
    """Why the database does not answer, if it does not."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), services.engine.connect() as conn:
            await conn.fetchval("SELECT 1")
    except (DatabaseUnavailable, TimeoutError) as error:
        return str(error) or "The database does not answer."
    return None
