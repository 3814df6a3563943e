"""What people write below reports; a comment is on a report hash, wherever in the product it comes up."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from storaged.database.sql import Connection, load_queries
from storaged.errors import ReportNotFound
from storaged.model import ProductId, RunId
from storaged.store.reports import hash_columns, hash_text

QUERIES = load_queries("report_comments")


class SystemComment(StrEnum):
    """The first word of a comment of the system; the others are quoted as for a shell.

    It is the form that CodeChecker keeps, so that its comments can be imported here, and these there.
    """

    # status before, status
    REVIEW_CHANGED = "rev_st_changed"
    # status before, status, message
    REVIEW_CHANGED_WITH_MESSAGE = "rev_st_changed_msg"
    # message before, message
    COMMENT_CHANGED = "comment_changed"


@dataclass(frozen=True, slots=True)
class ReportComment:
    """One comment; the author is None where nobody was logged in. `by_system`: a server wrote it, of a change."""

    id: int
    author: str | None
    message: str
    by_system: bool
    created_at: datetime


class _Key(NamedTuple):
    report_hash: UUID
    foreign_hash: str | None


async def list_comments(conn: Connection, product: ProductId, endpoint: str, report: int) -> list[ReportComment]:
    """Those on the hash of a report, the newest first. Raises ReportNotFound."""
    key = await _key_of(conn, product, endpoint, report)
    rows = await QUERIES["list_comments"].fetch(conn, product=product, report_hash=key.report_hash)
    return [_comment(row) for row in rows]


async def count_comments(conn: Connection, product: ProductId, endpoint: str, report: int) -> int:
    """Raises ReportNotFound."""
    key = await _key_of(conn, product, endpoint, report)
    return int(await QUERIES["count_comments"].value(conn, product=product, report_hash=key.report_hash))


async def comments_of_reports(
    conn: Connection, product: ProductId, reports: Sequence[int]
) -> dict[int, list[ReportComment]]:
    """Those on the hash of each report that has any, the newest first."""
    found: dict[int, list[ReportComment]] = {}
    for row in await QUERIES["comments_of_reports"].fetch(conn, product=product, reports=reports):
        found.setdefault(row["report"], []).append(_comment(row))
    return found


async def comments_of_runs(
    conn: Connection, product: ProductId, runs: Sequence[RunId] | None
) -> list[tuple[str, ReportComment]]:
    """Report hash and comment of all on the reports of runs (None: on all), the newest first."""
    rows = await QUERIES["comments_of_runs"].fetch(conn, product=product, runs=runs)
    return [(hash_text(row), _comment(row)) for row in rows]


async def add_comment(
    conn: Connection, product: ProductId, endpoint: str, report: int, message: str, *, author: str | None = None
) -> None:
    """Raises ReportNotFound."""
    key = await _key_of(conn, product, endpoint, report)
    await QUERIES["add_comment"].execute(conn, product=product, **key._asdict(), author=author, message=message)


async def import_comments(conn: Connection, product: ProductId, comments: Iterable[tuple[str, ReportComment]]) -> None:
    """Add comments of another server, each with its report hash; their ids mean nothing here, and those that are there
    stay as they are.
    """
    rows = (
        {
            "product": product,
            **hash_columns(report_hash),
            "author": comment.author,
            "message": comment.message,
            "by_system": comment.by_system,
            "created_at": comment.created_at,
        }
        for report_hash, comment in comments
    )
    await QUERIES["import_comment"].execute_many(conn, rows)


async def change_comment(
    conn: Connection, product: ProductId, comment: int, message: str, *, author: str | None = None
) -> bool:
    """False when nobody wrote such a comment. What it was before is written down as a comment of the system."""
    async with conn.transaction():
        before = await QUERIES["lock_comment"].value(conn, product=product, comment=comment)
        if before is None or before == message:
            return before is not None
        change = shlex.join([SystemComment.COMMENT_CHANGED, before, message])
        await QUERIES["change_comment"].execute(
            conn, product=product, comment=comment, message=message, author=author, change=change
        )
    return True


async def remove_comment(conn: Connection, product: ProductId, comment: int) -> bool:
    """False when nobody wrote such a comment: those of the system stay."""
    return bool(await QUERIES["remove_comment"].execute(conn, product=product, comment=comment))


async def _key_of(conn: Connection, product: ProductId, endpoint: str, report: int) -> _Key:
    row = await QUERIES["hash_of_report"].row(conn, product=product, report=report)
    if row is None:
        raise ReportNotFound(endpoint, report)
    return _Key(row["report_hash"], row["foreign_hash"])


def _comment(row: Any) -> ReportComment:
    return ReportComment(row["id"], row["author"], row["message"], row["by_system"], row["created_at"])
