"""Lists of reports, one report, its bug path, and what two sides of a diff have."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from storaged.auth.permissions import Right
from storaged.database.sql import Connection, snapshot
from storaged.errors import ReportNotFound
from storaged.model import DetectionStatus
from storaged.store import numbered, report_comments, reports
from storaged.store.numbered import Extent
from storaged.store.products import Product
from storaged.store.reports import ReportOrder, ReportSort
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.comments import shown
from storaged.thrift.filters import Asked, read_asked
from storaged.thrift.paging import FOUND_LISTS, list_key
from storaged.thrift.reviews import STATUSES as STATUSES_OF_REVIEWS
from storaged.thrift.structs import DiffType, Order, SortType
from storaged.thrift.values import DETECTION, extent_of, time_text

# The API of the first release whose clients know this part of reports (CodeChecker 6.28).
BLAME_SINCE: Final = 70
# The number of a file by the report that names it, and its path.
Numbers = Mapping[tuple[int, str], int]
# Ours, and which way it goes when CodeChecker's goes up.
SORTS: Final = {
    SortType.FILENAME: ReportOrder(ReportSort.FILE),
    SortType.CHECKER_NAME: ReportOrder(ReportSort.CHECKER),
    SortType.SEVERITY: ReportOrder(ReportSort.SEVERITY, reverse=True),
    SortType.DETECTION_STATUS: ReportOrder(ReportSort.DETECTION_STATUS),
    SortType.BUG_PATH_LENGTH: ReportOrder(ReportSort.PATH_LENGTH),
    SortType.REVIEW_STATUS: ReportOrder(ReportSort.REVIEW_STATUS),
    SortType.TIMESTAMP: ReportOrder(ReportSort.TIMESTAMP),
    SortType.TESTCASE: ReportOrder(ReportSort.TESTCASE),
    SortType.CHRONOLOGICAL_ORDER: ReportOrder(ReportSort.CHRONOLOGICAL_ORDER),
}
MOST_SEVERE_FIRST: Final[structs.SortMode] = {"type": SortType.SEVERITY, "ord": Order.DESC}
REVIEWS: Final = {status.value: theirs for status, theirs in STATUSES_OF_REVIEWS.items()}
SEVERITIES: Final = {int(grade): grade for grade in structs.Severity}
STATUSES: Final = {status.value: DETECTION[status] for status in DetectionStatus}
NOTES: Final = {int(kind): kind for kind in structs.ExtendedReportDataType}


async def get_run_results(
    call: Call,
    run_ids: list[int] | None,
    limit: int | None,
    offset: int | None,
    sort: list[structs.SortMode] | None,
    report_filter: structs.ReportFilter | None,
    compared: structs.CompareData | None,
    details: bool | None,
) -> list[structs.ReportData]:
    """A page of reports; of equal ones in all orders that are asked for, the place decides."""
    extent, lists, product = extent_of(limit, offset), call.request.app[FOUND_LISTS], call.product
    key = list_key(product.id, run_ids, sort, report_filter, compared)
    async with call.services.engine.connect() as conn, snapshot(conn):
        # Who begins wants what is there now.
        ids = lists.recall(key) if extent.offset else None
        found = None if ids is None else await _read_page(conn, product, ids, extent, details=bool(details))
        if found is None:
            asked = await read_asked(conn, product, run_ids, report_filter, compared)
            ids = await _find_all(conn, product, asked, order_of(sort))
            if len(ids) > extent.limit:
                lists.remember(key, ids)
            found = await _read_page(conn, product, ids, extent, details=bool(details)) or []
        return _with_blame(found) if details and call.minor >= BLAME_SINCE else found


def _with_blame(found: list[structs.ReportData]) -> list[structs.ReportData]:
    """Who wrote the lines of a report is not kept."""
    for report in found:
        report["blameInfo"] = {}
    return found


async def get_report(call: Call, report_id: int) -> structs.ReportData:
    async with call.services.engine.connect() as conn, snapshot(conn):
        return (await _read_reports(conn, call.product, [report_id], details=False) or _gone(call, report_id))[0]


async def get_report_details(call: Call, report_id: int) -> structs.ReportDetails:
    """The bug path of a report."""
    async with call.services.engine.connect() as conn, snapshot(conn):
        found = await _read_reports(conn, call.product, [report_id], details=True) or _gone(call, report_id)
    return found[0]["details"]


async def get_diff_results_hash(
    call: Call,
    run_ids: list[int] | None,
    hashes: list[str] | None,
    which: DiffType | None,
    skipped: list[structs.DetectionStatus] | None,
    tag_ids: list[int] | None,
) -> list[str]:
    """Report hashes of a client's folder beside what is open in runs, each now or, with tags, at its tag.

    New: those of the folder that are not open there; resolved: those that are open there alone; unresolved: both.
    """
    given = dict.fromkeys(hashes or ())
    statuses = [DetectionStatus(status.name.lower()) for status in skipped or ()]
    async with call.services.engine.connect() as conn:
        side = await numbered.side_of(conn, call.product.id, run_ids or (), tag_ids or (), None)
        found = await numbered.open_hashes(
            conn,
            call.product.id,
            side,
            given,
            among=which is not DiffType.RESOLVED,
            skipped=() if tag_ids else statuses,
        )
    if which is DiffType.RESOLVED:
        return sorted(found)
    return [text for text in given if (text in found) is (which is DiffType.UNRESOLVED)]


def order_of(sort: Sequence[structs.SortMode] | None) -> ReportOrder:
    """The order of all that are asked for, the first one first; what is asked for again says nothing more."""
    modes: dict[SortType, structs.SortMode] = {}
    for mode in sort or [MOST_SEVERE_FIRST]:
        modes.setdefault(mode.get("type", SortType.FILENAME), mode)
    first, *then = [_order(kind, mode) for kind, mode in modes.items()]
    return replace(first, then=tuple((order.sort, order.reverse) for order in then))


def _order(kind: SortType, mode: structs.SortMode) -> ReportOrder:
    order, down = SORTS[kind], mode.get("ord") is Order.DESC
    return ReportOrder(order.sort, order.reverse is not down)


async def _find_all(conn: Connection, product: Product, asked: Asked, order: ReportOrder) -> Sequence[int]:
    return (await reports.find_page(conn, product.id, asked.where, order=order, limit=None, diff=asked.diff)).ids


async def _read_page(
    conn: Connection, product: Product, ids: Sequence[int], extent: Extent, *, details: bool
) -> list[structs.ReportData] | None:
    """None when reports of the page are gone since: to its clients, a page that is not full is the last one."""
    page = ids[extent.offset : extent.offset + extent.limit]
    found = await _read_reports(conn, product, page, details=details)
    return found if len(found) == len(page) else None


async def _read_reports(
    conn: Connection, product: Product, ids: Sequence[int], *, details: bool
) -> list[structs.ReportData]:
    rows = await reports.read_rows(conn, product.id, ids, details=details)
    numbers = await numbered.files_of_reports(conn, product.id, ids, details=details)
    # A thousand reports with their bug paths take 20 ms.
    found = await asyncio.to_thread(lambda: [_report_data(row, numbers, details=details) for row in rows])
    if details:
        comments = await report_comments.comments_of_reports(conn, product.id, ids)
        for report in found:
            report["details"]["comments"] = [shown(comment) for comment in comments.get(report["reportId"], ())]
    return found


def _gone(call: Call, report_id: int) -> NoReturn:
    raise ReportNotFound(call.product.endpoint, report_id)


def _report_data(row: Any, numbers: Numbers, *, details: bool) -> structs.ReportData:
    found: structs.ReportData = {
        "runId": row["run_id"],
        "checkerId": row["checker"],
        "bugHash": reports.hash_text(row),
        "checkedFile": row["file"],
        "checkerMsg": row["message"],
        "reportId": row["id"],
        "fileId": numbers[row["id"], row["file"]],
        "line": row["line"],
        "column": row["column"],
        "severity": SEVERITIES[row["severity"]],
        "reviewData": _review(row),
        "detectionStatus": STATUSES[row["detection_status"]],
        "detectedAt": time_text(row["detected_at"]),
        "bugPathLength": row["path_length"],
        "analyzerName": row["analyzer"],
        "annotations": {name: str(value) for name, value in (row["annotations"] or {}).items()},
    }
    if row["fixed_at"] is not None:
        found["fixedAt"] = time_text(row["fixed_at"])
    if details:
        found["details"] = _details(row, numbers)
    return found


def _review(row: Any) -> structs.ReviewData:
    """An empty comment, nobody and no time where nobody has said anything."""
    said: structs.ReviewData = {
        "status": REVIEWS[row["review_status"]],
        "comment": row["review_message"] or "",
        "isInSource": row["review_source"] == "comment",
    }
    if row["reviewed_at"] is not None:
        said |= {"author": row["review_author"] or NOBODY, "date": time_text(row["reviewed_at"])}
    return said


def _details(row: Any, numbers: Numbers) -> structs.ReportDetails:
    path, report = reports.bug_path(row), row["id"]
    return {
        "pathEvents": [{**_place(report, event[:5], numbers), "msg": event[5]} for event in path["events"]],
        "executionPath": [_place(report, position, numbers) for position in path["positions"]],
        "extendedData": [
            {**_place(report, note[1:6], numbers), "type": NOTES[note[0]], "message": note[6]}
            for note in path["extended"]
        ],
    }


def _place(report: int, place: Sequence[Any], numbers: Numbers) -> structs.BugPathPos:
    path, line, column, end_line, end_column = place
    return {
        "startLine": line,
        "startCol": column,
        "endLine": end_line,
        "endCol": end_column,
        "fileId": numbers[report, path],
        "filePath": path,
    }


METHODS: Final[Methods] = {
    "getRunResults": Handled(get_run_results, Right.PRODUCT_VIEW),
    "getReport": Handled(get_report, Right.PRODUCT_VIEW),
    "getReportDetails": Handled(get_report_details, Right.PRODUCT_VIEW),
    "getDiffResultsHash": Handled(get_diff_results_hash, Right.PRODUCT_VIEW),
}
