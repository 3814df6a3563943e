"""Lists of reports: each filter, all of them together, and each order, page by page."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any
from uuid import UUID

import pytest

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.model import DetectionStatus, ProductId, ReviewStatus, RunId, StoreId
from storaged.store.reports import (
    BY_ID,
    FilesOf,
    ReportCursor,
    ReportFilter,
    ReportOrder,
    ReportSort,
    find_page,
    summarize_files,
    summarize_reports,
    total_by_severity,
)
from storaged.store.severities import Severity
from tests.integration.report_pages import list_reports

PRODUCT = ProductId(1)
TRUNK, BRANCH = RunId(1), RunId(2)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNT = 60
RUNS = ("trunk", "branch")
CHECKERS = (
    ("core.A", "clangsa", 40),
    ("core.B", "clangsa", 20),
    ("bugprone-c", "clang-tidy", 40),
    ("x_y", "cppcheck", 0),
)
FILES = ("/src/a.c", "/src/a%.c", "/src/A.c", "/lib/b.h")
STATUSES = ("new", "reopened", "unresolved", "resolved", "off", "unavailable")
MESSAGES = ("Leak of 'p'", "leak of 100%", "zero")
TABLES = """
INSERT INTO run (product_id, id, name, last_store) VALUES (1, 1, 'trunk', 12), (1, 2, 'branch', 22);
INSERT INTO store (product_id, id, run_id, tag, stored_at)
SELECT
    1, run * 10 + n, run, CASE WHEN n = 1 THEN 'v1' ELSE 'v2-' || run END,
    timestamptz '2026-11-24 14:00Z' + n * interval '1 hour'
FROM generate_series(1, 2) AS run, generate_series(1, 2) AS n;
"""
# In steps that are prime to each other, so that the values come in many combinations.
REPORTS = """
INSERT INTO report (
    product_id, checker_id, run_id, report_hash, path_hash, file_id, line, "column", status_by, status, path_length,
    detected_at, fixed_at, message, annotations
)
SELECT
    1, (SELECT id FROM checker WHERE name = ($1::text[])[n % 4 + 1]), n % 2 + 1,
    md5((n % 50)::text)::uuid, md5(n::text)::uuid, md5(($2::text[])[n * 3 % 11 % 4 + 1])::uuid, n % 5 + 1, n % 3 + 1,
    -- every third was made so by a store before the last
    (n % 2 + 1) * 10 + CASE WHEN n % 3 = 0 THEN 1 ELSE 2 END, status, n % 7 % 4 + 1,
    $5::timestamptz + n % 5 * interval '1 hour',
    CASE WHEN status IN ('resolved', 'off', 'unavailable') THEN $5::timestamptz + (n % 5 + 1) * interval '1 hour' END,
    ($4::text[])[n % 3 + 1],
    CASE n % 3
        WHEN 0 THEN '{"testcase": "Log in 100%"}'::jsonb
        WHEN 1 THEN jsonb_build_object(
            'testcase', 'log out', 'host', 'h1', 'chronological_order', (n % 17 * 7 - 30)::text,
            'timestamp', '2026-11-' || n % 4 + 10 || ' 10:20:00')
    END
FROM generate_series(1, $6::integer) AS n
CROSS JOIN LATERAL (SELECT ($3::text[])[n * 5 % 13 % 6 + 1] AS status) AS drawn
"""
# The first of every four goes through a header.
THROUGH = """
INSERT INTO report_path (product_id, report_id, files, steps)
SELECT 1, id, ARRAY[file_id, md5('/lib/b.h')::uuid], '{"events": [], "positions": [], "extended": []}'
FROM report WHERE id % 4 = 1
"""
# Of the 50 hashes every seventh is confirmed, and another every seventh closed, before the last reports came.
RULES = """
INSERT INTO review_rule (product_id, report_hash, status, message, reviewed_at, closed_at)
SELECT 1, md5(n::text)::uuid, CASE n % 7 WHEN 1 THEN 'confirmed' ELSE 'intentional' END, '', $1::timestamptz,
       CASE n % 7 WHEN 3 THEN $1::timestamptz + interval '2.5 hours' END
