"""What a store makes of the reports that its run had: the rules of docs/statuses.md, one by one."""

import zlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from storaged.database.engine import Engine
from storaged.errors import ReportLimitReached, RunLimitReached, StagedRowsLost
from storaged.model import Content, NewStore
from storaged.store import contents, merge, runs
from storaged.store.reports import ReportFilter, get_sources
from tests.integration.report_pages import list_reports
from tests.staged import PRODUCT, Found, md5, sha256, stage, store

A, B, C = Found("a"), Found("b"), Found("c")


async def reports_of(engine: Engine, run: str = "run") -> list[dict[str, Any]]:
    async with engine.connect() as conn:
        where = ReportFilter(runs=await runs.find_runs(conn, PRODUCT, "Default", [run]))
        return (await list_reports(conn, PRODUCT, where, limit=1000, details=True)).reports


async def statuses(engine: Engine, run: str = "run") -> dict[str, str]:
    """Bug to detection status; every row of a bug must agree."""
    found: dict[str, str] = {}
    for report in await reports_of(engine, run):
        bug = report["message"].removesuffix("!")
        assert found.setdefault(bug, report["detection_status"]) == report["detection_status"]
    return found


async def one(engine: Engine, bug: str) -> dict[str, Any]:
    (report,) = [report for report in await reports_of(engine) if report["message"] == f"{bug}!"]
    return report


async def test_the_first_store_makes_everything_new(engine: Engine) -> None:
    merged = await store(engine, [A, B])
    assert await statuses(engine) == {"a": "new", "b": "new"}
    assert merged.counts == {"new": 2}


async def test_the_same_store_again_writes_no_report_and_reads_as_unresolved(engine: Engine) -> None:
    await store(engine, [A, B])
    before = await _versions(engine)
    merged = await store(engine, [A, B])
    assert await statuses(engine) == {"a": "unresolved", "b": "unresolved"}
    assert (merged.inserted, merged.replaced, merged.opened, merged.closed) == (0, 0, 0, 0)
    assert await _versions(engine) == before


async def _versions(engine: Engine) -> list[tuple[Any, ...]]:
    """Each row with the transaction that wrote it: equal lists mean that nothing was written."""
    query = """
        SELECT 'report', id::text, xmin::text, xmax::text FROM report
        UNION ALL SELECT 'file', id::text, xmin::text, xmax::text FROM file
        UNION ALL SELECT 'run_file', file_id::text, xmin::text, xmax::text FROM run_file
        UNION ALL SELECT 'path', report_id::text, xmin::text, xmax::text FROM report_path
        ORDER BY 1, 2"""
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.fetch(query)]


async def test_what_does_not_come_is_resolved_and_what_comes_back_is_reopened_then_unresolved(engine: Engine) -> None:
    await store(engine, [A, B])
    detected_at = (await one(engine, "b"))["detected_at"]
    await store(engine, [A])
    assert await statuses(engine) == {"a": "unresolved", "b": "resolved"}
    assert (await one(engine, "b"))["fixed_at"] is not None
    await store(engine, [A, B])
    assert await statuses(engine) == {"a": "unresolved", "b": "reopened"}
    assert (await one(engine, "b"))["fixed_at"] is None
    assert (await one(engine, "b"))["detected_at"] == detected_at
    await store(engine, [A, B])
    assert await statuses(engine) == {"a": "unresolved", "b": "unresolved"}


async def test_a_store_with_result_files_left_out_closes_nothing(engine: Engine) -> None:
    await store(engine, [A, B])
    await store(engine, [B, C], partial=True)
    assert await statuses(engine) == {"a": "unresolved", "b": "unresolved", "c": "new"}


async def test_fixed_at_stays_at_the_store_that_first_missed_the_report(engine: Engine) -> None:
    await store(engine, [A])
    await store(engine, [])
    fixed_at = (await one(engine, "a"))["fixed_at"]
    await store(engine, [])
    assert (await one(engine, "a"))["fixed_at"] == fixed_at


