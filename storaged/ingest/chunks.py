"""Parses some result files of an archive into rows for COPY; a chunk is one call of a worker process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from storaged.errors import BadArchive, BadResultFile
from storaged.ingest.archive import Archive, open_archive
from storaged.ingest.comments import MalformedComment, ReviewComment, comments_above, comments_on
from storaged.ingest.copy_text import bytea_field, json_field, row, text_field, uuids_field
from storaged.ingest.hashes import md5_hex, path_hash, report_hash, source_lines, stored_hash
from storaged.ingest.layout import READABLE_SUFFIXES, Read, ReportFolder
from storaged.ingest.paths import resolve, trimmer
from storaged.ingest.pieces import CutFile, cut, fingerprint, numbers_are_plain
from storaged.ingest.plist import (
    Diagnostic,
    Malformed,
    ResultFile,
    Span,
    positions_between,
    read_diagnostic,
    read_plist,
)
from storaged.ingest.plistlib_layout import read_written
from storaged.ingest.review_file import FindReview, Review, finder
from storaged.ingest.values import ArchiveSurvey, ParsedChunk, ParseOptions, ResultEntry

# What a result file costs beside its bytes, in bytes.
ENTRY_COST: Final = 8 << 10
# Chunks for each worker, so that none is idle for long while another has the last one.
CHUNKS_EACH: Final = 4
# Sources kept while report hashes are computed from them.
SOURCES_KEPT: Final = 8
# Pieces and path hashes of a store that a process remembers, some 180 MB of them.
REMEMBERED: Final = 1_000_000
UNKNOWN: Final = "unknown"


def warm_up() -> None:
    """Read an empty result file: a worker that has done it has imported all that parsing needs."""
    read_plist("warm-up.plist", b"<plist><dict><key>diagnostics</key><array/><key>files</key><array/></dict></plist>")


def plan_chunks(survey: ArchiveSurvey, workers: int, target_bytes: int) -> list[tuple[ResultEntry, ...]]:
    """Divide the result files, in their order, into chunks of at most about `target_bytes`, enough for all workers."""
    costs = [entry.size + ENTRY_COST for entry in survey.result_files]
    target = min(target_bytes, sum(costs) // (workers * CHUNKS_EACH) + 1)
    chunks: list[list[ResultEntry]] = []
    filled = target
    for entry, cost in zip(survey.result_files, costs, strict=True):
        if filled + cost > target and filled:
            chunks.append([])
            filled = 0
        chunks[-1].append(entry)
        filled += cost
    return [tuple(chunk) for chunk in chunks]


@dataclass(slots=True)
class Seen:
    """What a process saw of a store: fingerprints of pieces and path hashes, each with the ordinal that it first had.

    What comes again behind it need not be read, or staged, again. In front of it it must: of reports with one path hash
    the merge takes the first one, whichever process has it.
    """

    pieces: dict[bytes, int] = field(default_factory=dict)
    # Those that fell to a skip file.
    skipped: set[bytes] = field(default_factory=set)
    path_hashes: dict[str, int] = field(default_factory=dict)
    # Beyond so many pieces and path hashes nothing is remembered.
    most: int = REMEMBERED

    def update(self, other: "Seen") -> None:
        """Nothing is added when it is full: what comes again is read and staged again then."""
        if len(self.pieces) + len(self.path_hashes) >= self.most:
            return
        self.pieces.update(other.pieces)
        self.skipped |= other.skipped
        self.path_hashes.update(other.path_hashes)


def parse_chunk(
    archive_path: str,
    lease: str,
    entries: Sequence[ResultEntry],
    options: ParseOptions,
    sources: Mapping[str, str | None],
    *,
    seen: Seen | None = None,
) -> ParsedChunk:
    """Parse result files into rows under the lease, a uuid.

    `sources` are local files with contents that are not in the archive, by path; None: there is none to be had. `seen`
    is what other chunks left whose rows are staged under the same lease; it is added to. Raises
    BadArchive; what is wrong with single result files is in the answer's `faults`.
    """
    archive = open_archive(archive_path, options.limits)
    with archive.reader() as read:
        files, comments = _Files(trimmer(options.trim_path_prefixes)), _Comments(archive.survey, options.reviewed)
        chunk = _Chunk(lease, archive, files, _Sources(archive, read, sources), comments, seen or Seen())
        for entry in entries:
            try:
                chunk.add(entry, _unpack(entry, read))
            except BadResultFile as fault:
                chunk.faults.append((fault.entry, fault.detail))
    return chunk.parsed()


def _unpack(entry: ResultEntry, read: Read) -> bytes:
    if not entry.name.endswith(READABLE_SUFFIXES):
        raise BadResultFile(entry.name, "SARIF is not supported yet; convert it to plist with report-converter")
    try:
        return read(entry.name)
    except BadArchive as error:  # only this entry is damaged
        raise BadResultFile(entry.name, str(error).removeprefix(f"{entry.name}: ")) from error


class _File(NamedTuple):
    """A file that reports name: where the analysis saw it, and what it is stored as."""

    path: str
    trimmed: str
    id: str


FileByNumber = Callable[[int], _File]


@dataclass(slots=True)
class _Files:
    """The files of a chunk by their paths; many result files name the same headers."""

    trim: Callable[[str], str]
    known: dict[str, _File] = field(default_factory=dict)

    def of(self, entry: ResultEntry, result: ResultFile) -> FileByNumber:
        """A function that finds a file of a result file by its number."""
        found: dict[int, _File] = {}

        def file(number: int) -> _File:
            if number not in found:
                found[number] = self._file(resolve(result.files[number], entry.origin))
            return found[number]

        return file

    def _file(self, path: str) -> _File:
        if path not in self.known:
            trimmed = self.trim(path)
            self.known[path] = _File(path, trimmed, md5_hex(trimmed))
        return self.known[path]


class _Sources:
    """The sources from which missing report hashes are computed, the last few kept."""

    def __init__(self, archive: Archive, read: Read, given: Mapping[str, str | None]) -> None:
        self._survey = archive.survey
        self._read = read
        self._given = given
        self._lines = lru_cache(SOURCES_KEPT)(self._read_lines)
        self.needed: set[str] = set()

    def line(self, path: str, number: int) -> str:
        """A line with its end, counted from 1; empty when there is no such line."""
        lines = self._lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def _read_lines(self, path: str) -> list[str]:
        entry = self._survey.sources.get(path)
        if entry is not None:
            return source_lines(self._read(entry.name))
        if path in self._given:
            local = self._given[path]
            return source_lines(Path(local).read_bytes()) if local is not None else []
        if path in self._survey.content_hashes:
            self.needed.add(path)
        return []


class _Comments:
    """The review comments in sources, of which the last few are kept."""

    def __init__(self, survey: ArchiveSurvey, folder: str | None) -> None:
        self._hashes = survey.content_hashes
        self._folder = folder
        self._unreviewed: set[str] = set()
        self._lines = lru_cache(SOURCES_KEPT)(_lines_of)
        self.malformed: set[str] = set()

    def above(self, path: str, line: int) -> list[ReviewComment]:
        """Those above a line; none where one is malformed."""
        if path in self._unreviewed:
            return []
        content = self._content(path)
        if content is None:
            self._unreviewed.add(path)
            return []
        try:
            return comments_above(self._lines(content), line)
        except MalformedComment as malformed:
            self.malformed.add(f"{path}:{malformed.line}: {malformed}")
            return []

    def _content(self, path: str) -> Path | None:
        digest = self._hashes.get(path)
        if self._folder is None or digest is None:
            return None
        content = Path(self._folder, digest)
        return content if content.exists() else None


def _lines_of(content: Path) -> list[str]:
    return source_lines(content.read_bytes())


class _Rules(NamedTuple):
    """What a report folder says, made ready to be asked often."""

    checker_to_analyzer: Mapping[str, str]
    skipped: Callable[[str], bool]
    review: FindReview


@dataclass(slots=True)
class _Chunk:
    """What has been parsed so far."""

    lease: str
    archive: Archive
    files: _Files
    sources: _Sources
    comments: _Comments
    before: Seen
    seen: Seen = field(default_factory=Seen)
    rules: dict[str, _Rules] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    named: set[_File] = field(default_factory=set)
    checkers: set[tuple[str, str]] = field(default_factory=set)
    faults: list[tuple[str, str]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    diagnostics: int = 0
    duplicates: int = 0
    skipped: int = 0

    def add(self, entry: ResultEntry, data: bytes) -> None:
        """Add a result file, or nothing of it: raises BadResultFile."""
        pieces = cut(data)
        if pieces is None or not self._add_pieces(entry, pieces):
            self._add_whole(entry, read_plist(entry.name, data))

    def _add_whole(self, entry: ResultEntry, result: ResultFile) -> None:
        file = self.files.of(entry, result)
        for number, diagnostic in enumerate(result.diagnostics):
            self._add_diagnostic(entry, number, result, diagnostic, file)
        self.diagnostics += len(result.diagnostics)

    def _add_pieces(self, entry: ResultEntry, cut_file: CutFile) -> bool:
        """False when one is malformed, or odd: the file is to be read whole then, which tells where it is wrong."""
        file = self.files.of(entry, cut_file.frame)
        try:
            prints = self._fingerprints(entry, cut_file, file)
            fresh = self._read_fresh(entry, cut_file, prints)
        except (Malformed, IndexError):
            return False
        for number, print_ in enumerate(prints):
            diagnostic = fresh.pop(print_, None)
            if diagnostic is None:
                self._count_again(print_)
                continue
            self.seen.pieces[print_] = _ordinal(entry, number)
            if self._add_diagnostic(entry, number, cut_file.frame, diagnostic, file):
                self.seen.skipped.add(print_)
        self.diagnostics += len(prints)
        return True

    def _fingerprints(self, entry: ResultEntry, cut_file: CutFile, file: FileByNumber) -> list[bytes]:
        """They have what a report depends on beside its piece, too. Raises IndexError for a file that is not there."""
        about = f"{entry.directory}\0{cut_file.frame.analyzer}".encode()
        paths: dict[bytes, bytes] = {}

        def path(number: bytes) -> bytes:
            if number not in paths:
                paths[number] = file(int(number)).path.encode()
            return paths[number]

        return [fingerprint(about, piece, path) for piece in cut_file.diagnostics]

    def _read_fresh(self, entry: ResultEntry, cut_file: CutFile, prints: Sequence[bytes]) -> dict[bytes, Diagnostic]:
        fresh: dict[bytes, Diagnostic] = {}
        for number, (print_, piece) in enumerate(zip(prints, cut_file.diagnostics, strict=True)):
            ordinal = _ordinal(entry, number)
            known = self.seen.pieces.get(print_, self.before.pieces.get(print_, ordinal))
            if known >= ordinal and print_ not in fresh:
                fresh[print_] = _read_piece(piece, len(cut_file.frame.files))
        return fresh

    def _count_again(self, print_: bytes) -> None:
        if print_ in self.seen.skipped or print_ in self.before.skipped:
            self.skipped += 1
        else:
            self.duplicates += 1

    def _add_diagnostic(
        self, entry: ResultEntry, number: int, result: ResultFile, diagnostic: Diagnostic, file: FileByNumber
    ) -> bool:
        """Whether it is skipped."""
        rules = self._rules(entry.directory)
        analyzer = _analyzer(diagnostic.checker, rules.checker_to_analyzer, result)
        self.checkers.add((analyzer, diagnostic.checker))
        if rules.skipped(file(diagnostic.at.file).path):
            self.skipped += 1
            return True
        self._add_report(_ordinal(entry, number), analyzer, diagnostic, file, rules.review)
        return False

    def parsed(self) -> ParsedChunk:
        if not self.sources.needed:
            # Otherwise the rows are not used: all is to come again.
            self.before.update(self.seen)
        hashes = self.archive.survey.content_hashes
        files = {
            file.id: (file.trimmed, hashes.get(file.path)) for file in sorted(self.named, key=_hashed_last(hashes))
        }
        return ParsedChunk(
            reports="".join(self.rows).encode(),
            report_rows=len(self.rows),
            files="".join(_file_row(self.lease, file_id, *file) for file_id, file in files.items()).encode(),
            file_rows=len(files),
            diagnostics=self.diagnostics,
            duplicates=self.duplicates,
            skipped=self.skipped,
            checkers=frozenset(self.checkers),
            faults=tuple(self.faults),
            needs_sources=frozenset(self.sources.needed),
            contradictions=tuple(self.contradictions),
            malformed=frozenset(self.comments.malformed),
            sourceless=frozenset(file.path for file in self.named if file.path not in hashes),
        )

    def _rules(self, directory: str) -> _Rules:
        if directory not in self.rules:
            folder = self.archive.folders.get(directory, ReportFolder())
            self.rules[directory] = _Rules(
                folder.metadata.checker_to_analyzer(), folder.skip.matcher(), finder(folder.reviews)
            )
        return self.rules[directory]

    def _add_report(
        self, ordinal: int, analyzer: str, diagnostic: Diagnostic, file: FileByNumber, find: FindReview
    ) -> None:
        of_report = diagnostic.report_hash or self._computed_hash(diagnostic, file)
        events = ((e.at.line, e.at.column, e.message, file(e.at.file).trimmed) for e in diagnostic.events)
        of_path = path_hash(events, diagnostic.annotations, diagnostic.checker, of_report)
        known = self.seen.path_hashes.get(of_path, self.before.path_hashes.get(of_path, ordinal))
        if known < ordinal:
            self.duplicates += 1
            return
        self.seen.path_hashes[of_path] = ordinal
        used = {file(diagnostic.at.file): 0}
        steps = _steps(diagnostic, file, used)
        self.named.update(used)
        stored, foreign = stored_hash(of_report)
        head = (self.lease, str(ordinal), stored, of_path, file(diagnostic.at.file).id)
        review = self._review(diagnostic, file(diagnostic.at.file).path, find, of_report)
        own, path = _own_fields(diagnostic, analyzer, foreign), _path_fields(used, steps)
        self.rows.append(row((*head, *own, *path, *_review_fields(review))))

    def _review(self, diagnostic: Diagnostic, path: str, find: FindReview, report_hash: str) -> Review | None:
        """A comment goes before the folder's review file; two that contradict each other are none."""
        line, checker = diagnostic.at.line, diagnostic.checker
        comments = comments_on(self.comments.above(path, line), checker)
        if len(comments) > 1:
            said = " and ".join(f"{comment.status} (line {comment.line})" for comment in comments)
            self.contradictions.append(f"{path}:{line}: {checker}: comments above it say both {said}")
        elif comments:
            return Review(comments[0].status, comments[0].message, in_source=True)
        return find(path, checker, report_hash)

    def _computed_hash(self, diagnostic: Diagnostic, file: FileByNumber) -> str:
        last = diagnostic.events[-1].at
        return report_hash(
            file(diagnostic.at.file).path,
            diagnostic.checker,
            diagnostic.message,
            source_line=self.sources.line(file(last.file).path, last.line),
            column=last.column,
            position_columns=chain.from_iterable((span.column, span.end_column) for span in diagnostic.positions),
        )


