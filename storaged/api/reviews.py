"""Review rules: read, set, removed."""

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from typing_extensions import TypedDict

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES
from storaged.api.params import AnyText, LongText, Query, read_json, read_query
from storaged.model import ReviewStatus
from storaged.store import products, reviews
from storaged.store.reviews import Rule, RuleCursor, RuleFilter

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
# The time in microseconds, and the hash.
CURSOR: Final = r"([0-9]{1,17})-([0-9a-f]{32})"


def _read_cursor(text: Any) -> RuleCursor:
    found = re.fullmatch(CURSOR, text)
    if found is None:
        raise ValueError("is no `next` of a list of reviews")
    return RuleCursor(EPOCH + int(found[1]) * MICROSECOND, UUID(found[2]))


After = Annotated[
    RuleCursor,
    BeforeValidator(_read_cursor),
    WithJsonSchema({"type": "string", "pattern": f"^{CURSOR}$", "description": "`next` of the page before."}),
]


class ReviewQuery(Query):
    report_hash: list[AnyText] = Field(default_factory=list)
    status: list[ReviewStatus] = Field(default_factory=list)
    author: list[AnyText] = Field(default_factory=list)
    after: After | None = None
    limit: int = Field(100, ge=1, le=1000)

    def where(self) -> RuleFilter:
        return RuleFilter(self.report_hash, self.status, self.author)


class ReviewRule(TypedDict):
    """What is said of a report hash in all runs of the product; the author is null where there are no users."""

    report_hash: str
    status: ReviewStatus
    message: str
    author: str | None
    reviewed_at: datetime


class ReviewList(TypedDict):
    """A page of reviews."""

    reviews: list[ReviewRule]
    next: str | None


class NewReview(BaseModel):
    """What is to be said of the report hash."""

    model_config = ConfigDict(extra="forbid")

    status: ReviewStatus
    message: LongText = ""


NEW: TypeAdapter[NewReview] = TypeAdapter(NewReview)


async def list_reviews(request: web.Request) -> web.Response:
    """Reviews of report hashes, the newest first; `next` is the `after` of the next page."""
    query = read_query(request, ReviewQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        rules, following = await reviews.list_rules(
            conn, product.id, query.where(), after=query.after, limit=query.limit
        )
    return json_response(ReviewList(reviews=[_object(rule) for rule in rules], next=_next_page(following)))


async def get_review(request: web.Request) -> web.Response:
    """The review of a report hash."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        rule = await reviews.get_rule(conn, product.id, product.endpoint, request.match_info["report_hash"])
    return json_response(_object(rule))


async def set_review(request: web.Request) -> web.Response:
    """Review a report hash: all its reports of the product, those to come too.

    A review that says what was said already stays as it was.
    """
    read_query(request, Query)
    new = await read_json(request, NEW)
    report_hash = request.match_info["report_hash"]
    async with request.app[SERVICES].engine.begin() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        await reviews.set_rule(conn, product.id, report_hash, new.status, new.message)
        rule = await reviews.get_rule(conn, product.id, product.endpoint, report_hash)
    return json_response(_object(rule))


async def remove_review(request: web.Request) -> web.Response:
    """Remove the review of a report hash."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.begin() as conn:
        product = await products.get_product(conn, request.match_info["product"])
        await reviews.remove_rule(conn, product.id, product.endpoint, request.match_info["report_hash"])
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _next_page(following: RuleCursor | None) -> str | None:
    return None if following is None else f"{(following.at - EPOCH) // MICROSECOND}-{following.key.hex}"


def _object(rule: Rule) -> ReviewRule:
    return {
        "report_hash": rule.report_hash,
        "status": rule.status,
        "message": rule.message,
        "author": rule.author,
        "reviewed_at": rule.reviewed_at,
    }
