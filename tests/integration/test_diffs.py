"""What a diff of runs has: the rules of docs/api.md, one by one."""

from collections.abc import Sequence
from typing import Any

import pytest

from storaged.database.engine import Engine
from storaged.errors import RunNotFound, TagNotFound
from storaged.store.diffs import DiffSet, difference, find_side, readings
from storaged.store.reports import ReportFilter
from tests.integration.report_pages import list_reports
from tests.staged import PRODUCT, Found, store

A, B, C = Found("a"), Found("b"), Found("c")


async def rows(
    engine: Engine, which: DiffSet, base: Sequence[str], new: Sequence[str], **where: Any
) -> list[dict[str, Any]]:
    async with engine.connect() as conn:
        sides = [await find_side(conn, PRODUCT, "Default", operands) for operands in (base, new)]
        diff = difference(which, *sides)
        return (await list_reports(conn, PRODUCT, ReportFilter(**where), limit=100, diff=diff)).reports


async def bugs(engine: Engine, base: Sequence[str] | str, new: Sequence[str] | str, **where: Any) -> dict[str, str]:
    """The bugs of each set, by letters in the order of the alphabet."""
    sides = [[side] if isinstance(side, str) else side for side in (base, new)]
    return {
        which.value: "".join(sorted(row["message"].rstrip("!") for row in await rows(engine, which, *sides, **where)))
        for which in DiffSet
    }


async def test_new_is_only_in_the_new_run_resolved_only_in_the_base_unresolved_in_both(engine: Engine) -> None:
    await store(engine, [A, B], run="base")
    await store(engine, [B, C], run="new")
    assert await bugs(engine, "base", "new") == {"new": "c", "resolved": "a", "unresolved": "b"}


async def test_closed_reports_are_on_no_side(engine: Engine) -> None:
    await store(engine, [A, B], run="base")
    await store(engine, [B], run="base")
    await store(engine, [A, B, C], run="new")
    await store(engine, [A, B], run="new", disabled=frozenset({"core.NullDereference"}))
    assert await bugs(engine, "base", "new") == {"new": "a", "resolved": "", "unresolved": "b"}


async def test_unresolved_and_new_are_shown_as_the_new_side_has_them_resolved_as_the_base_has_them(
    engine: Engine,
) -> None:
    await store(engine, [A, B], run="base")
    await store(engine, [B, C], run="new")
    shown = {which: (await rows(engine, which, ["base"], ["new"]))[0]["run"] for which in DiffSet}
    assert shown == {DiffSet.NEW: "new", DiffSet.RESOLVED: "base", DiffSet.UNRESOLVED: "new"}


async def test_a_tag_is_the_run_as_it_was_at_that_store(engine: Engine) -> None:
    await store(engine, [A, B], tag="v1")
    await store(engine, [B, C], tag="v2")
    await store(engine, [C])
    assert await bugs(engine, "run:v1", "run:v2") == {"new": "c", "resolved": "a", "unresolved": "b"}
    assert await bugs(engine, "run:v1", "run") == {"new": "c", "resolved": "ab", "unresolved": ""}
    assert await bugs(engine, "run", "run:v2") == {"new": "b", "resolved": "", "unresolved": "c"}


async def test_several_runs_of_a_side_are_taken_together_each_at_its_own_time(engine: Engine) -> None:
    await store(engine, [A], run="one", tag="v1")
    await store(engine, [], run="one")
    await store(engine, [B], run="two")
    await store(engine, [A, B, C], run="new")
    assert (await bugs(engine, ["one:v1", "two"], "new"))["new"] == "c"
    assert (await bugs(engine, ["one", "two"], "new"))["new"] == "ac"


async def test_every_path_of_a_hash_is_shown(engine: Engine) -> None:
    await store(engine, [B], run="base")
    await store(engine, [A, Found("a", way="second"), B], run="new")
    assert len(await rows(engine, DiffSet.NEW, ["base"], ["new"])) == 2


async def test_filters_narrow_what_is_shown_and_not_what_it_is_compared_with(engine: Engine) -> None:
    await store(engine, [A, Found("b", file="/lib/b.cpp")], run="base")
    await store(engine, [A, Found("b", file="/src/b.cpp"), Found("c", file="/lib/c.cpp")], run="new")
    assert await bugs(engine, "base", "new", files=["/src/*"]) == {"new": "", "resolved": "", "unresolved": "ab"}
    assert (await bugs(engine, "base", "new", files=["/lib/*"]))["new"] == "c"


async def test_a_run_compared_with_itself_has_only_unresolved_ones(engine: Engine) -> None:
    await store(engine, [A, B])
    assert await bugs(engine, "run", "run") == {"new": "", "resolved": "", "unresolved": "ab"}


async def test_a_run_whose_name_has_a_colon_goes_before_a_tag(engine: Engine) -> None:
    await store(engine, [A], tag="x:y")
    await store(engine, [], run="other")
    assert (await bugs(engine, "other", "run:x:y"))["new"] == "a"
    await store(engine, [B], run="run:x", tag="y")
    assert (await bugs(engine, "other", "run:x:y"))["new"] == "b"
    await store(engine, [C], run="run:x:y")
    assert (await bugs(engine, "other", "run:x:y"))["new"] == "c"


def test_the_whole_operand_is_read_as_a_run_first_then_the_longest_name() -> None:
    assert list(readings("a:b:c")) == [("a:b:c", None), ("a:b", "c"), ("a", "b:c")]


async def test_an_unknown_run_and_an_unknown_tag_are_named(engine: Engine) -> None:
    await store(engine, [A])
    async with engine.connect() as conn:
        with pytest.raises(RunNotFound, match="no run 'other:v1'"):
            await find_side(conn, PRODUCT, "Default", ["other:v1"])
        with pytest.raises(TagNotFound, match="Run 'run' of product 'Default' has no tag 'v9'"):
            await find_side(conn, PRODUCT, "Default", ["run:v9"])
