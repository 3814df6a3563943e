"""Runs, their history, and their deletion."""

import re
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
from storaged.model import DetectionStatus, JobKind
from storaged.queue import jobs
from storaged.store import products, runs
from storaged.store.runs import RunCursor, RunFilter, RunOrder, RunSort

CURSOR = re.compile(r"(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)_((?:[0-9a-f]{2})*)")


def _read_cursor(text: Any) -> RunCursor:
    found = CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("is no `next` of a list of runs")
    return RunCursor(Decimal(found[1]), bytes.fromhex(found[2]).decode(errors="replace").replace("\0", ""))


def _write_cursor(cursor: RunCursor | None) -> str | None:
    """What `after` takes: the key and, in hex, the name."""
    return None if cursor is None else f"{cursor.key:f}_{cursor.name.encode().hex()}"


Cursor = Annotated[
    RunCursor,
    BeforeValidator(_read_cursor),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^-?[0-9]{1,30}(\.[0-9]{1,30})?_([0-9a-f]{2})*$",
            "description": "`next` of the page before.",
        }
    ),
]


class RunQuery(Query):
    name: list[AnyText] = Field(default_factory=list)
    stored_after: Time | None = None
    stored_before: Time | None = None
    sort: RunSort = RunSort.NAME
    reverse: bool = False
    after: Cursor | None = None
    limit: int = Field(100, ge=1, le=1000)


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
            order=RunOrder(query.sort, query.reverse),
            after=query.after,
            limit=query.limit,
        )
    return json_response(RunList(runs=[run_object(row) for row in rows], next=_write_cursor(following)))


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
        job = await jobs.enqueue(
            conn,
            kind=JobKind.DELETE_RUN,
            product_id=product.id,
            run=name,
            username=None,
            summary=f"Deletion of '{product.endpoint}' - '{name}'",
            arguments={},
            token=jobs.new_token(),
        )
    return json_response(job_object(job), status=HTTPStatus.ACCEPTED, headers={"Location": f"/api/v1/jobs/{job.token}"})


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
