"""Runs, stores and files by their numbers and in pages by offset, as CodeChecker's clients ask for them."""

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from storaged.database.sql import Connection, like_pattern, load_queries, planned_anew
from storaged.model import DetectionStatus, ProductId, RunId, StoreId
from storaged.store.diffs import Side
from storaged.store.reports import report_key

QUERIES = load_queries("numbered")

# So many files are held in memory at a time.
FILES_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class RunChoice:
    """What runs must be; None asks nothing. In `patterns` `*` stands for anything and case does not count.

    The last store must be after and before these times, not at them.
    """

    ids: Sequence[int] | None = None
    names: Sequence[str] | None = None
    patterns: Sequence[str] | None = None
    stored_after: datetime | None = None
    stored_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """What stores must be; None asks nothing. In `tags` `*` stands for anything; times include both ends."""

    runs: Sequence[int] | None = None
    ids: Sequence[int] | None = None
    tags: Sequence[str] | None = None
    stored_after: datetime | None = None
    stored_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """A page by offset."""

    limit: int
    offset: int = 0


class RunKey(StrEnum):
    """What runs are sorted by, the least first; of equal ones, the one that was made first."""

    NAME = "name"
    OPEN = "open"
    STORED_AT = "stored_at"
    DURATION = "duration"
    CLIENT_VERSION = "client_version"


async def page_of_runs(
    conn: Connection, product: ProductId, choice: RunChoice, key: RunKey, extent: Extent, *, reverse: bool
) -> list[Any]:
    """Rows of runs, each with its last store and that store's analyzers."""
    return await QUERIES["page_of_runs"].fetch(
        conn,
        product=product,
        sort=key,
        reverse=reverse,
        limit=extent.limit,
        offset=extent.offset,
        **_run_conditions(choice),
    )


async def count_runs(conn: Connection, product: ProductId, choice: RunChoice) -> int:
    count: int = await QUERIES["count_runs"].value(conn, product=product, **_run_conditions(choice))
    return count


async def names_of_runs(conn: Connection, product: ProductId, choice: RunChoice) -> dict[RunId, str]:
    """The runs that fit, by their numbers."""
    rows = await QUERIES["names_of_runs"].fetch(conn, product=product, **_run_conditions(choice))
    return {RunId(row["id"]): row["name"] for row in rows}


async def lock_run(conn: Connection, product: ProductId, run: int) -> RunId | None:
    """Let no store change the run until the transaction ends; None when there is no such run."""
    found = await QUERIES["lock_run"].value(conn, product=product, run=run)
    return None if found is None else RunId(found)


async def rename_run(conn: Connection, product: ProductId, run: RunId, name: str) -> bool:
    """False when there is a run of that name; the caller holds the lock of `runs.lock_names`."""
    return await QUERIES["rename_run"].value(conn, product=product, run=run, name=name) is not None


async def page_of_stores(conn: Connection, product: ProductId, choice: StoreChoice, extent: Extent) -> list[Any]:
    """Rows of stores with their runs and analyzers, the newest first."""
    return await QUERIES["page_of_stores"].fetch(
        conn, product=product, limit=extent.limit, offset=extent.offset, **_store_conditions(choice)
    )


async def count_stores(conn: Connection, product: ProductId, choice: StoreChoice) -> int:
    count: int = await QUERIES["count_stores"].value(conn, product=product, **_store_conditions(choice))
    return count


async def last_stores(conn: Connection, product: ProductId, runs: Sequence[int] | None) -> list[StoreId]:
    """The last store of each run, or, for None, of each of the product's."""
    return [StoreId(row["id"]) for row in await QUERIES["last_stores"].fetch(conn, product=product, runs=runs)]


async def run_of_report(conn: Connection, product: ProductId, report: int) -> RunId | None:
    """None when there is no such report (any more)."""
    run = await QUERIES["run_of_report"].value(conn, product=product, report=report)
    return None if run is None else RunId(run)


async def side_of(
    conn: Connection, product: ProductId, runs: Sequence[int], stores: Sequence[int], at: datetime | None
) -> Side:
    """Runs, each at its store among `stores`, or else at the time; without runs those of the stores, or all."""
    rows = await QUERIES["side_of_diff"].fetch(conn, product=product, runs=runs, stores=stores, at=at)
    return Side(tuple((RunId(row["run"]), row["at"]) for row in rows))


async def open_hashes(
    conn: Connection,
    product: ProductId,
    side: Side,
    hashes: Iterable[str],
    *,
    among: bool,
    skipped: Iterable[DetectionStatus] = (),
) -> set[str]:
    """The report hashes that are open on a side of runs, those among the given ones, or those that are not.

    Reports that have one of the statuses `skipped` now do not count.
    """
    async with planned_anew(conn):
        rows = await QUERIES["open_hashes"].fetch(
            conn,
            product=product,
            runs=[run for run, _ in side.runs],
            times=[at for _, at in side.runs],
            skipped=list(skipped),
            hashes=[report_key(text) for text in hashes],
            among=among,
        )
    return {row["report_hash"] for row in rows}


