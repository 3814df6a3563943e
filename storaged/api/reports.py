"""Reports: filtered lists, and one report with its bug path and sources."""

from datetime import datetime
from typing import Annotated, Any, NotRequired

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from storaged.api.encode import large_json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, Id, Query, read_query
from storaged.errors import BadRequest
from storaged.model import DetectionStatus
from storaged.store import products, reports, runs
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


class ReportFilterQuery(Query):
    run: list[AnyText] = Field(default_factory=list)
    detection_status: list[DetectionStatus] = Field(default_factory=list)
    severity: list[SeverityName] = Field(default_factory=list)
    checker: list[AnyText] = Field(default_factory=list)
    file: list[AnyText] = Field(default_factory=list)
    report_hash: list[AnyText] = Field(default_factory=list)
    details: bool = False


class ReportQuery(ReportFilterQuery):
    after: Id = 0
    limit: int = Field(500, ge=1, le=PAGE_LIMIT)


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
    next: int | None


async def list_reports(request: web.Request) -> web.Response:
    """Reports in the order of their ids; `next` is the `after` of the next page, which has 500 at most with details."""
    query = read_query(request, ReportQuery)
    where, limit = report_filter(query), page_limit(query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        for name in query.run:
            await runs.get_run(conn, product.id, product.endpoint, name)
        found = await reports.list_reports(
            conn, product.id, where, after=query.after, limit=limit, details=query.details
        )
    following = found[-1]["id"] if len(found) == limit else None
    return await large_json_response({"reports": found, "next": following})


def report_filter(query: ReportFilterQuery) -> reports.ReportFilter:
    return reports.ReportFilter(
        runs=query.run,
        detection_statuses=query.detection_status,
        severities=query.severity,
        checkers=query.checker,
        files=query.file,
        report_hashes=query.report_hash,
    )


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
