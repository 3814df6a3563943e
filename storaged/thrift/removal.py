"""Runs that are deleted or renamed, and reports that are deleted."""

import asyncio
from typing import Final

import structlog
from pydantic import TypeAdapter

from storaged.api.params import Name, read_object
from storaged.api.runs import enqueue_deletion
from storaged.auth.permissions import Right
from storaged.model import Job, JobStatus
from storaged.store import numbered, reports, runs
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.filters import compares, read_asked
from storaged.thrift.runs import run_choice
from storaged.thrift.structs import ErrorCode
from storaged.thrift.tasks import until_ended

RUN_NAME: TypeAdapter[str] = TypeAdapter(Name)

log = structlog.get_logger(__name__)


async def remove_run(call: Call, run_id: int | None, run_filter: structs.RunFilter | None) -> bool:
    """Delete runs by jobs, behind the jobs of theirs that are unfinished, and wait until they are done.

    False when there are none. Raises Refused when one was not deleted, and when the daemon stops before.
    """
    asked = structs.RunFilter(ids=[run_id]) if run_filter is None and run_id is not None else run_filter
    if not any(value for name, value in (asked or {}).items() if name != "exactMatch"):
        raise Refused("The filter names no runs: all would be deleted.")
    async with call.services.engine.begin() as conn:
        choice = await run_choice(conn, call.product, asked)
        names = (await numbered.names_of_runs(conn, call.product.id, choice)).values()
        deletions = [await enqueue_deletion(conn, call.product, name, call.request.remote) for name in names]
    for ended in await asyncio.gather(*(until_ended(call, job) for job in deletions)):
        _check(ended)
    return bool(deletions)


async def remove_run_results(call: Call, run_ids: list[int]) -> bool:
    """As `remove_run` of each of the runs."""
    return await remove_run(call, None, {"ids": run_ids}) if run_ids else True


async def remove_run_reports(
    call: Call,
    run_ids: list[int] | None,
    report_filter: structs.ReportFilter | None,
    compared: structs.CompareData | None,
) -> bool:
    """Delete reports; when they come again they are new. What they shared with others is swept later.

    Raises Refused where nothing says which: all of the product would be meant.
    """
    if not run_ids and not any((report_filter or {}).values()) and not compares(compared or {}):
        raise Refused("The call names no runs and no reports: all would be deleted.")
    product = call.product.id
    async with call.services.engine.begin() as conn:
        asked = await read_asked(conn, call.product, run_ids, report_filter, compared)
        found = await reports.find_page(conn, product, asked.where, limit=None, diff=asked.diff)
        await reports.lock_runs_of(conn, product, found.ids)
        # A store may have changed them before the lock was had.
        still = await reports.find_page(conn, product, asked.where, limit=None, diff=asked.diff)
        deleted = await reports.delete_reports(conn, product, sorted(set(found.ids) & set(still.ids)))
    log.info("reports deleted", product=call.product.endpoint, reports=deleted)
    return True


async def update_run_data(call: Call, run_id: int, name: str | None) -> bool:
    """Give a run another name; what is queued under the old one makes a run of that name again."""
    name, product = read_object(RUN_NAME, name or "", "newRunName"), call.product
    async with call.services.engine.begin() as conn:
        # In this order: a store holds its run when it comes to the names.
        run = await numbered.lock_run(conn, product.id, run_id)
        if run is None:
            raise Refused(f"Product {product.endpoint!r} has no run of the number {run_id}.", ErrorCode.DATABASE)
        await runs.lock_names(conn, product.id)
        if not await numbered.rename_run(conn, product.id, run, name):
            raise Refused(f"Product {product.endpoint!r} has a run {name!r} already.", ErrorCode.DATABASE)
    return True


def _check(job: Job) -> None:
    if job.status is JobStatus.COMPLETED:
        return
    if not job.status.ended:
        raise Refused(f"The daemon stops; it deletes run {job.run!r} when it is back, by job {job.token}.")
    told = f": {job.comments[-1].text}" if job.comments else ""
    raise Refused(f"Run {job.run!r} was not deleted, its job {job.token} has ended as {job.status}{told}")


METHODS: Final[Methods] = {
    "removeRun": Handled(remove_run, Right.PRODUCT_STORE),
    "removeRunResults": Handled(remove_run_results, Right.PRODUCT_STORE),
    "removeRunReports": Handled(remove_run_reports, Right.PRODUCT_STORE),
    "updateRunData": Handled(update_run_data, Right.PRODUCT_STORE),
}
