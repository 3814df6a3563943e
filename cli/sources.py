"""Hash the source files that the result files name."""

import hashlib
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .batches import in_batches

BLOCK_SIZE = 1 << 18
REVIEW_SIGN = b"codechecker_"


@dataclass(frozen=True, slots=True)
class Source:
    """A source file: `digest` is SHA-256 in hex; None when it cannot be read, and then it is stored without source."""

    path: str
    digest: str | None
    size: int
    changed_ns: int
    # It may have review comments.
    reviewed: bool = False


def hash_sources(paths: Iterable[str], jobs: int, seen: Callable[[int], None] = lambda _: None) -> dict[str, Source]:
    """Hash all, `jobs` at a time; the answer is in the order of the names. `seen` is told how many are done."""
    found: dict[str, Source] = {}
    for batch in in_batches(sorted(paths), jobs, _hash_batch):
        found.update((source.path, source) for source in batch)
        seen(len(found))
    return found


def _hash_batch(paths: Sequence[str]) -> list[Source]:
    return [hash_source(path) for path in paths]


def hash_source(path: str) -> Source:
    """Only regular files are read: a device or a pipe that a result file names would never end.

    A name that no archive can bear (not UTF-8, or with a backslash) is as good as no file.
    """
    try:
        if b"\\" in path.encode():
            return Source(path, None, 0, 0)
        state = Path(path).stat()
        if not stat.S_ISREG(state.st_mode):
            return Source(path, None, 0, 0)
        with Path(path).open("rb") as file:
            digest, reviewed = _digest(file)
    except (OSError, ValueError):
        return Source(path, None, 0, 0)
    return Source(path, digest, state.st_size, state.st_mtime_ns, reviewed)


def _digest(file: BinaryIO) -> tuple[str, bool]:
    """SHA-256 in hex, and whether the sign of review comments is in it."""
    hasher = hashlib.sha256()
    reviewed = False
    end = b""
    while block := file.read(BLOCK_SIZE):
        hasher.update(block)
        reviewed = reviewed or REVIEW_SIGN in block or REVIEW_SIGN in end + block[: len(REVIEW_SIGN)]
        end = block[-len(REVIEW_SIGN) :]
    return hasher.hexdigest(), reviewed
