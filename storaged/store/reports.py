"""Reports as readers see them: filtered lists, and one report with its bug path and source."""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, load_queries, planned_anew
from storaged.errors import ReportNotFound
from storaged.model import DetectionStatus, ProductId
from storaged.store import diffs
from storaged.store.diffs import Difference
from storaged.store.severities import Severity

QUERIES = load_queries("reports")

# Fields of a filter that the queries take as they are.
PLAIN_CONDITIONS = (
    *("open", "path_length_min", "path_length_max"),
    *("detected_after", "detected_before", "fixed_after", "fixed_before"),
)
OPEN = frozenset({DetectionStatus.NEW, DetectionStatus.REOPENED, DetectionStatus.UNRESOLVED})
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Values of one field are alternatives, fields narrow each other; an empty field passes everything.

    `checkers`, `analyzers`, `files` and `messages` take `*` for any run of characters; all but files ignore case. With
    `tags`, what was open at a store of one of these tags. Times and lengths include both ends.
    """

    runs: Sequence[str] = ()
    tags: Sequence[str] = ()
    detection_statuses: Sequence[DetectionStatus] = ()
    # new, reopened or unresolved; or none of these
    open: bool | None = None
    severities: Sequence[Severity] = ()
    checkers: Sequence[str] = ()
    analyzers: Sequence[str] = ()
    files: Sequence[str] = ()
    messages: Sequence[str] = ()
    report_hashes: Sequence[str] = ()
    path_length_min: int | None = None
    path_length_max: int | None = None
    detected_after: datetime | None = None
    detected_before: datetime | None = None
    fixed_after: datetime | None = None
    fixed_before: datetime | None = None


class ReportSort(StrEnum):
    """What comes first; of equal ones, the place, then the id."""

    # the order in which they were stored
    ID = "id"
    # the most severe first
    SEVERITY = "severity"
    # file, line, column
    FILE = "file"
    CHECKER = "checker"
    MESSAGE = "message"
    # the shortest first
    PATH_LENGTH = "path_length"
    # the newest first
    DETECTED_AT = "detected_at"
    # new, reopened, unresolved, resolved, unavailable, off
    DETECTION_STATUS = "detection_status"


@dataclass(frozen=True, slots=True)
class ReportCursor:
    """Where the next page begins: behind the report of this id, which has this key in the order of the list."""

    key: str
    id: int


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """The order of a list."""

    sort: ReportSort = ReportSort.ID
    reverse: bool = False


BY_ID = ReportOrder()


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page of a list; `following` is where the next one begins, None when there is none."""

    reports: list[dict[str, Any]]
    following: ReportCursor | None


async def list_reports(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    order: ReportOrder = BY_ID,
    after: ReportCursor | None = None,
    limit: int,
    details: bool = False,
    diff: Difference | None = None,
) -> ReportPage:
    """Reports, of a diff when there is one, a page at a time. With details also their bug paths."""
    rows = await _fetch(conn, product, where, order=order, after=after, limit=limit, details=details, diff=diff)
    following = ReportCursor(rows[-1]["sort_key"], rows[-1]["id"]) if len(rows) == limit else None
    return ReportPage([_report(row, details=details) for row in rows], following)


async def summarize_reports(conn: Connection, product: ProductId, where: ReportFilter) -> list[dict[str, Any]]:
    """How many reports each checker has, in all and by detection status, the most severe checkers first."""
    rows = await QUERIES["summarize_reports"].fetch(conn, product=product, **_conditions(where))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        checker = {name: row[name] for name in ("checker", "analyzer", "severity")}
        new = {**checker, "reports": 0, "open": 0, "statuses": {}}
        summary = found.setdefault((row["checker"], row["analyzer"]), new)
        summary["statuses"][row["detection_status"]] = row["reports"]
        summary["reports"] += row["reports"]
        summary["open"] += row["reports"] if row["detection_status"] in OPEN else 0
    return list(found.values())


