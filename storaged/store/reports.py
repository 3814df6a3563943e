"""Reports as readers see them: filtered lists, and one report with its bug path and source."""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, like_pattern, load_queries, planned_anew
from storaged.errors import ReportNotFound
from storaged.model import DetectionStatus, ProductId, ReviewStatus, RunId, StoreId
from storaged.store import diffs
from storaged.store.diffs import Difference
from storaged.store.severities import Severity

QUERIES = load_queries("reports")

# Fields of a filter that the queries take as they are.
PLAIN_CONDITIONS = (
    *("open", "open_at", "unique", "anywhere", "path_length_min", "path_length_max"),
    *("detected_after", "detected_before", "fixed_after", "fixed_before"),
)
GLOB_CONDITIONS = ("checkers", "analyzers", "files", "messages")
# What the sources of one report may take together.
SOURCES_SIZE_LIMIT = 32 << 20
OPEN = frozenset({DetectionStatus.NEW, DetectionStatus.REOPENED, DetectionStatus.UNRESOLVED})
READ_AS_UNRESOLVED = OPEN - {DetectionStatus.UNRESOLVED}
_MD5 = re.compile(r"[0-9a-f]{32}")


class FilesOf(StrEnum):
    """Which of a report's files must be among those of a filter."""

    REPORT = "report"
    # its own, or any that its bug path comes through
    ANY = "any"
    # its own, and all that its bug path comes through
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Values of one field are alternatives, fields narrow each other; an empty field passes everything.

    `*` stands for anything in `checkers`, `analyzers`, `files`, `messages`, `report_hashes` and the values of
    `annotations`; all but files and hashes ignore case. With `tags`, what was open at a store of one of these tags.
    Times and lengths include both ends.
    """

    runs: Sequence[RunId] = ()
    tags: Sequence[str] = ()
    # as tags, but the stores themselves
    stores: Sequence[StoreId] = ()
    detection_statuses: Sequence[DetectionStatus] = ()
    # new, reopened or unresolved; or none of these
    open: bool | None = None
    # open, and neither false positive nor intentional; or not so
    outstanding: bool | None = None
    # detected until then, and not closed until then
    open_at: datetime | None = None
    review_statuses: Sequence[ReviewStatus] = ()
    severities: Sequence[Severity] = ()
    checkers: Sequence[str] = ()
    analyzers: Sequence[str] = ()
    files: Sequence[str] = ()
    # as CodeChecker's clients mean it
    files_any_case: bool = False
    # also reports whose bug path comes through one of the files
    anywhere: bool = False
    # None: any; empty: none
    file_ids: Sequence[UUID] | None = None
    file_ids_of: FilesOf = FilesOf.REPORT
    messages: Sequence[str] = ()
    report_hashes: Sequence[str] = ()
    # keys of hashes, beside those; None: any; empty: none
    in_plans: Sequence[UUID] | None = None
    # name and value
    annotations: Sequence[tuple[str, str]] = ()
    # of the reports of a hash that fit all else, only the one with the shortest bug path
    unique: bool = False
    path_length_min: int | None = None
    path_length_max: int | None = None
    detected_after: datetime | None = None
    detected_before: datetime | None = None
    fixed_after: datetime | None = None
    fixed_before: datetime | None = None


class ReportGroup(StrEnum):
    """What reports can be counted by."""

    RUN = "run"
    CHECKER = "checker"
    ANALYZER = "analyzer"
    SEVERITY = "severity"
    MESSAGE = "message"
    FILE = "file"
    DETECTION_STATUS = "detection_status"
    REVIEW_STATUS = "review_status"
    # "true" and "false"
    OUTSTANDING = "outstanding"


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
    # unreviewed, confirmed, false_positive, intentional
    REVIEW_STATUS = "review_status"
    # annotations; reports without come first
    TIMESTAMP = "timestamp"
    TESTCASE = "testcase"
    CHRONOLOGICAL_ORDER = "chronological_order"


@dataclass(frozen=True, slots=True)
class ReportCursor:
    """Where the next page begins: behind the report of this id, which has this key in the order of the list."""

    key: str
    id: int


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """The order of a list: `then` are further sorts, each with whether it is turned round; not for the order of ids.

    `reverse` turns the first sort round, and with it the place.
    """

    sort: ReportSort = ReportSort.ID
    reverse: bool = False
    then: tuple[tuple[ReportSort, bool], ...] = ()


BY_ID = ReportOrder()


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The ids of the reports of a page, in their order; `following` is where the next one begins, None at the end."""

    ids: list[int]
    following: ReportCursor | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Path to text of files, what is no UTF-8 as U+FFFD; None where it never came, and for those in `omitted`."""

    files: dict[str, str | None]
    omitted: list[str]


async def find_page(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    order: ReportOrder = BY_ID,
    after: ReportCursor | None = None,
    limit: int | None,
    diff: Difference | None = None,
) -> FoundPage:
    """The ids of a page, or of all; of a diff when there is one. Large pages cost less: each is sorted out of all."""
    by_key = {} if order.sort is ReportSort.ID else _keys(order) | {"after_key": None if after is None else after.key}
    rows = await _fetch(
        conn,
        "page_by_key" if by_key else "page_by_id",
        product=product,
        reverse=order.reverse,
        after_id=None if after is None else after.id,
        limit=limit,
        **by_key,
        **_conditions(where, diff),
    )
    following = ReportCursor(rows[-1]["sort_key"], rows[-1]["id"]) if len(rows) == limit else None
    return FoundPage([row["id"] for row in rows], following)


async def read_reports(
    conn: Connection, product: ProductId, ids: Sequence[int], *, details: bool = False
) -> list[dict[str, Any]]:
    """Reports in the order of the ids, with details also their bug paths; those that are gone are left out."""
    return [_report(row, details=details) for row in await read_rows(conn, product, ids, details=details)]


async def read_rows(conn: Connection, product: ProductId, ids: Sequence[int], *, details: bool = False) -> list[Any]:
    """As `read_reports`, but as rows of the query; with details, `bug_path` reads them."""
    return await QUERIES["read_reports"].fetch(conn, product=product, ids=ids, details=details)


async def summarize_reports(conn: Connection, product: ProductId, where: ReportFilter) -> list[dict[str, Any]]:
    """How many reports each checker has, in all and by detection status, the most severe checkers first."""
    rows = await _fetch(conn, "summarize_reports", product=product, **_conditions(where, None))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        checker = {name: row[name] for name in ("checker", "analyzer", "severity")}
        summary = found.setdefault((row["checker"], row["analyzer"]), {**checker, **_no_reports()})
        _add(summary, {row["detection_status"]: row["reports"]})
    return list(found.values())


def total_by_severity(checkers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The counts of `summarize_reports` by severity, in the order of the checkers."""
    found: dict[int, dict[str, Any]] = {}
    for row in checkers:
        _add(found.setdefault(row["severity"], {"severity": row["severity"], **_no_reports()}), row["statuses"])
    return list(found.values())


