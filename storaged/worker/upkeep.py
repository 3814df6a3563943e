"""What a node does besides jobs: rescues orphans, prunes what is old, sweeps what nobody claims."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from storaged.database.engine import DATABASE_SICK, Engine
from storaged.metrics import Metrics
from storaged.model import Claim, JobStatus
from storaged.queue import jobs, rescue
from storaged.queue.rescue import Rescuer
from storaged.spool.local import LocalSpool
from storaged.store import merge, orphans
from storaged.worker.rescued import tell_rescued

log = structlog.get_logger(__name__)

PRUNE_SECONDS = 600.0
SWEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The chores of a node."""

    engine: Engine
    spool: LocalSpool
    rescuer: Rescuer
    dead_after: timedelta
    keep_jobs: timedelta
    keep_uploads: timedelta
    metrics: Metrics

    async def start(self) -> None:
        """What a node's earlier life left behind: running jobs, staged rows, uploads that were never whole."""
        async with self.engine.connect() as conn:
            tell_rescued(self.metrics, "orphaned job", await rescue.drop_own_orphans(conn, self.rescuer))
            await merge.sweep_dead_leases(conn)
        await self.spool.sweep_incoming()

    async def rescue(self) -> None:
        """Again and again: the jobs of other nodes that are gone."""
        while True:
            await asyncio.sleep(self.dead_after.total_seconds() / 3)
            try:
                async with self.engine.connect() as conn:
                    rescued = await rescue.drop_orphans_of_dead_nodes(conn, self.rescuer, dead_after=self.dead_after)
            except DATABASE_SICK as error:
                log.warning("cannot look for orphans", error=str(error))
                continue
            tell_rescued(self.metrics, "rescued a job of a dead node", rescued)

    async def prune(self) -> None:
        """Again and again: old jobs, and uploads that nobody will ask for any more."""
        while True:
            try:
                await self.prune_once()
            except (*DATABASE_SICK, OSError) as error:
                log.warning("cannot prune", error=str(error))
            await asyncio.sleep(PRUNE_SECONDS)

    async def sweep(self) -> None:
        """Again and again: what runs shared and nobody refers to any more."""
        while True:
            try:
                async with self.engine.connect() as conn:
                    swept = await orphans.sweep_orphans(conn, self.keep_uploads)
            except DATABASE_SICK as error:
                log.warning("cannot sweep orphans", error=str(error))
            else:
                log.debug("swept orphans", **swept)
            await asyncio.sleep(SWEEP_SECONDS)

    async def prune_once(self) -> None:
        """Delete jobs past their time, and the uploads whose job is gone, stored, cancelled, or too old to retry."""
        async with self.engine.connect() as conn:
            pruned = await jobs.prune(conn, self.keep_jobs)
            spooled = await self.spool.tokens()
            wanted = set(await jobs.tokens_with_upload(conn, spooled, self.keep_uploads))
            await merge.sweep_dead_leases(conn)
        for token in {*pruned, *spooled} - wanted:
            await self.spool.delete(token)

    async def after_job(self, claim: Claim, status: JobStatus) -> None:
        """Tidy up behind a job that ended here: its staged rows, and its upload when it cannot be retried."""
        try:
            async with self.engine.connect() as conn:
                await merge.sweep_lease(conn, claim.lease_id)
            if status in {JobStatus.COMPLETED, JobStatus.CANCELLED}:
                await self.spool.delete(claim.token)
        except (*DATABASE_SICK, OSError) as error:
            log.warning("rows or upload are left for the next sweep", token=claim.token, error=str(error))
