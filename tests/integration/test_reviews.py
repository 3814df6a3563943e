"""Reviews: what rules make of reports when these are read, and what comments in sources do in a store."""

from collections.abc import Sequence
from typing import Any

import pytest

from storaged.database.engine import Engine
from storaged.errors import ReviewNotFound
from storaged.model import ProductId, ReviewStatus, RunId
from storaged.store import reviews
from storaged.store.diffs import DiffSet, Side, difference
from storaged.store.reports import ReportFilter
from storaged.store.reviews import RuleFilter
from tests.integration.report_pages import list_reports
from tests.staged import PRODUCT, Found, md5, store

FALSE_POSITIVE, CONFIRMED = ReviewStatus.FALSE_POSITIVE, ReviewStatus.CONFIRMED
INTENTIONAL, UNREVIEWED = ReviewStatus.INTENTIONAL, ReviewStatus.UNREVIEWED


async def say(engine: Engine, bug: str, status: ReviewStatus, message: str = "why") -> None:
    async with engine.begin() as conn:
        await reviews.set_rule(conn, PRODUCT, md5(bug).hex, status, message, author="ann")


async def unsay(engine: Engine, bug: str) -> None:
    async with engine.begin() as conn:
        await reviews.remove_rule(conn, PRODUCT, "Default", md5(bug).hex)


async def found(engine: Engine, diff: Any = None, **where: Any) -> list[dict[str, Any]]:
    async with engine.connect() as conn:
        return (await list_reports(conn, PRODUCT, ReportFilter(**where), limit=1000, diff=diff)).reports


async def bugs(engine: Engine, **where: Any) -> list[str]:
    return [report["message"].rstrip("!") for report in await found(engine, **where)]


async def run_ids(engine: Engine) -> list[RunId]:
    async with engine.connect() as conn:
        return [RunId(row["id"]) for row in await conn.fetch("SELECT id FROM run ORDER BY id")]


async def in_diff(engine: Engine, which: DiffSet, base: Side, new: Side) -> list[str]:
    return await bugs(engine, diff=difference(which, base, new))


async def test_a_rule_speaks_of_all_reports_of_its_hash_also_of_those_to_come(engine: Engine) -> None:
    await store(engine, [Found("a"), Found("b")])
    await say(engine, "a", CONFIRMED)
    await store(engine, [Found("a"), Found("a", "second way")], "later")
    reviewed = await found(engine, review_statuses=[CONFIRMED])
    assert [report["run"] for report in reviewed] == ["run", "later", "later"]
    assert {(r["review"]["message"], r["review"]["author"]) for r in reviewed} == {("why", "ann")}
    (other,) = await found(engine, review_statuses=[UNREVIEWED])
    assert (other["review_status"], other["review"]) == ("unreviewed", None)


async def test_rules_of_another_product_do_not_count(engine: Engine) -> None:
    await store(engine, [Found("a")])
    async with engine.begin() as conn:
        other = ProductId(
            await conn.fetchval("INSERT INTO product (endpoint, display_name) VALUES ('o', 'o') RETURNING id")
        )
        await reviews.set_rule(conn, other, md5("a").hex, FALSE_POSITIVE, "")
    assert [report["review_status"] for report in await found(engine)] == ["unreviewed"]