async def summarize_files(
    conn: Connection, product: ProductId, where: ReportFilter, *, limit: int
) -> list[dict[str, Any]]:
    """As `summarize_reports` for the files that have the most open reports, or else the most reports."""
    rows = await _fetch(conn, "summarize_files", product=product, limit=limit, **_conditions(where, None))
    return [_file_summary(row) for row in rows]


async def count_reports(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    by: ReportGroup | None,
    *,
    limit: int | None = None,
    offset: int = 0,
    diff: Difference | None = None,
) -> list[Any]:
    """Rows of key, severity and reports in the order of the keys, which are text; one without a key, of all, by None.

    Of unique reports each hash is counted once for each key.
    """
    return await _fetch(
        conn, "count_reports", product=product, by=by, limit=limit, offset=offset, **_conditions(where, diff)
    )


async def count_by_file(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    limit: int,
    offset: int,
    diff: Difference | None = None,
) -> list[Any]:
    """Rows of file, severity, review_status, detection_status and reports; of a page of files, by their paths."""
    return await _fetch(conn, "count_by_file", product=product, limit=limit, offset=offset, **_conditions(where, diff))


async def annotation_values(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    names: Sequence[str] | None,
    *,
    diff: Difference | None = None,
) -> list[str]:
    """The distinct values that annotations of these names (None: of any) have in the reports."""
    conditions = _conditions(where, diff)
    del conditions["unique"]
    rows = await _fetch(conn, "annotation_values", product=product, names=names, **conditions)
    return [row["value"] for row in rows]


