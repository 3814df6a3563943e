"""/metrics for Prometheus: what the node counted, and what can be looked up now; docs/operations.md has every name."""

import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from storaged.api.keys import SERVICES, Services
from storaged.api.params import Query, read_query
from storaged.api.problems import Handler
from storaged.database.engine import DATABASE_SICK
from storaged.queue.dashboard import Row
from storaged.spool.local import SpoolUse

Family = GaugeMetricFamily | CounterMetricFamily

log = structlog.get_logger(__name__)

TEXT: Final = "text/plain"
METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NODE_STATES: Final = ("alive", "late", "unlocked", "gone")
# What stands for a status when the connection ended before the answer did.
CUT_OFF: Final = "none"


class Families(Collector):
    """Metrics that were looked up for one scrape."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Family]:
        return iter(self._families)


@web.middleware
async def metrics_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request by its endpoint, not by its path."""
    started = time.perf_counter()
    status = CUT_OFF
    try:
        response = await handler(request)
        status = str(response.status)
    finally:
        method = request.method if request.method in METHODS else "other"
        seconds = time.perf_counter() - started
        request.app[SERVICES].metrics.request_answered(method, _endpoint(request), status, seconds)
    return response


def _endpoint(request: web.Request) -> str:
    """The template of the route, such as /api/v1/jobs/{token}; `none` where there is no such endpoint."""
    resource = request.match_info.route.resource
    return "none" if resource is None else resource.canonical


async def get_metrics(request: web.Request) -> web.Response:
    """Metrics of this node and of the queue, in Prometheus' text format.

    While the database is away, what is read from it is left out and `storaged_database_up` is 0.
    """
    read_query(request, Query)
    services = request.app[SERVICES]
    looked_up = CollectorRegistry()
    looked_up.register(Families([*_node(services), *_spool(await services.spool_use.get()), *await _queue(services)]))
    text = generate_latest(services.metrics.registry) + generate_latest(looked_up)
    return web.Response(body=text, content_type=TEXT, charset="utf-8")


def _node(services: Services) -> Iterator[Family]:
    work = services.work()
    about = GaugeMetricFamily("storaged_build_info", "Always 1; the label has the version.", labels=["version"])
    about.add_metric([version("storaged")], 1)
    yield about
    yield _gauge("storaged_job_slots", "Jobs that this node runs at a time, at most.", work.job_slots)
    yield _gauge("storaged_job_slots_busy", "Jobs that this node runs now.", work.running_jobs)
    yield _gauge("storaged_worker_processes", "Processes of this node that parse.", work.worker_processes)
    yield _gauge("storaged_worker_processes_busy", "Those that are in a call now.", work.busy_worker_processes)
    yield _counter("storaged_worker_crashes", "Worker processes that ended by themselves.", work.worker_crashes)
    listening = services.wakeups.mode == "listening"
    yield _gauge("storaged_listener_up", "1 while notifications come, 0 while the node polls.", listening)
    reconnects = services.wakeups.reconnects
    yield _counter("storaged_listener_reconnects", "Connections for notifications lost and made anew.", reconnects)
    yield _gauge("storaged_waiters", "Long polls and event streams that wait for a job.", services.watchers.waiting)


def _spool(use: SpoolUse) -> Iterator[Family]:
    yield _gauge("storaged_spool_uploads", "Uploads in the spool, those on their way included.", use.uploads)
    yield _gauge("storaged_spool_bytes", "Their bytes.", use.bytes)
    yield _gauge("storaged_spool_free_bytes", "Bytes that are free on the disk of the spool.", use.free_bytes)


async def _queue(services: Services) -> list[Family]:
    try:
        queue = await services.dashboard.answer("queue")
        nodes = await services.dashboard.answer("nodes")
    except DATABASE_SICK as error:
        log.warning("metrics without the queue", error=str(error))
        return [_gauge("storaged_database_up", UP, 0)]
    return [_gauge("storaged_database_up", UP, 1), *_depth(queue.rows), _nodes(nodes.rows)]


UP = "1 when the database answered this scrape, else 0."


def _depth(rows: Sequence[Row]) -> Iterator[Family]:
    total, by_product = rows[0], rows[1:]
    yield _gauge("storaged_queue_depth", "Jobs that wait, on all nodes.", total["waiting"])
    oldest = total["oldest_wait_seconds"] or 0
    yield _gauge(
        "storaged_queue_oldest_wait_seconds", "Longest time that a job has been waiting; 0: none waits.", oldest
    )
    jobs = GaugeMetricFamily("storaged_jobs", "Jobs that have not ended, on all nodes.", labels=["product", "status"])
    blocked = GaugeMetricFamily(
        "storaged_jobs_blocked", "Waiting jobs that are behind an older one of their run.", labels=["product"]
    )
    for row in by_product:
        jobs.add_metric([row["product"], "enqueued"], row["waiting"])
        jobs.add_metric([row["product"], "running"], row["running"])
        blocked.add_metric([row["product"]], row["blocked"])
    yield from (jobs, blocked)


def _nodes(rows: Sequence[Row]) -> Family:
    family = GaugeMetricFamily("storaged_nodes", "Daemons on this database, by state.", labels=["state"])
    for state in NODE_STATES:
        family.add_metric([state], sum(row["state"] == state for row in rows))
    return family


def _gauge(name: str, help_text: str, value: float) -> Family:
    return GaugeMetricFamily(name, help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Family:
    return CounterMetricFamily(name, help_text, value=value)