async def test_another_path_to_a_known_hash_replaces_the_row_and_keeps_its_detection(engine: Engine) -> None:
    await store(engine, [A])
    detected_at = (await one(engine, "a"))["detected_at"]
    merged = await store(engine, [Found("a", way="second")])
    assert (merged.inserted, merged.replaced) == (1, 1)
    report = await one(engine, "a")
    assert (report["detection_status"], report["detected_at"]) == ("unresolved", detected_at)


@pytest.mark.parametrize(
    "other", [Found("a", analyzer="cppcheck"), Found("a", line=11), Found("a", file="/b.h"), Found("a", words=" Ouch.")]
)
async def test_what_the_path_hash_leaves_out_is_brought_up_to_date(engine: Engine, other: Found) -> None:
    await store(engine, [A])
    before = (await reports_of(engine))[0]
    merged = await store(engine, [other])
    assert (merged.inserted, merged.replaced) == (1, 1)
    (after,) = await reports_of(engine)
    fields = (after["analyzer"], after["line"], after["file"], after["message"])
    assert fields == (other.analyzer, other.line, other.file, f"a!{other.words}")
    assert (after["detection_status"], after["detected_at"]) == ("unresolved", before["detected_at"])


async def test_a_resolved_hash_that_comes_back_by_another_path_is_reopened(engine: Engine) -> None:
    await store(engine, [A])
    await store(engine, [])
    await store(engine, [Found("a", way="second")])
    assert await statuses(engine) == {"a": "reopened"}


async def test_of_several_rows_of_a_hash_only_those_that_came_stay(engine: Engine) -> None:
    await store(engine, [A, Found("a", way="second"), Found("a", way="third")])
    merged = await store(engine, [A, Found("a", way="third")])
    assert merged.replaced == 1
    assert [report["detection_status"] for report in await reports_of(engine)] == ["unresolved", "unresolved"]


async def test_a_disabled_checker_turns_its_missing_reports_off_and_a_missing_one_unavailable(engine: Engine) -> None:
    other, diagnostic = Found("x", checker="deadcode.DeadStores"), Found("d", checker="clang-diagnostic-unused")
    await store(engine, [A, other, diagnostic])
    await store(engine, [], disabled={"core.NullDereference"}, enabled={"core.DivideZero"})
    assert await statuses(engine) == {"a": "off", "x": "unavailable", "d": "resolved"}


async def test_reports_that_were_off_or_unavailable_come_back_as_unresolved(engine: Engine) -> None:
    other = Found("x", checker="deadcode.DeadStores")
    await store(engine, [A, other])
    await store(engine, [], disabled={"core.NullDereference"}, enabled={"core.DivideZero"})
    await store(engine, [A, other])
    assert await statuses(engine) == {"a": "unresolved", "x": "unresolved"}


async def test_without_a_list_of_enabled_checkers_nothing_is_unavailable(engine: Engine) -> None:
    await store(engine, [A])
    await store(engine, [])
    assert await statuses(engine) == {"a": "resolved"}


async def test_duplicates_are_dropped_across_the_store(engine: Engine) -> None:
    merged = await store(engine, [A, A, B, A])
    assert (merged.incoming, merged.inserted) == (2, 2)


async def test_force_stores_the_run_anew(engine: Engine) -> None:
    await store(engine, [A, B], tag="first")
    await store(engine, [A], force=True)
    assert await statuses(engine) == {"a": "new"}
    assert [entry["tag"] for entry in await _history(engine)] == [None]


async def test_a_tag_moves_to_the_newest_store_that_bears_it(engine: Engine) -> None:
    await store(engine, [A], tag="v1")
    await store(engine, [A], tag="v1")
    assert [entry["tag"] for entry in await _history(engine)] == ["v1", None]


async def _history(engine: Engine) -> list[Any]:
    async with engine.connect() as conn:
        return await runs.list_history(conn, PRODUCT, "run", limit=100)


async def test_runs_do_not_touch_each_other(engine: Engine) -> None:
    await store(engine, [A, B], run="one")
    await store(engine, [B], run="two")
    await store(engine, [], run="two")
    assert await statuses(engine, "one") == {"a": "new", "b": "new"}
    assert await statuses(engine, "two") == {"b": "resolved"}


