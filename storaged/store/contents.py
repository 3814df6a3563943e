"""Sources, stored once for each product by the SHA-256 of their bytes."""

from collections.abc import Sequence

from storaged.database.sql import Connection, load_queries
from storaged.model import Content, ProductId

QUERIES = load_queries("contents")


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
        data=[content.packed for content in contents],
    )


async def get_packed(conn: Connection, product: ProductId, content_hash: bytes) -> bytes | None:
    """The content's zlib stream, or None when the product has no such content."""
    packed: bytes | None = await QUERIES["get_content"].value(conn, product=product, hash=content_hash)
    return packed
