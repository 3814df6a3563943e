"""Runs, their history, and their deletion."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from storaged.api.encode import job_object, json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Id, Query, Time, read_query
from storaged.database.sql import Connection
from storaged.model import DetectionStatus, Job, JobKind
from storaged.queue import jobs
from storaged.store import products, runs
from storaged.store.products import Product
from storaged.store.runs import RunCursor, RunFilter, RunOrder, RunSort

SORTS = "|".join(RunSort)
CURSOR = rf"(-?)({SORTS})\.(-?[0-9]{{1,30}}(?:\.[0-9]{{1,30}})?)_((?:[0-9a-f]{{2}})*)"


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins, and in which order that is meant."""

    order: RunOrder
    cursor: RunCursor


def _read_start(text: Any) -> PageStart:
    found = re.fullmatch(CURSOR, text)
    if found is None:
        raise ValueError("is no `next` of a list of runs")
    name = bytes.fromhex(found[4]).decode(errors="replace").replace("\0", "")
    return PageStart(RunOrder(RunSort(found[2]), bool(found[1])), RunCursor(Decimal(found[3]), name))


def _next_page(order: RunOrder, following: RunCursor | None) -> str | None:
    """What `after` takes: the order, the key and, in hex, the name; None where there is no next page."""
    if following is None:
        return None
    return f"{'-' if order.reverse else ''}{order.sort}.{following.key:f}_{following.name.encode().hex()}"


After = Annotated[
    PageStart,
    BeforeValidator(_read_start),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{CURSOR}$",
            "description": "`next` of the page before; its order goes before `sort` and `reverse`.",
        }
    ),
]


class RunQuery(Query):
    name: list[AnyText] = Field(default_factory=list)
    stored_after: Time | None = None
    stored_before: Time | None = None
    sort: RunSort = RunSort.NAME
    reverse: bool = False
    after: After | None = None
    limit: int = Field(100, ge=1, le=1000)

    def order(self) -> RunOrder:
        return RunOrder(self.sort, self.reverse) if self.after is None else self.after.order


class HistoryPage(Query):
    after: Id | None = None
    limit: int = Field(100, ge=1, le=1000)


class AnalyzerObject(TypedDict):
    """What a store's metadata says of one analyzer."""

    name: str
    version: str | None
    successful: int
    failed: int
    failed_sources: list[str]


class RunObject(TypedDict):
    """A run with its last store; `reports` counts by detection status, `duration` is the analysis's, in seconds."""

    name: str
    created_at: datetime
    stored_at: datetime | None
    tag: str | None
    user: str | None
    description: str | None
    client_version: str | None
    duration: float | None
    reports: dict[DetectionStatus, int]


class WholeRun(RunObject):
    """A run with the number of its stores, and what the metadata of the last one says of the analyzers."""

    stores: int
    analyzers: list[AnalyzerObject]


class RunList(TypedDict):
    """A page of runs."""

    runs: list[RunObject]
    next: str | None


class StoreObject(TypedDict):
    """One entry of a run's history."""

    id: int
    stored_at: datetime
    tag: str | None
    user: str | None
    description: str | None
    client_version: str | None
    command: str | None
    duration: float | None
    reports: dict[DetectionStatus, int]
    analyzers: list[AnalyzerObject]
    job: str | None


class StoreList(TypedDict):
    """A page of a run's history."""

    stores: list[StoreObject]
    next: int | None


async def list_runs(request: web.Request) -> web.Response:
    """Runs, filtered and sorted; `next` is the `after` of the next page."""
    query = read_query(request, RunQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        rows, following = await runs.list_runs(
            conn,
            product.id,
            RunFilter(query.name, query.stored_after, query.stored_before),
            order=query.order(),
            after=None if query.after is None else query.after.cursor,
            limit=query.limit,
        )
    return json_response(RunList(runs=[run_object(row) for row in rows], next=_next_page(query.order(), following)))


async def get_run(request: web.Request) -> web.Response:
    """One run, with its last store and that store's analyzers."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        row = await runs.get_run(conn, product.id, product.endpoint, request.match_info["run"])
    return json_response(WholeRun(**run_object(row), stores=row["stores"], analyzers=row["analyzers"]))


async def delete_run(request: web.Request) -> web.Response:
    """Enqueue the deletion of a run, behind the jobs of the run that are unfinished; 202 with the job."""
    read_query(request, Query)
    name = request.match_info["run"]
    async with request.app[SERVICES].engine.begin() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        await runs.check_awaited(conn, product.id, product.endpoint, name)
        job = await enqueue_deletion(conn, product, name, request.remote)
    return json_response(job_object(job), status=HTTPStatus.ACCEPTED, headers={"Location": f"/api/v1/jobs/{job.token}"})


async def enqueue_deletion(conn: Connection, product: Product, name: str, submitter: str | None) -> Job:
    """The job that deletes the run of this name, in the caller's transaction; `submitter` is the client's address."""
    return await jobs.enqueue(
        conn,
        kind=JobKind.DELETE_RUN,
        product_id=product.id,
        run=name,
        username=None,
        submitter=submitter,
        summary=f"Deletion of '{product.endpoint}' - '{name}'",
        arguments={},
        token=jobs.new_token(),
    )


async def list_history(request: web.Request) -> web.Response:
    """The stores of a run, the newest first; `next` is the `after` of the next page."""
    page = read_query(request, HistoryPage)
    name = request.match_info["run"]
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        await runs.get_run(conn, product.id, product.endpoint, name)
        rows = await runs.list_history(conn, product.id, name, before=page.after, limit=page.limit)
    following = rows[-1]["id"] if len(rows) == page.limit else None
    return json_response(StoreList(stores=[store_object(row) for row in rows], next=following))


def run_object(row: Any) -> RunObject:
    return {
        "name": row["name"],
        "created_at": row["created_at"],
        "stored_at": row["stored_at"],
        "tag": row["tag"],
        "user": row["username"],
        "description": row["description"],
        "client_version": row["client_version"],
        "duration": row["duration"],
        "reports": row["counts"] or {},
    }


def store_object(row: Any) -> StoreObject:
    return {
        "id": row["id"],
        "stored_at": row["stored_at"],
        "tag": row["tag"],
        "user": row["username"],
        "description": row["description"],
        "client_version": row["client_version"],
        "command": row["command"],
        "duration": row["duration"],
        "reports": row["counts"],
        "analyzers": row["analyzers"],
        "job": row["job_token"],
    }
