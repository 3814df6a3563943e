"""Find result files, and by a cheap scan the source files that they name."""

import errno
import os
import plistlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple
from xml.parsers.expat import ExpatError

from .batches import in_batches
from .errors import Unreadable, Usage
from .notices import tell

RESULT_SUFFIXES = (".plist", ".sarif")
METADATA = "metadata.json"
COMPANIONS = (METADATA, "skip_file", "review_status.yaml")
BLOCK_SIZE = 4 << 20
PROLOG_SIZE = 1024
CUT_OFF = "it is cut off: it has no </plist> at its end"

_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<\?xml(?:(?!encoding)[^>])*(?:encoding=[\"'](?:utf-8|us-ascii)[\"']\s*)?\?>"
    rb"\s*(?:<!DOCTYPE[^>\[]*>)?",
    re.IGNORECASE,
)
_DECLARATION = b"<!"
_END = b"</plist>"
_KEY = b"<key>"
_FILES_KEY = b"<key>files</key>"
_FILES = re.compile(rb"<key>files</key>\s*(?:<array\s*/>|<array>((?:\s*<string>[^<]*</string>)*)\s*</array>)")
_NAME = re.compile(rb"<string>([^<]*)</string>")
_HASH_KEY = b"<key>issue_hash_content_of_line_in_context</key>"
_USABLE_HASH = re.compile(rb"\s*<string>(?!\s*0?\s*<)[^<]+</string>")
_DIAGNOSTIC_KEYS = (b"<key>description</key>", b"<key>check_name</key>")


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """One folder with result files directly in it; `files` are names, `companions` those of COMPANIONS it has."""

    path: str
    files: tuple[str, ...]
    companions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResultFile:
    """What the scan saw of a result file: `sources` are absolute paths, `size` is in bytes.

    `needs_sources`: a report without usable hash gets one made from its source, which must then come along. `reports`
    counts all, also those that are there twice or are skipped; None: it was not found out. `fault` is what is wrong
    with the file, as far as the scan could see.
    """

    path: str
    size: int
    changed_ns: int
    sources: frozenset[str]
    needs_sources: bool
    reports: int | None = None
    fault: str | None = None


class Seen(NamedTuple):
    """What is in a result file; see `ResultFile`."""

    names: Iterable[str]
    needs_sources: bool = True
    reports: int | None = None
    fault: str | None = None


def find_report_folders(given: Iterable[str], note: Callable[[str], None] = tell) -> list[ReportFolder]:
    """The folders at and below those given, in a stable order; raises Usage for one that shows no sign of an analysis.

    A metadata.json alone is one: the analysis found nothing, and its store resolves what was there. As CodeChecker has
    it, each folder is a report folder of its own, with its own companions; links are not followed. Only regular files
    are results: of a pipe or a device, which would never end, a `note` says that it is left out.
    """
    found: dict[str, set[str]] = {}
    for name in given:
        path = os.path.abspath(name)  # noqa: PTH100 - keeps links: names in result files are relative to what was given
        try:
            below = [(folder, _regular(folder, names, note)) for folder, names in _walk(path)]
            is_analysis = any(files or Path(folder, METADATA).is_file() for folder, files in below)
        except OSError as error:
            raise Unreadable(f"{error.filename or path} cannot be read: {error.strerror}.") from error
        if not is_analysis:
            raise Usage(
                f"{path} has no results of an analysis: no file that ends in {' or '.join(RESULT_SUFFIXES)}, "
                f"and no {METADATA}."
            )
        for folder, files in below:
            found.setdefault(folder, set()).update(files)
    folders = [ReportFolder(path, tuple(sorted(files)), _companions(path)) for path, files in sorted(found.items())]
    return [folder for folder in folders if folder.files or folder.companions]


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    kind = _kind(path)
    if kind is None:
        raise Usage(f"There is no file or folder {path}.")
    if stat.S_ISDIR(kind):
        for folder, _, names in os.walk(path, onerror=_give_up):
            yield folder, [name for name in names if name.endswith(RESULT_SUFFIXES)]
    elif path.endswith(RESULT_SUFFIXES):
        yield os.path.split(path)[0], [os.path.split(path)[1]]
    else:
        raise Usage(f"{path} is no result file: it does not end in {' or '.join(RESULT_SUFFIXES)}.")


def _kind(path: str) -> int | None:
    """Its mode; None where nothing is. Raises OSError where that cannot be seen."""
    try:
        return Path(path).stat().st_mode
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
            return None
        raise


def exists(path: str) -> bool:
    """Raises Unreadable where it cannot be seen."""
    try:
        return _kind(path) is not None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error


def _regular(folder: str, names: Iterable[str], note: Callable[[str], None]) -> list[str]:
    """Those that are regular files, or nothing: of a link to what is gone the scan says so."""
    kinds = {name: _kind(f"{folder}/{name}") for name in names}
    special = [name for name, kind in kinds.items() if kind is not None and not stat.S_ISREG(kind)]
    for name in special:
        note(f"warning: {folder}/{name} is left out: it is no regular file.")
    return [name for name in kinds if name not in special]


def _give_up(error: OSError) -> None:
    raise error


def _companions(folder: str) -> tuple[str, ...]:
    return tuple(name for name in COMPANIONS if Path(folder, name).is_file())


def scan_result_files(
    folders: Sequence[ReportFolder], jobs: int, seen: Callable[[int], None] = lambda _: None
) -> list[ResultFile]:
    """Scan all, `jobs` at a time, in the order of the folders; `seen` is told how many are done."""
    paths = [f"{folder.path}/{name}" for folder in folders for name in folder.files]
    results: list[ResultFile] = []
    for batch in in_batches(paths, jobs, _scan_batch):
        results.extend(batch)
        seen(len(results))
    return results


def _scan_batch(paths: Sequence[str]) -> list[ResultFile]:
    return [scan_result_file(path) for path in paths]


def scan_result_file(path: str) -> ResultFile:
    """A file that cannot be understood names nothing: the daemon says what is wrong with it, for all files at once."""
    try:
        with Path(path).open("rb") as file:
            state = os.fstat(file.fileno())
            seen = _scan(file, path) if state.st_size else Seen([], fault="it is empty")
    except OSError as error:
        raise Usage(f"The result file {path} cannot be read: {error.strerror}.") from error
    folder = path.rpartition("/")[0]
    sources = frozenset(os.path.normpath(name if name[:1] == "/" else f"{folder}/{name}") for name in seen.names)
    return ResultFile(path, state.st_size, state.st_mtime_ns, sources, *seen[1:])


def _scan(file: BinaryIO, path: str) -> Seen:
    return _scan_sarif(file) if path.endswith(".sarif") else _scan_plist(file)


def _scan_plist(file: BinaryIO) -> Seen:
    usual = _scan_usual_plist(file)
    if usual is not None:
        return usual
    file.seek(0)
    return _parse_plist(file)


def _scan_usual_plist(file: BinaryIO) -> Seen | None:
    """Scan block by block without parsing; None for a layout that must be parsed."""
    prolog = _PROLOG.match(file.read(PROLOG_SIZE))
    if prolog is None:
        return None
    file.seek(prolog.end())
    tally = _Tally()
    for block in _blocks(file):
        # A comment, CDATA or an entity may hide a key or fake one.
        if _DECLARATION in block or not tally.add(block):
            return None
    return tally.result()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that each end before a `<key>`, so that a key and its plain value are never parted."""
    rest = b""
    while read := file.read(BLOCK_SIZE):
        block = rest + read
        end = max(block.rfind(_KEY), 0)
        yield block[:end]
        rest = block[end:]
    yield rest


@dataclass(slots=True)
class _Tally:
    """What the blocks of one plist showed so far."""

    names: bytes | None = None
    hashes: int = 0
    ended: bool = False
    diagnostics: list[int] = field(default_factory=lambda: [0 for _ in _DIAGNOSTIC_KEYS])

    def add(self, block: bytes) -> bool:
        """False when the list of files has another layout."""
        if _FILES_KEY in block:
            found = _FILES.search(block)
            if found is None or self.names is not None or block.count(_FILES_KEY) > 1:
                return False
            self.names = found[1] or b""
        self.hashes += _count_usable_hashes(block)
        self.ended = block[-PROLOG_SIZE:].rstrip().endswith(_END)
        self.diagnostics = [
            count + block.count(key) for count, key in zip(self.diagnostics, _DIAGNOSTIC_KEYS, strict=True)
        ]
        return True

    def result(self) -> Seen | None:
        if self.names is None:
            return None
        reports = max(self.diagnostics)
        return Seen(_read_names(self.names), self.hashes < reports, reports, None if self.ended else CUT_OFF)


def _count_usable_hashes(block: bytes) -> int:
    count = 0
    at = block.find(_HASH_KEY)
    while at >= 0:
        at += len(_HASH_KEY)
        if _USABLE_HASH.match(block, at):
            count += 1
        at = block.find(_HASH_KEY, at)
    return count


def _read_names(names: bytes) -> Iterable[str]:
    if b"&" in names:
        head, tail = b"<plist><dict><key>files</key><array>", b"</array><key>diagnostics</key><array/></dict></plist>"
        return _parse_plist(BytesIO(head + names + tail)).names
    return [name.decode("utf-8", "replace") for name in _NAME.findall(names)]


def _parse_plist(file: BinaryIO) -> Seen:
    try:
        content = plistlib.load(file)
        names = [name for name in content["files"] if isinstance(name, str)]
        return Seen(names, reports=len(content["diagnostics"]))
    except ExpatError as error:
        return Seen([], fault=f"it is no XML, or is cut off: {error}")
    except plistlib.InvalidFileException:
        return Seen([], fault="it is no plist")
    except (ValueError, TypeError, AttributeError, LookupError):
        return Seen([], fault="it is not the plist of an analysis")


def _scan_sarif(file: BinaryIO) -> Seen:
    from .sarif import named_files  # noqa: PLC0415 - most stores have none

    return Seen(named_files(file.read()))