async def test_a_rule_that_calls_a_report_no_bug_closes_it_until_the_rule_goes(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await say(engine, "a", FALSE_POSITIVE)
    (report,) = await found(engine)
    closed_at = report["fixed_at"]
    assert closed_at == report["review"]["at"]
    await say(engine, "a", INTENTIONAL, "on purpose")
    (report,) = await found(engine)
    assert (report["review_status"], report["fixed_at"]) == ("intentional", closed_at)
    assert report["review"]["at"] > closed_at
    for status in (CONFIRMED, UNREVIEWED):
        await say(engine, "a", status)
        assert [one["fixed_at"] for one in await found(engine)] == [None]
    await say(engine, "a", FALSE_POSITIVE)
    assert [one["fixed_at"] is None for one in await found(engine)] == [False]
    await unsay(engine, "a")
    assert [(one["review_status"], one["fixed_at"]) for one in await found(engine)] == [("unreviewed", None)]


async def test_what_comes_after_its_rule_is_closed_from_its_first_store_on(engine: Engine) -> None:
    await say(engine, "a", FALSE_POSITIVE)
    await store(engine, [Found("a")])
    (report,) = await found(engine)
    assert report["fixed_at"] == report["detected_at"]


async def test_what_was_gone_before_its_rule_stays_closed_since_then(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await store(engine, [])
    (gone,) = await found(engine)
    await say(engine, "a", FALSE_POSITIVE)
    assert [one["fixed_at"] for one in await found(engine)] == [gone["fixed_at"]]


async def test_a_rule_that_says_the_same_again_stays_as_it_was(engine: Engine) -> None:
    await say(engine, "a", CONFIRMED)
    async with engine.begin() as conn:
        before = await reviews.get_rule(conn, PRODUCT, "Default", md5("a").hex)
        await reviews.set_rule(conn, PRODUCT, md5("a").hex, CONFIRMED, "why", author="bob")
        assert await reviews.get_rule(conn, PRODUCT, "Default", md5("a").hex) == before
        await reviews.set_rule(conn, PRODUCT, md5("a").hex, CONFIRMED, "another why", author="bob")
        assert (await reviews.get_rule(conn, PRODUCT, "Default", md5("a").hex)).author == "bob"


async def test_a_hash_that_is_no_md5_is_kept_as_it_is(engine: Engine) -> None:
    async with engine.begin() as conn:
        await reviews.set_rule(conn, PRODUCT, "A/Hash", CONFIRMED, "")
        assert (await reviews.get_rule(conn, PRODUCT, "Default", "A/Hash")).report_hash == "A/Hash"
        with pytest.raises(ReviewNotFound, match="a/hash"):
            await reviews.remove_rule(conn, PRODUCT, "Default", "a/hash")


async def test_closed_by_a_rule_is_on_no_side_of_a_diff(engine: Engine) -> None:
    await store(engine, [Found("a"), Found("b"), Found("c")], "old")
    await store(engine, [Found("b"), Found("c"), Found("d"), Found("e")], "new")
    old, new = [Side(((run, None),)) for run in await run_ids(engine)]
    for bug in "ace":
        await say(engine, bug, FALSE_POSITIVE)
    assert await in_diff(engine, DiffSet.NEW, old, new) == ["d"]
    assert await in_diff(engine, DiffSet.RESOLVED, old, new) == []
    assert await in_diff(engine, DiffSet.UNRESOLVED, old, new) == ["b"]


async def test_a_diff_at_a_time_before_the_rule_has_the_report(engine: Engine) -> None:
    await store(engine, [Found("a")])
    (run,) = await run_ids(engine)
    (report,) = await found(engine)
    await say(engine, "a", FALSE_POSITIVE)
    then, now = Side(((run, report["detected_at"]),)), Side(((run, None),))
    assert await in_diff(engine, DiffSet.RESOLVED, then, now) == ["a"]
    assert await bugs(engine, open_at=report["detected_at"]) == ["a"]


CLOSED = Found("a", review=("false_positive", "why", True))
ON_PURPOSE = Found("a", review=("intentional", "so it is", True))
CONFIRMED_THERE = Found("a", review=("confirmed", "indeed", True))
BY_FILE = Found("a", review=("false_positive", "not ours", False))


async def only(engine: Engine) -> dict[str, Any]:
    (report,) = await found(engine)
    return report


async def test_a_comment_closes_the_report_with_the_store_that_brings_it_and_opens_it_when_it_goes(
    engine: Engine,
) -> None:
    await store(engine, [Found("a")])
    before = await only(engine)
    merged = await store(engine, [CLOSED], username="ann")
    closed = await only(engine)
    assert (merged.inserted, merged.replaced, merged.reviewed) == (0, 0, 1)
    assert (closed["id"], closed["detection_status"]) == (before["id"], "unresolved")
    assert closed["review"] == {"message": "why", "author": "ann", "at": closed["fixed_at"], "source": "comment"}
    merged = await store(engine, [CLOSED], username="bob")
    assert (merged.reviewed, await only(engine)) == (0, closed)
    await store(engine, [ON_PURPOSE])
    assert [(await only(engine))[name] for name in ("review_status", "fixed_at")] == ["intentional", closed["fixed_at"]]
    await store(engine, [CONFIRMED_THERE])
    assert [(await only(engine))[name] for name in ("review_status", "fixed_at")] == ["confirmed", None]
    await store(engine, [Found("a")])
    assert [(await only(engine))[name] for name in ("review_status", "review", "fixed_at")] == [
        "unreviewed",
        None,
        None,
    ]


async def test_a_reviewed_report_that_goes_and_comes_back_is_closed_all_along(engine: Engine) -> None:
    await store(engine, [CLOSED])
    closed = await only(engine)
    assert closed["fixed_at"] == closed["detected_at"]
    await store(engine, [])
    gone = await only(engine)
    assert (gone["detection_status"], gone["review_status"]) == ("resolved", "false_positive")
    await store(engine, [ON_PURPOSE])
    back = await only(engine)
    assert (back["detection_status"], back["review_status"]) == ("reopened", "intentional")
    assert closed["fixed_at"] == gone["fixed_at"] == back["fixed_at"]


async def test_a_report_that_moved_keeps_the_time_at_which_it_was_reviewed(engine: Engine) -> None:
    await store(engine, [CLOSED])
    closed = await only(engine)
    await store(engine, [Found("a", "another way", review=CLOSED.review)])
    assert (await only(engine))["fixed_at"] == closed["fixed_at"]


async def test_a_comment_goes_before_a_rule_and_a_rule_before_a_review_file(engine: Engine) -> None:
    await say(engine, "a", INTENTIONAL)
    for one, expected in ((CONFIRMED_THERE, ("confirmed", True)), (BY_FILE, ("intentional", False))):
        await store(engine, [one])
        report = await only(engine)
        assert (report["review_status"], report["fixed_at"] is None) == expected
    await say(engine, "a", CONFIRMED)
    report = await only(engine)
    assert (report["review_status"], report["fixed_at"], report["review"]["source"]) == ("confirmed", None, "rule")
    (run,) = await run_ids(engine)
    now = Side(((run, None),))
    assert await in_diff(engine, DiffSet.UNRESOLVED, now, now) == ["a"]
    await unsay(engine, "a")
    report = await only(engine)
    assert (report["review_status"], report["fixed_at"] is None, report["review"]["source"]) == (
        "false_positive",
        False,
        "file",
    )
    assert await in_diff(engine, DiffSet.UNRESOLVED, now, now) == []


async def test_what_a_rule_closes_and_a_comment_confirms_is_open_in_a_diff(engine: Engine) -> None:
    await store(engine, [CONFIRMED_THERE, Found("b", review=("intentional", "", True))])
    await say(engine, "a", FALSE_POSITIVE)
    await say(engine, "b", CONFIRMED)
    (run,) = await run_ids(engine)
    now = Side(((run, None),))
    assert await in_diff(engine, DiffSet.UNRESOLVED, now, now) == ["a"]


async def pages(engine: Engine, where: RuleFilter, limit: int) -> list[Sequence[str]]:
    after, listed = None, []
    async with engine.connect() as conn:
        while True:
            rules, after = await reviews.list_rules(conn, PRODUCT, where, after=after, limit=limit)
            listed.append([rule.message for rule in rules])
            if after is None:
                return listed


async def test_rules_are_listed_page_by_page_the_newest_first(engine: Engine) -> None:
    for bug in "abc":
        await say(engine, bug, CONFIRMED, bug)
    async with engine.begin() as conn:  # of one time
        for bug in "de":
            await reviews.set_rule(conn, PRODUCT, bug, INTENTIONAL, bug)
    whole = (await pages(engine, RuleFilter(), 10))[0]
    assert whole[2:] == ["c", "b", "a"]
    assert await pages(engine, RuleFilter(), 2) == [whole[:2], whole[2:4], whole[4:]]
    assert await pages(engine, RuleFilter(statuses=[INTENTIONAL]), 10) == [whole[:2]]
    assert await pages(engine, RuleFilter(authors=["a*"]), 10) == [["c", "b", "a"]]
    assert await pages(engine, RuleFilter(report_hashes=["d", md5("a").hex]), 10) == [["d", "a"]]
    assert await pages(engine, RuleFilter(report_hashes=[md5("b").hex[:6] + "*"]), 10) == [["b"]]
