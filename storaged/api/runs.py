"""Runs, their history, and their deletion."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from storaged.api.encode import job_object, json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Id, Query, read_query
from storaged.model import DetectionStatus, JobKind
from storaged.queue import jobs
from storaged.store import products, runs


class RunPage(Query):
    after: AnyText | None = None
    limit: int = Field(100, ge=1, le=1000)


class HistoryPage(Query):
    after: Id | None = None
    limit: int = Field(100, ge=1, le=1000)


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


class RunList(TypedDict):
    """A page of runs."""

    runs: list[RunObject]
    next: str | None


class AnalyzerObject(TypedDict):
    """What a store's metadata says of one analyzer."""

    name: str
    version: str | None
    successful: int
    failed: int
    failed_sources: list[str]


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
    """Runs in the order of their names; `next` is the `after` of the next page."""
    page = read_query(request, RunPage)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        rows = await runs.list_runs(conn, product.id, after=page.after, limit=page.limit)
    following = rows[-1]["name"] if len(rows) == page.limit else None
    return json_response(RunList(runs=[run_object(row) for row in rows], next=following))


async def get_run(request: web.Request) -> web.Response:
    """One run."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        row = await runs.get_run(conn, product.id, product.endpoint, request.match_info["run"])
    return json_response(run_object(row))


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
