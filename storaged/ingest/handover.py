"""The steps of a store that run in a worker; what could be large is handed over in files, not through the daemon.

So the daemon's memory does not grow with the upload: it is told places in the archive's lists instead of names, and
paths of files instead of rows.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple

from storaged.errors import BadArchive
from storaged.ingest.archive import open_archive, read_contents
from storaged.ingest.chunks import ENTRY_COST, Seen, parse_chunk, plan_chunks
from storaged.ingest.comments import SIGN
from storaged.ingest.layout import ABOUT, HASHES, KNOWN, REPORTS
from storaged.ingest.values import ArchiveLimits, ParsedChunk, ParseOptions, StoreMetadata
from storaged.model import Content

# Unpacked bytes of result files that one call parses: small enough to spread over the workers and to cancel, large
# enough that the call itself does not count.
CHUNK_BYTES: Final = 2 << 20
# Unpacked bytes of sources that are packed and inserted at a time.
BATCH_BYTES: Final = 4 << 20
# Hashes of sources that are elsewhere, asked for at a time; each has 32 bytes.
HASHES_AT_ONCE: Final = 20_000
# Stores whose reports a worker remembers, so as not to read them twice; 200,000 different reports take some 70 MB.
STORES_REMEMBERED: Final = 2
# What is larger than this is handed over in a file.
INLINE_BYTES: Final = 1 << 20

# PostgreSQL's COPY binary format: https://www.postgresql.org/docs/current/sql-copy.html
COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ll", 0, 0)
COPY_ROW: Final = struct.Struct(">hl32slql?l")
COPY_END: Final = struct.pack(">h", -1)


class Places(NamedTuple):
    """Places in a list of the archive, from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as workers see it: the archive, what it may take, and a folder for what is handed over in files."""

    archive: str
    limits: ArchiveLimits
    folder: str


@dataclass(frozen=True, slots=True)
class StorePlan:
    """How a store is divided into calls: result files into `chunks`, sources into `batches`, the
    hashes of all sources into `hashes`."""

    result_files: int
    chunks: tuple[Places, ...]
    sources: int
    batches: tuple[Places, ...]
    hashes: tuple[Places, ...]
    metadata: StoreMetadata
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed chunk without its rows, and the rows; `needs_sources` with the SHA-256 (hex) of each."""

    chunk: ParsedChunk
    reports: bytes | Path
    files: bytes | Path
    needs_sources: Mapping[str, str]


def plan_store(upload: Upload, workers: int) -> StorePlan:
    """Check the archive and plan its store, without reading result files and sources. Raises BadArchive."""
    archive = open_archive(upload.archive, upload.limits)
    if not any(name.startswith(KNOWN) or name in {HASHES, ABOUT} for name in archive.entries):
        # Taken for a store it would resolve every report of its run.
        raise BadArchive(f"The archive is not an analysis: it has nothing in {REPORTS} and no {HASHES}.")
    survey = archive.survey
    return StorePlan(
        result_files=len(survey.result_files),
        chunks=_places(map(len, plan_chunks(survey, workers, CHUNK_BYTES))),
        sources=len(survey.sources),
        batches=_places(_batch_lengths(source.size for source in survey.sources.values())),
        hashes=_places(_full(len(survey.content_hashes), HASHES_AT_ONCE)),
        metadata=survey.metadata,
        warnings=survey.warnings,
    )


def pack_contents(upload: Upload, batch: Places) -> tuple[Content, ...] | Path:
    """The contents of a batch of sources; in a file, as rows for COPY, when they are large.

    Those in which review comments may be are left in the folder, for `parse_places`.
    Raises BadArchive for a content that is not what it is said to be.
    """
    survey = open_archive(upload.archive, upload.limits).survey
    named = [
        (path, source.name, survey.content_hashes[path])
        for path, source in islice(survey.sources.items(), batch.start, batch.stop)
        if path in survey.content_hashes
    ]
    contents = read_contents(upload.archive, named, upload.limits)
    for content in contents:
        if content.reviewed:
            reviewed_file(upload, content.hash).write_bytes(zlib.decompress(content.packed))
    if sum(len(content.packed) for content in contents) <= INLINE_BYTES:
        return contents
    return _write(upload.folder, _copy_binary(contents))


def keep_reviewed(upload: Upload, batch: Places) -> None:
    """Leave of a batch of sources what `pack_contents` leaves, when they are not to be stored."""
    archive = open_archive(upload.archive, upload.limits)
    with archive.reader() as read:
        for path, source in islice(archive.survey.sources.items(), batch.start, batch.stop):
            data = read(source.name)
            if SIGN in data and path in archive.survey.content_hashes:
                Path(upload.folder, archive.survey.content_hashes[path]).write_bytes(data)


def hashes_elsewhere(upload: Upload, places: Places) -> tuple[bytes, ...]:
    """The SHA-256 of those sources that are not in the archive, among the ones at these places."""
    survey = open_archive(upload.archive, upload.limits).survey
    named = islice(survey.content_hashes.items(), places.start, places.stop)
    return tuple({bytes.fromhex(digest) for path, digest in named if path not in survey.sources})


def reviewed_file(upload: Upload, content_hash: bytes) -> Path:
    """Where `parse_places` looks for a content in which review comments may be."""
    return Path(upload.folder, content_hash.hex())


def parse_places(
    upload: Upload, lease: str, chunk: Places, trim_path_prefixes: tuple[str, ...], sources: Mapping[str, str | None]
) -> Parsed:
    """Parse a chunk of result files as `parse_chunk` does, and raise what it raises."""
    options = ParseOptions(trim_path_prefixes, upload.limits, reviewed=upload.folder)
    survey = open_archive(upload.archive, upload.limits).survey
    entries = survey.result_files[chunk.start : chunk.stop]
    parsed = parse_chunk(upload.archive, lease, entries, options, sources, seen=_seen(lease))
    return Parsed(
        chunk=replace(parsed, reports=b"", files=b""),
        reports=_handed_over(parsed.reports, upload.folder),
        files=_handed_over(parsed.files, upload.folder),
        needs_sources={path: survey.content_hashes[path] for path in parsed.needs_sources},
    )


@lru_cache(maxsize=STORES_REMEMBERED)
def _seen(_lease: str) -> Seen:
    """What this process saw of the store; each attempt at a store has a lease of its own."""
    return Seen()


def _places(lengths: Iterable[int]) -> tuple[Places, ...]:
    places: list[Places] = []
    start = 0
    for length in lengths:
        places.append(Places(start, start + length))
        start += length
    return tuple(places)


def _full(count: int, most: int) -> Iterable[int]:
    return (min(most, count - start) for start in range(0, count, most))


def _batch_lengths(sizes: Iterable[int]) -> Iterable[int]:
    count = cost = 0
    for size in sizes:
        count += 1
        cost += size + ENTRY_COST
        if cost >= BATCH_BYTES:
            yield count
            count = cost = 0
    if count:
        yield count


def _handed_over(rows: bytes, folder: str) -> bytes | Path:
    return rows if len(rows) <= INLINE_BYTES else _write(folder, [rows])


def _write(folder: str, pieces: Iterable[bytes]) -> Path:
    path = Path(folder, token_hex(8))
    with path.open("xb") as file:
        file.writelines(pieces)
    return path


def _copy_binary(contents: Iterable[Content]) -> Iterable[bytes]:
    """Rows of hash, size, whether it may be reviewed, and data."""
    yield COPY_HEAD
    for content in contents:
        yield COPY_ROW.pack(4, 32, content.hash, 8, content.size, 1, content.reviewed, len(content.packed))
        yield content.packed
    yield COPY_END
