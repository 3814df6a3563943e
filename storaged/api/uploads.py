"""The door for stores: which contents are missing, and the archive itself, streamed to the spool."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from aiohttp import ClientPayloadError, web
from pydantic import Field, StringConstraints, TypeAdapter
from typing_extensions import TypedDict

from storaged.api.encode import job_object, json_response
from storaged.api.keys import SERVICES
from storaged.api.params import Fault, LongText, Name, Query, Text, read_json, read_query
from storaged.errors import UploadIncomplete, UploadTooLarge
from storaged.ingest.accept import StoreRequest, accept_store
from storaged.store import contents, products

READ_SIZE = 1 << 18
MOST_HASHES = 100_000
CLIENT_LENGTH = 1000

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
HASHES: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[Sha256], Field(max_length=MOST_HASHES)])


class StoreQuery(Query):
    run: Name
    tag: Name | None = None
    description: LongText | None = None
    trim_path_prefix: list[Text] = Field(default_factory=list)
    force: bool = False
    keep_going: bool = False


class MissingContents(TypedDict):
    """SHA-256 hashes, in hex."""

    missing: list[str]


async def missing_contents(request: web.Request) -> web.Response:
    """Of the SHA-256 hashes in the body, those whose content the product lacks."""
    read_query(request, Query)
    hashes = await read_json(request, HASHES, empty=[])
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        missing = await contents.missing_contents(conn, product.id, [bytes.fromhex(text) for text in hashes])
    return json_response(MissingContents(missing=[found.hex() for found in missing]))


async def create_store(request: web.Request) -> web.Response:
    """Spool the archive and enqueue its store; 202 with the job, at the Location given."""
    services = request.app[SERVICES]
    query = read_query(request, StoreQuery, faults=_header_faults(request))
    limit = check_length(request)
    async with services.engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
    store = StoreRequest(
        product=product,
        run=query.run,
        tag=query.tag,
        description=query.description,
        client=_client(request),
        trim_path_prefixes=tuple(query.trim_path_prefix),
        force=query.force,
        keep_going=query.keep_going,
        idempotency_key=request.headers.get("Idempotency-Key"),
    )
    job = await accept_store(services.engine, services.spool, store, body_of(request), limit=limit)
    return json_response(job_object(job), status=HTTPStatus.ACCEPTED, headers={"Location": f"/api/v1/jobs/{job.token}"})


async def body_of(request: web.Request) -> AsyncIterator[bytes]:
    """The body in pieces; raises UploadIncomplete when the client goes away before its end."""
    try:
        async for chunk in request.content.iter_chunked(READ_SIZE):
            request.app[SERVICES].metrics.bytes_uploaded(len(chunk))
            yield chunk
    except (ClientPayloadError, ConnectionResetError) as error:
        raise UploadIncomplete("The upload ended before it was whole; nothing was stored.") from error


def check_length(request: web.Request) -> int:
    """The most bytes that an archive may have; raises UploadTooLarge when the request tells of more."""
    limit = request.app[SERVICES].settings.max_upload_bytes
    if request.content_length is not None and request.content_length > limit:
        raise UploadTooLarge(f"The upload has {request.content_length} bytes, this server takes {limit}.")
    return limit


def _header_faults(request: web.Request) -> list[Fault]:
    key = request.headers.get("Idempotency-Key")
    if key is None or (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        return []
    return [("header/Idempotency-Key", "must be 1 to 255 printable ASCII characters")]


def _client(request: web.Request) -> str | None:
    """The User-Agent; header bytes that are not UTF-8 come as lone surrogates, which no database holds."""
    name = request.headers.get("User-Agent")
    return None if name is None else name.encode(errors="replace").decode()[:CLIENT_LENGTH]
