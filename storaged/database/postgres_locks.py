"""Locks between processes (flock), which the kernel frees when the last holder ends, however it ends."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from storaged.errors import EmbeddedPostgresError

POLL_SECONDS = 0.02


class FileLock:
    """A held flock. It belongs to the open file: a process that inherits `descriptor` holds it as well."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def make_exclusive(self) -> bool:
        """Turn a shared lock into an exclusive one; False when somebody else holds it too."""
        return _flock(self.descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go of it, as far as this process is concerned."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def try_exclusive(path: Path) -> FileLock | None:
    """The exclusive lock on the file, or None when anybody holds it."""
    return _try_lock(path, fcntl.LOCK_EX)


def try_shared(path: Path) -> FileLock | None:
    """A shared lock on the file, or None when somebody holds it exclusively."""
    return _try_lock(path, fcntl.LOCK_SH)


@asynccontextmanager
async def wait_for_exclusive(path: Path, limit: float) -> AsyncIterator[FileLock]:
    """Hold the exclusive lock; raises EmbeddedPostgresError when it does not come free within `limit` seconds.

    It asks again and again instead of sleeping in flock(2), because a thread that sleeps there cannot be cancelled.
    """
    deadline = time.monotonic() + limit
    while (lock := try_exclusive(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"Another process has held {path} for {limit:.0f} seconds: it starts or stops the embedded PostgreSQL. "
                f"Find it with `fuser {path}` and wait for it, or end it."
            )
        await asyncio.sleep(POLL_SECONDS)
    with lock:
        yield lock


def _try_lock(path: Path, mode: int) -> FileLock | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"Cannot open the lock file {path}: {error.strerror}. "
            "Run storaged as the OS user that owns its data folder."
        ) from error
    lock = FileLock(descriptor)
    try:
        taken = _flock(descriptor, mode)
    except EmbeddedPostgresError:
        lock.close()
        raise
    if not taken:
        lock.close()
    return lock if taken else None


def _flock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The file system of the data folder takes no locks: {error.strerror}. Put the data folder on a local disk."
        ) from error
    return True
