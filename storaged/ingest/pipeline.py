"""A claimed store from its spooled archive to merged reports: survey, contents, chunks, one transaction."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import BadArchive, BadResultFiles, CancelRequested, UploadGone
from storaged.ingest.handover import Places, Upload, pack_contents, plan_store
from storaged.ingest.parsing import (
    LEFT_OUT_NAMED,
    ChunkParser,
    Tally,
    Workers,
    check_names,
    check_reviews,
    folder_in,
    for_each,
    name_faults,
    remove,
    tell_faults,
)
from storaged.ingest.values import ArchiveLimits
from storaged.model import Claim, DetectionStatus, MergedStore, NewStore
from storaged.queue import jobs
from storaged.spool.local import LocalSpool
from storaged.store import contents, merge, products, staging
from storaged.store.severities import Severities

# Progress is written at most so often, in seconds.
PROGRESS_PERIOD = 0.25
KEEP_GOING = "Mend or remove them, or store with --keep-going to leave them out."


class Progress:
    """Tells the job how far it is, under its lease; raises LeaseLost and CancelRequested, so it is the checkpoint."""

    def __init__(self, engine: Engine, claim: Claim) -> None:
        self._engine = engine
        self._claim = claim
        self._phase = ""
        self._done = self._total = 0
        self._written_at = 0.0

    async def begin(self, phase: str, total: int) -> None:
        """Enter a phase of `total` steps."""
        self._phase, self._done, self._total = phase, 0, total
        await self._write()

    async def advance(self, steps: int) -> None:
        """Some steps of the phase are done."""
        self._done += steps
        if time.monotonic() - self._written_at >= PROGRESS_PERIOD:
            await self._write()

    async def _write(self) -> None:
        self._written_at = time.monotonic()
        async with self._engine.connect() as conn:
            cancelled = await jobs.progress(conn, self._claim, self._phase, self._done, self._total)
        if cancelled:
            raise CancelRequested


@dataclass(frozen=True, slots=True)
class StorePipeline:
    """What it takes to run a job of the kind `store`; `scratch` is a folder for what workers hand over in files."""

    engine: Engine
    workers: Workers
    spool: LocalSpool
    scratch: Path
    limits: ArchiveLimits
    severities: Severities
    report_limit: int
    run_limit: int | None

    async def run(self, claim: Claim) -> None:
        """Store the job's upload and complete the job, in one transaction at the end.

        Raises BadArchive, BadResultFiles, ContradictingReviews, ReportLimitReached, RunLimitReached for what is wrong
        with the upload; UploadGone, StagedRowsLost, LeaseLost, CancelRequested, WorkerDied.
        """
        if not await self.spool.has(claim.token):
            raise UploadGone(f"The upload of job {claim.token} is not in the spool any more. Store the results again.")
        async with folder_in(self.scratch) as folder:
            run = _StoreRun(self, claim, folder)
            await run.survey()
            await run.store_contents()
            await run.parse()
            await run.merge()


class _StoreRun:
    """One run of the pipeline, for one claim."""

    def __init__(self, pipeline: StorePipeline, claim: Claim, folder: str) -> None:
        if claim.product_id is None or claim.product is None or claim.run is None:
            raise BadArchive(f"Job {claim.token} is a store without a product or without a run.")
        self._with = pipeline
        self._claim = claim
        self._product_id, self._product, self._run = claim.product_id, claim.product, claim.run
        self._upload = Upload(str(pipeline.spool.path(claim.token)), pipeline.limits, folder)
        self._parser = ChunkParser(
            engine=pipeline.engine,
            workers=pipeline.workers,
            product=claim.product_id,
            upload=self._upload,
            lease=claim.lease_id,
            trim_path_prefixes=tuple(claim.arguments["trim_path_prefixes"]),
        )
        self._progress = Progress(pipeline.engine, claim)
        self._tally = Tally()

    async def survey(self) -> None:
        """Read what the archive says of itself, and plan the calls of the workers."""
        await self._progress.begin("survey", 0)
        workers = self._with.workers
        with self._tally.phase("survey"):
            self._plan = await workers.run(plan_store, self._upload, workers.size)

    async def store_contents(self) -> None:
        """Check and keep the sources that came; they mean nothing until reports name them."""
        await self._progress.begin("contents", self._plan.sources)
        with self._tally.phase("contents"):
            await for_each(self._plan.batches, self._with.workers.size, self._store_batch)
            await self._parser.fetch_reviewed(self._plan.hashes)

    async def parse(self) -> None:
        """Parse every result file and stage its rows.

        Raises BadResultFiles and ContradictingReviews, unless the store is to keep going.
        """
        await self._progress.begin("parse", self._plan.result_files)
        with self._tally.phase("parse"):
            await for_each(self._plan.chunks, self._with.workers.size + 1, self._parse_chunk)
        if self._claim.arguments["keep_going"]:
            return
        if self._tally.broken:
            raise BadResultFiles(tell_faults(self._tally, self._plan.result_files, "stored", KEEP_GOING))
        check_reviews(self._tally, "stored", "Mend them, or store with --keep-going to ignore them.")

    async def merge(self) -> None:
        """Make the run what was staged, and complete the job, in one transaction."""
        await self._progress.begin("merge", 0)
        check_names(self._tally.checkers, self._plan.metadata.analyzers)
        started = time.monotonic()
        severities = self._with.severities.of_all(self._tally.checkers)
        async with self._with.engine.connect() as conn:
            await merge.register_staged(conn, self._product_id, self._claim.lease_id, severities)
        staged = {"reports": self._tally.staged_reports, "files": self._tally.staged_files}
        async with self._with.engine.begin() as conn:
            await merge.check_staged(conn, self._claim.lease_id, **staged)
            merged = await merge.merge_store(
                conn,
                self._new_store(),
                self._claim.lease_id,
                report_limit=await self._report_limit(conn),
                run_limit=self._with.run_limit,
            )
            self._tally.seconds["merge"] = round(time.monotonic() - started, 4)
            await jobs.complete(conn, self._claim, result=self._result(merged))

    async def _store_batch(self, batch: Places) -> None:
        packed = await self._with.workers.run(pack_contents, self._upload, batch)
        if isinstance(packed, Path):
            async with self._with.engine.begin() as conn:
                await contents.copy_contents(conn, self._product_id, packed)
        else:
            async with self._with.engine.connect() as conn:
                await contents.insert_contents(conn, self._product_id, packed)
        await remove(packed)
        await self._progress.advance(batch.length)

    async def _parse_chunk(self, chunk: Places) -> None:
        parsed = await self._parser.parse(chunk)
        self._tally.add(parsed.chunk)
        async with self._with.engine.connect() as conn:
            await staging.stage(conn, parsed.reports, parsed.files)
        await remove(parsed.reports, parsed.files)
        await self._progress.advance(chunk.length)

    def _new_store(self) -> NewStore:
        arguments, metadata = self._claim.arguments, self._plan.metadata
        seen = {checker for _, checker in self._tally.checkers}
        return NewStore(
            product_id=self._product_id,
            product=self._product,
            run=self._run,
            token=self._claim.token,
            username=self._claim.username,
            tag=arguments["tag"],
            description=arguments["description"],
            client_version=metadata.client_version or arguments["client"],
            command=metadata.command,
            duration=metadata.duration,
            force=arguments["force"],
            partial=self._tally.broken > 0,
            analyzers=metadata.analyzers,
            # A checker that reported is enabled, whatever the lists say.
            enabled=metadata.enabled | seen if metadata.enabled else frozenset(),
            disabled=metadata.disabled - seen,
        )

    async def _report_limit(self, conn: Connection) -> int:
        """The product's own limit goes before the one of the settings."""
        product = await products.get_product(conn, self._product)
        return product.most_reports(self._with.report_limit)

    def _result(self, merged: MergedStore) -> dict[str, Any]:
        """What the job tells of the store: the reports that came, and the run's reports by detection status."""
        return {
            "reports": merged.incoming,
            **{status.value: merged.counts.get(status, 0) for status in DetectionStatus},
            "written": {
                "inserted": merged.inserted,
                "replaced": merged.replaced,
                "opened": merged.opened,
                "closed": merged.closed,
                "reviewed": merged.reviewed,
            },
            "result_files": self._plan.result_files,
            **self._tally.counts,
            # Also those in different chunks, which only the merge finds.
            "duplicates": self._tally.counts["diagnostics"] - self._tally.counts["skipped"] - merged.incoming,
            "missing_sources": list(merged.missing_sources),
            "left_out": name_faults(self._tally, LEFT_OUT_NAMED),
            "warnings": [*self._plan.warnings, *self._tally.review_warnings()],
            "seconds": self._tally.seconds,
        }
