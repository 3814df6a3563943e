"""Large answers: a JSON object with one long list, written to a file first, then sent.

Neither a connection to the database nor the memory for all of it has to wait for a slow client, and what goes wrong on
the way is still told as a problem.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, BinaryIO, Final

from aiohttp import web

from storaged.api.encode import json_bytes

READ_SIZE: Final = 1 << 18


async def write_list(answer: BinaryIO, name: str, pages: AsyncIterable[Sequence[Any]], rest: Mapping[str, Any]) -> None:
    """The object: the list under its name, then the other members."""
    before = json_bytes({name: []})[:-2]
    async for page in pages:
        if page:
            await asyncio.to_thread(_write_members, answer, before, page)
            before = b","
    end = b"]," + json_bytes(rest)[1:]
    await asyncio.to_thread(answer.write, end if before == b"," else before + end)


def _write_members(answer: BinaryIO, before: bytes, page: Sequence[Any]) -> None:
    answer.write(before + json_bytes(page)[1:-1])


async def send_file(request: web.Request, answer: BinaryIO) -> web.StreamResponse:
    """Send what was written as the answer."""
    response = web.StreamResponse()
    response.content_type = "application/json"
    response.content_length = answer.tell()
    answer.seek(0)
    await response.prepare(request)
    while request.method != "HEAD" and (piece := await asyncio.to_thread(answer.read, READ_SIZE)):
        await response.write(piece)
    await response.write_eof()
    return response
