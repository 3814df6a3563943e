"""What two sides have in common, and what only one of them has; docs/api.md tells the rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from storaged.database.sql import Connection, load_queries
from storaged.errors import TagNotFound
from storaged.model import ProductId, RunId
from storaged.store.runs import not_found

QUERIES = load_queries("diffs")


class DiffSet(StrEnum):
    """What is wanted of a diff: what only the new side has, what only the base has, or what both have."""

    NEW = "new"
    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Side:
    """Runs, each at a time (None: now), or, when they are not stored, the hashes of reports, as text of uuid[]."""

    runs: tuple[tuple[RunId, datetime | None], ...] = ()
    hashes: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """The reports that are open in `shown` and, by their hashes, are in `other` too (`in_other`), or are not."""

    shown: Side
    other: Side
    in_other: bool


def difference(which: DiffSet, base: Side, new: Side) -> Difference:
    """Reports of the new side, but for the resolved ones, which only the base has."""
    shown, other = (base, new) if which is DiffSet.RESOLVED else (new, base)
    return Difference(shown, other, in_other=which is DiffSet.UNRESOLVED)


def parameters(diff: Difference | None) -> dict[str, Any]:
    """What queries with `diff_reports` take; for None, they pass every report."""
    shown, other = (Side(), Side()) if diff is None else (diff.shown, diff.other)
    return {
        "shown_runs": [run for run, _ in shown.runs],
        "shown_times": [at for _, at in shown.runs],
        "other_runs": [run for run, _ in other.runs],
        "other_times": [at for _, at in other.runs],
        "other_hashes": other.hashes,
        "in_other": None if diff is None else diff.in_other,
    }


async def find_side(conn: Connection, product: ProductId, endpoint: str, operands: Iterable[str]) -> Side:
    """The runs that the operands name, each as RUN or RUN:TAG. Raises RunNotFound, TagNotFound."""
    return Side(tuple([await _find(conn, product, endpoint, operand) for operand in operands]))


def readings(operand: str) -> Sequence[tuple[str, str | None]]:
    """Run and tag that the operand may mean: a run of the whole name first, then the longest name before a colon."""
    colons = [at for at, mark in enumerate(operand) if mark == ":"]
    return [(operand, None), *((operand[:at], operand[at + 1 :]) for at in reversed(colons))]


async def _find(conn: Connection, product: ProductId, endpoint: str, operand: str) -> tuple[RunId, datetime | None]:
    read = readings(operand)
    row = await QUERIES["find_operand"].row(
        conn, product=product, runs=[run for run, _ in read], tags=[tag for _, tag in read]
    )
    if row is None:
        raise await not_found(conn, product, endpoint, operand)
    if row["tag_missing"]:
        raise TagNotFound(endpoint, row["name"], row["tag"])
    return RunId(row["run"]), row["stored_at"]
