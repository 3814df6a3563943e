"""Diffs: what only one of two sides has, or both; a side is runs, each now or at a tag, or an archive."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, Final, NotRequired, TypeVar

from aiohttp import web
from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict

from storaged.api.keys import SERVICES
from storaged.api.large import send_file, write_list
from storaged.api.params import STORABLE, Text, check_storable, read_query
from storaged.api.reports import (
    Event,
    FoundFields,
    Note,
    Position,
    ReportListQuery,
    ReportQuery,
    chunk_size,
    find_page,
    send_page,
)
from storaged.api.uploads import body_of, check_length
from storaged.errors import BadRequest, UploadIncomplete
from storaged.model import DetectionStatus
from storaged.store import products
from storaged.store.comparison import Comparison, compare
from storaged.store.diffs import DiffSet, difference, find_side
from storaged.store.products import Product
from storaged.store.reports import ReportFilter

Result = TypeVar("Result")

# How often to look whether the client still waits.
LOOK_SECONDS: Final = 0.5


# A name, a colon and a tag; each colon is another way to read it, so there are not to be too many.
Operand = Annotated[str, StringConstraints(min_length=1, max_length=2001), AfterValidator(check_storable), STORABLE]


class DiffQuery(ReportQuery):
    base: list[Operand] = Field(min_length=1)
    new: list[Operand] = Field(min_length=1)
    set: DiffSet


class ArchiveDiffQuery(ReportListQuery):
    base: list[Operand] = Field(default_factory=list)
    new: list[Operand] = Field(default_factory=list)
    set: DiffSet
    trim_path_prefix: list[Text] = Field(default_factory=list)


class ComparedReport(FoundFields):
    """A report of a diff with an archive; one of the archive itself has no id, run, status and times."""

    id: int | None
    run: str | None
    detection_status: DetectionStatus | None
    detected_at: datetime | None
    fixed_at: datetime | None
    events: NotRequired[list[Event]]
    positions: NotRequired[list[Position]]
    extended: NotRequired[list[Note]]


class ComparedList(TypedDict):
    """All reports of the set."""

    reports: list[ComparedReport]
    next: None


async def get_diff(request: web.Request) -> web.StreamResponse:
    """The reports of one set of a diff, with the filters and pages of `list_reports`."""
    query = read_query(request, DiffQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        base = await find_side(conn, product.id, product.endpoint, query.base)
        new = await find_side(conn, product.id, product.endpoint, query.new)
        page = await find_page(conn, product, query, difference(query.set, base, new))
    return await send_page(request, product, query, page)


async def post_diff(request: web.Request) -> web.StreamResponse:
    """As `get_diff`, the body being the archive that is the side which the query does not name; all in one page.

    With neither, and the set `new`, the base is empty: all that the archive has is new.
    """
    query = read_query(request, ArchiveDiffQuery)
    if query.base and query.new:
        raise BadRequest([("query", "give either base or new: the body is the other side")])
    if not query.base and not query.new and query.set is not DiffSet.NEW:
        raise BadRequest([("query", "give base or new; without both, the set is `new`: all that the archive has")])
    length = check_length(request)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        stored = await find_side(conn, product.id, product.endpoint, query.base or query.new)
        where = await query.where(conn, product)
    asked = _Asked(product, query, where, Comparison(stored, parsed_is_base=bool(query.new), which=query.set))
    with TemporaryFile(dir=request.app[SERVICES].archives.scratch) as answer:
        await _while_connected(request, _write_answer(request, asked, length, answer))
        return await send_file(request, answer)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be compared with the archive, and how."""

    product: Product
    query: ArchiveDiffQuery
    where: ReportFilter
    comparison: Comparison


async def _write_answer(request: web.Request, asked: _Asked, length: int, answer: BinaryIO) -> None:
    """Into a file: it may be large, and neither transaction nor archive is to wait for a slow client."""
    services, product, query = request.app[SERVICES], asked.product, asked.query
    body, prefixes = body_of(request), tuple(query.trim_path_prefix)
    async with services.archives.parsed(body, product.id, limit=length, trim_path_prefixes=prefixes) as parsed:
        pages = compare(
            services.engine,
            product.id,
            parsed,
            asked.comparison,
            asked.where,
            order=query.order(),
            page=chunk_size(details=query.details),
            details=query.details,
            report_limit=product.most_reports(services.settings.report_limit),
        )
        async with aclosing(pages):
            await write_list(answer, "reports", pages, {"next": None})


async def _while_connected(request: web.Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client goes away: nobody else would stop its parsing."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
            if request.transport is None or request.transport.is_closing():
                raise UploadIncomplete("The client went away before the archive was compared.")
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
