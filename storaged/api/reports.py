"""Reports: filtered lists, and one report with its bug path and sources."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NotRequired

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from storaged.api.encode import json_response, large_json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Query, Time, read_query
from storaged.database.sql import Connection
from storaged.errors import BadRequest
from storaged.model import DetectionStatus
from storaged.store import products, reports, runs
from storaged.store.diffs import Difference
from storaged.store.products import Product
from storaged.store.reports import ReportCursor, ReportFilter, ReportOrder, ReportSort
from storaged.store.severities import Severity

PAGE_LIMIT = 5000
# Bug paths are large: decoding more of them at once would hold up the loop.
DETAILED_PAGE_LIMIT = 500


def _severity(text: Any) -> Any:
    name = str(text).upper()
    return Severity[name] if name in Severity.__members__ else text


# Any case is taken; the document names the one of all states.
SeverityName = Annotated[
    Severity,
    BeforeValidator(_severity),
    WithJsonSchema({"type": "string", "enum": [grade.name.lower() for grade in Severity]}),
]
# file, line, column, end line, end column, and the message of an event; a note has its type before them.
Event = tuple[str, int, int, int, int, str]
Position = tuple[str, int, int, int, int]
Note = tuple[int, str, int, int, int, int, str]


Length = Annotated[int, Field(ge=0, le=2**31 - 1)]


SORTS = "|".join(ReportSort)
CURSOR = re.compile(rf"(-?)({SORTS})\.([0-9]{{1,18}})-((?:[0-9a-f]{{2}})*)")


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins, and in which order that is meant."""

    order: ReportOrder
    cursor: ReportCursor


def _read_start(text: Any) -> PageStart:
    found = CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("is no `next` of a list of reports")
    key = bytes.fromhex(found[4]).decode(errors="replace").replace("\0", "")
    return PageStart(ReportOrder(ReportSort(found[2]), bool(found[1])), ReportCursor(key, int(found[3])))


def next_page(order: ReportOrder, following: ReportCursor | None) -> str | None:
    """What `after` takes: the order, the id and, in hex, the key; None where there is no next page."""
    if following is None:
        return None
    return f"{'-' if order.reverse else ''}{order.sort}.{following.id}-{following.key.encode().hex()}"


After = Annotated[
    PageStart,
    BeforeValidator(_read_start),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^-?({SORTS})\\.[0-9]{{1,18}}-([0-9a-f]{{2}})*$",
            "description": "`next` of the page before; its order goes before `sort` and `reverse`.",
        }
    ),
]


class ReportFilterQuery(Query):
    run: list[AnyText] = Field(default_factory=list)
    tag: list[AnyText] = Field(default_factory=list)
    detection_status: list[DetectionStatus] = Field(default_factory=list)
    open: bool | None = None
    severity: list[SeverityName] = Field(default_factory=list)
    checker: list[AnyText] = Field(default_factory=list)
    analyzer: list[AnyText] = Field(default_factory=list)
    file: list[AnyText] = Field(default_factory=list)
    message: list[AnyText] = Field(default_factory=list)
    report_hash: list[AnyText] = Field(default_factory=list)
    path_length_min: Length | None = None
    path_length_max: Length | None = None
    detected_after: Time | None = None
    detected_before: Time | None = None
    fixed_after: Time | None = None
    fixed_before: Time | None = None

    def where(self) -> ReportFilter:
        return ReportFilter(
            runs=self.run,
            tags=self.tag,
            detection_statuses=self.detection_status,
            severities=self.severity,
            checkers=self.checker,
            analyzers=self.analyzer,
            files=self.file,
            messages=self.message,
            report_hashes=self.report_hash,
            **{name: getattr(self, name) for name in reports.PLAIN_CONDITIONS},
        )


class ReportListQuery(ReportFilterQuery):
    sort: ReportSort = ReportSort.ID
    reverse: bool = False
    details: bool = False

    def order(self) -> ReportOrder:
        return ReportOrder(self.sort, self.reverse)


