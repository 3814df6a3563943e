"""Is the process alive, and can it do its work."""

import asyncio
from http import HTTPStatus

from aiohttp import web

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES
from storaged.errors import DatabaseUnavailable

# A probe waits no longer for the database.
PATIENCE_SECONDS = 3.0


async def livez(_request: web.Request) -> web.Response:
    """The event loop turns."""
    return json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers; `queue` tells whether notifications come or only polling wakes the queue."""
    services = request.app[SERVICES]
    state = {"database": "available", "queue": services.wakeups.mode, "node": services.node}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), services.engine.connect() as conn:
            await conn.fetchval("SELECT 1")
    except (DatabaseUnavailable, TimeoutError) as error:
        state |= {"database": "unavailable", "detail": str(error) or "The database does not answer."}
        return json_response({"status": "unavailable", **state}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return json_response({"status": "ready", **state})
