"""Reports: filtered lists, and one report with its bug path and sources."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import Annotated, Any, Final, Literal, NotRequired

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from storaged.api.encode import json_response, large_json_response
from storaged.api.keys import SERVICES
from storaged.api.large import send_file, write_list
from storaged.api.params import AnyText, Query, Time, read_query
from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import BadRequest
from storaged.model import DetectionStatus, ProductId, ReviewStatus
from storaged.store import products, reports, runs
from storaged.store.diffs import Difference
from storaged.store.products import Product
from storaged.store.reports import FoundPage, ReportCursor, ReportFilter, ReportOrder, ReportSort
from storaged.store.severities import Severity

PAGE_LIMIT: Final = 20_000
# How many are read at once, so that neither the loop is held up nor memory filled. Bug paths are large.
CHUNK: Final = 1000
DETAILED_CHUNK: Final = 250
TOP_FILES_LIMIT: Final = 1000


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


def _read_annotation(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value or "*"


# NAME:VALUE, or NAME for any value.
Annotation = Annotated[AnyText, Field(description="NAME:VALUE, or NAME for any value.")]


class ReportFilterQuery(Query):
    run: list[AnyText] = Field(default_factory=list)
    tag: list[AnyText] = Field(default_factory=list)
    detection_status: list[DetectionStatus] = Field(default_factory=list)
    review_status: list[ReviewStatus] = Field(default_factory=list)
    open: bool | None = None
    open_at: Time | None = None
    severity: list[SeverityName] = Field(default_factory=list)
    checker: list[AnyText] = Field(default_factory=list)
    analyzer: list[AnyText] = Field(default_factory=list)
    file: list[AnyText] = Field(default_factory=list)
    anywhere: bool = False
    message: list[AnyText] = Field(default_factory=list)
    report_hash: list[AnyText] = Field(default_factory=list)
    annotation: list[Annotation] = Field(default_factory=list)
    unique: bool = False
    path_length_min: Length | None = None
    path_length_max: Length | None = None
    detected_after: Time | None = None
    detected_before: Time | None = None
    fixed_after: Time | None = None
    fixed_before: Time | None = None

    async def where(self, conn: Connection, product: Product) -> ReportFilter:
        """Raises RunNotFound, TagNotFound for what is none of the product's: a filter by it would hide a typo."""
        found = await runs.find_runs(conn, product.id, product.endpoint, self.run)
        await runs.check_tags(conn, product.id, product.endpoint, self.tag, found)
        return ReportFilter(
            runs=found,
            tags=self.tag,
            detection_statuses=self.detection_status,
            review_statuses=self.review_status,
            severities=self.severity,
            checkers=self.checker,
            analyzers=self.analyzer,
            files=self.file,
            messages=self.message,
            report_hashes=self.report_hash,
            annotations=[_read_annotation(text) for text in self.annotation],
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


class SummaryQuery(ReportFilterQuery):
    files: int = Field(
        10, ge=0, le=TOP_FILES_LIMIT, description="How many files are told, those with the most reports."
    )


class ReportOptions(Query):
    source: bool = True


class ReviewObject(TypedDict):
    """What somebody said of a report, and when; the author is null where there are no users.

    It is a comment in the source, a rule for the report hash, or the review file of the report folder.
    """

    message: str
    author: str | None
    at: datetime
    source: Literal["comment", "rule", "file"]


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
    review_status: ReviewStatus
    review: ReviewObject | None
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
    """A report with its bug path and the text of the files that it names.

    The text is null where a file never came, and for those in `omitted`, which would have made the answer too large.
    """

    events: list[Event]
    positions: list[Position]
    extended: list[Note]
    sources: NotRequired[dict[str, str | None]]
    omitted: NotRequired[list[str]]


class ReportList(TypedDict):
    """A page of reports."""

    reports: list[ReportObject]
    next: str | None


class Counts(TypedDict):
    """How many reports there are, in all and by detection status; `open` are new, reopened or unresolved."""

    reports: int
    open: int
    statuses: dict[DetectionStatus, int]


class CheckerSummary(Counts):
    """Those of a checker."""

    checker: str
    analyzer: str
    severity: Severity


class SeveritySummary(Counts):
    """Those of a severity."""

    severity: Severity


class FileSummary(Counts):
    """Those in a file."""

    file: str


class Summary(TypedDict):
    """The checkers and severities that have reports, the most severe first, and the files that have the most."""

    checkers: list[CheckerSummary]
    severities: list[SeveritySummary]
    files: list[FileSummary]


async def list_reports(request: web.Request) -> web.StreamResponse:
    """Reports, filtered and sorted; `next` is the `after` of the next page."""
    query = read_query(request, ReportQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        page = await find_page(conn, product, query)
    return await send_page(request, product, query, page)


async def summarize_reports(request: web.Request) -> web.Response:
    """How many of the reports that the filters leave each checker, each severity and each file has."""
    query = read_query(request, SummaryQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        where = await query.where(conn, product)
        checkers = await reports.summarize_reports(conn, product.id, where)
        files = await reports.summarize_files(conn, product.id, where, limit=query.files) if query.files else []
    return json_response({"checkers": checkers, "severities": reports.total_by_severity(checkers), "files": files})


async def find_page(
    conn: Connection, product: Product, query: ReportQuery, diff: Difference | None = None
) -> FoundPage:
    """The page that the query asks for, of a diff when there is one. Raises RunNotFound, TagNotFound."""
    where = await query.where(conn, product)
    return await reports.find_page(
        conn, product.id, where, order=query.order(), after=query.cursor(), limit=query.limit, diff=diff
    )


async def send_page(request: web.Request, product: Product, query: ReportQuery, page: FoundPage) -> web.StreamResponse:
    """Read the page's reports, and answer with them; a large page goes through a file."""
    services, details = request.app[SERVICES], query.details
    following = next_page(query.order(), page.following)
    if len(page.ids) <= chunk_size(details=details):
        async with services.engine.connect() as conn:
            found = await reports.read_reports(conn, product.id, page.ids, details=details)
        return await large_json_response({"reports": found, "next": following})
    with TemporaryFile(dir=services.archives.scratch) as answer:
        chunks = _read_chunks(services.engine, product.id, page.ids, details=details)
        await write_list(answer, "reports", chunks, {"next": following})
        return await send_file(request, answer)


def chunk_size(*, details: bool) -> int:
    """How many reports are read at once."""
    return DETAILED_CHUNK if details else CHUNK


async def _read_chunks(
    engine: Engine, product: ProductId, ids: list[int], *, details: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    size = chunk_size(details=details)
    for start in range(0, len(ids), size):
        async with engine.connect() as conn:
            found = await reports.read_reports(conn, product, ids[start : start + size], details=details)
        yield found


async def get_report(request: web.Request) -> web.Response:
    """One report with its bug path and, unless `source=false`, the text of the files that it names."""
    options = read_query(request, ReportOptions)
    report_id = _report_id(request.match_info["report"])
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        report = await reports.get_report(conn, product.id, product.endpoint, report_id)
        if options.source:
            sources = await reports.get_sources(conn, product.id, report_id)
            report |= {"sources": sources.files, "omitted": sources.omitted}
    return await large_json_response(report)


def _report_id(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise BadRequest([("path/report", f"{text!r} is not a report id")])
