"""The plain values that pass between the daemon and the processes that read an archive."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from storaged.model import AnalyzerInfo


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may take, in entries and in bytes when unpacked (docs/archive.md)."""

    entries: int = 1_000_000
    unpacked_bytes: int = 16 << 30
    # One result file or source: a worker has it in memory as a whole.
    entry_bytes: int = 512 << 20
    # metadata.json, content_hashes.json, storectl.json or skip_file.
    metadata_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """A result file of the archive. `index` is its place in the store, by name; `directory` the part of its name
    between `reports/` and the base name; `origin` the folder it came from, against which its paths are relative."""

    name: str
    index: int
    size: int
    directory: str
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source of the archive: the entry's name, and its size when unpacked."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class StoreMetadata:
    """What the metadata.json of all report folders say together; None or empty where they say nothing.

    `enabled` and `disabled` decide `off` and `unavailable`: both are empty where these two do not apply.
    """

    run_name: str | None = None
    client_version: str | None = None
    command: str | None = None
    # seconds
    duration: float | None = None
    analyzers: tuple[AnalyzerInfo, ...] = ()
    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ArchiveSurvey:
    """What is in an archive, without having read the result files. Paths are not trimmed.

    `sources` are the contents that came with it; `content_hashes` (SHA-256, 64 hex digits) also name those that the
    server is to have already.
    """

    result_files: tuple[ResultEntry, ...]
    sources: Mapping[str, SourceEntry]
    content_hashes: Mapping[str, str]
    metadata: StoreMetadata
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """How result files are read.

    `reviewed` is a folder that has the contents in which review comments may be, by their SHA-256 (hex).
    """

    trim_path_prefixes: tuple[str, ...] = ()
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    reviewed: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedChunk:
    """Some result files as rows for COPY (text format) into staged_report and staged_file.

    `diagnostics` counts what the readable files have; of them `skipped` fell to a skip file and `duplicates` were in
    this chunk before. `checkers` are (analyzer, checker) of all of them, the skipped ones too. `faults` are
    (entry name, what is wrong) of the files that could not be read; they have no rows. `needs_sources` are the paths
    without whose contents a report hash cannot be computed: the rows are not to be used, the call is to be repeated
    with them. `sourceless` are the paths that reports name and content_hashes.json does not. `contradictions` tell of
    review comments that say different things of a report, `malformed` of comments that were meant to be reviews.
    """

    reports: bytes
    report_rows: int
    files: bytes
    file_rows: int
    diagnostics: int
    duplicates: int
    skipped: int
    checkers: frozenset[tuple[str, str]]
    faults: tuple[tuple[str, str], ...]
    needs_sources: frozenset[str]
    sourceless: frozenset[str]
    contradictions: tuple[str, ...] = ()
    malformed: frozenset[str] = frozenset()
