"""Large contents go from the worker to the database, and back, without being whole in the daemon."""

import random
import zlib
from hashlib import sha256
from pathlib import Path

import pytest

from storaged.database.engine import Engine
from storaged.ingest.handover import INLINE_BYTES, Places, Upload, pack_contents, plan_store
from storaged.ingest.values import ArchiveLimits
from storaged.model import ProductId
from storaged.store import contents
from tests.archives import content_hashes, write_archive

PRODUCT = ProductId(1)


def upload_of(folder: Path, sources: dict[str, bytes]) -> Upload:
    entries: dict[str, bytes | str] = {f"root{path}": data for path, data in sources.items()}
    archive = write_archive(folder / "upload.zip", entries | {"content_hashes.json": content_hashes(sources)})
    scratch = folder / "scratch"
    scratch.mkdir()
    return Upload(str(archive), ArchiveLimits(), str(scratch))


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def test_small_contents_come_as_they_are_and_large_ones_in_a_file(tmp_path: Path) -> None:
    upload = upload_of(tmp_path, {"/a.c": b"int a;", "/big.c": noise(INLINE_BYTES + 1)})
    small = pack_contents(upload, Places(0, 1))
    assert isinstance(small, tuple)
    assert [content.hash for content in small] == [sha256(b"int a;").digest()]
    file = pack_contents(upload, Places(1, 2))
    assert isinstance(file, Path)
    assert file.parent == Path(upload.folder)


def test_batches_of_sources_are_cut_by_their_size_and_cover_all_of_them_once(tmp_path: Path) -> None:
    sources = {f"/{number}.c": noise(1 << 20, number) for number in range(9)} | {"/last.c": b""}
    batches = plan_store(upload_of(tmp_path, sources), workers=2).batches
    assert [place for batch in batches for place in range(*batch)] == list(range(10))
    assert len(batches) == 3


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, 3 * INLINE_BYTES + 17])
async def test_a_content_that_was_handed_over_in_a_file_reads_back_in_pieces(
    engine: Engine, tmp_path: Path, size: int
) -> None:
    sources = {"/a.c": noise(size), "/b.c": noise(2 * INLINE_BYTES, 1)}
    file = pack_contents(upload_of(tmp_path, sources), Places(0, 2))
    assert isinstance(file, Path)
    async with engine.begin() as conn:
        assert await contents.copy_contents(conn, PRODUCT, file) == 2
    async with engine.begin() as conn:
        assert await contents.copy_contents(conn, PRODUCT, file) == 0
    for data in sources.values():
        async with engine.connect() as conn:
            pieces = [piece async for piece in contents.packed_pieces(conn, PRODUCT, sha256(data).digest())]
        assert zlib.decompress(b"".join(pieces)) == data
        assert max(map(len, pieces)) <= contents.PIECE_BYTES


async def test_a_content_that_is_not_there_has_no_pieces(engine: Engine) -> None:
    async with engine.connect() as conn:
        assert [piece async for piece in contents.packed_pieces(conn, PRODUCT, bytes(32))] == []


MANY_CONTENTS = """
INSERT INTO content (product_id, hash, size, data)
SELECT 1, sha256(n::text::bytea), 1, '-'
FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("name", ["missing_contents", "insert_contents", "insert_incoming"])
async def test_an_index_leads_to_each_content_though_the_table_was_never_analysed(engine: Engine, name: str) -> None:
    query = contents.QUERIES[name]
    hashes = [sha256(b"%d" % number).digest() for number in range(500)]
    rows = {"hashes": hashes, "sizes": [1] * 500, "reviewed": [False] * 500, "data": [b"-"] * 500}
    given = {"product": PRODUCT, **rows}
    async with engine.begin() as conn:
        await conn.execute("ALTER TABLE content SET (autovacuum_enabled = false)")
        await conn.execute(MANY_CONTENTS)
        await conn.execute(contents.QUERIES["create_incoming"].text)
        values = query.arguments({key: given[key] for key in query.parameters})
        plan = await conn.fetch(f"EXPLAIN {query.text}", *values)
    lines = "\n".join(row[0] for row in plan)
    assert "Index Scan using content_pkey on content c" in lines, lines
    assert "Join" not in lines, lines
