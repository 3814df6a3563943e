"""Rows that are encoded for COPY already: small ones are bytes, large ones a file that is read piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

from storaged.database.sql import Connection

PIECE_BYTES = 1 << 18

Rows = bytes | Path


async def copy_rows(
    conn: Connection, table: str, columns: Sequence[str], rows: Rows, *, encoding: Literal["text", "binary"] = "text"
) -> None:
    """COPY the rows into the table, holding no more of a file in memory than a piece."""
    source = _pieces(rows) if isinstance(rows, Path) else BytesIO(rows)
    await conn.copy_to_table(table, source=source, columns=columns, format=encoding)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
