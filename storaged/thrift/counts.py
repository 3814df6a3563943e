"""How many reports there are, in all and by what they have in common."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from storaged.auth.permissions import Right
from storaged.model import DetectionStatus, StoreId
from storaged.model import ReviewStatus as Reviewed
from storaged.store import numbered, reports
from storaged.store.numbered import Extent, RunChoice, StoreChoice
from storaged.store.reports import ReportGroup
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.filters import read_asked
from storaged.thrift.reviews import STATUSES as REVIEW_STATUSES
from storaged.thrift.structs import CompareData, ReportFilter, ReportStatus, ReviewStatus
from storaged.thrift.values import DETECTION, extent_of, some, time_text


async def get_run_result_count(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> int:
    return sum(row["reports"] for row in await _count(call, None, None, run_ids, asked, compared))


async def get_run_report_counts(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, limit: int | None, offset: int | None
) -> list[structs.RunReportCount]:
    """Runs that have such reports, in the order of their names."""
    extent = extent_of(limit, offset)
    counts = _by_key(await _count(call, ReportGroup.RUN, None, run_ids, asked, None))
    async with call.services.engine.connect() as conn:
        names = await numbered.names_of_runs(conn, call.product.id, RunChoice(ids=[int(key) for key in counts]))
    by_name = sorted((name, run) for run, name in names.items())[extent.offset : extent.offset + extent.limit]
    return [{"runId": run, "name": name, "reportCount": counts[str(run)]} for name, run in by_name]


async def get_checker_counts(
    call: Call,
    run_ids: list[int] | None,
    asked: ReportFilter | None,
    compared: CompareData | None,
    limit: int | None,
    offset: int | None,
) -> list[structs.CheckerCount]:
    rows = await _count(call, ReportGroup.CHECKER, extent_of(limit, offset), run_ids, asked, compared)
    return [
        {"name": row["key"], "severity": structs.Severity(row["severity"]), "count": row["reports"]} for row in rows
    ]


def counts_by(group: ReportGroup) -> Callable[..., Awaitable[dict[str, int]]]:
    """The handler that counts by this."""

    async def get_counts(
        call: Call,
        run_ids: list[int] | None,
        asked: ReportFilter | None,
        compared: CompareData | None,
        limit: int | None,
        offset: int | None,
    ) -> dict[str, int]:
        return _by_key(await _count(call, group, extent_of(limit, offset), run_ids, asked, compared))

    return get_counts


async def get_file_counts_summary(
    call: Call,
    run_ids: list[int] | None,
    asked: ReportFilter | None,
    compared: CompareData | None,
    limit: int | None,
    offset: int | None,
) -> dict[str, dict[str, int]]:
    """Of each file how many reports it has, in all (`reports`) and by what they are, such as `severity:HIGH`."""
    extent = extent_of(limit, offset)
    async with call.services.engine.connect() as conn:
        found = await read_asked(conn, call.product, run_ids, asked, compared)
        rows = await reports.count_by_file(
            conn, call.product.id, found.where, limit=extent.limit, offset=extent.offset, diff=found.diff
        )
    files: dict[str, Counter[str]] = {}
    for row in rows:
        files.setdefault(row["file"], Counter()).update(dict.fromkeys(_kinds(row), row["reports"]))
    return {file: dict(counts) for file, counts in files.items()}


def _kinds(row: Any) -> list[str]:
    """What a row counts for, as the viewer names it."""
    severity = f"severity:{structs.Severity(row['severity']).name}"
    return [
        "reports",
        severity,
        f"review_status:{row['review_status']}",
        f"detection_status:{row['detection_status']}",
    ]


async def get_severity_counts(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> dict[structs.Severity, int]:
    counts = _by_key(await _count(call, ReportGroup.SEVERITY, None, run_ids, asked, compared))
    return {structs.Severity(int(key)): count for key, count in counts.items()}


async def get_detection_status_counts(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> dict[structs.DetectionStatus, int]:
    counts = _by_key(await _count(call, ReportGroup.DETECTION_STATUS, None, run_ids, asked, compared))
    return {DETECTION[DetectionStatus(key)]: count for key, count in counts.items()}


async def get_review_status_counts(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> dict[ReviewStatus, int]:
    counts = _by_key(await _count(call, ReportGroup.REVIEW_STATUS, None, run_ids, asked, compared))
    return {REVIEW_STATUSES[Reviewed(key)]: count for key, count in counts.items()}


async def get_report_status_counts(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> dict[ReportStatus, int]:
    """Outstanding are those that the last store had, and that nobody called false positive or intentional."""
    counts = _by_key(await _count(call, ReportGroup.OUTSTANDING, None, run_ids, asked, compared))
    return {ReportStatus.OUTSTANDING if key == "true" else ReportStatus.CLOSED: n for key, n in counts.items()}


async def get_report_annotations(
    call: Call, run_ids: list[int] | None, asked: ReportFilter | None, compared: CompareData | None
) -> list[str]:
    """The values that annotations have, of the names in the filter, or else of any name."""
    names = [pair.get("first", "") for pair in (asked or {}).get("annotations") or ()]
    async with call.services.engine.connect() as conn:
        found = await read_asked(conn, call.product, run_ids, asked, compared)
        return await reports.annotation_values(conn, call.product.id, found.where, some(names), diff=found.diff)


async def get_run_history_tag_counts(
    call: Call,
    run_ids: list[int] | None,
    asked: ReportFilter | None,
    compared: CompareData | None,
    limit: int | None,
    offset: int | None,
) -> list[structs.RunTagCount]:
    """The stores of the runs, the newest first, with how many of the reports were open at each."""
    choice = StoreChoice(runs=some(run_ids), ids=some((asked or {}).get("runTag")))
    async with call.services.engine.connect() as conn:
        stores = await numbered.page_of_stores(conn, call.product.id, choice, extent_of(limit, offset))
        found = await read_asked(conn, call.product, run_ids, asked, compared)
        counts = await reports.count_at_stores(
            conn, call.product.id, found.where, [StoreId(row["id"]) for row in stores], diff=found.diff
        )
    return [_tag_count(row, counts.get(row["id"], 0)) for row in stores]


def _tag_count(row: Any, count: int) -> structs.RunTagCount:
    return {
        "id": row["id"],
        "time": time_text(row["stored_at"]),
        # None: not set.
        "name": row["tag"],
        "runId": row["run_id"],
        "runName": row["run"],
        "count": count,
    }


async def _count(
    call: Call,
    by: ReportGroup | None,
    extent: Extent | None,
    run_ids: list[int] | None,
    asked: ReportFilter | None,
    compared: CompareData | None,
) -> list[Any]:
    """Rows of key, severity and reports in the order of the keys; all of them without an extent."""
    async with call.services.engine.connect() as conn:
        found = await read_asked(conn, call.product, run_ids, asked, compared)
        return await reports.count_reports(
            conn,
            call.product.id,
            found.where,
            by,
            limit=None if extent is None else extent.limit,
            offset=0 if extent is None else extent.offset,
            diff=found.diff,
        )


def _by_key(rows: list[Any]) -> dict[str, int]:
    return {row["key"]: row["reports"] for row in rows}


METHODS: Final[Methods] = {
    "getRunResultCount": Handled(get_run_result_count, Right.PRODUCT_VIEW),
    "getRunReportCounts": Handled(get_run_report_counts, Right.PRODUCT_VIEW),
    "getCheckerCounts": Handled(get_checker_counts, Right.PRODUCT_VIEW),
    "getCheckerMsgCounts": Handled(counts_by(ReportGroup.MESSAGE), Right.PRODUCT_VIEW),
    "getAnalyzerNameCounts": Handled(counts_by(ReportGroup.ANALYZER), Right.PRODUCT_VIEW),
    "getFileCounts": Handled(counts_by(ReportGroup.FILE), Right.PRODUCT_VIEW),
    "getFileCountsSummary": Handled(get_file_counts_summary, Right.PRODUCT_VIEW),
    "getSeverityCounts": Handled(get_severity_counts, Right.PRODUCT_VIEW),
    "getDetectionStatusCounts": Handled(get_detection_status_counts, Right.PRODUCT_VIEW),
    "getReviewStatusCounts": Handled(get_review_status_counts, Right.PRODUCT_VIEW),
    "getReportStatusCounts": Handled(get_report_status_counts, Right.PRODUCT_VIEW),
    "getReportAnnotations": Handled(get_report_annotations, Right.PRODUCT_VIEW),
    "getRunHistoryTagCounts": Handled(get_run_history_tag_counts, Right.PRODUCT_VIEW),
}
