"""The endpoint of CodeChecker's clients: `POST /[product/]v<major>.<minor>/<Service>`, Thrift's JSON protocol.

Whatever happens, the answer is a message of that protocol with status 200, as its clients expect; but for requests that
no endpoint takes (a body with a Content-Encoding, a NUL in the path), which none of these clients sends.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import ClientPayloadError, web

from storaged.api.keys import SERVICES
from storaged.api.uploads import body_of
from storaged.errors import StoragedError, UploadIncomplete
from storaged.store import products
from storaged.store.products import Product
from storaged.thrift.calls import MAJOR, MINOR, Call, Streamed
from storaged.thrift.dispatch import Dispatcher, Operation, refused_by, unsupported
from storaged.thrift.faults import ApplicationError, ApplicationFault, Refused
from storaged.thrift.idl import load_interface
from storaged.thrift.messages import BadMessage, Kind, Message, read_message, write_message
from storaged.thrift.paging import FOUND_LISTS, FoundLists
from storaged.thrift.probes import get_live, get_ready
from storaged.thrift.structs import ErrorCode
from storaged.thrift.tables import TABLES
from storaged.thrift.uploads import REST_BYTES

MEDIA: Final = "application/x-thrift"
# The first part of a message tells which method is called. No name is longer than a few dozen letters.
OPENING: Final = re.compile(rb'\s*\[\s*1\s*,\s*"([A-Za-z0-9_]{1,100})"\s*,\s*[14]\s*,\s*(-?\d{1,19})\s*,')
OPENING_BYTES: Final = 200
VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})(\.\d+)*", re.ASCII)
# Encoding an answer that is longer, or has a longer field, takes a thread, so that the event loop goes on.
LONG_ANSWER: Final = 100
DISPATCHER: Final = web.AppKey("dispatcher", Dispatcher)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a body begins: the method and the sequence number, if that can be read, and the bytes read so far."""

    method: str
    sequence: int
    head: bytes


def add_routes(app: web.Application) -> None:
    """Let the application answer CodeChecker's clients."""
    app[DISPATCHER] = Dispatcher(load_interface(), TABLES)
    app[FOUND_LISTS] = FoundLists()
    app.router.add_get("/live", get_live)
    app.router.add_get("/ready", get_ready)
    app.router.add_post("/{version:v[^/]+}/{service}", answer)
    # The native API lives below /api.
    app.router.add_post("/{product:(?!api/)[^/]+}/{version:v[^/]+}/{service}", answer)


async def answer(request: web.Request) -> web.Response:
    """Answer one call."""
    opening = Opening("", 0, b"")
    try:
        opening = await _read_opening(request)
        kind, content = await _answer(request, opening)
    except ApplicationError as error:
        kind, content = Kind.EXCEPTION, error.content()
    except ConnectionResetError:
        raise
    except Exception as error:
        log.exception("call failed", path=request.path, method=opening.method)
        detail = f"storaged failed ({type(error).__name__}): see its log."
        kind, content = Kind.EXCEPTION, ApplicationError(detail).content()
    await _read_rest(request)
    return web.Response(body=write_message(opening.method, kind, opening.sequence, content), content_type=MEDIA)


async def _answer(request: web.Request, opening: Opening) -> tuple[Kind, bytes]:
    """The answer, refusals among them; raises ApplicationError."""
    operation = _operation(request, opening)
    try:
        call = await _open_call(request, operation)
        return Kind.REPLY, await _encoded(operation, await _run(call, operation, opening))
    except (Refused, StoragedError) as error:
        refused = refused_by(error)
        if refused is None:
            raise
        log.info("call refused", path=request.path, method=opening.method, error=str(refused))
        return operation.refused(refused)


def _operation(request: web.Request, opening: Opening) -> Operation:
    """Raises ApplicationError for what is not in the interface: that of a newer client may have it."""
    service = request.match_info["service"]
    operation = request.app[DISPATCHER].find(service, opening.method)
    if operation is None:
        try:
            _minor(request.match_info["version"])
        except Refused as mismatch:
            raise ApplicationError(str(mismatch)) from None
        raise request.app[DISPATCHER].unknown(service, opening.method)
    return operation


