"""Runs and their history."""

from typing import Any

from aiohttp import web
from pydantic import Field

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Id, Query, read_query
from storaged.store import products, runs


class RunPage(Query):
    after: AnyText | None = None
    limit: int = Field(100, ge=1, le=1000)


class HistoryPage(Query):
    after: Id | None = None
    limit: int = Field(100, ge=1, le=1000)


async def list_runs(request: web.Request) -> web.Response:
    """Runs in the order of their names; `next` is the `after` of the next page."""
    page = read_query(request, RunPage)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        rows = await runs.list_runs(conn, product.id, after=page.after, limit=page.limit)
    following = rows[-1]["name"] if len(rows) == page.limit else None
    return json_response({"runs": [run_object(row) for row in rows], "next": following})


async def get_run(request: web.Request) -> web.Response:
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        row = await runs.get_run(conn, product.id, product.endpoint, request.match_info["run"])
    return json_response(run_object(row))


async def list_history(request: web.Request) -> web.Response:
    """The stores of a run, the newest first; `next` is the `after` of the next page."""
    page = read_query(request, HistoryPage)
    name = request.match_info["run"]
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        await runs.get_run(conn, product.id, product.endpoint, name)
        rows = await runs.list_history(conn, product.id, name, before=page.after, limit=page.limit)
    following = rows[-1]["id"] if len(rows) == page.limit else None
    return json_response({"stores": [store_object(row) for row in rows], "next": following})


def run_object(row: Any) -> dict[str, Any]:
    """A run with its last store; `reports` counts by detection status."""
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


def store_object(row: Any) -> dict[str, Any]:
    """One entry of a run's history."""
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
