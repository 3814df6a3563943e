"""What the entries of an archive are, by their names (docs/archive.md)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from storaged.errors import BadArchive
from storaged.ingest.documents import read_document
from storaged.ingest.metadata import FolderMetadata, read_metadata
from storaged.ingest.paths import SkipRules, read_skip_file, resolve
from storaged.ingest.review_file import ReviewRule, read_review_file
from storaged.ingest.values import ResultEntry, SourceEntry

Read = Callable[[str], bytes]

HASHES: Final = "content_hashes.json"
ABOUT: Final = "storectl.json"
ABOUT_VERSION: Final = 1
REPORTS: Final = "reports/"
SOURCES: Final = "root/"
METADATA: Final = "metadata.json"
SKIP_FILE: Final = "skip_file"
REVIEW_FILE: Final = "review_status.yaml"
RESULT_SUFFIXES: Final = (".plist", ".sarif")
# Those that can be read.
READABLE_SUFFIXES: Final = (".plist",)
# Read by nobody yet: blame/, and in report folders what CodeChecker's analyses leave beside the result files.
KNOWN: Final = (REPORTS, SOURCES, "blame/")

# So many lines of a skip file that are no rules are told, the rest is counted.
LINES_NAMED: Final = 10

SHA256_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """What a report folder says of its result files."""

    metadata: FolderMetadata = field(default_factory=FolderMetadata)
    skip: SkipRules = field(default_factory=SkipRules)
    reviews: tuple[ReviewRule, ...] = ()


def report_folders(sizes: Mapping[str, int], read: Read) -> dict[str, ReportFolder]:
    """The folders that say something, by name and in that order. Raises BadArchive for what cannot be read of that."""
    folders: dict[str, ReportFolder] = {}
    for name in sorted(sizes):
        folder, base = _in_reports(name)
        known = folders.get(folder, ReportFolder())
        if base == METADATA:
            folders[folder] = replace(known, metadata=read_metadata(name, read(name)))
        elif base == SKIP_FILE:
            folders[folder] = replace(known, skip=read_skip_file(_text(read(name))))
        elif base == REVIEW_FILE:
            folders[folder] = replace(known, reviews=read_review_file(name, read(name)))
    return folders


def result_files(sizes: Mapping[str, int], read: Read) -> tuple[ResultEntry, ...]:
    """The result files, numbered by name. Raises BadArchive when storectl.json is wrong."""
    origins = _origins(read(ABOUT)) if ABOUT in sizes else {}
    names = sorted(name for name in sizes if name.startswith(REPORTS) and name.endswith(RESULT_SUFFIXES))
    folders = [_in_reports(name)[0] for name in names]
    return tuple(
        ResultEntry(name, index, sizes[name], folder, origins.get(folder))
        for index, (name, folder) in enumerate(zip(names, folders, strict=True))
    )


def sources(sizes: Mapping[str, int]) -> dict[str, SourceEntry]:
    """The sources by path: `root/a/b.c` is `/a/b.c`."""
    names = [name for name in sizes if name.startswith(SOURCES)]
    return {resolve(name.removeprefix("root"), None): SourceEntry(name, sizes[name]) for name in names}


def content_hashes(sizes: Mapping[str, int], read: Read) -> dict[str, str]:
    """SHA-256 in lower-case hex, by path. Raises BadArchive that names the first key that is wrong."""
    if HASHES not in sizes:
        return {}
    root = read_document(HASHES, read(HASHES))
    return {_hashed_path(path): _digest(path, root.at(path).typed(str)) for path in root.names()}


def warnings(
    sizes: Mapping[str, int], folders: Mapping[str, ReportFolder], hashes: Mapping[str, str], given: Iterable[str]
) -> Iterator[str]:
    """What is odd but does no harm; `given` are the paths of the sources in the archive."""
    for folder, rules in folders.items():
        ignored = rules.skip.ignored
        for number, line in ignored[:LINES_NAMED]:
            yield f"{REPORTS}{folder}/{SKIP_FILE}: line {number} is ignored, it starts with no + or -: {line:.99}"
        if len(ignored) > LINES_NAMED:
            yield f"{REPORTS}{folder}/{SKIP_FILE}: {len(ignored) - LINES_NAMED} more lines are ignored."
    if HASHES not in sizes:
        yield f"The archive has no {HASHES}, so its reports are stored without sources."
    unhashed = [path for path in given if path not in hashes] if hashes else []
    if unhashed:
        yield f"{HASHES} does not name {len(unhashed)} sources of the archive, which are left out: first {unhashed[0]}"
    unknown = [name for name in sizes if not name.startswith(KNOWN) and name not in {HASHES, ABOUT}]
    if unknown:
        yield f"{len(unknown)} entries of the archive are not known here, and are left out: first {unknown[0]}"


def _in_reports(name: str) -> tuple[str, str]:
    """Folder and base name of what is in a report folder; two empty texts for other entries."""
    if not name.startswith(REPORTS):
        return "", ""
    folder, _, base = name.removeprefix(REPORTS).rpartition("/")
    return folder, base


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _origins(data: bytes) -> dict[str, str]:
    """The folders that the report folders came from."""
    about = read_document(ABOUT, data)
    version = about.count("version")
    if version != ABOUT_VERSION:
        raise BadArchive(f"{ABOUT}: version is {version}, not {ABOUT_VERSION}. Is the client newer than the server?")
    folders = about.at("report_dirs")
    origins = {name: folders.at(name).typed(str) for name in folders.names()}
    for name, origin in origins.items():
        if not origin.startswith("/"):
            raise BadArchive(f"{folders.at(name).place} is {origin!r:.200}, which is not an absolute path.")
    return origins


def _hashed_path(path: str) -> str:
    if "\0" in path or not path:
        raise BadArchive(f"{HASHES}: {path!r:.200} is no path.")
    return resolve(path, None)


def _digest(path: str, digest: str) -> str:
    if not SHA256_HEX.fullmatch(digest):
        raise BadArchive(f"{HASHES}: {path:.200}: {digest!r:.100} is no SHA-256, which has 64 hex digits.")
    return digest.lower()
