"""Parsing an upload chunk by chunk in the worker processes: what stores and diffs have in common."""

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
from uuid import UUID

from storaged.database.engine import Engine
from storaged.errors import BadArchive, ContradictingReviews
from storaged.ingest.handover import Parsed, Places, Upload, hashes_elsewhere, parse_places, reviewed_file
from storaged.ingest.values import ParsedChunk
from storaged.model import AnalyzerInfo, ProductId
from storaged.store import contents

Item = TypeVar("Item")
Result = TypeVar("Result")

# Broken result files that the error of a store names, and those that a store which keeps going names as left out; the
# others are counted.
FAULTS_NAMED = 50
LEFT_OUT_NAMED = 1000
# Wrong review comments that are named.
REVIEWS_NAMED = 50
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
    # REVIEWS_NAMED of each at most.
    contradictions: list[str] = field(default_factory=list)
    malformed: set[str] = field(default_factory=set)
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
        self.contradictions.extend(parsed.contradictions[: REVIEWS_NAMED - len(self.contradictions)])
        self.malformed.update(sorted(parsed.malformed)[: REVIEWS_NAMED - len(self.malformed)])

    def review_warnings(self) -> list[str]:
        """What is wrong with review comments, for a store that goes on all the same."""
        unread = [f"{text}; the report is taken as unreviewed" for text in sorted(self.contradictions)]
        return [*unread, *(f"{text}; it is ignored" for text in sorted(self.malformed))]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 4)


@dataclass(frozen=True, slots=True)
class ChunkParser:
    """Parses the chunks of one upload; its rows bear the lease."""

    engine: Engine
    workers: Workers
    product: ProductId
    upload: Upload
    lease: UUID
    trim_path_prefixes: tuple[str, ...]

    async def parse(self, chunk: Places) -> Parsed:
        """The rows of a chunk; what its report hashes need of sources that are stored already is fetched.

        Raises BadArchive, WorkerDied.
        """
        parsed = await self._call_parser(chunk, {})
        if parsed.needs_sources:
            await remove(parsed.reports, parsed.files)
            sources = {
                path: await self._fetch(bytes.fromhex(digest), Path(self.upload.folder, token_hex(8)))
                for path, digest in parsed.needs_sources.items()
            }
            parsed = await self._call_parser(chunk, sources)
            await remove(*(Path(file) for file in sources.values() if file is not None))
        return parsed

    async def _call_parser(self, chunk: Places, sources: Mapping[str, str | None]) -> Parsed:
        prefixes = self.trim_path_prefixes
        return await self.workers.run(parse_places, self.upload, str(self.lease), chunk, prefixes, sources)

    async def fetch_reviewed(self, hashes: Iterable[Places]) -> None:
        """Give the workers the sources that are not in the archive and may have review comments.

        There are few of them, and which ones is known since they came, so this costs little.
        """
        async with self.engine.connect() as conn:
            if not await contents.has_reviewed(conn, self.product):
                return
        for places in hashes:
            elsewhere = await self.workers.run(hashes_elsewhere, self.upload, places)
            async with self.engine.connect() as conn:
                reviewed = await contents.reviewed_contents(conn, self.product, elsewhere)
            for content_hash in reviewed:
                await self._fetch(content_hash, reviewed_file(self.upload, content_hash))

    async def _fetch(self, content_hash: bytes, file: Path) -> str | None:
        """The file, with a content that the server has and the archive has not; None where nobody has it."""
        async with self.engine.connect() as conn:
            pieces = contents.packed_pieces(conn, self.product, content_hash)
            return str(file) if await _unpack_to(file, pieces) else None


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


def tell_faults(tally: Tally, files: int, undone: str, advice: str) -> str:
    """What is wrong where, for the person who sent it; `undone` is what nothing was, such as stored."""
    head = f"{tally.broken} of {files} result files cannot be read, so nothing was {undone}:"
    return "\n".join([head, *(f"  {fault}" for fault in name_faults(tally, FAULTS_NAMED)), advice])


def check_reviews(tally: Tally, undone: str, advice: str) -> None:
    """Raise ContradictingReviews if there are some; `undone` and `advice` as in `tell_faults`."""
    if tally.contradictions:
        told = [f"  {text}" for text in sorted(tally.contradictions)]
        head = f"Review comments in sources contradict each other, so nothing was {undone}:"
        raise ContradictingReviews("\n".join([head, *told, advice]))


def name_faults(tally: Tally, most: int) -> list[str]:
    """The broken result files, each with what is wrong in it; of too many, how many more there are."""
    named = [f"{entry}: {detail}" for entry, detail in sorted(tally.faults)[:most]]
    return named if tally.broken <= most else [*named, f"... and {tally.broken - most} more"]


@asynccontextmanager
async def folder_in(parent: Path) -> AsyncIterator[str]:
    """A folder of its own, removed with all that is in it; what a killed worker still writes is swept at the start."""
    folder = await asyncio.to_thread(mkdtemp, dir=parent)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def remove(*handed_over: object) -> None:
    """Remove what was handed over in files; other things are passed by."""
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