FROM generate_series(0, 49) AS n WHERE n % 7 IN (1, 3)
"""

Report = dict[str, Any]
Expected = Callable[[Report], bool]


@pytest.fixture
async def scene(engine: Engine) -> list[Report]:
    """All reports, in the order of their ids."""
    async with engine.begin() as conn:
        await conn.execute(TABLES)
        await conn.executemany("INSERT INTO checker (name, analyzer, severity) VALUES ($1, $2, $3)", CHECKERS)
        for path in FILES:
            await conn.execute("INSERT INTO file (product_id, id, path) VALUES (1, md5($1)::uuid, $1)", path)
        names = [name for name, _, _ in CHECKERS]
        await conn.execute(REPORTS, names, list(FILES), list(STATUSES), list(MESSAGES), NOON, COUNT)
        await conn.execute(THROUGH)
        await conn.execute(RULES, NOON)
    made = await listed(engine)
    assert len(made) == COUNT
    return made


async def listed(engine: Engine, order: ReportOrder = BY_ID, limit: int = COUNT + 1, **where: Any) -> list[Report]:
    """All pages, one after the other."""
    found: list[Report] = []
    after: ReportCursor | None = None
    async with engine.connect() as conn:
        while True:
            page = await list_reports(conn, PRODUCT, ReportFilter(**where), order=order, after=after, limit=limit)
            found += page.reports
            after = page.following
            if after is None:
                return found


def at_tag(run: str, tag: str) -> datetime | None:
    return {"v1": NOON + 3 * HOUR, f"v2-{RUNS.index(run) + 1}": NOON + 4 * HOUR}.get(tag)


def open_at(report: Report, tag: str) -> bool:
    at = at_tag(report["run"], tag)
    return at is not None and report["detected_at"] <= at and (report["fixed_at"] is None or report["fixed_at"] > at)


HASH = "c4ca4238a0b923820dcc509a6f75849b"  # the MD5 of 1, which the first report and the 51st have
CLOSED = {"resolved", "off", "unavailable"}


def outstanding(report: Report) -> bool:
    return report["detection_status"] not in CLOSED and report["review_status"] not in {"false_positive", "intentional"}


def file_id(path: str) -> UUID:
    return UUID(bytes=hashlib.md5(path.encode(), usedforsecurity=False).digest())


HEADER = file_id("/lib/b.h")
FILTERS: list[tuple[dict[str, Any], Expected]] = [
    ({"runs": [TRUNK]}, lambda report: report["run"] == "trunk"),
    ({"tags": ["v1"]}, lambda report: open_at(report, "v1")),
    ({"tags": ["v2-1"]}, lambda report: open_at(report, "v2-1")),
    ({"stores": [StoreId(11)]}, lambda report: report["run"] == "trunk" and open_at(report, "v1")),
    (
        {"detection_statuses": [DetectionStatus.NEW, DetectionStatus.OFF]},
        lambda report: report["detection_status"] in {"new", "off"},
    ),
    ({"review_statuses": [ReviewStatus.CONFIRMED]}, lambda report: report["review_status"] == "confirmed"),
    (
        {"review_statuses": [ReviewStatus.UNREVIEWED, ReviewStatus.INTENTIONAL]},
        lambda report: report["review_status"] in {"unreviewed", "intentional"},
    ),
    ({"open": True}, lambda report: report["detection_status"] not in CLOSED),
    ({"open": False}, lambda report: report["detection_status"] in CLOSED),
    (
        {"open_at": NOON + 2 * HOUR},
        lambda report: (
            report["detected_at"] <= NOON + 2 * HOUR
            and (report["fixed_at"] is None or report["fixed_at"] > NOON + 2 * HOUR)
        ),
    ),
    ({"severities": [Severity.HIGH]}, lambda report: report["severity"] == 40),
    ({"checkers": ["CORE.*"]}, lambda report: report["checker"].startswith("core.")),
    ({"checkers": ["x_y", "core.a"]}, lambda report: report["checker"] in {"x_y", "core.A"}),
    ({"analyzers": ["Clang*"]}, lambda report: report["analyzer"].startswith("clang")),
    ({"files": ["*/a%.c"]}, lambda report: report["file"] == "/src/a%.c"),
    ({"files": ["/src/a*"]}, lambda report: report["file"].startswith("/src/a")),
    ({"files": ["/SRC/A.c"], "files_any_case": True}, lambda report: report["file"].lower() == "/src/a.c"),
    (
        {"files": ["/LIB/*"], "files_any_case": True, "anywhere": True},
        lambda report: report["file"].startswith("/lib/") or report["id"] % 4 == 1,
    ),
    ({"outstanding": True}, outstanding),
    ({"outstanding": False}, lambda report: not outstanding(report)),
    ({"file_ids": [HEADER], "file_ids_of": FilesOf.REPORT}, lambda report: report["file"] == "/lib/b.h"),
    (
        {"file_ids": [HEADER], "file_ids_of": FilesOf.ANY},
        lambda report: report["file"] == "/lib/b.h" or report["id"] % 4 == 1,
    ),
    (
        {"file_ids": [file_id(path) for path in FILES[:3]], "file_ids_of": FilesOf.ALL},
        lambda report: report["file"] != "/lib/b.h" and report["id"] % 4 != 1,
    ),
    (
        {"files": ["/lib/*"], "anywhere": True},
        lambda report: report["file"].startswith("/lib/") or report["id"] % 4 == 1,
    ),
    ({"messages": ["LEAK*"]}, lambda report: report["message"].lower().startswith("leak")),
    ({"messages": ["*100%"]}, lambda report: report["message"].endswith("100%")),
    ({"report_hashes": [HASH]}, lambda report: report["report_hash"] == HASH),
    ({"report_hashes": ["c*", HASH]}, lambda report: report["report_hash"].startswith("c")),
    ({"in_plans": [UUID(HASH)]}, lambda report: report["report_hash"] == HASH),
    ({"annotations": [("testcase", "log*")]}, lambda report: "testcase" in report["annotations"]),
    (
        {"annotations": [("testcase", "*100%"), ("host", "*")]},
        lambda report: "host" in report["annotations"] or report["annotations"].get("testcase", "").endswith("100%"),
    ),
    ({"path_length_min": 3}, lambda report: report["path_length"] >= 3),
    ({"path_length_max": 2}, lambda report: report["path_length"] <= 2),
    ({"detected_after": NOON + 2 * HOUR}, lambda report: report["detected_at"] >= NOON + 2 * HOUR),
    ({"detected_before": NOON + 2 * HOUR}, lambda report: report["detected_at"] <= NOON + 2 * HOUR),
    (
        {"fixed_after": NOON + 3 * HOUR},
        lambda report: report["fixed_at"] is not None and report["fixed_at"] >= NOON + 3 * HOUR,
    ),
    (
        {"fixed_before": NOON + 3 * HOUR},
        lambda report: report["fixed_at"] is not None and report["fixed_at"] <= NOON + 3 * HOUR,
    ),
]


def ids(reports: list[Report], *expected: Expected) -> list[int]:
    return [report["id"] for report in reports if all(one(report) for one in expected)]


@pytest.mark.parametrize(("where", "expected"), FILTERS, ids=[str(where) for where, _ in FILTERS])
async def test_each_filter_keeps_what_it_names_and_nothing_else(
    engine: Engine, scene: list[Report], where: dict[str, Any], expected: Expected
) -> None:
    kept = ids(scene, expected)
    assert 0 < len(kept) < COUNT
    assert ids(await listed(engine, **where)) == kept


def test_every_filter_is_tried() -> None:
    tried = {name for where, _ in FILTERS for name in where}
    assert tried == {field.name for field in fields(ReportFilter)} - {"unique"}


async def test_filters_narrow_each_other(engine: Engine, scene: list[Report]) -> None:
    for (one, of_one), (two, of_two) in combinations(FILTERS, 2):
        if not one.keys() & two.keys():
            assert ids(await listed(engine, **one, **two)) == ids(scene, of_one, of_two), (one, two)


async def test_any_statuses_together_are_those_that_readers_see(engine: Engine, scene: list[Report]) -> None:
    assert {report["detection_status"] for report in scene} == set(STATUSES)
    for size in range(1, len(STATUSES) + 1):
        for wanted in combinations(DetectionStatus, size):
            expected = ids(scene, lambda report, wanted=wanted: report["detection_status"] in wanted)  # type: ignore[misc]
            assert ids(await listed(engine, detection_statuses=wanted)) == expected, wanted


async def test_unique_keeps_the_shortest_path_of_each_hash_among_those_that_fit(
    engine: Engine, scene: list[Report]
) -> None:
    for where, expected in FILTERS:
        fitting = [report for report in scene if expected(report)]
        best: dict[str, Report] = {}
        for report in fitting:
            other = best.setdefault(report["report_hash"], report)
            best[report["report_hash"]] = min(report, other, key=lambda one: (one["path_length"], one["id"]))
        assert ids(await listed(engine, **where, unique=True)) == sorted(report["id"] for report in best.values()), (
            where
        )
    assert len({report["report_hash"] for report in scene}) < COUNT


def place(report: Report) -> tuple[Any, ...]:
    return report["file"], report["line"], report["column"], report["id"]


ORDERS: dict[ReportSort, Callable[[Report], tuple[Any, ...]]] = {
    ReportSort.ID: lambda report: (report["id"],),
    ReportSort.SEVERITY: lambda report: (-report["severity"], *place(report)),
    ReportSort.FILE: place,
    ReportSort.CHECKER: lambda report: (report["checker"], *place(report)),
    ReportSort.MESSAGE: lambda report: (report["message"], *place(report)),
    ReportSort.PATH_LENGTH: lambda report: (report["path_length"], *place(report)),
    ReportSort.DETECTED_AT: lambda report: (-report["detected_at"].timestamp(), *place(report)),
    ReportSort.DETECTION_STATUS: lambda report: (
        ["new", "reopened", "unresolved", "resolved", "unavailable", "off"].index(report["detection_status"]),
        *place(report),
    ),
    ReportSort.REVIEW_STATUS: lambda report: (list(ReviewStatus).index(report["review_status"]), *place(report)),
    ReportSort.TIMESTAMP: lambda report: (report["annotations"].get("timestamp", ""), *place(report)),
    ReportSort.TESTCASE: lambda report: (report["annotations"].get("testcase", ""), *place(report)),
    ReportSort.CHRONOLOGICAL_ORDER: lambda report: (
        int(report["annotations"].get("chronological_order", -100)),
        *place(report),
    ),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sort", ReportSort)
async def test_pages_of_each_order_follow_each_other_without_gap_and_without_overlap(
    engine: Engine, scene: list[Report], sort: ReportSort, reverse: bool
) -> None:
    expected = ids(sorted(scene, key=ORDERS[sort], reverse=reverse))
    assert ids(await listed(engine, ReportOrder(sort, reverse))) == expected
    assert ids(await listed(engine, ReportOrder(sort, reverse), limit=7)) == expected


SEVERAL: list[tuple[tuple[ReportSort, bool], ...]] = [
    ((ReportSort.SEVERITY, False), (ReportSort.MESSAGE, True), (ReportSort.TESTCASE, False)),
    ((ReportSort.CHECKER, True), (ReportSort.PATH_LENGTH, True), (ReportSort.CHRONOLOGICAL_ORDER, False)),
    ((ReportSort.FILE, False), (ReportSort.CHECKER, True), (ReportSort.DETECTION_STATUS, False)),
    ((ReportSort.TESTCASE, True), (ReportSort.FILE, False), (ReportSort.TIMESTAMP, True)),
    ((ReportSort.REVIEW_STATUS, False), (ReportSort.FILE, True), (ReportSort.DETECTED_AT, False)),
]


def sorted_by(scene: list[Report], sorts: tuple[tuple[ReportSort, bool], ...]) -> list[Report]:
    """One sort after the other, the last one first; the place goes the way of the first."""
    found = sorted(scene, key=place, reverse=sorts[0][1])
    for sort, reverse in reversed(sorts):
        found.sort(key=lambda report, sort=sort: ORDERS[sort](report)[0], reverse=reverse)  # type: ignore[misc]
    return found


@pytest.mark.parametrize("sorts", SEVERAL)
async def test_of_several_sorts_each_decides_what_those_before_it_leave_equal(
    engine: Engine, scene: list[Report], sorts: tuple[tuple[ReportSort, bool], ...]
) -> None:
    order = ReportOrder(*sorts[0], then=sorts[1:])
    expected = ids(sorted_by(scene, sorts))
    assert ids(await listed(engine, order)) == expected
    assert ids(await listed(engine, order, limit=7)) == expected


async def test_a_page_begins_behind_its_cursor_even_if_that_report_is_gone(engine: Engine, scene: list[Report]) -> None:
    order = ReportOrder(ReportSort.SEVERITY)
    expected = ids(sorted(scene, key=ORDERS[ReportSort.SEVERITY]))
    async with engine.begin() as conn:
        first = await list_reports(conn, PRODUCT, ReportFilter(), order=order, limit=10)
        await conn.execute("DELETE FROM report WHERE id = $1", expected[9])
        second = await list_reports(conn, PRODUCT, ReportFilter(), order=order, after=first.following, limit=10)
    assert ids(first.reports + second.reports) == expected[:20]


class Explaining:
    """A connection that counts the reports which the queries take from the table."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.reports = 0

    def transaction(self) -> Any:
        return self._conn.transaction()

    async def execute(self, query: str, *args: Any) -> str:
        return await self._conn.execute(query, *args)

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        (plan,) = json.loads(await self._conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args))
        self.reports += reports_taken(plan["Plan"])
        return await self._conn.fetch(query, *args)