async def count_at_stores(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    stores: Sequence[StoreId],
    *,
    diff: Difference | None = None,
) -> dict[StoreId, int]:
    """How many of the reports were open at each of the stores; those without any are left out."""
    rows = await _fetch(conn, "count_at_stores", product=product, counted=stores, **_conditions(where, diff))
    return {StoreId(row["store"]): row["reports"] for row in rows}


async def delete_reports(conn: Connection, product: ProductId, ids: Sequence[int]) -> int:
    """Delete reports, and count anew what their runs have; says how many. The caller holds the runs' locks."""
    row = await QUERIES["delete_reports"].row(conn, product=product, ids=ids)
    await QUERIES["count_anew"].execute(conn, product=product, runs=row["runs"] or [])
    deleted: int = row["reports"]
    return deleted


async def lock_runs_of(conn: Connection, product: ProductId, ids: Sequence[int]) -> None:
    """Let no store change the runs of these reports until the transaction ends."""
    await QUERIES["lock_runs_of"].execute(conn, product=product, ids=ids)


async def get_report(conn: Connection, product: ProductId, endpoint: str, report: int) -> dict[str, Any]:
    """One report with its bug path; raises ReportNotFound."""
    found = await read_reports(conn, product, [report], details=True)
    if not found:
        raise ReportNotFound(endpoint, report)
    return found[0]


async def get_sources(
    conn: Connection, product: ProductId, report: int, size_limit: int = SOURCES_SIZE_LIMIT
) -> Sources:
    """The files that a report names, as they were when it was last seen; of all but the first `size_limit` bytes (the
    report's own file goes before, then the smallest) only the names.
    """
    rows = await QUERIES["sources_of_report"].fetch(conn, product=product, report=report, size_limit=size_limit)
    sources = await asyncio.to_thread(_unpack, {row["path"]: row["data"] for row in rows})
    return Sources(sources, [row["path"] for row in rows if row["data"] is None and row["size"] is not None])


def report_key(report_hash: str) -> UUID:
    """How a report hash is kept: an MD5 in lower-case hex as it is, any other text by its MD5."""
    if _MD5.fullmatch(report_hash):
        return UUID(report_hash)
    return UUID(bytes=hashlib.md5(report_hash.encode(), usedforsecurity=False).digest())


def hash_columns(report_hash: str) -> dict[str, Any]:
    """A report hash as rows have it: its key, and the text where the key does not tell it, which `hash_text` reads."""
    key = report_key(report_hash)
    return {"report_hash": key, "foreign_hash": None if key.hex == report_hash else report_hash}


def _unpack(packed: Mapping[str, bytes | None]) -> dict[str, str | None]:
    return {
        path: None if data is None else zlib.decompress(data).decode(errors="replace") for path, data in packed.items()
    }


async def _fetch(conn: Connection, query: str, **values: Any) -> list[Any]:
    async with planned_anew(conn):
        return await QUERIES[query].fetch(conn, **values)


def _keys(order: ReportOrder) -> dict[str, Any]:
    """The sorts; of the further ones, which go against the direction in which the keys are read."""
    return {
        "sort": order.sort,
        "then_sorts": [sort for sort, _ in order.then] or None,
        "then_against": [reverse is not order.reverse for _, reverse in order.then],
    }