async def get_report(conn: Connection, product: ProductId, endpoint: str, report: int) -> dict[str, Any]:
    """One report with its bug path; raises ReportNotFound."""
    rows = await _fetch(conn, product, ReportFilter(), report=report, limit=1, details=True)
    if not rows:
        raise ReportNotFound(endpoint, report)
    return _report(rows[0], details=True)


async def get_sources(conn: Connection, product: ProductId, report: int) -> dict[str, str | None]:
    """Path to text of the files that a report names, as they were when it was last seen; None: never came.

    Bytes that are not UTF-8 read as U+FFFD.
    """
    rows = await QUERIES["sources_of_report"].fetch(conn, product=product, report=report)
    return await asyncio.to_thread(_unpack, {row["path"]: row["data"] for row in rows})


def report_key(report_hash: str) -> UUID:
    """How a report hash is kept: an MD5 in lower-case hex as it is, any other text by its MD5."""
    if _MD5.fullmatch(report_hash):
        return UUID(report_hash)
    return UUID(bytes=hashlib.md5(report_hash.encode(), usedforsecurity=False).digest())


def _unpack(packed: Mapping[str, bytes | None]) -> dict[str, str | None]:
    return {
        path: None if data is None else zlib.decompress(data).decode(errors="replace") for path, data in packed.items()
    }


async def _fetch(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    limit: int,
    details: bool,
    order: ReportOrder = BY_ID,
    after: ReportCursor | None = None,
    report: int | None = None,
    diff: Difference | None = None,
) -> list[Any]:
    async with planned_anew(conn):
        return await QUERIES["list_reports"].fetch(
            conn,
            product=product,
            report=report,
            sort=order.sort,
            reverse=order.reverse,
            after_key=None if after is None else after.key,
            after_id=None if after is None else after.id,
            limit=limit,
            details=details,
            **_conditions(where),
            **diffs.parameters(diff),
        )


def _conditions(where: ReportFilter) -> dict[str, Any]:
    """What the queries take of a filter: None where it passes everything."""
    return {
        "runs": list(where.runs) or None,
        "tags": list(where.tags) or None,
        "detection_statuses": [status.value for status in where.detection_statuses] or None,
        "severities": [int(severity) for severity in where.severities] or None,
        "checkers": [like_pattern(glob) for glob in where.checkers] or None,
        "analyzers": [like_pattern(glob) for glob in where.analyzers] or None,
        "files": [like_pattern(glob) for glob in where.files] or None,
        "messages": [like_pattern(glob) for glob in where.messages] or None,
        "report_hashes": [report_key(text) for text in where.report_hashes] or None,
        **{name: getattr(where, name) for name in PLAIN_CONDITIONS},
    }


def like_pattern(glob: str) -> str:
    """`*` as LIKE's `%`, everything else as it stands."""
    escaped = re.sub(r"([\\%_])", r"\\\1", glob)
    return escaped.replace("*", "%")


def _report(row: Any, *, details: bool) -> dict[str, Any]:
    report = {
        "id": row["id"],
        "run": row["run"],
        "checker": row["checker"],
        "analyzer": row["analyzer"],
        "report_hash": row["foreign_hash"] or row["report_hash_text"],
        "file": row["file"],
        "message": row["message"],
        "line": row["line"],
        "column": row["column"],
        "severity": row["severity"],
        "path_length": row["path_length"],
        "detection_status": row["detection_status"],
        "detected_at": row["detected_at"],
        "fixed_at": row["fixed_at"],
        "annotations": row["annotations"] or {},
    }
    if details:
        report.update(_bug_path(row))
    return report


def _bug_path(row: Any) -> dict[str, Any]:
    """A report without a path row is one event at its own place with its own message."""
    if row["steps"] is None:
        place = [row["line"], row["column"]]
        return {"events": [[row["file"], *place, *place, row["message"]]], "positions": [], "extended": []}
    steps, files = row["steps"], row["files"]
    return {
        "events": [[files[step[0]], *step[1:]] for step in steps["events"]],
        "positions": [[files[step[0]], *step[1:]] for step in steps["positions"]],
        "extended": [[step[0], files[step[1]], *step[2:]] for step in steps["extended"]],
    }
