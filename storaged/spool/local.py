"""Uploads on the local file system until they are stored: a folder with `incoming/` and one archive a token."""

import asyncio
import errno
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO
from uuid import UUID

from storaged.errors import SpoolFull, SpoolOfAnother, UploadTooLarge
from storaged.model import Token

# Bytes gathered before they go to a thread: a hop for each small chunk would cost more than the write.
GATHER = 1 << 20

# An entry without a job is left alone so long: another node may be about to insert the job.
UNCLAIMED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Spooled:
    """An upload that is whole and durable, but not yet named by a job."""

    path: Path
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class SpoolUse:
    """What the spool holds, uploads on their way included, and how much room its disk has."""

    uploads: int
    bytes: int
    free_bytes: int


class LocalSpool:
    """The spool of a single node, or of several that share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"

    async def prepare(self, database: UUID) -> None:
        """Make the folders, and bind them to the database whose jobs they are for. Raises SpoolOfAnother.

        Uploads without a job are swept: a node of another database would take all of them for such.
        """
        await asyncio.to_thread(self._incoming.mkdir, parents=True, exist_ok=True, mode=0o700)
        bound = await asyncio.to_thread(_bind, self._folder / "database", str(database))
        if bound != str(database):
            raise SpoolOfAnother(
                f"The spool {self._folder} has the uploads of another database ({bound}; this one is {database}). "
                "Use the database that it belongs to, or another --data-dir."
            )

    async def database(self) -> str | None:
        """The database that it is bound to, None when it is not there."""
        return await asyncio.to_thread(_read_binding, self._folder / "database")

    @asynccontextmanager
    async def receive(self, body: AsyncIterator[bytes], *, limit: int) -> AsyncIterator[Spooled]:
        """Write the body down, hashed and fsynced; whatever the block does not `keep` is removed at its end.

        Raises UploadTooLarge, SpoolFull, and whatever the body raises.
        """
        path = self._incoming / token_hex(16)
        try:
            yield await _write(path, body, limit)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def keep(self, spooled: Spooled, token: Token) -> Path:
        """Give the upload its token's name, durably."""
        return await asyncio.to_thread(self._keep, spooled, token)

    def path(self, token: Token) -> Path:
        """Where the archive of a token is, if it is there."""
        return self._folder / f"{token}.zip"

    async def has(self, token: Token) -> bool:
        return await asyncio.to_thread(self.path(token).is_file)

    async def delete(self, token: Token) -> None:
        """Remove the upload of a token; it may be gone already."""
        await asyncio.to_thread(self.path(token).unlink, missing_ok=True)

    async def tokens(self) -> list[Token]:
        """The tokens whose uploads are here and old enough that their job must be known, or will never be."""
        return await asyncio.to_thread(self._settled_tokens)

    async def use(self) -> SpoolUse:
        """How full it is; looks at every file, so do not ask often."""
        return await asyncio.to_thread(_measure, self._folder, self._incoming)

    async def sweep_incoming(self) -> int:
        """Remove what uploads left behind that nobody is writing any more; says how many."""
        return await asyncio.to_thread(_remove_old, self._incoming)

    def _keep(self, spooled: Spooled, token: Token) -> Path:
        path = self.path(token)
        spooled.path.rename(path)
        _sync_folder(self._folder)
        return path

    def _settled_tokens(self) -> list[Token]:
        return [Token(path.stem) for path in self._folder.glob("*.zip") if _age(path) > UNCLAIMED_SECONDS]


async def _write(path: Path, body: AsyncIterator[bytes], limit: int) -> Spooled:
    digest = hashlib.sha256()
    size = 0
    file = await asyncio.to_thread(path.open, "xb")
    try:
        async for piece in gathered(body, GATHER):
            size += len(piece)
            if size > limit:
                raise UploadTooLarge(f"The upload is larger than {limit} bytes, which is the limit of this server.")
            await asyncio.to_thread(_append, file, digest, piece)
        await asyncio.to_thread(_sync, file)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpoolFull("The server has no room for the upload now. Try again later.") from error
        raise
    finally:
        await asyncio.to_thread(file.close)
    return Spooled(path, size, digest.digest())


async def gathered(body: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The body in pieces of at least so many bytes, all but the last."""
    pieces: list[bytes] = []
    waiting = 0
    async for chunk in body:
        pieces.append(chunk)
        waiting += len(chunk)
        if waiting >= size:
            yield b"".join(pieces)
            pieces, waiting = [], 0
    if pieces:
        yield b"".join(pieces)


def _append(file: BinaryIO, digest: "hashlib._Hash", piece: bytes) -> None:
    digest.update(piece)
    file.write(piece)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _bind(marker: Path, name: str) -> str:
    """Write the name down, whole or not at all, unless there is one; the name that is there."""
    draft = marker.with_name(f"{marker.name}-{token_hex(8)}")
    draft.write_text(name, encoding="ascii")
    try:
        marker.hardlink_to(draft)
    except FileExistsError:
        return marker.read_text(encoding="ascii")
    finally:
        draft.unlink()
    return name


def _read_binding(marker: Path) -> str | None:
    try:
        return marker.read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _measure(folder: Path, incoming: Path) -> SpoolUse:
    sizes = [size for path in (*folder.glob("*.zip"), *incoming.iterdir()) if (size := _size(path)) is not None]
    return SpoolUse(len(sizes), sum(sizes), shutil.disk_usage(folder).free)


def _size(path: Path) -> int | None:
    """Bytes of the file; None when it went away meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _remove_old(folder: Path) -> int:
    old = [path for path in folder.iterdir() if _age(path) > UNCLAIMED_SECONDS]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _age(path: Path) -> float:
    """Seconds since the last write; nothing when the file went away meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
