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
from storaged.ingest.layout import READABLE_SUFFIXES
from storaged.ingest.values import ArchiveLimits
from storaged.store import contents, products, runs

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


class StoreLimits(TypedDict):
    """What a store may have, in bytes and numbers; `runs` is null where there is no limit.

    `upload_bytes` is for the archive, `unpacked_bytes` for all its entries, `entry_bytes` for each of them.
    `result_files` is how the names of those end that can be read, `product_runs` how many runs there are now, and
    `run_exists` tells whether the run is one of them.
    """

    upload_bytes: int
    unpacked_bytes: int
    entries: int
    entry_bytes: int
    reports: int
    runs: int | None
    result_files: list[str]
    product_runs: int
    run_exists: bool


async def missing_contents(request: web.Request) -> web.Response:
    """Of the SHA-256 hashes in the body, those whose content the product lacks."""
    read_query(request, Query)
    hashes = await read_json(request, HASHES, empty=[])
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        missing = await contents.missing_contents(conn, product.id, [bytes.fromhex(text) for text in hashes])
    return json_response(MissingContents(missing=[found.hex() for found in missing]))


async def store_limits(request: web.Request) -> web.Response:
    """What a store with these parameters may have; nothing is stored.

    Parameters that a store would be refused for are refused. A product's own limits go before those of the settings.
    """
    services = request.app[SERVICES]
    settings, query = services.settings, read_query(request, StoreQuery)
    async with services.engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        limits = StoreLimits(
            upload_bytes=settings.max_upload_bytes,
            unpacked_bytes=settings.max_unpacked_bytes,
            entries=settings.max_entries,
            entry_bytes=ArchiveLimits().entry_bytes,
            reports=product.most_reports(settings.report_limit),
            runs=product.most_runs(settings.run_limit),
            result_files=list(READABLE_SUFFIXES),
            product_runs=await runs.count_runs(conn, product.id),
            run_exists=await runs.has_run(conn, product.id, query.run),
        )
    return json_response(limits)


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
        submitter=request.remote,
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
