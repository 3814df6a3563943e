"""Pages of reports, read whole."""

from dataclasses import dataclass
from typing import Any

from storaged.database.sql import Connection
from storaged.model import ProductId
from storaged.store.diffs import Difference
from storaged.store.reports import BY_ID, ReportCursor, ReportFilter, ReportOrder, find_page, read_reports


@dataclass(frozen=True, slots=True)
class ReportPage:
    """`following` as in FoundPage."""

    reports: list[dict[str, Any]]
    following: ReportCursor | None


async def list_reports(
    conn: Connection,
    product: ProductId,
    where: ReportFilter,
    *,
    order: ReportOrder = BY_ID,
    after: ReportCursor | None = None,
    limit: int,
    details: bool = False,
    diff: Difference | None = None,
) -> ReportPage:
    page = await find_page(conn, product, where, order=order, after=after, limit=limit, diff=diff)
    return ReportPage(await read_reports(conn, product, page.ids, details=details), page.following)
