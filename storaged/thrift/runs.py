"""Runs and their history."""

import html
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from storaged.auth.permissions import Right
from storaged.database.sql import Connection
from storaged.model import DetectionStatus, StoreId
from storaged.store import numbered, runs
from storaged.store.numbered import Extent, RunChoice, RunKey, StoreChoice
from storaged.store.products import Product
from storaged.store.reports import OPEN
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.structs import Order, RunSortType
from storaged.thrift.values import DETECTION, extent_of, some, statistics_of, time_or_none, time_text

RUN_KEYS: Final = {
    RunSortType.NAME: RunKey.NAME,
    RunSortType.UNRESOLVED_REPORTS: RunKey.OPEN,
    RunSortType.DATE: RunKey.STORED_AT,
    RunSortType.DURATION: RunKey.DURATION,
    RunSortType.CC_VERSION: RunKey.CLIENT_VERSION,
}
LATEST_FIRST: Final[structs.RunSortMode] = {"type": RunSortType.DATE, "ord": Order.DESC}


async def get_run_data(
    call: Call,
    run_filter: structs.RunFilter | None,
    limit: int | None,
    offset: int | None,
    sort: structs.RunSortMode | None,
) -> list[structs.RunData]:
    """The run that was stored last comes first, unless another order is asked for."""
    mode = sort or LATEST_FIRST
    key = RUN_KEYS[mode.get("type", RunSortType.NAME)]
    async with call.services.engine.connect() as conn:
        choice = await run_choice(conn, call.product, run_filter)
        rows = await numbered.page_of_runs(
            conn,
            call.product.id,
            choice,
            key,
            extent_of(limit, offset),
            reverse=mode.get("ord") is Order.DESC,
        )
        suppressed = await numbered.suppressed_reports(conn, call.product.id, [row["id"] for row in rows])
    return [_run_data(row, suppressed.get(row["id"], 0)) for row in rows]


async def get_run_count(call: Call, run_filter: structs.RunFilter | None) -> int:
    async with call.services.engine.connect() as conn:
        return await numbered.count_runs(conn, call.product.id, await run_choice(conn, call.product, run_filter))


async def get_run_history(
    call: Call,
    run_ids: list[int] | None,
    limit: int | None,
    offset: int | None,
    history_filter: structs.RunHistoryFilter | None,
) -> list[structs.RunHistoryData]:
    """The stores of the runs, the newest first."""
    choice = store_choice(run_ids, history_filter)
    async with call.services.engine.connect() as conn:
        rows = await numbered.page_of_stores(conn, call.product.id, choice, extent_of(limit, offset))
    return [_history_data(row) for row in rows]


async def get_run_history_count(
    call: Call, run_ids: list[int] | None, history_filter: structs.RunHistoryFilter | None
) -> int:
    async with call.services.engine.connect() as conn:
        return await numbered.count_stores(conn, call.product.id, store_choice(run_ids, history_filter))


async def get_check_command(call: Call, history_id: int | None, run_id: int | None) -> str:
    """Escaped for HTML, as CodeChecker answers it."""
    async with call.services.engine.connect() as conn:
        rows = await stores_meant(conn, call, run_id, history_id)
    return "; ".join(html.escape(row["command"]) for row in rows if row["command"])


async def get_analysis_info(
    call: Call, info_filter: structs.AnalysisInfoFilter | None, _limit: int | None, offset: int | None
) -> list[structs.AnalysisInfo]:
    """How the store of a run, or a store, came to be: one entry, or none where there is no such store.

    Of a report: how the last store of its run did.
    """
    if offset:
        return []
    asked = info_filter or {}
    async with call.services.engine.connect() as conn:
        rows = await stores_meant(conn, call, asked.get("runId"), asked.get("runHistoryId"), asked.get("reportId"))
        return [await _analysis_info(conn, call.product, row) for row in rows]


async def get_analysis_statistics(
    call: Call, run_id: int | None, history_id: int | None
) -> dict[str, structs.AnalyzerStatistics]:
    """What the last store of a run, or a store, says of its analyzers."""
    async with call.services.engine.connect() as conn:
        rows = await stores_meant(conn, call, run_id, history_id)
    return {one["name"]: _whole_statistics(one) for row in rows for one in row["analyzers"]}


async def get_failed_files(call: Call, run_ids: list[int] | None) -> dict[str, list[structs.AnalysisFailureInfo]]:
    """What could not be analysed in the last stores, and in which runs."""
    async with call.services.engine.connect() as conn:
        rows = await numbered.failed_sources(conn, call.product.id, some(run_ids))
    return {row["source"]: [{"runName": name} for name in row["runs"]] for row in rows}


async def get_failed_files_count(call: Call, run_ids: list[int] | None) -> int:
    return len(await get_failed_files(call, run_ids))