def _read_piece(piece: bytes, files: int) -> Diagnostic:
    """Raises Malformed also for one whose fingerprint could be that of another."""
    written = read_written(piece, files)
    if written is not None:
        return written
    if not numbers_are_plain(piece):
        raise Malformed("its numbers of files are not laid out as plistlib and Clang do")
    return read_diagnostic(piece, files)


def _ordinal(entry: ResultEntry, number: int) -> int:
    """The place of a diagnostic in the store."""
    return entry.index << 32 | number


def _analyzer(checker: str, checker_to_analyzer: Mapping[str, str], result: ResultFile) -> str:
    """Whose a report is: the metadata knows best, then the result file."""
    of_clang = "clang-tidy" if checker.startswith("clang-diagnostic-") else UNKNOWN
    return checker_to_analyzer.get(checker) or result.analyzer or of_clang


def _own_fields(diagnostic: Diagnostic, analyzer: str, foreign_hash: str | None) -> tuple[str | None, ...]:
    """The fields from line to annotations."""
    return (
        str(diagnostic.at.line),
        str(diagnostic.at.column),
        str(len(diagnostic.events)),
        text_field(analyzer),
        text_field(diagnostic.checker),
        text_field(diagnostic.message),
        None if foreign_hash is None else text_field(foreign_hash),
        json_field(diagnostic.stored_annotations) if diagnostic.stored_annotations else None,
    )


