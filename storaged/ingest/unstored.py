"""An archive that is compared and not stored: spooled, parsed, and gone when it has been read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Final
from uuid import uuid4

from storaged.database.engine import Engine
from storaged.errors import BadResultFiles, TooManyComparisons
from storaged.ingest.handover import Places, Upload, keep_reviewed, plan_store
from storaged.ingest.parsing import (
    ChunkParser,
    Tally,
    Workers,
    check_names,
    check_reviews,
    folder_in,
    for_each,
    tell_faults,
)
from storaged.ingest.values import ArchiveLimits
from storaged.model import ProductId
from storaged.spool.local import LocalSpool
from storaged.store.comparison import ParsedReports
from storaged.store.severities import Severities

# So many archives are compared at a time; further ones wait, but not for ever.
AT_ONCE: Final = 2
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class UnstoredArchives:
    """What it takes to parse an archive while its client waits."""

    engine: Engine
    workers: Workers
    spool: LocalSpool
    scratch: Path
    limits: ArchiveLimits
    severities: Severities
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def parsed(
        self, body: AsyncIterator[bytes], product: ProductId, *, limit: int, trim_path_prefixes: tuple[str, ...]
    ) -> AsyncIterator[ParsedReports]:
        """The reports of the archive that comes as the body; its file and all that it became go at the end.

        Raises TooManyComparisons, UploadTooLarge, SpoolFull, BadArchive, BadResultFiles, ContradictingReviews,
        WorkerDied, and whatever the body raises.
        """
        async with self._place(), folder_in(self.scratch) as folder, self.spool.receive(body, limit=limit) as spooled:
            upload = Upload(str(spooled.path), self.limits, folder)
            parser = ChunkParser(self.engine, self.workers, product, upload, uuid4(), trim_path_prefixes)
            yield await self._parse(parser)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.places.acquire()
        except TimeoutError:
            raise TooManyComparisons(
                f"The server compares {AT_ONCE} archives already, and none was done for a minute. Try again later."
            ) from None
        try:
            yield
        finally:
            self.places.release()

    async def _parse(self, parser: ChunkParser) -> ParsedReports:
        plan = await self.workers.run(plan_store, parser.upload, self.workers.size)
        tally = Tally()
        reports: list[Path] = []
        files: list[Path] = []

        async def parse_chunk(chunk: Places) -> None:
            parsed = await parser.parse(chunk)
            tally.add(parsed.chunk)
            reports.append(await _in_file(parsed.reports, parser.upload.folder))
            files.append(await _in_file(parsed.files, parser.upload.folder))

        await for_each(
            plan.batches, self.workers.size, lambda batch: self.workers.run(keep_reviewed, parser.upload, batch)
        )
        await parser.fetch_reviewed(plan.hashes)
        await for_each(plan.chunks, self.workers.size, parse_chunk)
        if tally.broken:
            raise BadResultFiles(tell_faults(tally, plan.result_files, "compared", "Mend or remove them."))
        check_reviews(tally, "compared", "Mend them.")
        check_names(tally.checkers, ())
        return ParsedReports(reports, files, self.severities.of_all(tally.checkers))


async def _in_file(rows: bytes | Path, folder: str) -> Path:
    """Rows that came as bytes go to a file as well: all of them together may be large."""
    if isinstance(rows, Path):
        return rows
    path = Path(folder, token_hex(8))
    await asyncio.to_thread(path.write_bytes, rows)
    return path
