"""Sources, stored once for each product by the SHA-256 of their bytes."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from storaged.database.copy import copy_rows
from storaged.database.sql import Connection, load_queries
from storaged.model import Content, ProductId

QUERIES = load_queries("contents")

COLUMNS: Final = ("hash", "size", "reviewed", "data")
# As much of a content as is fetched at a time.
PIECE_BYTES: Final = 1 << 20


async def missing_contents(conn: Connection, product: ProductId, hashes: Sequence[bytes]) -> list[bytes]:
    """Those of the hashes (32 bytes each) whose content the product lacks."""
    rows = await QUERIES["missing_contents"].fetch(conn, product=product, hashes=hashes)
    return [row["hash"] for row in rows]


async def insert_contents(conn: Connection, product: ProductId, contents: Sequence[Content]) -> int:
    """Store contents that are not there yet; says how many were new."""
    return await QUERIES["insert_contents"].execute(
        conn,
        product=product,
        hashes=[content.hash for content in contents],
        sizes=[content.size for content in contents],
        reviewed=[content.reviewed for content in contents],
        data=[content.packed for content in contents],
    )


async def copy_contents(conn: Connection, product: ProductId, file: Path) -> int:
    """As `insert_contents`, of rows with the columns above in PostgreSQL's COPY binary format, however large.

    Needs a transaction of the caller's, for its temporary table.
    """
    await conn.execute(QUERIES["create_incoming"].text)
    await copy_rows(conn, "incoming_content", COLUMNS, file, encoding="binary")
    return await QUERIES["insert_incoming"].execute(conn, product=product)


async def has_reviewed(conn: Connection, product: ProductId) -> bool:
    """Whether the product has any content in which review comments may be."""
    return bool(await QUERIES["has_reviewed"].value(conn, product=product))


async def reviewed_contents(conn: Connection, product: ProductId, hashes: Sequence[bytes]) -> list[bytes]:
    """Those of the hashes whose content the product has, and in which review comments may be."""
    rows = await QUERIES["reviewed_contents"].fetch(conn, product=product, hashes=hashes)
    return [row["hash"] for row in rows]


async def packed_pieces(conn: Connection, product: ProductId, content_hash: bytes) -> AsyncIterator[bytes]:
    """The content's zlib stream in pieces; none when the product has no such content."""
    offset = 1
    while True:
        piece: bytes | None = await QUERIES["get_piece"].value(
            conn, product=product, hash=content_hash, offset=offset, length=PIECE_BYTES
        )
        if not piece:
            return
        yield piece
        offset += len(piece)