def _path_fields(used: Iterable[_File], steps: str | None) -> tuple[str | None, str | None]:
    """The fields files and steps."""
    return (None, None) if steps is None else (uuids_field(file.id for file in used), steps)


def _review_fields(review: Review | None) -> tuple[str | None, str | None, str | None]:
    """The fields of status, message and whether it is in the source."""
    if review is None:
        return None, None, None
    return str(review.status), text_field(review.message), "t" if review.in_source else "f"


def _steps(diagnostic: Diagnostic, file: FileByNumber, used: dict[_File, int]) -> str | None:
    """The bug path as a field of jsonb, in which files are numbers in `used`; it is completed here.

    None for a path that tells nothing new: one event at the report's place with the report's message.
    """
    positions = diagnostic.positions or positions_between(diagnostic.events)
    if _is_plain(diagnostic) and not positions:
        return None

    def place(span: Span) -> tuple[int, int, int, int, int]:
        return used.setdefault(file(span.file), len(used)), span.line, span.column, span.end_line, span.end_column

    return json_field(
        {
            "events": [(*place(event.span), event.message) for event in diagnostic.events],
            "positions": [place(span) for span in positions],
            "extended": [(extra.kind, *place(extra.span), extra.message) for extra in diagnostic.extended],
        }
    )


def _is_plain(diagnostic: Diagnostic) -> bool:
    if len(diagnostic.events) != 1 or diagnostic.extended:
        return False
    line, column, file = diagnostic.at
    only = diagnostic.events[0]
    return only.message == diagnostic.message and only.span == (file, line, column, line, column)


def _hashed_last(hashes: Mapping[str, str]) -> Callable[[_File], tuple[bool, str]]:
    """An order in which, of several paths that are trimmed to one, one with a content comes last."""
    return lambda file: (file.path in hashes, file.path)


def _file_row(lease: str, file_id: str, path: str, digest: str | None) -> str:
    return row((lease, file_id, text_field(path), None if digest is None else bytea_field(digest)))
