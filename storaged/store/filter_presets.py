"""Filters of reports that have a name, kept for people to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from storaged.database.sql import Connection, load_queries
from storaged.model import ProductId

QUERIES = load_queries("filter_presets")


@dataclass(frozen=True, slots=True)
class Preset:
    """`filter` is as its client gave it, as JSON."""

    id: int
    name: str
    filter: Mapping[str, Any]


async def list_presets(conn: Connection, product: ProductId, preset: int | None = None) -> list[Preset]:
    """All, or the one of this id if there is one; the oldest first."""
    rows = await QUERIES["list_presets"].fetch(conn, product=product, preset=preset)
    return [Preset(row["id"], row["name"], row["filter"]) for row in rows]


async def add_preset(conn: Connection, product: ProductId, name: str, asked: Mapping[str, Any]) -> int | None:
    """The id of a new preset; None where there is one of this name already."""
    added: int | None = await QUERIES["add_preset"].value(conn, product=product, name=name, filter=asked)
    return added


async def change_preset(
    conn: Connection, product: ProductId, preset: int, name: str, asked: Mapping[str, Any] | None = None
) -> bool:
    """Give a preset another name, and another filter if there is one. False where another preset has the name."""
    try:
        async with conn.transaction():
            await QUERIES["change_preset"].execute(conn, product=product, preset=preset, name=name, filter=asked)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def remove_preset(conn: Connection, product: ProductId, preset: int) -> bool:
    """False when there is no such preset."""
    return bool(await QUERIES["remove_preset"].execute(conn, product=product, preset=preset))