async def run_choice(conn: Connection, product: Product, run_filter: structs.RunFilter | None) -> RunChoice:
    """Raises RunNotFound when runs are asked for from before or after one that is not there: all would be meant."""
    asked = run_filter or {}
    names, exact = some(asked.get("names")), asked.get("exactMatch", False)
    after = [time_or_none(asked.get("afterTime")), await _time_of_run(conn, product, asked.get("afterRun"))]
    before = [time_or_none(asked.get("beforeTime")), await _time_of_run(conn, product, asked.get("beforeRun"))]
    return RunChoice(
        ids=some(asked.get("ids")),
        names=names if exact else None,
        patterns=None if exact else names,
        stored_after=max(filter(None, after), default=None),
        stored_before=min(filter(None, before), default=None),
    )


def store_choice(run_ids: list[int] | None, history_filter: structs.RunHistoryFilter | None) -> StoreChoice:
    asked = history_filter or {}
    stored = asked.get("stored") or {}
    return StoreChoice(
        runs=some(run_ids),
        ids=some(asked.get("tagIds")),
        tags=some(asked.get("tagNames")),
        stored_after=time_or_none(stored.get("after")),
        stored_before=time_or_none(stored.get("before")),
    )


async def stores_meant(
    conn: Connection, call: Call, run_id: int | None, history_id: int | None, report_id: int | None = None
) -> list[Any]:
    """The row of the store, or of the run's last one, or of the last one of a report's run; of none, nothing."""
    if report_id is not None:
        run_id = await numbered.run_of_report(conn, call.product.id, report_id)
    if run_id is not None:
        ids = await numbered.last_stores(conn, call.product.id, [run_id])
    else:
        ids = [] if history_id is None else [StoreId(history_id)]
    return await numbered.page_of_stores(conn, call.product.id, StoreChoice(ids=ids), Extent(1)) if ids else []


async def _time_of_run(conn: Connection, product: Product, name: str | None) -> datetime | None:
    if not name:
        return None
    stored_at: datetime = (await runs.get_run(conn, product.id, product.endpoint, name))["stored_at"]
    return stored_at


def _run_data(row: Any, suppressed: int) -> structs.RunData:
    counts: Mapping[str, int] = row["counts"]
    return {
        "runId": row["id"],
        "runDate": time_text(row["stored_at"]),
        "name": row["name"],
        # Its clients take -1 for an analysis that has not ended, and print whole seconds.
        "duration": int(row["duration"] or 0),
        "resultCount": sum(counts.get(status, 0) for status in OPEN) - suppressed,
        "detectionStatusCount": {DETECTION[DetectionStatus(status)]: count for status, count in counts.items()},
        # What is None is not set.
        "versionTag": row["tag"],
        "codeCheckerVersion": row["client_version"],
        "analyzerStatistics": statistics_of(row["analyzers"]),
        "description": row["description"],
    }


def _history_data(row: Any) -> structs.RunHistoryData:
    return {
        "id": row["id"],
        "runId": row["run_id"],
        "runName": row["run"],
        "versionTag": row["tag"],
        "user": row["username"] or NOBODY,
        "time": time_text(row["stored_at"]),
        "codeCheckerVersion": row["client_version"],
        "analyzerStatistics": statistics_of(row["analyzers"]),
        "description": row["description"],
    }


def _whole_statistics(analyzer: Mapping[str, Any]) -> structs.AnalyzerStatistics:
    return {
        "version": analyzer["version"],
        "failed": analyzer["failed"] or 0,
        "successful": analyzer["successful"] or 0,
        "failedFilePaths": analyzer["failed_sources"],
    }


async def _analysis_info(conn: Connection, product: Product, row: Any) -> structs.AnalysisInfo:
    checkers: dict[str, dict[str, structs.AnalysisInfoChecker]] = {}
    for one in await numbered.checkers_of_store(conn, product.id, StoreId(row["id"])):
        disabled: dict[str, structs.AnalysisInfoChecker] = {name: {"enabled": False} for name in one["disabled"]}
        checkers[one["analyzer"]] = disabled | {name: {"enabled": True} for name in one["enabled"]}
    return {"analyzerCommand": html.escape(row["command"] or ""), "checkers": checkers}


METHODS: Final[Methods] = {
    "getRunData": Handled(get_run_data, Right.PRODUCT_VIEW),
    "getRunCount": Handled(get_run_count, Right.PRODUCT_VIEW),
    "getRunHistory": Handled(get_run_history, Right.PRODUCT_VIEW),
    "getRunHistoryCount": Handled(get_run_history_count, Right.PRODUCT_VIEW),
    "getCheckCommand": Handled(get_check_command, Right.PRODUCT_VIEW),
    "getAnalysisInfo": Handled(get_analysis_info, Right.PRODUCT_VIEW),
    "getAnalysisStatistics": Handled(get_analysis_statistics, Right.PRODUCT_VIEW),
    "getFailedFiles": Handled(get_failed_files, Right.PRODUCT_VIEW),
    "getFailedFilesCount": Handled(get_failed_files_count, Right.PRODUCT_VIEW),
}
