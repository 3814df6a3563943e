"""From report folders to a job: scan, hash, ask what is missing, stream the archive."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .client import Client, JsonObject, Query
from .errors import Interrupted
from .pack import Archive
from .progress import Progress
from .retries import is_busy, is_passing, persist
from .scan import ReportFolder, ResultFile, scan_result_files
from .sources import Source, hash_sources
from .version import client_name

COMPARED = "Waiting until it is compared"


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


def plan(client: Client, found: Findings, progress: Progress) -> Archive:
    """What a store would send, once the daemon has said which sources it lacks."""
    progress.step("Asking which sources are missing")
    digests = sorted({source.digest for source in found.sources.values() if source.digest is not None})
    lacking = persist(lambda: client.missing_contents(digests), is_busy, progress.note)
    return Archive(client_name(), found.folders, found.results, found.sources, _wanted(found, lacking))


def measure(archive: Archive, progress: Progress) -> None:
    """Make the archive and throw it away, so that it knows its size."""
    progress.step("Measuring the upload", archive.total, in_bytes=True)
    for _ in archive:
        progress.done(archive.packed)


def send(client: Client, query: Query, found: Findings, progress: Progress) -> tuple[JsonObject, list[str]]:
    """The job of the store, and the sources that were gone when they were to be sent.

    When the connection breaks or the daemon is busy it is tried again, a few times, under one Idempotency-Key: an
    upload that did arrive is not stored twice.
    """
    archive = plan(client, found, progress)
    key = str(uuid.uuid4())
    try:
        job = persist(lambda: client.store(query, _watched(archive, progress), key), is_passing, progress.note)
    except KeyboardInterrupt as error:
        if archive.finished:
            raise Interrupted("Interrupted after the last byte was sent: the daemon may store it.") from error
        raise
    return job, archive.vanished


def compare(client: Client, query: Query, found: Findings, progress: Progress) -> list[JsonObject]:
    """The reports of a diff with what was found; of the sources only those are sent that hashes are made of.

    It changes nothing there, so it is tried again like a store.
    """
    archive = Archive(client_name(), found.folders, found.results, found.sources, _needed(found))
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