async def _open_call(request: web.Request, operation: Operation) -> Call:
    """Raises Refused for a version that is not ours, and ProductNotFound."""
    minor = _minor(request.match_info["version"])
    endpoint = request.match_info.get("product")
    routed = None if endpoint is None else await _product(request, endpoint)
    return Call(request, operation.method.name, routed, minor)


def _minor(version: str) -> int:
    """The minor version of the client's API; raises Refused for one that is not ours."""
    match = VERSION.fullmatch(version)
    if match is None or int(match[1]) != MAJOR or int(match[2]) > MINOR:
        raise Refused(
            f"The client speaks the API {version}, this server v{MAJOR}.0 to v{MAJOR}.{MINOR}: update the older one.",
            ErrorCode.API_MISMATCH,
        )
    return int(match[2])


async def _product(request: web.Request, endpoint: str) -> Product:
    async with request.app[SERVICES].engine.connect() as conn:
        return await products.get_product(conn, endpoint)


async def _run(call: Call, operation: Operation, opening: Opening) -> Any:
    if operation.entry is None:
        raise unsupported(call)
    if isinstance(operation.entry, Streamed):
        try:
            return await operation.entry.handler(call, _body(call.request, opening), operation.arguments)
        except BadMessage as fault:
            raise ApplicationError(str(fault), ApplicationFault.PROTOCOL_ERROR) from fault
    message = await _message(call.request, opening)
    return await operation.entry.handler(call, *operation.arguments(message.arguments))


async def _encoded(operation: Operation, result: Any) -> bytes:
    if _is_long(result) or (isinstance(result, dict) and any(map(_is_long, result.values()))):
        return await asyncio.to_thread(operation.write, result)
    return operation.write(result)


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(value) > LONG_ANSWER


async def _read_opening(request: web.Request) -> Opening:
    """The beginning of the body; raises ApplicationError when it is none of a call."""
    head = b""
    try:
        while len(head) < OPENING_BYTES and not request.content.at_eof():
            head += await request.content.readany()
    except (ClientPayloadError, ConnectionResetError) as error:
        raise ApplicationError("The call ended before it was whole.", ApplicationFault.PROTOCOL_ERROR) from error
    match = OPENING.match(head)
    if match is not None:
        return Opening(match[1].decode(), int(match[2]), head)
    # What is wrong with it, or else how it begins in another way.
    message = await _message(request, Opening("", 0, head))
    detail = f"The body does not begin as a call does: [1,{message.name!r},1,{message.sequence},..."
    raise ApplicationError(detail, ApplicationFault.PROTOCOL_ERROR)


async def _message(request: web.Request, opening: Opening) -> Message:
    """The whole call; raises ApplicationError when it is too large, ends too early, or is none."""
    body = bytearray()
    try:
        async for piece in _body(request, opening):
            body += piece
            if len(body) > request.client_max_size:
                detail = f"The body has more than {request.client_max_size} bytes: this server takes no more."
                raise ApplicationError(detail, ApplicationFault.PROTOCOL_ERROR)
        return read_message(body)
    except (UploadIncomplete, BadMessage) as fault:
        raise ApplicationError(str(fault), ApplicationFault.PROTOCOL_ERROR) from fault


async def _read_rest(request: web.Request) -> None:
    """Wait until the client has sent all of its call: CodeChecker's does not look for an answer before, and would only
    tell of a broken pipe. Who sends more than the largest call that is allowed is answered then, and cut off soon.
    """
    left = request.app[SERVICES].settings.max_upload_bytes * 4 // 3 + REST_BYTES
    with suppress(UploadIncomplete):
        async for piece in body_of(request):
            left -= len(piece)
            if left < 0:
                return


async def _body(request: web.Request, opening: Opening) -> AsyncIterator[bytes]:
    """All of the body, from its first byte."""
    yield opening.head
    async for piece in body_of(request):
        yield piece