def reports_taken(node: dict[str, Any]) -> int:
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if node.get("Relation Name") == "report" else 0
    return int(rows * node["Actual Loops"]) + sum(map(reports_taken, node.get("Plans", [])))


@pytest.mark.parametrize("order", [BY_ID, ReportOrder(ReportSort.SEVERITY)])
async def test_a_page_costs_the_same_wherever_it_begins(
    engine: Engine, scene: list[Report], order: ReportOrder
) -> None:
    names, trunk = [name for name, _, _ in CHECKERS], ReportFilter(runs=[TRUNK])
    async with engine.begin() as conn:
        await conn.execute("UPDATE report SET path_hash = md5('-' || id)::uuid")
        await conn.execute(REPORTS, names, list(FILES), list(STATUSES), list(MESSAGES), NOON, 100_000)
        await conn.execute("ANALYZE")
        far = await find_page(conn, PRODUCT, trunk, order=order, limit=45_000)
        taken = []
        for after in (None, far.following):
            explaining = Explaining(conn)
            await find_page(explaining, PRODUCT, trunk, order=order, after=after, limit=100)
            taken.append(explaining.reports)
    # In the order of ids a page's own reports; else what the filters leave is sorted, or the whole table read for it.
    assert taken[0] <= (110 if order is BY_ID else 100_000 + COUNT)
    assert taken[1] <= taken[0] * 1.1


