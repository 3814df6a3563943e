"""The operator's first look: what sql/dashboard/ asks of the queue, and how this node is."""

from datetime import UTC, datetime
from importlib.metadata import version

from aiohttp import web

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES, Services
from storaged.api.ops_answers import NodeObject
from storaged.api.params import Query, read_query
from storaged.api.problems import Handler
from storaged.queue.dashboard import QUERIES


async def get_ops(request: web.Request) -> web.Response:
    """Everything that an operator looks at first: the rows of every query of /api/v1/ops, and the node that answers."""
    read_query(request, Query)
    services = request.app[SERVICES]
    answers = {name: await services.dashboard.answer(name) for name in QUERIES}
    found = {name: answer.rows for name, answer in answers.items()}
    at = min(answer.at for answer in answers.values())
    return json_response({"at": at, "node": await _node(services), **found})


async def get_node(request: web.Request) -> web.Response:
    """How the node is that answers: its slots, its processes, its connection for notifications, its spool.

    Behind a load balancer each answer may be another node's; `nodes` has all of them.
    """
    read_query(request, Query)
    return json_response(await _node(request.app[SERVICES]))


def handler_of(name: str) -> Handler:
    """Answers with the rows of a query; its description is the comment at the head of the query's file."""

    async def get_rows(request: web.Request) -> web.Response:
        read_query(request, Query)
        answer = await request.app[SERVICES].dashboard.answer(name)
        return json_response({"at": answer.at, name: answer.rows})

    get_rows.__name__ = f"get_ops_{name}"
    get_rows.__doc__ = QUERIES[name].about
    return get_rows


async def _node(services: Services) -> NodeObject:
    work = services.work()
    spool = await services.spool_use.get()
    return NodeObject(
        node=services.node,
        version=version("storaged"),
        up_seconds=round((datetime.now(UTC) - services.started_at).total_seconds(), 1),
        listener=services.wakeups.mode,
        listener_reconnects=services.wakeups.reconnects,
        waiters=services.watchers.waiting,
        job_slots=work.job_slots,
        running_jobs=work.running_jobs,
        worker_processes=work.worker_processes,
        busy_worker_processes=work.busy_worker_processes,
        worker_crashes=work.worker_crashes,
        spool_uploads=spool.uploads,
        spool_bytes=spool.bytes,
        spool_free_bytes=spool.free_bytes,
    )
