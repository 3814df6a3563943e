"""The local spool: what is kept is whole, what is not kept leaves nothing."""

import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from storaged.errors import SpoolOfAnother, UploadIncomplete, UploadTooLarge
from storaged.model import Token
from storaged.spool.local import GATHER, UNCLAIMED_SECONDS, LocalSpool

TOKEN = Token("a" * 64)
DATABASE = uuid4()


@pytest.fixture
async def spool(tmp_path: Path) -> LocalSpool:
    spool = LocalSpool(tmp_path)
    await spool.prepare(DATABASE)
    return spool


def files(folder: Path) -> list[str]:
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != "database")


async def body(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


async def test_a_kept_upload_has_all_its_bytes_and_its_digest(spool: LocalSpool, tmp_path: Path) -> None:
    pieces = [os.urandom(GATHER // 3) for _ in range(7)]
    async with spool.receive(body(*pieces), limit=GATHER * 10) as spooled:
        await spool.keep(spooled, TOKEN)
    data = b"".join(pieces)
    assert (spooled.size, spooled.sha256) == (len(data), sha256(data).digest())
    assert spool.path(TOKEN).read_bytes() == data
    assert files(tmp_path) == [f"{TOKEN}.zip"]


async def test_an_upload_that_is_not_kept_is_removed(spool: LocalSpool, tmp_path: Path) -> None:
    async with spool.receive(body(b"data"), limit=10):
        pass
    assert files(tmp_path) == []


async def test_an_upload_over_the_limit_is_refused_and_removed(spool: LocalSpool, tmp_path: Path) -> None:
    with pytest.raises(UploadTooLarge, match="larger than 10 bytes"):
        async with spool.receive(body(b"12345", b"678901"), limit=10):
            pass
    assert files(tmp_path) == []


async def test_an_upload_that_breaks_off_is_removed(spool: LocalSpool, tmp_path: Path) -> None:
    with pytest.raises(UploadIncomplete):
        async with spool.receive(body(b"12345", error=UploadIncomplete("gone")), limit=10):
            pass
    assert files(tmp_path) == []


async def test_only_old_leftovers_are_swept(spool: LocalSpool, tmp_path: Path) -> None:
    old, young = tmp_path / "incoming" / "old", tmp_path / "incoming" / "young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert await spool.sweep_incoming() == 1
    assert files(tmp_path) == ["incoming/young"]


async def test_a_fresh_upload_is_not_offered_for_pruning(spool: LocalSpool) -> None:
    spool.path(TOKEN).write_bytes(b"zip")
    assert await spool.tokens() == []
    age = spool.path(TOKEN).stat().st_mtime - UNCLAIMED_SECONDS - 1
    os.utime(spool.path(TOKEN), (age, age))
    assert await spool.tokens() == [TOKEN]


async def test_deleting_twice_is_harmless(spool: LocalSpool) -> None:
    spool.path(TOKEN).write_bytes(b"zip")
    await spool.delete(TOKEN)
    await spool.delete(TOKEN)
    assert not await spool.has(TOKEN)


async def test_a_spool_serves_the_database_that_used_it_first(spool: LocalSpool, tmp_path: Path) -> None:
    await LocalSpool(tmp_path).prepare(DATABASE)
    with pytest.raises(SpoolOfAnother, match=f"another database .{DATABASE}"):
        await LocalSpool(tmp_path).prepare(uuid4())
