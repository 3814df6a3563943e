"""Review rules: what people say of a report hash, wherever in a product it comes up (docs/reviews.md)."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, like_pattern, load_queries
from storaged.errors import ReviewNotFound
from storaged.model import ProductId, ReviewStatus, RunId
from storaged.store.report_comments import SystemComment
from storaged.store.reports import hash_columns, hash_text, report_key

QUERIES = load_queries("reviews")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the author is None where nobody was logged in."""

    report_hash: str
    status: ReviewStatus
    message: str
    author: str | None
    reviewed_at: datetime


@dataclass(frozen=True, slots=True)
class RunReview:
    """What is said of a report hash in some runs; `in_source`: by a comment, not by a rule."""

    said: Rule
    in_source: bool


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Values of one field are alternatives, fields narrow each other; `*` stands for anything in hashes and authors."""

    report_hashes: Sequence[str] = ()
    statuses: Sequence[ReviewStatus] = ()
    authors: Sequence[str] = ()
    # only rules that no report of the product has; `list_rules` does not look at it
    without_reports: bool = False


class RuleSort(StrEnum):
    """By what rules are sorted; of equal ones, by their hash."""

    REPORT_HASH = "report_hash"
    STATUS = "status"
    AUTHOR = "author"
    REVIEWED_AT = "reviewed_at"
    # how many reports there are
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class RuleOrder:
    """The order of a list of rules."""

    sort: RuleSort = RuleSort.REVIEWED_AT
    descending: bool = True


@dataclass(frozen=True, slots=True)
class RuleCursor:
    """Where the next page begins: behind the rule of this hash, made then."""

    at: datetime
    key: UUID


async def set_rule(
    conn: Connection,
    product: ProductId,
    report_hash: str,
    status: ReviewStatus,
    message: str,
    *,
    author: str | None = None,
) -> None:
    """Make this the rule of the hash as of now; one that says the same already stays as it is.

    A change is written down as a comment of the system.
    """
    said = _said(status, message, author)
    await QUERIES["set_rule"].execute(conn, product=product, **hash_columns(report_hash), **said, at=None)


async def set_rules(conn: Connection, product: ProductId, rules: Iterable[Rule]) -> None:
    """Make these the rules of their hashes as of their times; what says the same already stays as it is."""
    rows = (
        {
            "product": product,
            **hash_columns(rule.report_hash),
            **_said(rule.status, rule.message, rule.author),
            "at": rule.reviewed_at,
        }
        for rule in rules
    )
    await QUERIES["set_rule"].execute_many(conn, rows)


async def get_rule(conn: Connection, product: ProductId, endpoint: str, report_hash: str) -> Rule:
    """The rule of this hash; raises ReviewNotFound."""
    row = await QUERIES["get_rule"].row(conn, product=product, report_hash=report_key(report_hash))
    if row is None:
        raise ReviewNotFound(endpoint, report_hash)
    return _rule(row)


async def remove_rule(conn: Connection, product: ProductId, endpoint: str, report_hash: str) -> None:
    """Its reports are again as if nobody had said anything. Raises ReviewNotFound."""
    if not await QUERIES["remove_rule"].execute(conn, product=product, report_hash=report_key(report_hash)):
        raise ReviewNotFound(endpoint, report_hash)


async def list_rules(
    conn: Connection, product: ProductId, where: RuleFilter, *, after: RuleCursor | None = None, limit: int
) -> tuple[list[Rule], RuleCursor | None]:
    """A page of rules, the newest first, and where the next one begins (None: there is none)."""
    rows = await QUERIES["list_rules"].fetch(
        conn,
        product=product,
        before_at=None if after is None else after.at,
        before_hash=None if after is None else after.key,
        limit=limit,
        **_conditions(where),
    )
    following = RuleCursor(rows[-1]["reviewed_at"], rows[-1]["report_hash"]) if len(rows) == limit else None
    return [_rule(row) for row in rows], following


async def page_of_rules(
    conn: Connection, product: ProductId, where: RuleFilter, order: RuleOrder, *, limit: int | None, offset: int
) -> list[tuple[Rule, int]]:
    """Rules in this order, each with the number of its reports."""
    rows = await QUERIES["page_of_rules"].fetch(
        conn,
        product=product,
        sort=str(order.sort),
        descending=order.descending,
        limit=limit,
        offset=offset,
        without_reports=where.without_reports,
        **_conditions(where),
    )
    return [(_rule(row), row["reports"]) for row in rows]


async def count_rules(conn: Connection, product: ProductId, where: RuleFilter) -> int:
    count = await QUERIES["count_rules"].value(
        conn, product=product, without_reports=where.without_reports, **_conditions(where)
    )
    return int(count)


async def remove_rules(conn: Connection, product: ProductId, where: RuleFilter) -> int:
    """Remove all that fit; says how many."""
    return await QUERIES["remove_rules"].execute(
        conn, product=product, without_reports=where.without_reports, **_conditions(where)
    )


async def reviews_of_runs(conn: Connection, product: ProductId, runs: Sequence[RunId] | None) -> list[RunReview]:
    """What is said of the reports of runs (None: of all), by rules and by what came with stores."""
    rows = await QUERIES["reviews_of_runs"].fetch(conn, product=product, runs=runs)
    return [RunReview(_rule(row), in_source=row["review_source"] == "comment") for row in rows]


def _conditions(where: RuleFilter) -> dict[str, Any]:
    hashes = [text for text in where.report_hashes if "*" not in text]
    return {
        "report_hashes": [report_key(text) for text in hashes] if where.report_hashes else None,
        "report_hash_globs": [like_pattern(text) for text in where.report_hashes if "*" in text],
        "statuses": [str(status) for status in where.statuses] or None,
        "authors": [like_pattern(text) for text in where.authors] or None,
    }


def _said(status: ReviewStatus, message: str, author: str | None) -> dict[str, Any]:
    """With the words of the system's comment that come before the status as it was, and after."""
    kind = SystemComment.REVIEW_CHANGED_WITH_MESSAGE if message else SystemComment.REVIEW_CHANGED
    change = shlex.join([status.capitalize(), message] if message else [status.capitalize()])
    return {"status": str(status), "message": message, "author": author, "kind": str(kind), "change": change}


def _rule(row: Any) -> Rule:
    return Rule(
        report_hash=hash_text(row),
        status=ReviewStatus(row["status"]),
        message=row["message"],
        author=row["author"],
        reviewed_at=row["reviewed_at"],
    )
