"""From report folders to a job: scan, hash, ask what is missing, stream the archive."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from .client import Client, JsonObject, Query
from .errors import GaveUp, Interrupted, StorectlError, WaitTimedOut
from .pack import Archive
from .patience import Deadline, Silence, reach, within
from .progress import Progress
from .retries import is_passing, persist
from .scan import ReportFolder, ResultFile, scan_result_files
from .sources import Source, hash_sources
from .version import client_name

AGAIN = "The same command tries again; to store twice does no harm."
NOT_STORED = "nothing was stored."
COMPARED = "Waiting until it is compared"
MISSING = "Asking which sources are missing"


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to store, as it was found on disk."""

    folders: Sequence[ReportFolder]
    results: Sequence[ResultFile]
    sources: dict[str, Source]

    @property
    def missing(self) -> list[str]:
        """Sources that are named but cannot be read."""
        return [path for path, source in self.sources.items() if source.digest is None]

    @property
    def newer(self) -> list[str]:
        """Sources that changed after the results that name them were written: lines may not fit any more."""
        return sorted(
            {
                path
                for result in self.results
                for path in result.sources
                if self.sources[path].changed_ns > result.changed_ns
            }
        )


def look(folders: Sequence[ReportFolder], jobs: int, progress: Progress) -> Findings:
    """Scan the result files and hash what they name, in `jobs` threads."""
    progress.step("Scanning result files", sum(len(folder.files) for folder in folders))
    results = scan_result_files(folders, jobs, progress.done)
    names = frozenset[str]().union(*(result.sources for result in results))
    progress.step("Hashing sources", len(names))
    return Findings(folders, results, hash_sources(names, jobs, progress.done))


def plan(client: Client, found: Findings, progress: Progress, deadline: Deadline) -> Archive:
    """What a store would send, once the daemon has said which sources it lacks."""
    progress.step(MISSING)
    digests = sorted({source.digest for source in found.sources.values() if source.digest is not None})
    lacking = reach(partial(client.missing_contents, digests), deadline, progress.note)
    return Archive(client_name(), found.folders, found.results, found.sources, _wanted(found, lacking))


def measure(archive: Archive, progress: Progress) -> None:
    """Make the archive and throw it away, so that it knows its size."""
    progress.step("Measuring the upload", archive.total, in_bytes=True)
    for _ in archive:
        progress.done(archive.packed)


def send(
    client: Client, query: Query, found: Findings, progress: Progress, deadline: Deadline
) -> tuple[JsonObject, list[str]]:
    """The job of the store, and the sources that were gone when they were to be sent.

    Raises WaitTimedOut, GaveUp and Interrupted, which say what became of the upload.
    """
    course = Course(deadline)
    with course.told():
        archive = plan(client, found, progress, deadline)
        course.archive = archive
        return _upload(client, query, archive, progress, deadline), archive.vanished


class Course:
    """How far a store came: no further than the question it is asking while there is no archive."""

    def __init__(self, deadline: Deadline, question: str = MISSING) -> None:
        self.archive: Archive | None = None
        self.question = question
        self._deadline = deadline

    @contextmanager
    def told(self) -> Iterator[None]:
        """What ends a store before there is a job says how far it came, and how to go on."""
        try:
            yield
        except KeyboardInterrupt as error:
            raise Interrupted(f"Interrupted: {self._outcome}") from error
        except WaitTimedOut as error:
            spent = f"{self._doing} took until the {self._deadline.patience.timeout:g} s of --timeout were over."
            raise WaitTimedOut(f"{spent} {error.message}\n{_capitalized(self._outcome)} {AGAIN}") from error
        except GaveUp as error:
            raise GaveUp(f"{error.message} {_capitalized(self._outcome)} {AGAIN}") from error

    @property
    def _doing(self) -> str:
        if self.archive is None:
            return self.question
        return f"The upload ({self.archive.packed / 1e6:,.1f} of {self.archive.total / 1e6:,.1f} MB)"

    @property
    def _outcome(self) -> str:
        if self.archive is None or not self.archive.finished:
            return NOT_STORED
        return "the upload went out whole, so the daemon may store it; `storectl jobs` lists it then."


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def _upload(client: Client, query: Query, archive: Archive, progress: Progress, deadline: Deadline) -> JsonObject:
    """When the connection breaks or the daemon is busy it is tried again, under one Idempotency-Key, for `give_up`.

    So an upload that did arrive is not stored twice. Between two tries a daemon that is away is waited for by a small
    question: a proxy before it may take a whole upload before it says that nobody is there.
    """
    key = str(uuid.uuid4())
    setbacks = Setbacks(deadline, progress)
    while True:
        try:
            return client.store(query, _watched(archive, progress), key, deadline.left)
        except StorectlError as error:
            pause = setbacks.add(error)
        time.sleep(pause)
        reach(partial(client.missing_contents, []), deadline, progress.note, silence=setbacks.silence)


class Setbacks:
    """Uploads that did not go through, from the first one on: for how long they are tried again."""

    def __init__(self, deadline: Deadline, progress: Progress) -> None:
        self.silence = Silence(deadline.patience.give_up, deadline, "the upload did not go through")
        self._deadline = deadline
        self._progress = progress
        self._told = ""

    def add(self, error: StorectlError) -> float:
        """The seconds to wait before the next try. Raises the error when that cannot help, WaitTimedOut, GaveUp."""
        if not is_passing(error):
            raise error
        if self._deadline.left <= 0:
            raise WaitTimedOut(error.message) from error
        # Not that of the upload, which may have taken longer than all patience: its end is where the silence begins.
        self.silence.ask()
        pause = self.silence.goes_on(error)
        if error.message != self._told:
            self._told = error.message
            self._progress.note(f"{error.message}\nTrying again{within(self.silence.give_up)}.")
        return pause


def compare(client: Client, query: Query, found: Findings, progress: Progress) -> list[JsonObject]:
    """The reports of a diff with what was found; of the sources only those are sent that hashes are made of, and those
    in which review comments may be.

    It changes nothing there, so it is tried again like a store.
    """
    wanted = _needed(found) | {path for path, source in found.sources.items() if source.reviewed}
    archive = Archive(client_name(), found.folders, found.results, found.sources, wanted)
    return persist(lambda: client.diff_archive(query, _watched(archive, progress, COMPARED)), is_passing, progress.note)


def _needed(found: Findings) -> set[str]:
    """The sources that the daemon needs at hand to compute report hashes."""
    return {path for result in found.results if result.needs_sources for path in result.sources}


def _wanted(found: Findings, lacking: set[str]) -> set[str]:
    """The sources to send: what the daemon lacks, and what it needs at hand to compute report hashes."""
    return _needed(found) | {path for path, source in found.sources.items() if source.digest in lacking}


def _watched(archive: Archive, progress: Progress, then: str = "Waiting until the upload is safe") -> Iterator[bytes]:
    progress.step("Uploading", archive.total, in_bytes=True)
    for chunk in archive:
        progress.done(archive.packed)
        yield chunk
    progress.step(then)
