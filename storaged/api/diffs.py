"""Diffs: what only one of two sides has, or both; a side is runs, each now or at a tag, or an archive."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import Field

from storaged.api.encode import large_json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Text, read_query
from storaged.api.reports import ReportQuery, page_limit, report_filter
from storaged.api.uploads import body_of, check_length
from storaged.errors import BadRequest, UploadIncomplete
from storaged.store import products, reports
from storaged.store.comparison import Comparison, compare
from storaged.store.diffs import DiffSet, difference, find_side
from storaged.store.products import Product

Result = TypeVar("Result")

# How often to look whether the client still waits.
LOOK_SECONDS: Final = 0.5


class DiffQuery(ReportQuery):
    base: list[AnyText] = Field(min_length=1)
    new: list[AnyText] = Field(min_length=1)
    set: DiffSet


class ArchiveDiffQuery(ReportQuery):
    base: list[AnyText] = Field(default_factory=list)
    new: list[AnyText] = Field(default_factory=list)
    set: DiffSet
    trim_path_prefix: list[Text] = Field(default_factory=list)


async def get_diff(request: web.Request) -> web.Response:
    """The reports of one set of a diff, with the filters and pages of `list_reports`."""
    query = read_query(request, DiffQuery)
    limit = page_limit(query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        base = await find_side(conn, product.id, product.endpoint, query.base)
        new = await find_side(conn, product.id, product.endpoint, query.new)
        diff = difference(query.set, base, new)
        found = await reports.list_reports(
            conn, product.id, report_filter(query), after=query.after, limit=limit, details=query.details, diff=diff
        )
    following = found[-1]["id"] if len(found) == limit else None
    return await large_json_response({"reports": found, "next": following})


async def post_diff(request: web.Request) -> web.Response:
    """As `get_diff`, the body being the archive that is the side which the query does not name; one page, no next."""
    query = read_query(request, ArchiveDiffQuery)
    if bool(query.base) == bool(query.new):
        raise BadRequest([("query", "give either base or new: the body is the other side")])
    length = check_length(request)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        stored = await find_side(conn, product.id, product.endpoint, query.base or query.new)
    comparison = Comparison(stored, parsed_is_base=not query.base, which=query.set)
    found = await _while_connected(request, _compared(request, product, query, comparison, length))
    limit = page_limit(query)
    return await large_json_response({"reports": found[:limit], "more": len(found) > limit})


async def _compared(
    request: web.Request, product: Product, query: ArchiveDiffQuery, comparison: Comparison, length: int
) -> list[dict[str, Any]]:
    """One report more than are asked for, if there is one."""
    services = request.app[SERVICES]
    prefixes = tuple(query.trim_path_prefix)
    most = services.settings.report_limit if product.report_limit is None else product.report_limit
    async with services.archives.parsed(
        body_of(request), product.id, limit=length, trim_path_prefixes=prefixes
    ) as parsed:
        return await compare(
            services.engine,
            product.id,
            parsed,
            comparison,
            report_filter(query),
            limit=page_limit(query) + 1,
            details=query.details,
            report_limit=most,
        )


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
