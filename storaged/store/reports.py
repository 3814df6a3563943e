"""Reports as readers see them: filtered lists, and one report with its bug path and source."""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, load_queries
from storaged.errors import ReportNotFound
from storaged.model import DetectionStatus, ProductId
from storaged.store import diffs
from storaged.store.diffs import Difference
from storaged.store.severities import Severity

QUERIES = load_queries("reports")

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Values of one field are alternatives, fields narrow each other; an empty field passes everything.

    `checkers` and `files` take `*` for any run of characters; checkers ignore case.
    """

    runs: Sequence[str] = ()
    detection_statuses: Sequence[DetectionStatus] = ()
    severities: Sequence[Severity] = ()
    checkers: Sequence[str] = ()
    files: Sequence[str] = ()
    report_hashes: Sequence[str] = ()


async def list_reports(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    after: int = 0,
    limit: int,
    details: bool = False,
    diff: Difference | None = None,
) -> list[dict[str, Any]]:
    """Reports, of a diff when there is one, after the id `after`, in the order of their ids.

    With details also their bug paths.
    """
    rows = await _fetch(conn, product, where, after=after, limit=limit, details=details, diff=diff)
    return [_report(row, details=details) for row in rows]


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
    after: int = 0,
    report: int | None = None,
    diff: Difference | None = None,
) -> list[Any]:
    return await QUERIES["list_reports"].fetch(
        conn,
        product=product,
        runs=list(where.runs) or None,
        report=report,
        detection_statuses=[status.value for status in where.detection_statuses] or None,
        severities=[int(severity) for severity in where.severities] or None,
        checkers=[like_pattern(glob) for glob in where.checkers] or None,
        files=[like_pattern(glob) for glob in where.files] or None,
        report_hashes=[report_key(text) for text in where.report_hashes] or None,
        after=after,
        limit=limit,
        details=details,
        **diffs.parameters(diff),
    )


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
        "report_hash": row["foreign_hash"] or row["report_hash"],
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