async def checkers_of_stores(conn: Connection, product: ProductId, runs: Sequence[int] | None) -> list[Any]:
    """Rows of analyzer, checker, enabled, and the runs whose last store had it so; without checker: it does not say."""
    return await QUERIES["checkers_of_stores"].fetch(conn, product=product, runs=runs)


async def verdicts_on_checkers(
    conn: Connection, product: ProductId, runs: Sequence[int] | None, *, unique: bool
) -> list[Any]:
    """Rows of analyzer, checker, severity, and how many of the checker's reports are open and closed."""
    return await QUERIES["verdicts_on_checkers"].fetch(conn, product=product, runs=runs, unique=unique)


async def suppressed_reports(conn: Connection, product: ProductId, runs: Sequence[int]) -> dict[RunId, int]:
    """How many reports that the last store had are called false positive or intentional, of the runs that have any."""
    rows = await QUERIES["suppressed_reports"].fetch(conn, product=product, runs=runs)
    return {RunId(row["run"]): row["reports"] for row in rows}


async def files_in_components(
    conn: Connection, product: ProductId, values: Sequence[str], *, other: bool = False
) -> list[UUID]:
    """The files that one of the components has, by their values; `other`: those that none of them has."""
    lines = [
        (number, line[0] == "+", like_pattern(line[1:].strip()))
        for number, value in enumerate(values)
        for line in map(str.strip, value.splitlines())
        if line[:1] in {"+", "-"}
    ]
    rows = await QUERIES["files_in_components"].fetch(
        conn,
        product=product,
        other=other,
        components=[number for number, _, _ in lines],
        included=[included for _, included, _ in lines],
        patterns=[pattern for _, _, pattern in lines],
    )
    return [row["id"] for row in rows]


async def checkers_of_store(conn: Connection, product: ProductId, store: StoreId) -> list[Any]:
    """Rows of analyzer, enabled, disabled."""
    return await QUERIES["checkers_of_store"].fetch(conn, product=product, store=store)


async def failed_sources(conn: Connection, product: ProductId, runs: Sequence[int] | None) -> list[Any]:
    """Rows of a source that could not be analysed in the last store, and the names of the runs in which that was."""
    return await QUERIES["failed_sources"].fetch(conn, product=product, runs=runs)


async def files_of_reports(
    conn: Connection, product: ProductId, reports: Sequence[int], *, details: bool
) -> dict[tuple[int, str], int]:
    """The number of a report's file by report and path; with details, of all files of its bug path."""
    rows = await QUERIES["files_of_reports"].fetch(conn, product=product, reports=reports, details=details)
    return {(row["report"], row["path"]): row["number"] for row in rows}


@dataclass(frozen=True, slots=True)
class NumberedFile:
    """A file as it was in a run since a store; no content where that never came."""

    number: int
    path: str
    content: bytes | None


async def read_file(conn: Connection, product: ProductId, number: int) -> NumberedFile | None:
    """None when there is no such file (any more)."""
    return next(iter(await _read_files(conn, product, [number])), None)


async def read_lines(
    conn: Connection, product: ProductId, wanted: Mapping[int, Iterable[int]]
) -> dict[int, dict[int, str]]:
    """Lines of files, counted from 1, by the numbers of the files; empty where there is none."""
    found: dict[int, dict[int, str]] = {number: dict.fromkeys(lines, "") for number, lines in wanted.items()}
    for numbers in _chunks(list(wanted), FILES_AT_ONCE):
        files = await _read_files(conn, product, numbers)
        await asyncio.to_thread(_pick_lines, files, found)
    return found


def text_of(content: bytes) -> str:
    """What is no UTF-8 as U+FFFD."""
    return content.decode(errors="replace")


def _pick_lines(files: Iterable[NumberedFile], found: dict[int, dict[int, str]]) -> None:
    for file in files:
        lines = text_of(file.content or b"").split("\n")
        for line in found[file.number]:
            if 0 < line <= len(lines):
                found[file.number][line] = lines[line - 1]


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


async def _read_files(conn: Connection, product: ProductId, numbers: Sequence[int]) -> list[NumberedFile]:
    rows = await QUERIES["contents_of_files"].fetch(conn, product=product, numbers=numbers)
    return await asyncio.to_thread(lambda: [_file(row) for row in rows])


def _file(row: Any) -> NumberedFile:
    return NumberedFile(row["number"], row["path"], None if row["data"] is None else zlib.decompress(row["data"]))


def _run_conditions(choice: RunChoice) -> dict[str, Any]:
    return {
        "ids": choice.ids,
        "names": choice.names,
        "patterns": None if choice.patterns is None else [like_pattern(name) for name in choice.patterns],
        "stored_after": choice.stored_after,
        "stored_before": choice.stored_before,
    }


def _store_conditions(choice: StoreChoice) -> dict[str, Any]:
    return {
        "runs": choice.runs,
        "ids": choice.ids,
        "tags": None if choice.tags is None else [like_pattern(tag) for tag in choice.tags],
        "stored_after": choice.stored_after,
        "stored_before": choice.stored_before,
    }
