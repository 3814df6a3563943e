"""The application: routes, problems, and the runner that serves it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from storaged.api.keys import SERVICES, Services
from storaged.api.metrics import metrics_middleware
from storaged.api.params import params_middleware
from storaged.api.problems import problem_middleware
from storaged.api.routes import add_routes

# Bodies that a handler reads whole; stores are streamed and have a limit of their own.
WHOLE_BODY_LIMIT = 16 << 20
# The options of a store are in its query: a description of 10,000 characters may have 120,000 bytes there.
REQUEST_LINE_LIMIT = 256 << 10


def make_app(services: Services) -> web.Application:
    middlewares = [metrics_middleware, problem_middleware, params_middleware]
    app = web.Application(middlewares=middlewares, client_max_size=WHOLE_BODY_LIMIT)
    app[SERVICES] = services
    add_routes(app)
    app.on_shutdown.append(_let_waiters_go)
    return app


async def _let_waiters_go(app: web.Application) -> None:
    """Requests that wait for a job are answered now, so that they do not hold up the end."""
    app[SERVICES].watchers.close()


@asynccontextmanager
async def serve_app(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on the bound socket while the block runs; requests under way are cut off a moment after its end."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, auto_decompress=False, max_line_size=REQUEST_LINE_LIMIT
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
