"""Comparing parsed reports with runs, without storing them.

What is to be shown of them becomes a run of its own in a transaction that is always rolled back. So they are filtered,
sorted and read by the very queries that serve stored reports.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from storaged.database.copy import copy_rows
from storaged.database.engine import Engine
from storaged.database.sql import Connection, load_queries
from storaged.errors import ReportLimitReached
from storaged.model import ProductId, RunId
from storaged.store import reports, staging
from storaged.store.diffs import Difference, DiffSet, Side, difference
from storaged.store.merge import register_checkers
from storaged.store.reports import ReportFilter, ReportOrder

QUERIES = load_queries("comparison")

# What a report that is not stored cannot have.
ONLY_STORED = ("id", "run", "detection_status", "detected_at", "fixed_at")
# So a filter on these asks nothing of it.
WITHOUT_STORED: Mapping[str, Any] = {
    "tags": (),
    "stores": (),
    "detection_statuses": (),
    **dict.fromkeys(
        ("open", "outstanding", "open_at", "detected_after", "detected_before", "fixed_after", "fixed_before")
    ),
}


@dataclass(frozen=True, slots=True)
class ParsedReports:
    """Parsed reports as files of rows for COPY, with `staging`'s columns; `severities` by (analyzer, checker)."""

    reports: Iterable[Path]
    files: Iterable[Path]
    severities: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Parsed reports as one side of a diff, `stored` as the other one; `parsed_is_base` tells which is which."""

    stored: Side
    parsed_is_base: bool
    which: DiffSet

    def difference(self, parsed: Side) -> Difference:
        base, new = (parsed, self.stored) if self.parsed_is_base else (self.stored, parsed)
        return difference(self.which, base, new)

    @property
    def shows_parsed(self) -> bool:
        return self.parsed_is_base == (self.which is DiffSet.RESOLVED)


async def compare(
    engine: Engine,
    product: ProductId,
    parsed: ParsedReports,
    comparison: Comparison,
    where: ReportFilter,
    *,
    order: ReportOrder,
    page: int,
    details: bool,
    report_limit: int,
) -> AsyncGenerator[list[dict[str, Any]], None]:
    """The reports of the set in pages; those of the parsed side have None in the fields ONLY_STORED.

    A transaction is open until the end, so take them quickly, and close the generator. Raises ReportLimitReached.
    """
    async with _rolled_back(engine) as conn:
        await _load(conn, product, parsed, report_limit)
        if comparison.shows_parsed:
            run = await _show(conn, product, parsed, comparison)
            where, diff = replace(where, **WITHOUT_STORED, runs=[run]), None
        else:
            diff = comparison.difference(Side(hashes=await QUERIES["compared_hashes"].value(conn)))
        found = await reports.find_page(conn, product, where, order=order, limit=None, diff=diff)
        for start in range(0, len(found.ids), page):
            listed = await reports.read_reports(conn, product, found.ids[start : start + page], details=details)
            yield [_unstored(report) for report in listed] if comparison.shows_parsed else listed


def _unstored(report: dict[str, Any]) -> dict[str, Any]:
    return report | dict.fromkeys(ONLY_STORED)


@asynccontextmanager
async def _rolled_back(engine: Engine) -> AsyncIterator[Connection]:
    async with engine.connect() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            yield conn
        finally:
            await transaction.rollback()


async def _load(conn: Connection, product: ProductId, parsed: ParsedReports, report_limit: int) -> None:
    await conn.execute(QUERIES["create_tables"].text)
    for file in parsed.files:
        await copy_rows(conn, "compared_file", staging.FILE_COLUMNS, file)
    for file in parsed.reports:
        await copy_rows(conn, "compared_report", staging.REPORT_COLUMNS, file)
    await QUERIES["drop_suppressed"].execute(conn, product=product)
    count = await QUERIES["count_compared"].value(conn)
    if count > report_limit:
        raise ReportLimitReached(f"The archive has {count} reports, the product takes {report_limit} at once.")


async def _show(conn: Connection, product: ProductId, parsed: ParsedReports, comparison: Comparison) -> RunId:
    """Make the parsed reports of the set a run."""
    diff = comparison.difference(Side())
    times, runs = [at for _, at in diff.other.runs], [run for run, _ in diff.other.runs]
    await QUERIES["fill_other"].execute(conn, product=product, runs=runs, times=times)
    await conn.execute(QUERIES["analyze_tables"].text)
    await register_checkers(conn, parsed.severities)
    await QUERIES["insert_files"].execute(conn, product=product)
    run = RunId(await QUERIES["insert_run"].value(conn, product=product, name=token_hex(32)))
    await QUERIES["insert_reports"].execute(conn, product=product, run=run, in_other=diff.in_other)
    return run
