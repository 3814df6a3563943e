"""What CodeChecker's clients ask of reports, as our filters and diffs have it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from storaged.database.sql import Connection
from storaged.model import DetectionStatus, RunId, StoreId
from storaged.store import cleanup_plans, components, numbered
from storaged.store.diffs import Difference, DiffSet, Side, difference
from storaged.store.numbered import RunChoice
from storaged.store.products import Product
from storaged.store.reports import FilesOf, ReportFilter
from storaged.store.severities import Severity
from storaged.thrift import structs
from storaged.thrift.components import OTHER
from storaged.thrift.faults import Refused
from storaged.thrift.reviews import FROM_STATUSES
from storaged.thrift.structs import DiffType, ReportStatus
from storaged.thrift.values import some, time_of, time_of_text, time_or_none

DIFF_SETS: Final = {
    DiffType.NEW: DiffSet.NEW,
    DiffType.RESOLVED: DiffSet.RESOLVED,
    DiffType.UNRESOLVED: DiffSet.UNRESOLVED,
}
# No run has this number: what nothing fits.
NO_RUN: Final = RunId(0)
# Those between which the columns of the database's integers end.
LENGTHS: Final = (0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Reports that a call is about: those that fit, of a diff when there is one."""

    where: ReportFilter
    diff: Difference | None = None


async def read_asked(
    conn: Connection,
    product: Product,
    run_ids: Sequence[int] | None,
    report_filter: structs.ReportFilter | None,
    compared: structs.CompareData | None,
) -> Asked:
    """What a call asks for; raises Refused for what storaged does not know.

    A call that compares has the base in its runs, and in the tags and the date of its filter; without it, these narrow.
    """
    asked = report_filter or {}
    runs, tags, at = list(run_ids or ()), list(asked.get("runTag") or ()), asked.get("openReportsDate")
    diff = None
    if compared and compares(compared):
        base = await numbered.side_of(conn, product.id, runs, tags, time_or_none(at))
        diff = difference(
            DIFF_SETS[compared.get("diffType", DiffType.NEW)], base, await _new_side(conn, product, compared)
        )
        runs, tags, at = [], [], None
    return Asked(
        ReportFilter(
            runs=await _runs(conn, product, runs, asked),
            stores=[StoreId(tag) for tag in tags],
            outstanding=_outstanding(asked.get("reportStatus")),
            open_at=_open_at(asked, time_or_none(at)),
            **_values(asked),
            **await _components(conn, product, asked),
            in_plans=await _in_plans(conn, product, asked),
            **_numbers(asked),
            **_times(asked),
        ),
        diff,
    )


def compares(compared: structs.CompareData) -> bool:
    """Whether it has another side."""
    return bool(compared.get("runIds") or compared.get("runTag") or compared.get("openReportsDate"))


async def _new_side(conn: Connection, product: Product, compared: structs.CompareData) -> Side:
    runs, tags, at = compared.get("runIds") or (), compared.get("runTag") or (), compared.get("openReportsDate")
    return await numbered.side_of(conn, product.id, runs, tags, time_or_none(at))


async def _runs(
    conn: Connection, product: Product, runs: Sequence[int], asked: structs.ReportFilter
) -> Sequence[RunId]:
    """Those of the call that have one of the names; empty: all."""
    # A diff asks for the reports of no hash.
    if asked.get("reportHash") == []:
        return [NO_RUN]
    names = asked.get("runName")
    if not names:
        return [RunId(run) for run in runs]
    named = await numbered.names_of_runs(conn, product.id, RunChoice(ids=some(runs), patterns=names))
    return list(named) or [NO_RUN]


def _outstanding(statuses: Sequence[ReportStatus] | None) -> bool | None:
    if not statuses or set(statuses) == set(ReportStatus):
        return None
    return statuses[0] is ReportStatus.OUTSTANDING


async def _components(conn: Connection, product: Product, asked: structs.ReportFilter) -> dict[str, Any]:
    """The files of source components, and which of a report's files must be among them."""
    names = asked.get("componentNames")
    if not names:
        return {}
    known = {one.name: one.value for one in await components.list_components(conn, product.id)}
    values = [known[name] for name in names if name in known]
    files = await numbered.files_in_components(conn, product.id, values)
    if OTHER in names:
        files += await numbered.files_in_components(conn, product.id, list(known.values()), other=True)
    return {"file_ids": files, "file_ids_of": _files_of(asked)}


async def _in_plans(conn: Connection, product: Product, asked: structs.ReportFilter) -> Sequence[UUID] | None:
    """The hashes of cleanup plans; None where no plan is asked for."""
    names = asked.get("cleanupPlanNames")
    return await cleanup_plans.hashes_of_plans(conn, product.id, names) if names else None


def _files_of(asked: structs.ReportFilter) -> FilesOf:
    if asked.get("componentMatchesAnyPoint"):
        return FilesOf.ANY
    return FilesOf.ALL if asked.get("fullReportPathInComponent") else FilesOf.REPORT


def _open_at(asked: structs.ReportFilter, at: datetime | None) -> datetime | None:
    """Raises Refused for more than one time."""
    times = {time_of_text(text) for text in asked.get("runHistoryTag") or ()} | ({at} if at else set())
    if len(times) > 1:
        raise Refused("What was open can be asked for one time only: give one of runHistoryTag or openReportsDate.")
    return next(iter(times), None)


def _values(asked: structs.ReportFilter) -> dict[str, Any]:
    """Conditions that are lists of alternatives."""
    return {
        "detection_statuses": [DetectionStatus(one.name.lower()) for one in asked.get("detectionStatus") or ()],
        "review_statuses": [FROM_STATUSES[one] for one in asked.get("reviewStatus") or ()],
        "severities": [Severity(one) for one in asked.get("severity") or ()],
        "checkers": asked.get("checkerName") or (),
        "analyzers": asked.get("analyzerNames") or (),
        # `suppress` asks for the end of a path with LIKE's own sign.
        "files": [path.replace("%", "*") for path in asked.get("filepath") or ()],
        "files_any_case": True,
        "anywhere": asked.get("fileMatchesAnyPoint", False),
        "messages": asked.get("checkerMsg") or (),
        "report_hashes": asked.get("reportHash") or (),
        "annotations": [(pair.get("first", ""), pair.get("second", "*")) for pair in asked.get("annotations") or ()],
        "unique": asked.get("isUnique", False),
    }


def _numbers(asked: structs.ReportFilter) -> dict[str, Any]:
    length = asked.get("bugPathLength") or {}
    return {"path_length_min": _length(length.get("min")), "path_length_max": _length(length.get("max"))}


def _length(value: int | None) -> int | None:
    """As near as a length can be."""
    return None if value is None else min(max(value, LENGTHS[0]), LENGTHS[1])


def _times(asked: structs.ReportFilter) -> dict[str, Any]:
    """Two dates are old names of times of detection, whatever they are called."""
    date: Mapping[str, Any] = asked.get("date") or {}
    detected, fixed = date.get("detected") or {}, date.get("fixed") or {}
    first, last = asked.get("firstDetectionDate"), asked.get("fixDate")
    after = [time_or_none(detected.get("after")), None if first is None else time_of(first)]
    before = [time_or_none(detected.get("before")), None if last is None else time_of(last)]
    return {
        "detected_after": max(filter(None, after), default=None),
        "detected_before": min(filter(None, before), default=None),
        "fixed_after": time_or_none(fixed.get("after")),
        "fixed_before": time_or_none(fixed.get("before")),
    }
