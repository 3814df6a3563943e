"""Deleting a run, as a job in the line of the run: after the stores accepted before it, before those after it."""

from storaged.database.engine import Engine
from storaged.errors import CancelRequested
from storaged.model import Claim
from storaged.queue import jobs
from storaged.store import runs


async def delete_run(engine: Engine, claim: Claim) -> None:
    """Delete the job's run and complete the job, in one transaction; a run that is gone already is gone.

    Raises LeaseLost, CancelRequested.
    """
    if claim.product_id is None or claim.run is None:
        raise ValueError(f"Job {claim.token} deletes a run, but names none.")
    async with engine.connect() as conn:
        if await jobs.progress(conn, claim, "delete", 0, 0):
            raise CancelRequested
    async with engine.begin() as conn:
        deleted = await runs.delete_run_named(conn, claim.product_id, claim.run)
        if deleted is None:
            note = f"Product {claim.product!r} has no run {claim.run!r} any more: there was nothing to delete."
            await jobs.complete(conn, claim, comment=note, result={"reports": 0, "stores": 0})
        else:
            await jobs.complete(conn, claim, result={"reports": deleted.reports, "stores": deleted.stores})
