"""Reviews and comments of runs, to be taken to another server: `CodeChecker cmd export` and `import`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from storaged.auth.permissions import Right
from storaged.database.sql import Connection
from storaged.model import RunId
from storaged.store import numbered, report_comments, reviews
from storaged.store.products import Product
from storaged.store.report_comments import ReportComment
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.comments import comment_data
from storaged.thrift.faults import Refused
from storaged.thrift.reviews import FROM_STATUSES, review_data
from storaged.thrift.runs import run_choice
from storaged.thrift.structs import CommentKind
from storaged.thrift.values import time_of_text


async def export_data(call: Call, run_filter: structs.RunFilter | None) -> structs.ExportData:
    """What is said of the reports of the runs, and what is written below them, by report hash."""
    async with call.services.engine.connect() as conn:
        runs = await _runs(conn, call.product, run_filter)
        said = await reviews.reviews_of_runs(conn, call.product.id, runs)
        written = await report_comments.comments_of_runs(conn, call.product.id, runs)
    comments: dict[str, list[structs.CommentData]] = defaultdict(list)
    for report_hash, comment in written:
        comments[report_hash].append(comment_data(comment))
    return {
        "comments": dict(comments),
        "reviewData": {one.said.report_hash: review_data(one.said, in_source=one.in_source) for one in said},
    }


async def import_data(call: Call, data: structs.ExportData) -> bool:
    """Comments that are there already are not added again; reviews become rules, in the place of those there are."""
    async with call.services.engine.begin() as conn:
        for report_hash, comments in (data.get("comments") or {}).items():
            await _import_comments(conn, call.product, report_hash, comments)
        for report_hash, review in (data.get("reviewData") or {}).items():
            await _import_review(conn, call.product, report_hash, review)
    return True


async def _runs(conn: Connection, product: Product, run_filter: structs.RunFilter | None) -> Sequence[RunId] | None:
    """None: all there are, those of reports that are gone as well."""
    if not run_filter:
        return None
    return list(await numbered.names_of_runs(conn, product.id, await run_choice(conn, product, run_filter)))


async def _import_comments(
    conn: Connection, product: Product, report_hash: str, comments: Iterable[structs.CommentData]
) -> None:
    for comment in comments:
        written = ReportComment(
            id=0,
            author=_author(comment.get("author")),
            message=comment.get("message", ""),
            by_system=comment.get("kind") is CommentKind.SYSTEM,
            created_at=time_of_text(comment.get("createdAt", "")),
        )
        await report_comments.import_comment(conn, product.id, report_hash, written)


async def _import_review(conn: Connection, product: Product, report_hash: str, review: structs.ReviewData) -> None:
    if "status" not in review:
        raise Refused(f"The review of {report_hash} has no status.")
    await reviews.set_rule(
        conn,
        product.id,
        report_hash,
        FROM_STATUSES[review["status"]],
        review.get("comment", ""),
        author=_author(review.get("author")),
        at=time_of_text(review.get("date", "")),
    )


def _author(name: str | None) -> str | None:
    return None if name in {None, "", NOBODY} else name


METHODS: Final[Methods] = {
    "exportData": Handled(export_data, Right.PRODUCT_VIEW),
    "importData": Handled(import_data, Right.PRODUCT_ADMIN),
}
