"""Diffs: what only one of two sides has, or both; a side is runs, each now or at a tag, or an archive."""

from aiohttp import web
from pydantic import Field

from storaged.api.encode import large_json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, read_query
from storaged.api.reports import ReportQuery, page_limit, report_filter
from storaged.store import products, reports
from storaged.store.diffs import DiffSet, difference, find_side


class DiffQuery(ReportQuery):
    base: list[AnyText] = Field(min_length=1)
    new: list[AnyText] = Field(min_length=1)
    set: DiffSet


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
