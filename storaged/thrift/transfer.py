"""Reviews and comments of runs, to be taken to another server: `CodeChecker cmd export` and `import`."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from storaged.api.params import read_object
from storaged.auth.permissions import Right
from storaged.database.sql import Connection, snapshot
from storaged.model import RunId
from storaged.store import numbered, report_comments, reviews
from storaged.store.products import Product
from storaged.store.report_comments import ReportComment
from storaged.store.reviews import Rule
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.comments import comment_data
from storaged.thrift.faults import Refused
from storaged.thrift.reviews import FROM_STATUSES, review_data
from storaged.thrift.runs import run_choice
from storaged.thrift.structs import CommentKind
from storaged.thrift.values import HASH_TEXT, LONGER_TEXT, time_of_text


async def export_data(call: Call, run_filter: structs.RunFilter | None) -> structs.ExportData:
    """What is said of the reports of the runs, and what is written below them, by report hash."""
    async with call.services.engine.connect() as conn, snapshot(conn):
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
    written = [
        (read_object(HASH_TEXT, report_hash, "comments"), _comment(report_hash, comment))
        for report_hash, comments in (data.get("comments") or {}).items()
        for comment in comments
    ]
    rules = [_rule(report_hash, review) for report_hash, review in (data.get("reviewData") or {}).items()]
    async with call.services.engine.begin() as conn:
        await report_comments.import_comments(conn, call.product.id, written)
        await reviews.set_rules(conn, call.product.id, rules)
    return True


async def _runs(conn: Connection, product: Product, run_filter: structs.RunFilter | None) -> Sequence[RunId] | None:
    """None: all there are, those of reports that are gone as well."""
    if not run_filter:
        return None
    return list(await numbered.names_of_runs(conn, product.id, await run_choice(conn, product, run_filter)))


def _comment(report_hash: str, comment: structs.CommentData) -> ReportComment:
    return ReportComment(
        id=0,
        author=_author(comment.get("author")),
        message=read_object(LONGER_TEXT, comment.get("message", ""), f"comments/{report_hash}/message"),
        by_system=comment.get("kind") is CommentKind.SYSTEM,
        created_at=time_of_text(comment.get("createdAt", "")),
    )


def _rule(report_hash: str, review: structs.ReviewData) -> Rule:
    if "status" not in review:
        raise Refused(f"The review of {report_hash} has no status.")
    return Rule(
        report_hash=read_object(HASH_TEXT, report_hash, "reviewData"),
        status=FROM_STATUSES[review["status"]],
        message=read_object(LONGER_TEXT, review.get("comment", ""), f"reviewData/{report_hash}/comment"),
        author=_author(review.get("author")),
        reviewed_at=time_of_text(review.get("date", "")),
    )


def _author(name: str | None) -> str | None:
    return None if name in {None, "", NOBODY} else name


METHODS: Final[Methods] = {
    "exportData": Handled(export_data, Right.PRODUCT_VIEW),
    "importData": Handled(import_data, Right.PRODUCT_ADMIN),
}