class ReportQuery(ReportListQuery):
    after: After | None = None
    limit: int = Field(500, ge=1, le=PAGE_LIMIT)

    def order(self) -> ReportOrder:
        """Pages of different orders do not follow each other."""
        return super().order() if self.after is None else self.after.order

    def cursor(self) -> ReportCursor | None:
        return None if self.after is None else self.after.cursor


class ReportOptions(Query):
    source: bool = True


class FoundFields(TypedDict):
    """What every report has, stored or not."""

    checker: str
    analyzer: str
    report_hash: str
    file: str
    message: str
    line: int
    column: int
    severity: Severity
    path_length: int
    annotations: dict[str, Any]


class ReportFields(FoundFields):
    """What every stored report has."""

    id: int
    run: str
    detection_status: DetectionStatus
    detected_at: datetime
    fixed_at: datetime | None


class ReportObject(ReportFields):
    """A report; with its bug path when that was asked for."""

    events: NotRequired[list[Event]]
    positions: NotRequired[list[Position]]
    extended: NotRequired[list[Note]]


class WholeReport(ReportFields):
    """A report with its bug path and the text of the files that it names; null where a file never came."""

    events: list[Event]
    positions: list[Position]
    extended: list[Note]
    sources: NotRequired[dict[str, str | None]]


class ReportList(TypedDict):
    """A page of reports."""

    reports: list[ReportObject]
    next: str | None


class CheckerSummary(TypedDict):
    """How many reports a checker has, in all and by detection status."""

    checker: str
    analyzer: str
    severity: Severity
    reports: int
    open: int
    statuses: dict[DetectionStatus, int]


class Summary(TypedDict):
    """The checkers that have reports, the most severe first."""

    checkers: list[CheckerSummary]


async def list_reports(request: web.Request) -> web.Response:
    """Reports, filtered and sorted; `next` is the `after` of the next page, which has 500 at most with details."""
    query = read_query(request, ReportQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await _product_of(request, conn, query)
        page = await read_page(conn, product, query)
    return await large_json_response(page)


async def read_page(
    conn: Connection, product: Product, query: ReportQuery, diff: Difference | None = None
) -> dict[str, Any]:
    """The page that is asked for, of a diff when there is one, as ReportList has it."""
    page = await reports.list_reports(
        conn,
        product.id,
        query.where(),
        order=query.order(),
        after=query.cursor(),
        limit=page_limit(query),
        details=query.details,
        diff=diff,
    )
    return {"reports": page.reports, "next": next_page(query.order(), page.following)}


async def summarize_reports(request: web.Request) -> web.Response:
    """How many of the reports that the filters leave each checker has."""
    query = read_query(request, ReportFilterQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await _product_of(request, conn, query)
        checkers = await reports.summarize_reports(conn, product.id, query.where())
    return json_response({"checkers": checkers})


async def _product_of(request: web.Request, conn: Connection, query: ReportFilterQuery) -> Product:
    """Raises RunNotFound, TagNotFound for a name that is none of the product's: a filter by it would hide a typo."""
    product = await products.get_product(conn, request.match_info["product"])
    for name in query.run:
        await runs.get_run(conn, product.id, product.endpoint, name)
    await runs.check_tags(conn, product.id, product.endpoint, query.tag, query.run)
    return product


def page_limit(query: ReportQuery) -> int:
    """Reports with their bug paths are fewer in a page."""
    return min(query.limit, DETAILED_PAGE_LIMIT) if query.details else query.limit


async def get_report(request: web.Request) -> web.Response:
    """One report with its bug path and, unless `source=false`, the text of the files that it names."""
    options = read_query(request, ReportOptions)
    report_id = _report_id(request.match_info["report"])
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        report = await reports.get_report(conn, product.id, product.endpoint, report_id)
        if options.source:
            report["sources"] = await reports.get_sources(conn, product.id, report_id)
    return await large_json_response(report)


def _report_id(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise BadRequest([("path/report", f"{text!r} is not a report id")])
