"""What the files of reports held."""

import base64
from typing import Final

from storaged.auth.permissions import Right
from storaged.store import numbered
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.structs import Encoding


async def get_source_file_data(
    call: Call, file_id: int, with_content: bool | None, encoding: Encoding | None
) -> structs.SourceFileData:
    """Nothing for a file that is gone; no text where the content never came."""
    async with call.services.engine.connect() as conn:
        file = await numbered.read_file(conn, call.product.id, file_id)
    if file is None:
        return {}
    found: structs.SourceFileData = {"fileId": file.number, "filePath": file.path, "hasBlameInfo": False}
    if with_content:
        content = file.content or b""
        found["fileContent"] = _base64(content) if encoding is Encoding.BASE64 else numbered.text_of(content)
    return found


async def get_lines(
    call: Call, requested: list[structs.LinesInFilesRequested], encoding: Encoding | None
) -> dict[int, dict[int, str]]:
    """Each line that is asked for, empty where the file has none."""
    wanted: dict[int, set[int]] = {}
    for one in requested:
        wanted.setdefault(one.get("fileId", 0), set()).update(one.get("lines", ()))
    async with call.services.engine.connect() as conn:
        found = await numbered.read_lines(conn, call.product.id, wanted)
    if encoding is not Encoding.BASE64:
        return found
    return {number: {line: _base64(text.encode()) for line, text in lines.items()} for number, lines in found.items()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


METHODS: Final[Methods] = {
    "getSourceFileData": Handled(get_source_file_data, Right.PRODUCT_VIEW),
    "getLinesInSourceFileContents": Handled(get_lines, Right.PRODUCT_VIEW),
}
