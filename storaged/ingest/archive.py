"""Opens the uploaded archive and reads from it; what may be in it is told by docs/archive.md."""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from storaged.errors import BadArchive
from storaged.ingest import layout
from storaged.ingest.comments import SIGN
from storaged.ingest.layout import Read, ReportFolder
from storaged.ingest.metadata import merge_metadata
from storaged.ingest.values import ArchiveLimits, ArchiveSurvey
from storaged.ingest.zips import ZipEntry, read_directory, read_entry
from storaged.model import Content

# So many names are told in an error, the rest is counted.
NAMED: Final = 10
# On C++ sources: 100 MB/s, and a sixth of the size. Level 6 takes nearly twice as long for a tenth less.
ZLIB_LEVEL: Final = 4

DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive whose directory and documents were read and found good."""

    path: str
    limits: ArchiveLimits
    entries: Mapping[str, ZipEntry]
    folders: Mapping[str, ReportFolder]
    survey: ArchiveSurvey

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """A function that reads an entry by its name; raises BadArchive for one that is damaged."""
        with Path(self.path).open("rb") as file:
            yield lambda name: read_entry(file, self.entries[name], self.limits.entry_bytes)


def survey(archive_path: str, limits: ArchiveLimits) -> ArchiveSurvey:
    """Check the archive and say what is in it, without reading result files and sources. Raises BadArchive."""
    return open_archive(archive_path, limits).survey


def read_contents(
    archive_path: str, sources: Sequence[tuple[str, str, str]], limits: ArchiveLimits
) -> tuple[Content, ...]:
    """The different contents of some sources, each given as path, entry name and what content_hashes.json says.

    Raises BadArchive for a content that is not what it is said to be.
    """
    contents: dict[str, Content] = {}
    with open_archive(archive_path, limits).reader() as read:
        for path, name, digest in sources:
            data = read(name)
            actual = hashlib.sha256(data)
            if actual.hexdigest() != digest:
                raise BadArchive(
                    f"{path}: {layout.HASHES} says {digest}, the file in the archive has {actual.hexdigest()}. "
                    "If it changed while it was stored, store again."
                )
            if digest not in contents:
                contents[digest] = Content(actual.digest(), len(data), zlib.compress(data, ZLIB_LEVEL), SIGN in data)
    return tuple(contents.values())


def open_archive(path: str, limits: ArchiveLimits) -> Archive:
    """Check the archive; what was found is kept for the next call on the same one. Raises BadArchive."""
    state = Path(path).stat()
    return _open_archive(path, limits, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=1)
def _open_archive(path: str, limits: ArchiveLimits, _identity: tuple[int, ...]) -> Archive:
    with Path(path).open("rb") as file:
        entries = _checked(read_directory(file, limits.entries), limits)
        return _archive(path, limits, entries, lambda name: read_entry(file, entries[name], limits.metadata_bytes))


def _archive(path: str, limits: ArchiveLimits, entries: Mapping[str, ZipEntry], read: Read) -> Archive:
    sizes = {name: entry.size for name, entry in entries.items()}
    folders = layout.report_folders(sizes, read)
    sources = layout.sources(sizes)
    hashes = layout.content_hashes(sizes, read)
    found = ArchiveSurvey(
        result_files=layout.result_files(sizes, read),
        sources=sources,
        content_hashes=hashes,
        metadata=merge_metadata([folder.metadata for folder in folders.values()]),
        warnings=tuple(layout.warnings(sizes, folders, hashes, sources)),
    )
    return Archive(path, limits, entries, folders, found)


def _checked(listed: Iterable[ZipEntry], limits: ArchiveLimits) -> dict[str, ZipEntry]:
    """The entries that are files, by name. Raises BadArchive for what no archive may have."""
    entries: dict[str, ZipEntry] = {}
    doubles: list[str] = []
    for entry in listed:
        if entry.name in entries:
            doubles.append(entry.name)
        entries[entry.name] = entry
    _refuse(filter(_leads_elsewhere, entries), "lead out of it (absolute, `..`, a backslash, a drive or a NUL)")
    _refuse(doubles, "come more than once")
    large = (entry.name for entry in entries.values() if entry.size > limits.entry_bytes)
    _refuse(large, f"unpack to more than {limits.entry_bytes} bytes, the limit")
    unpacked = sum(entry.size for entry in entries.values())
    if unpacked > limits.unpacked_bytes:
        raise BadArchive(f"The archive unpacks to {unpacked} bytes; the limit is {limits.unpacked_bytes}.")
    return {name: entry for name, entry in entries.items() if not name.endswith("/")}


def _leads_elsewhere(name: str) -> bool:
    if not name or name.startswith("/") or "\\" in name or "\0" in name:
        return True
    return ".." in name.split("/") or DRIVE.match(name) is not None


def _refuse(names: Iterable[str], why: str) -> None:
    refused = [f"{name!r:.200}" for name in names]
    if refused:
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise BadArchive(f"Entries of the archive {why}: {', '.join(refused[:NAMED])}{more}.")