def _conditions(where: ReportFilter, diff: Difference | None) -> dict[str, Any]:
    """What the queries take of a filter: None where it passes everything."""
    hashes = [text for text in where.report_hashes if "*" not in text]
    return {
        "runs": list(where.runs) if len(where.runs) > 1 else None,
        "only_run": where.runs[0] if len(where.runs) == 1 else None,
        "tags": list(where.tags) or None,
        "stores": list(where.stores) or None,
        "files_any_case": where.files_any_case,
        "outstanding": where.outstanding,
        "file_ids": where.file_ids,
        "file_ids_of": where.file_ids_of,
        **_status_conditions(set(where.detection_statuses)),
        "review_statuses": [str(status) for status in where.review_statuses] or None,
        "severities": [int(severity) for severity in where.severities] or None,
        **{name: [like_pattern(glob) for glob in getattr(where, name)] or None for name in GLOB_CONDITIONS},
        "report_hashes": [report_key(text) for text in hashes] if where.report_hashes else None,
        "report_hash_globs": [like_pattern(text) for text in where.report_hashes if "*" in text],
        "in_plans": where.in_plans,
        "annotation_names": [name for name, _ in where.annotations] or None,
        "annotation_values": [like_pattern(glob) for _, glob in where.annotations],
        **{name: getattr(where, name) for name in PLAIN_CONDITIONS},
        **diffs.parameters(diff),
    }


def _status_conditions(wanted: set[DetectionStatus]) -> dict[str, Any]:
    """Statuses as the table has them, which the planner can estimate, unlike those that readers see.

    The latter are asked only where they differ: a report that is new in the table may be unresolved to readers.
    """
    kept = wanted | (READ_AS_UNRESOLVED if DetectionStatus.UNRESOLVED in wanted else set())
    return {
        "statuses": sorted(kept) or None,
        "detection_statuses": None if not wanted & OPEN or wanted >= OPEN else sorted(wanted),
    }


def _no_reports() -> dict[str, Any]:
    return {"reports": 0, "open": 0, "statuses": {}}


def _add(summary: dict[str, Any], statuses: Mapping[str, int]) -> None:
    for status, count in statuses.items():
        summary["statuses"][status] = summary["statuses"].get(status, 0) + count
        summary["reports"] += count
        summary["open"] += count if status in OPEN else 0


def _file_summary(row: Any) -> dict[str, Any]:
    statuses = {status.value: row[status.value] for status in DetectionStatus if row[status.value]}
    return {"file": row["file"], "reports": row["reports"], "open": row["open"], "statuses": statuses}


def _report(row: Any, *, details: bool) -> dict[str, Any]:
    report = {
        "id": row["id"],
        "run": row["run"],
        "checker": row["checker"],
        "analyzer": row["analyzer"],
        "report_hash": hash_text(row),
        "file": row["file"],
        "message": row["message"],
        "line": row["line"],
        "column": row["column"],
        "severity": row["severity"],
        "path_length": row["path_length"],
        "detection_status": row["detection_status"],
        "detected_at": row["detected_at"],
        "fixed_at": row["fixed_at"],
        "review_status": row["review_status"],
        "review": _review(row),
        "annotations": row["annotations"] or {},
    }
    if details:
        report.update(bug_path(row))
    return report


def _review(row: Any) -> dict[str, Any] | None:
    if row["reviewed_at"] is None:
        return None
    said = {"message": row["review_message"], "author": row["review_author"], "at": row["reviewed_at"]}
    return said | {"source": row["review_source"]}


def hash_text(row: Any) -> str:
    """The report hash as the analyser wrote it."""
    text: str = row["foreign_hash"] or row["report_hash_text"]
    return text


def bug_path(row: Any) -> dict[str, Any]:
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
