"""A claimed store from its spooled archive to merged reports: survey, contents, chunks, one transaction."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import BadArchive, BadResultFiles, CancelRequested
from storaged.ingest.archive import read_contents, survey
from storaged.ingest.chunks import parse_chunk, plan_chunks
from storaged.ingest.values import ArchiveLimits, ParsedChunk, ParseOptions, ResultEntry, SourceEntry
from storaged.model import Claim, DetectionStatus, MergedStore, NewStore
from storaged.queue import jobs
from storaged.spool.local import LocalSpool
from storaged.store import contents, merge, products, staging
from storaged.store.severities import Severities

Item = TypeVar("Item")
Result = TypeVar("Result")

# Unpacked bytes of result files that one call of a worker parses: small enough to spread over the workers and to
# cancel, large enough that the call itself does not count.
CHUNK_BYTES = 2 << 20
# Unpacked bytes of sources that are packed and inserted at a time.
CONTENT_BATCH_BYTES = 4 << 20
# Progress is written at most so often, in seconds.
PROGRESS_PERIOD = 0.25
# Faults that the error of a store names; the others are counted.
FAULTS_NAMED = 50


class Workers(Protocol):
    """The processes that parse."""

    @property
    def size(self) -> int: ...

    async def run(self, function: Callable[..., Result], *args: Any) -> Result: ...


@dataclass(slots=True)
class Tally:
    """What the chunks of a store added up to."""

    counts: Counter[str] = field(default_factory=Counter)
    checkers: set[tuple[str, str]] = field(default_factory=set)
    faults: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, parsed: ParsedChunk) -> None:
        self.counts.update(diagnostics=parsed.diagnostics, duplicates=parsed.duplicates, skipped=parsed.skipped)
        self.checkers.update(parsed.checkers)
        self.faults.extend(parsed.faults)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 4)


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
    """What it takes to run a job of the kind `store`."""

    engine: Engine
    workers: Workers
    spool: LocalSpool
    limits: ArchiveLimits
    severities: Severities
    report_limit: int
    run_limit: int | None

    async def run(self, claim: Claim) -> None:
        """Store the job's upload and complete the job, in one transaction at the end.

        Raises BadArchive, BadResultFiles, ReportLimitReached, RunLimitReached for what is wrong with the upload;
        LeaseLost, CancelRequested, WorkerDied.
        """
        run = _StoreRun(self, claim)
        await run.survey()
        await run.store_contents()
        await run.parse()
        await run.merge()


class _StoreRun:
    """One run of the pipeline, for one claim."""

    def __init__(self, pipeline: StorePipeline, claim: Claim) -> None:
        if claim.product_id is None or claim.product is None or claim.run is None:
            raise BadArchive(f"Job {claim.token} is a store without a product or without a run.")
        self._with = pipeline
        self._claim = claim
        self._product_id, self._product, self._run = claim.product_id, claim.product, claim.run
        self._archive = str(pipeline.spool.path(claim.token))
        self._options = ParseOptions(tuple(claim.arguments["trim_path_prefixes"]), pipeline.limits)
        self._progress = Progress(pipeline.engine, claim)
        self._tally = Tally()

    async def survey(self) -> None:
        """Read what the archive says of itself."""
        await self._progress.begin("survey", 0)
        with self._tally.phase("survey"):
            self._survey = await self._with.workers.run(survey, self._archive, self._with.limits)

    async def store_contents(self) -> None:
        """Check and keep the sources that came; they mean nothing until reports name them."""
        hashes = self._survey.content_hashes
        named = [(path, entry, hashes[path]) for path, entry in self._survey.sources.items() if path in hashes]
        await self._progress.begin("contents", len(named))
        with self._tally.phase("contents"):
            await for_each(content_batches(named), self._with.workers.size, self._store_batch)

    async def parse(self) -> None:
        """Parse every result file and stage its rows; raises BadResultFiles unless the store is to keep going."""
        entries = self._survey.result_files
        await self._progress.begin("parse", len(entries))
        with self._tally.phase("parse"):
            plan = plan_chunks(self._survey, self._with.workers.size, CHUNK_BYTES)
            await for_each(plan, self._with.workers.size + 1, self._parse_chunk)
        if self._tally.faults and not self._claim.arguments["keep_going"]:
            raise BadResultFiles(tell_faults(self._tally.faults, len(entries)))

    async def merge(self) -> None:
        """Make the run what was staged, and complete the job, in one transaction."""
        await self._progress.begin("merge", 0)
        started = time.monotonic()
        severities = self._with.severities.of_all(self._tally.checkers)
        async with self._with.engine.connect() as conn:
            await merge.register_staged(conn, self._product_id, self._claim.lease_id, severities)
        async with self._with.engine.begin() as conn:
            merged = await merge.merge_store(
                conn,
                self._new_store(),
                self._claim.lease_id,
                report_limit=await self._report_limit(conn),
                run_limit=self._with.run_limit,
            )
            self._tally.seconds["merge"] = round(time.monotonic() - started, 4)
            await jobs.complete(conn, self._claim, result=self._result(merged))

    async def _store_batch(self, batch: list[tuple[str, SourceEntry, str]]) -> None:
        named = tuple((path, entry.name, content_hash) for path, entry, content_hash in batch)
        packed = await self._with.workers.run(read_contents, self._archive, named, self._with.limits)
        async with self._with.engine.connect() as conn:
            await contents.insert_contents(conn, self._product_id, packed)
        await self._progress.advance(len(batch))

    async def _parse_chunk(self, entries: tuple[ResultEntry, ...]) -> None:
        parsed = await self._call_parser(entries, {})
        if parsed.needs_sources:
            async with self._fetched(parsed.needs_sources) as sources:
                parsed = await self._call_parser(entries, sources)
        self._tally.add(parsed)
        async with self._with.engine.connect() as conn:
            await staging.stage(conn, parsed.reports, parsed.files)
        await self._progress.advance(len(entries))

    async def _call_parser(self, entries: tuple[ResultEntry, ...], sources: Mapping[str, str | None]) -> ParsedChunk:
        lease = str(self._claim.lease_id)
        return await self._with.workers.run(parse_chunk, self._archive, lease, entries, self._options, sources)

    @asynccontextmanager
    async def _fetched(self, paths: Iterable[str]) -> AsyncIterator[dict[str, str | None]]:
        """Files with the contents of paths that the server has and the archive has not; None where nobody has it."""
        with TemporaryDirectory(prefix="storaged-sources-") as folder:
            sources: dict[str, str | None] = {}
            for number, path in enumerate(sorted(paths)):
                content_hash = bytes.fromhex(self._survey.content_hashes[path])
                async with self._with.engine.connect() as conn:
                    packed = await contents.get_packed(conn, self._product_id, content_hash)
                file = Path(folder, str(number))
                if packed is not None:
                    await asyncio.to_thread(_unpack_to, file, packed)
                sources[path] = None if packed is None else str(file)
            yield sources

    def _new_store(self) -> NewStore:
        arguments, metadata = self._claim.arguments, self._survey.metadata
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
            analyzers=metadata.analyzers,
            # A checker that reported is enabled, whatever the lists say.
            enabled=metadata.enabled | seen if metadata.enabled else frozenset(),
            disabled=metadata.disabled - seen,
        )

    async def _report_limit(self, conn: Connection) -> int:
        """The product's own limit goes before the one of the settings."""
        product = await products.get_product(conn, self._product)
        return self._with.report_limit if product.report_limit is None else product.report_limit

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
            },
            "result_files": len(self._survey.result_files),
            **self._tally.counts,
            "missing_sources": list(merged.missing_sources),
            "left_out": [f"{entry}: {detail}" for entry, detail in self._tally.faults],
            "warnings": list(self._survey.warnings),
            "seconds": self._tally.seconds,
        }


async def for_each(items: Iterable[Item], width: int, work: Callable[[Item], Awaitable[None]]) -> None:
    """Do the work for each item, `width` at a time; the first error stops all and is raised as it is."""
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(width):
                tasks.create_task(take())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def content_batches(sources: Iterable[tuple[str, SourceEntry, str]]) -> Iterator[list[tuple[str, SourceEntry, str]]]:
    """Sources in batches of about CONTENT_BATCH_BYTES."""
    batch: list[tuple[str, SourceEntry, str]] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += source[1].size
        if size >= CONTENT_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def tell_faults(faults: list[tuple[str, str]], files: int) -> str:
    """What is wrong where, for the person who stored."""
    named = [f"  {entry}: {detail}" for entry, detail in sorted(faults)[:FAULTS_NAMED]]
    more = [f"  ... and {len(faults) - FAULTS_NAMED} more"] if len(faults) > FAULTS_NAMED else []
    head = f"{len(faults)} of {files} result files cannot be read, so nothing was stored:"
    advice = "Mend or remove them, or store with --keep-going to leave them out."
    return "\n".join([head, *named, *more, advice])


def _unpack_to(file: Path, packed: bytes) -> None:
    file.write_bytes(zlib.decompress(packed))