async def test_a_store_over_the_report_limit_changes_nothing(engine: Engine) -> None:
    await store(engine, [A])
    with pytest.raises(ReportLimitReached, match=r"has 0 reports.*takes -1"):
        async with engine.begin() as conn:
            await merge.merge_store(
                conn, NewStore(PRODUCT, "Default", "run"), md5("lease"), report_limit=-1, run_limit=None
            )
    assert await statuses(engine) == {"a": "new"}
    assert len(await _history(engine)) == 1


async def test_a_product_with_all_its_runs_takes_no_other_but_stores_into_those_it_has(engine: Engine) -> None:
    async with engine.connect() as conn:
        await conn.execute("UPDATE product SET run_limit = 1")
    await store(engine, [A])
    await store(engine, [B])
    with pytest.raises(RunLimitReached, match="'other' cannot be made"):
        await store(engine, [A], run="other")


async def test_a_source_that_never_came_is_named_and_the_report_is_kept(engine: Engine) -> None:
    merged = await store(engine, [Found("a", file="/gone.h"), await _with_content(engine, "b", b"int b;")])
    assert merged.missing_sources == ("/gone.h",)
    assert await statuses(engine) == {"a": "new", "b": "new"}


async def test_the_source_of_a_resolved_report_is_the_one_it_was_last_seen_in(engine: Engine) -> None:
    old, new = await _with_content(engine, "a", b"old"), await _with_content(engine, "b", b"new")
    await store(engine, [old])
    assert await _source(engine, "a") == "old"
    await store(engine, [new])
    assert (await _source(engine, "a"), await _source(engine, "b")) == ("old", "new")


async def test_another_verdict_on_a_closed_report_leaves_its_source_and_the_time_it_was_closed(engine: Engine) -> None:
    await store(engine, [await _with_content(engine, "a", b"old")])
    other = await _with_content(engine, "b", b"new")
    await store(engine, [other])
    fixed_at = (await one(engine, "a"))["fixed_at"]
    await store(engine, [other], disabled={"core.NullDereference"})
    closed = await one(engine, "a")
    assert (closed["detection_status"], closed["fixed_at"]) == ("off", fixed_at)
    assert await _source(engine, "a") == "old"


async def test_a_file_that_changed_elsewhere_shows_its_new_content_without_a_written_report(engine: Engine) -> None:
    await store(engine, [await _with_content(engine, "a", b"old")])
    merged = await store(engine, [await _with_content(engine, "a", b"new")])
    assert (merged.inserted, merged.replaced) == (0, 0)
    assert await _source(engine, "a") == "new"


async def test_sources_over_the_limit_are_left_out_and_named(engine: Engine) -> None:
    await store(engine, [await _with_content(engine, "a", b"0123456789")])
    report = await one(engine, "a")
    async with engine.connect() as conn:
        for limit, text, omitted in ((10, "0123456789", []), (9, None, ["/src/a.cpp"])):
            sources = await get_sources(conn, PRODUCT, report["id"], limit)
            assert (sources.files["/src/a.cpp"], sources.omitted) == (text, omitted)


async def _with_content(engine: Engine, bug: str, data: bytes) -> Found:
    async with engine.connect() as conn:
        await contents.insert_contents(conn, PRODUCT, [Content(sha256(data), len(data), zlib.compress(data))])
    return Found(bug, content=data)


async def _source(engine: Engine, bug: str) -> str | None:
    report = await one(engine, bug)
    async with engine.connect() as conn:
        return (await get_sources(conn, PRODUCT, report["id"])).files["/src/a.cpp"]


