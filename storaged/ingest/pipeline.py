"""A claimed store from its spooled archive to merged reports: survey, contents, chunks, one transaction."""

import asyncio
import shutil
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Any, BinaryIO, Protocol, TypeVar

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import BadArchive, BadResultFiles, CancelRequested, UploadGone
from storaged.ingest.handover import Parsed, Places, Upload, pack_contents, parse_places, plan_store
from storaged.ingest.values import ArchiveLimits, ParsedChunk
from storaged.model import AnalyzerInfo, Claim, DetectionStatus, MergedStore, NewStore
from storaged.queue import jobs
from storaged.spool.local import LocalSpool
from storaged.store import contents, merge, products, staging
from storaged.store.severities import Severities

Item = TypeVar("Item")
Result = TypeVar("Result")

# Progress is written at most so often, in seconds.
PROGRESS_PERIOD = 0.25
# Broken result files that the error of a store names, and those that a store which keeps going names as left out; the
# others are counted.
FAULTS_NAMED = 50
LEFT_OUT_NAMED = 1000
# Bytes of an analyzer's or a checker's name; an index has both in an entry of 2704 bytes at most.
NAME_BYTES = 1000
# As much of a source is unpacked at a time.
UNPACK_BYTES = 1 << 20


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
    broken: int = 0
    # LEFT_OUT_NAMED of the broken ones at most.
    faults: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    staged_reports: int = 0
    staged_files: int = 0

    def add(self, parsed: ParsedChunk) -> None:
        self.counts.update(diagnostics=parsed.diagnostics, skipped=parsed.skipped)
        self.checkers.update(parsed.checkers)
        self.staged_reports += parsed.report_rows
        self.staged_files += parsed.file_rows
        self.broken += len(parsed.faults)
        self.faults.extend(parsed.faults[: LEFT_OUT_NAMED - len(self.faults)])

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

        Raises BadArchive, BadResultFiles, ReportLimitReached, RunLimitReached for what is wrong with the upload;
        UploadGone, StagedRowsLost, LeaseLost, CancelRequested, WorkerDied.
        """
        if not await self.spool.has(claim.token):
            raise UploadGone(f"The upload of job {claim.token} is not in the spool any more. Store the results again.")
        async with _folder_in(self.scratch) as folder:
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

    async def parse(self) -> None:
        """Parse every result file and stage its rows; raises BadResultFiles unless the store is to keep going."""
        await self._progress.begin("parse", self._plan.result_files)
        with self._tally.phase("parse"):
            await for_each(self._plan.chunks, self._with.workers.size + 1, self._parse_chunk)
        if self._tally.broken and not self._claim.arguments["keep_going"]:
            raise BadResultFiles(tell_faults(self._tally, self._plan.result_files))

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
        await _remove(packed)
        await self._progress.advance(batch.length)

    async def _parse_chunk(self, chunk: Places) -> None:
        parsed = await self._call_parser(chunk, {})
        if parsed.needs_sources:
            await _remove(parsed.reports, parsed.files)
            sources = {path: await self._fetch(digest) for path, digest in parsed.needs_sources.items()}
            parsed = await self._call_parser(chunk, sources)
            await _remove(*(Path(file) for file in sources.values() if file is not None))
        self._tally.add(parsed.chunk)
        async with self._with.engine.connect() as conn:
            await staging.stage(conn, parsed.reports, parsed.files)
        await _remove(parsed.reports, parsed.files)
        await self._progress.advance(chunk.length)

    async def _call_parser(self, chunk: Places, sources: Mapping[str, str | None]) -> Parsed:
        lease, prefixes = str(self._claim.lease_id), tuple(self._claim.arguments["trim_path_prefixes"])
        return await self._with.workers.run(parse_places, self._upload, lease, chunk, prefixes, sources)

    async def _fetch(self, digest: str) -> str | None:
        """A file with a content that the server has and the archive has not; None where nobody has it."""
        file = Path(self._upload.folder, token_hex(8))
        async with self._with.engine.connect() as conn:
            pieces = contents.packed_pieces(conn, self._product_id, bytes.fromhex(digest))
            return str(file) if await _unpack_to(file, pieces) else None

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
            "result_files": self._plan.result_files,
            **self._tally.counts,
            # Also those in different chunks, which only the merge finds.
            "duplicates": self._tally.counts["diagnostics"] - self._tally.counts["skipped"] - merged.incoming,
            "missing_sources": list(merged.missing_sources),
            "left_out": name_faults(self._tally, LEFT_OUT_NAMED),
            "warnings": list(self._plan.warnings),
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


def check_names(checkers: Iterable[tuple[str, str]], analyzers: Iterable[AnalyzerInfo]) -> None:
    """Raise BadArchive for a checker or an analyzer whose name is too long for an index of the database."""
    named = [("analyzer", analyzer.name) for analyzer in analyzers]
    named += [pair for analyzer, checker in checkers for pair in (("analyzer", analyzer), ("checker", checker))]
    for kind, name in named:
        size = len(name.encode())
        if size > NAME_BYTES:
            raise BadArchive(f"The name of {kind} {name:.100}... has {size} bytes; the limit is {NAME_BYTES}.")


def tell_faults(tally: Tally, files: int) -> str:
    """What is wrong where, for the person who stored."""
    head = f"{tally.broken} of {files} result files cannot be read, so nothing was stored:"
    advice = "Mend or remove them, or store with --keep-going to leave them out."
    return "\n".join([head, *(f"  {fault}" for fault in name_faults(tally, FAULTS_NAMED)), advice])


def name_faults(tally: Tally, most: int) -> list[str]:
    """The broken result files, each with what is wrong in it; of too many, how many more there are."""
    named = [f"{entry}: {detail}" for entry, detail in sorted(tally.faults)[:most]]
    return named if tally.broken <= most else [*named, f"... and {tally.broken - most} more"]


@asynccontextmanager
async def _folder_in(parent: Path) -> AsyncIterator[str]:
    """A folder of its own, removed with all that is in it; what a killed worker still writes is swept at the start."""
    folder = await asyncio.to_thread(mkdtemp, dir=parent)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _remove(*handed_over: object) -> None:
    for file in handed_over:
        if isinstance(file, Path):
            await asyncio.to_thread(file.unlink)


async def _unpack_to(file: Path, pieces: AsyncIterator[bytes]) -> bool:
    """Write what the zlib stream unpacks to; False when there is no stream."""
    unpacker = zlib.decompressobj()
    came = False
    with await asyncio.to_thread(file.open, "xb") as out:
        async for piece in pieces:
            came = True
            await asyncio.to_thread(_unpack, unpacker, piece, out)
    return came


def _unpack(unpacker: "zlib._Decompress", piece: bytes, out: BinaryIO) -> None:
    while piece:
        out.write(unpacker.decompress(piece, UNPACK_BYTES))
        piece = unpacker.unconsumed_tail