async def test_a_summary_counts_what_the_filters_leave(engine: Engine, scene: list[Report]) -> None:
    async with engine.connect() as conn:
        found = await summarize_reports(conn, PRODUCT, ReportFilter(runs=[TRUNK], path_length_min=2))
    left = [report for report in scene if report["run"] == "trunk" and report["path_length"] >= 2]
    assert sum(row["reports"] for row in found) == len(left)
    for row in found:
        of_checker = [report for report in left if report["checker"] == row["checker"]]
        statuses = [report["detection_status"] for report in of_checker]
        assert row["reports"] == len(of_checker)
        assert row["statuses"] == {status: statuses.count(status) for status in {*statuses}}
        assert row["open"] == sum(status not in CLOSED for status in statuses)
    assert all(one["severity"] >= two["severity"] for one, two in pairwise(found))
    by_severity = total_by_severity(found)
    assert {row["severity"]: row["reports"] for row in by_severity} == {
        severity: sum(report["severity"] == severity for report in left)
        for severity in {report["severity"] for report in left}
    }
    assert sum(row["open"] for row in by_severity) == sum(row["open"] for row in found)


async def test_the_files_of_a_summary_are_those_with_the_most_open_reports(engine: Engine, scene: list[Report]) -> None:
    async with engine.connect() as conn:
        found = await summarize_files(conn, PRODUCT, ReportFilter(), limit=3)
    counts = {path: [report["detection_status"] for report in scene if report["file"] == path] for path in FILES}
    numbers = {path: (sum(status not in CLOSED for status in of), len(of)) for path, of in counts.items()}
    assert [(row["open"], row["reports"]) for row in found] == sorted(numbers.values(), reverse=True)[:3]
    for row in found:
        statuses = counts[row["file"]]
        assert row["statuses"] == {status: statuses.count(status) for status in {*statuses}}