async def test_deleting_a_run_leaves_nothing_of_it(engine: Engine) -> None:
    await store(engine, [A, B])
    async with engine.begin() as conn:
        run = await conn.fetchval("SELECT id FROM run")
        await runs.delete_run(conn, PRODUCT, run)
        for table in ("run", "store", "report", "report_path", "run_file"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608


async def test_rows_that_a_crash_of_the_server_took_from_staging_are_noticed(engine: Engine) -> None:
    lease = await stage(engine, [A, B])
    async with engine.begin() as conn:
        await merge.check_staged(conn, lease, reports=2, files=2)
        for table, left in (("staged_report", "1 of 2"), ("staged_file", "1 of 2")):
            await conn.execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})")  # noqa: S608
            with pytest.raises(StagedRowsLost, match=left):
                await merge.check_staged(conn, lease, reports=2, files=2)


MANY_REPORTS = """
INSERT INTO report (product_id, checker_id, run_id, report_hash, path_hash, file_id, line, "column", status_by, status,
                    path_length, detected_at, message)
SELECT 1, 1, 1, md5(n::text)::uuid, md5(n::text)::uuid, md5('f')::uuid, 1, 1, 1, 'new', 1, now(), 'm'
FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize(
    ("name", "led", "values"),
    [
        ("fill_incoming", "report_product_id_run_id_path_hash_key on report r", {"lease": None}),
        ("review_reports", "report_pkey on report r", {"username": None, "stored_at": datetime.now(UTC)}),
    ],
)
async def test_an_index_leads_to_each_report_though_statistics_do_not_know_the_run(
    engine: Engine, name: str, led: str, values: dict[str, Any]
) -> None:
    query = merge.QUERIES[name]
    given = {"product": 1, "run": 1, **values}
    async with engine.begin() as conn:
        await conn.execute("ALTER TABLE report SET (autovacuum_enabled = false)")
        await conn.execute(MANY_REPORTS)
        await conn.execute(merge.QUERIES["create_work_tables"].text)
        plan = await conn.fetch(f"EXPLAIN {query.text}", *query.arguments(given))
    lines = "\n".join(row[0] for row in plan)
    assert f"Index Scan using {led}" in lines, lines


@pytest.mark.parametrize("name", ["insert_reports", "insert_run_files", "missing_sources"])
async def test_no_join_loops_over_all_pairs_of_rows_though_statistics_do_not_know_the_lease(
    engine: Engine, name: str
) -> None:
    """As after the stores of others: the planner takes what is staged now for one row, if any."""
    query, staged = merge.QUERIES[name], [Found(f"bug {number}", file=f"/src/{number}.cpp") for number in range(3000)]
    async with engine.connect() as conn:
        for table in ("staged_report", "staged_file"):
            await conn.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        others = await stage(engine, staged)
        await conn.execute("ANALYZE staged_report, staged_file")
        await merge.sweep_lease(conn, others)
    lease = await stage(engine, staged[:100])
    given = {"product": 1, "run": 1, "store": 1, "lease": lease, "limit": 10, "username": None}
    async with engine.begin() as conn:
        await conn.execute(merge.QUERIES["create_work_tables"].text)
        await merge.QUERIES["fill_incoming"].execute(conn, product=1, run=1, lease=lease)
        await conn.execute(merge.QUERIES["index_work_tables"].text)
        if name == "insert_reports":
            await merge.QUERIES["loop_no_joins"].value(conn)
        values = [({**given, "stored_at": datetime.now(UTC)})[key] for key in query.parameters]
        plan = await conn.fetch(f"EXPLAIN {query.text}", *values)
    lines = "\n".join(row[0] for row in plan)
    assert "Nested Loop" not in lines, lines


MANY_FILES = """
INSERT INTO file (product_id, id, path)
SELECT 1, md5(n::text)::uuid, n::text
FROM generate_series(1, 20000) AS n
"""


async def test_an_index_leads_to_each_file_though_the_table_was_never_analysed(engine: Engine) -> None:
    query = merge.QUERIES["register_files"]
    async with engine.begin() as conn:
        await conn.execute("ALTER TABLE file SET (autovacuum_enabled = false)")
        await conn.execute(MANY_FILES)
        plan = await conn.fetch(f"EXPLAIN {query.text}", *query.arguments({"product": 1, "lease": uuid4()}))
    lines = "\n".join(row[0] for row in plan)
    assert "Index Scan using file_pkey on file f" in lines, lines
    assert "Join" not in lines, lines
