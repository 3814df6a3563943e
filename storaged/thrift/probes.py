"""Whether the process lives and can work, in the words and with the statuses of CodeChecker's server."""

from http import HTTPStatus

from aiohttp import web

from storaged.api.health import database_fault
from storaged.api.keys import SERVICES


async def get_live(_request: web.Request) -> web.Response:
    """The event loop turns."""
    return web.Response(text="CODECHECKER_SERVER_IS_LIVE")


async def get_ready(request: web.Request) -> web.Response:
    """The database answers."""
    if await database_fault(request.app[SERVICES]) is not None:
        return web.Response(text="CODECHECKER_SERVER_IS_NOT_READY", status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return web.Response(text="CODECHECKER_SERVER_IS_READY")
