"""What people write below reports, by the names of CodeChecker's clients."""

import html
import shlex
from typing import Final

from storaged.api.params import read_object
from storaged.auth.permissions import Right
from storaged.store import report_comments
from storaged.store.report_comments import ReportComment, SystemComment
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import CommentKind, ErrorCode
from storaged.thrift.values import WRITTEN_TEXT, time_text


async def get_comments(call: Call, report_id: int) -> list[structs.CommentData]:
    """Those on the report's hash, the newest first."""
    product = call.product
    async with call.services.engine.connect() as conn:
        found = await report_comments.list_comments(conn, product.id, product.endpoint, report_id)
    return [shown(comment) for comment in found]


async def get_comment_count(call: Call, report_id: int) -> int:
    product = call.product
    async with call.services.engine.connect() as conn:
        return await report_comments.count_comments(conn, product.id, product.endpoint, report_id)


async def add_comment(call: Call, report_id: int, comment: structs.CommentData) -> bool:
    """Only the message counts: the server knows who writes, and when."""
    message, product = _message(comment.get("message")), call.product
    async with call.services.engine.begin() as conn:
        await report_comments.add_comment(conn, product.id, product.endpoint, report_id, message)
    return True


async def update_comment(call: Call, comment_id: int, message: str) -> bool:
    text = _message(message)
    async with call.services.engine.connect() as conn:
        return _known(await report_comments.change_comment(conn, call.product.id, comment_id, text), comment_id)


async def remove_comment(call: Call, comment_id: int) -> bool:
    async with call.services.engine.connect() as conn:
        return _known(await report_comments.remove_comment(conn, call.product.id, comment_id), comment_id)


def shown(comment: ReportComment) -> structs.CommentData:
    """The comment as clients show it: its message as HTML."""
    told = _change(comment.message) if comment.by_system else None
    return comment_data(comment) | {"message": told or html.escape(comment.message)}


def comment_data(comment: ReportComment) -> structs.CommentData:
    """The comment as clients know it, its message as it was written."""
    return {
        "id": comment.id,
        "author": comment.author or NOBODY,
        "message": comment.message,
        "createdAt": time_text(comment.created_at),
        "kind": CommentKind.SYSTEM if comment.by_system else CommentKind.USER,
    }


def _change(text: str) -> str | None:
    """What a comment of the system tells, for the viewer, which puts who and when in; None for what is none."""
    try:
        words = [html.escape(word) for word in shlex.split(text)]
    except ValueError:
        return None
    match words:
        case [SystemComment.REVIEW_CHANGED, before, after]:
            return _told("review-status", "reviewed it as", before, after)
        case [SystemComment.REVIEW_CHANGED_WITH_MESSAGE, before, after, message]:
            return _told("review-status", "reviewed it as", before, after, f", saying <i>{message}</i>")
        case [SystemComment.COMMENT_CHANGED, before, after]:
            return _told("comment-message", "wrote the comment anew:", before, after)
    return None


def _told(of: str, did: str, before: str, after: str, why: str = "") -> str:
    """The viewer wants the author before the date, and gives the classes their looks."""
    now, then = f'<b class="new-{of}">{after}</b>', f'<b class="old-{of}">{before}</b>'
    return f"%author% {did} {now}{why}; before, it was {then}. %date%"


def _message(text: str | None) -> str:
    if text is None or not text.strip():
        raise Refused("The message of a comment must not be empty.")
    return read_object(WRITTEN_TEXT, text, "message")


def _known(done: bool, comment_id: int) -> bool:
    if not done:
        raise Refused(f"Nobody wrote a comment with the id {comment_id}.", ErrorCode.DATABASE)
    return True


METHODS: Final[Methods] = {
    "getComments": Handled(get_comments, Right.PRODUCT_VIEW),
    "getCommentCount": Handled(get_comment_count, Right.PRODUCT_VIEW),
    "addComment": Handled(add_comment, Right.PRODUCT_STORE),
    "updateComment": Handled(update_comment, Right.PRODUCT_STORE),
    "removeComment": Handled(remove_comment, Right.PRODUCT_STORE),
}
