"""A small real HTTP server that answers storectl by the API's contract, and keeps what it was sent."""

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]

TOKEN = "c0ffee" * 10 + "cafe"
ENDED = {"completed", "failed", "cancelled", "dropped"}
PREFIX = "/behind/a/proxy"
LIMITS = {
    **dict.fromkeys(("upload_bytes", "unpacked_bytes", "entries", "entry_bytes", "reports"), 1 << 40),
    "runs": None,
    "result_files": [".plist"],
    "product_runs": 0,
    "run_exists": False,
}


@dataclass
class Upload:
    """One whole body that came, as it came."""

    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Daemon:
    """`script`: what becomes of a job, one entry a long poll. `polls`: handlers for the next long polls, instead of it.

    `instead`: handlers for the next requests of a kind.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    script: deque[Json] = field(default_factory=deque)
    instead: dict[str, deque[Handler]] = field(default_factory=dict)
    polls: deque[Handler] = field(default_factory=deque)
    known: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    jobs: dict[str, Json] = field(default_factory=dict)
    pages: dict[str, list[Json]] = field(default_factory=lambda: {"runs": [], "reports": [], "jobs": [], "history": []})
    page_size: int = 2
    requests: list[web.Request] = field(default_factory=list)
    cancels: list[Json] = field(default_factory=list)
    limits: Json = field(default_factory=lambda: dict(LIMITS))

    @property
    def url(self) -> str:
        return f"localhost:{self.port}/Default"

    def replace_next(self, kind: str, *handlers: Handler) -> None:
        """The next requests of a kind (missing, store, job, cancel, runs, reports) go to these instead."""
        self.instead.setdefault(kind, deque()).extend(handlers)

    def add_job(self, token: str = TOKEN, **values: Any) -> Json:
        self.jobs[token] = make_job(token) | values
        return self.jobs[token]

    def queries(self, kind: str) -> list[list[tuple[str, str]]]:
        """The query of each request whose path ends so."""
        return [list(request.query.items()) for request in self.requests if request.path.endswith(kind)]

    async def missing(self, request: web.Request) -> web.StreamResponse:
        digests = await request.json()
        self.asked.append(digests)
        return web.json_response({"missing": [digest for digest in digests if digest not in self.known]})

    async def store_limits(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.limits)

    async def store(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.uploads.append(Upload(list(request.query.items()), dict(request.headers), body))
        job = self.add_job(run=request.query["run"])
        return web.json_response(job, status=202, headers={"Location": f"/api/v1/jobs/{TOKEN}"})

    async def job(self, request: web.Request) -> web.StreamResponse:
        if "wait" in request.query and self.polls:
            return await self.polls.popleft()(request)
        job = self.jobs.get(request.match_info["token"])
        if job is None:
            return problem(404, f"There is no job {request.match_info['token']!r}.")
        if "wait" in request.query and job["status"] not in ENDED and self.script:
            job.update(self.script.popleft(), sequence=job["sequence"] + 1)
        return web.json_response(job)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs.get(request.match_info["token"])
        if job is None:
            return problem(404, f"There is no job {request.match_info['token']!r}.")
        if job["status"] in ENDED:
            return problem(409, "The job has ended, so there is nothing to cancel.")
        self.cancels.append(await request.json())
        job.update(status="cancelled", cancel_requested=True)
        return web.json_response(job)

    async def retry(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs[request.match_info["token"]]
        if job["status"] not in {"failed", "dropped"}:
            return problem(409, "Only failed and dropped jobs can be retried.")
        job.update(status="enqueued")
        return web.json_response(job)

    async def runs(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "runs")

    async def run(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["run"]
        found = [run for run in self.pages["runs"] if run["name"] == name]
        return web.json_response(found[0]) if found else problem(404, f"There is no run {name!r}.")

    async def list_jobs(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "jobs")

    async def reports(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "reports")

    async def history(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "history", "stores")

    def _page(self, request: web.Request, kind: str, member: str | None = None) -> web.StreamResponse:
        rows = self.pages[kind]
        start = int(request.query.get("after", 0))
        end = start + self.page_size
        following = str(end) if end < len(rows) else None
        return web.json_response({member or kind: rows[start:end], "next": following})

    async def dispatch(self, kind: str, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        waiting = self.instead.get(kind)
        if waiting:
            return await waiting.popleft()(request)
        product = request.match_info.get("product", "Default")
        if product != "Default":
            return problem(404, f"There is no product {product!r}.")
        handler: Handler = getattr(self, kind)
        return await handler(request)


def make_job(token: str) -> Json:
    return {
        "token": token,
        "kind": "store",
        "product": "Default",
        "run": "shop",
        "user": None,
        "summary": "Store of results to 'Default' - 'shop'",
        "status": "enqueued",
        "attempt": 0,
        "node": None,
        "priority": 0,
        "sequence": 1,
        "enqueued_at": "2025-11-24T05:00:00Z",
        "started_at": None,
        "finished_at": None,
        "last_seen_at": None,
        "progress": {"phase": None, "done": 0, "total": 0},
        "position": 1,
        "estimated_seconds": None,
        "cancel_requested": False,
        "consumed": False,
        "comments": [],
        "result": None,
    }


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "title": "Problem", "status": status, "detail": detail} | members,
        status=status,
        content_type="application/problem+json",
        headers=headers,
    )


def answering(respond: Callable[[], web.StreamResponse]) -> Handler:
    """A handler that reads the body and gives this answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        return respond()

    return handle


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The connection breaks, as when the daemon is killed."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _routes(daemon: Daemon, prefix: str) -> Iterator[web.RouteDef]:
    product = f"{prefix}/api/v1/products/{{product}}"
    job = f"{prefix}/api/v1/jobs/{{token}}"
    for method, path, kind in (
        ("POST", f"{product}/contents/missing", "missing"),
        ("POST", f"{product}/stores", "store"),
        ("GET", f"{product}/stores/limits", "store_limits"),
        ("GET", f"{product}/runs", "runs"),
        ("GET", f"{product}/runs/{{run}}", "run"),
        ("GET", f"{product}/runs/{{run}}/history", "history"),
        ("GET", f"{product}/summary", "summary"),
        ("GET", f"{product}/reports", "reports"),
        ("GET", f"{prefix}/api/v1/jobs", "list_jobs"),
        ("GET", job, "job"),
        ("POST", f"{job}/cancel", "cancel"),
        ("POST", f"{job}/retry", "retry"),
    ):
        yield web.route(method, path, partial(daemon.dispatch, kind))


async def _serve(daemon: Daemon, ready: threading.Event, stop: asyncio.Event) -> None:
    app = web.Application(client_max_size=1 << 30)
    app.add_routes([*_routes(daemon, ""), *_routes(daemon, PREFIX)])
    runner = web.AppRunner(app, shutdown_timeout=0, lingering_time=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", daemon.port, ssl_context=daemon.tls).start()
    daemon.port = runner.addresses[0][1]
    ready.set()
    await stop.wait()
    await runner.cleanup()


@contextmanager
def serve(daemon: Daemon) -> Iterator[Daemon]:
    """Listen in a thread of its own, on `daemon.port` or, when that is 0, on a free port."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(_serve(daemon, ready, stop))
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if not ready.wait(10):
            raise TimeoutError("the server of the test did not start")
        yield daemon
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
