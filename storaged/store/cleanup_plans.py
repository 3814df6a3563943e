"""Cleanup plans: reports, by their hashes, that are to be gone by some day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from storaged.database.sql import Connection, load_queries
from storaged.model import ProductId
from storaged.store.reports import hash_columns, report_key

QUERIES = load_queries("cleanup_plans")


@dataclass(frozen=True, slots=True)
class PlanValues:
    """What of a plan can be edited."""

    name: str
    description: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, with the hashes that are in it; `closed_at` is None while it is open."""

    id: int
    values: PlanValues
    closed_at: datetime | None
    report_hashes: Sequence[str]


async def list_plans(
    conn: Connection,
    product: ProductId,
    *,
    ids: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    is_open: bool | None = None,
) -> list[Plan]:
    """Those that fit, by name; None asks nothing."""
    rows = await QUERIES["list_plans"].fetch(conn, product=product, ids=ids, names=names, open=is_open)
    return [_plan(row) for row in rows]


async def add_plan(conn: Connection, product: ProductId, values: PlanValues) -> int | None:
    """The id of a new plan; None where there is one of this name already."""
    added: int | None = await QUERIES["add_plan"].value(conn, product=product, **_columns(values))
    return added


async def lock_plan(conn: Connection, product: ProductId, plan: int) -> bool:
    """Let nobody else change the plan until the caller's transaction ends; False when there is no such plan."""
    return await QUERIES["lock_plan"].value(conn, product=product, plan=plan) is not None


async def change_plan(conn: Connection, product: ProductId, plan: int, values: PlanValues) -> bool:
    """False where another plan has the name."""
    try:
        async with conn.transaction():
            await QUERIES["change_plan"].execute(conn, product=product, plan=plan, **_columns(values))
    except asyncpg.UniqueViolationError:
        return False
    return True


async def close_plan(conn: Connection, product: ProductId, plan: int, *, closed: bool) -> bool:
    """Close a plan, or open it again. False when there is no such plan."""
    return bool(await QUERIES["close_plan"].execute(conn, product=product, plan=plan, closed=closed))


async def remove_plan(conn: Connection, product: ProductId, plan: int) -> bool:
    """False when there is no such plan."""
    return bool(await QUERIES["remove_plan"].execute(conn, product=product, plan=plan))


async def add_hashes(conn: Connection, product: ProductId, plan: int, report_hashes: Sequence[str]) -> bool:
    """Put report hashes into a plan beside those in it. False when there is no such plan. The caller's transaction."""
    if not await lock_plan(conn, product, plan):
        return False
    rows = ({"product": product, "plan": plan, **hash_columns(text)} for text in sorted(report_hashes))
    await QUERIES["add_hash"].execute_many(conn, rows)
    return True


async def remove_hashes(conn: Connection, product: ProductId, plan: int, report_hashes: Sequence[str]) -> bool:
    """Take report hashes out of a plan. False when there is no such plan. The caller's transaction."""
    if not await lock_plan(conn, product, plan):
        return False
    keys = [report_key(text) for text in report_hashes]
    await QUERIES["remove_hashes"].execute(conn, product=product, plan=plan, report_hashes=keys)
    return True


async def hashes_of_plans(conn: Connection, product: ProductId, names: Sequence[str]) -> list[UUID]:
    """The keys of the hashes that are in plans of these names, be they open or closed."""
    return [row["report_hash"] for row in await QUERIES["hashes_of_plans"].fetch(conn, product=product, names=names)]


def _columns(values: PlanValues) -> dict[str, Any]:
    return {"name": values.name, "description": values.description, "due_at": values.due_at}


def _plan(row: Any) -> Plan:
    values = PlanValues(row["name"], row["description"], row["due_at"])
    return Plan(row["id"], values, row["closed_at"], row["report_hashes"])
