"""Reviews by the names of CodeChecker's clients: rules for report hashes, and the reviews of single reports."""

from typing import Final

from storaged.api.params import read_object
from storaged.auth.permissions import Right
from storaged.model import ReviewStatus as Status
from storaged.store import reports, reviews
from storaged.store.reviews import Rule, RuleFilter, RuleOrder, RuleSort
from storaged.thrift import structs
from storaged.thrift.calls import NOBODY, Call, Handled, Methods
from storaged.thrift.structs import Order, ReviewStatus, ReviewStatusRuleSortType
from storaged.thrift.values import HASH_TEXT, WRITTEN_TEXT, time_text

STATUSES: Final = {status: ReviewStatus[status.name] for status in Status}
FROM_STATUSES: Final = {their: ours for ours, their in STATUSES.items()}
SORTS: Final = {
    ReviewStatusRuleSortType.REPORT_HASH: RuleSort.REPORT_HASH,
    ReviewStatusRuleSortType.STATUS: RuleSort.STATUS,
    ReviewStatusRuleSortType.AUTHOR: RuleSort.AUTHOR,
    ReviewStatusRuleSortType.DATE: RuleSort.REVIEWED_AT,
    ReviewStatusRuleSortType.ASSOCIATED_REPORTS_COUNT: RuleSort.REPORTS,
}


async def add_review_status_rule(call: Call, report_hash: str, status: ReviewStatus, message: str | None) -> bool:
    """Of all reports with the hash, also those to come; it takes the place of the one before."""
    named, why = read_object(HASH_TEXT, report_hash, "reportHash"), read_object(WRITTEN_TEXT, message or "", "message")
    async with call.services.engine.connect() as conn:
        await reviews.set_rule(conn, call.product.id, named, FROM_STATUSES[status], why)
    return True


async def change_review_status(call: Call, report_id: int, status: ReviewStatus, message: str | None) -> bool:
    """As a rule for the report's hash: what CodeChecker sets on one row is lost with the next store."""
    why, product = read_object(WRITTEN_TEXT, message or "", "message"), call.product
    async with call.services.engine.begin() as conn:
        report = await reports.get_report(conn, product.id, product.endpoint, report_id)
        await reviews.set_rule(conn, product.id, report["report_hash"], FROM_STATUSES[status], why)
    return True


async def is_review_status_change_disabled(_call: Call) -> bool:
    return False


async def get_review_status_rules(
    call: Call,
    rule_filter: structs.ReviewStatusRuleFilter | None,
    sort: structs.ReviewStatusRuleSortMode | None,
    limit: int | None,
    offset: int | None,
) -> list[structs.ReviewStatusRule]:
    """Those that fit, by default the newest first; all where no limit is given, as a diff with a folder asks."""
    async with call.services.engine.connect() as conn:
        found = await reviews.page_of_rules(
            conn,
            call.product.id,
            _where(rule_filter),
            _order(sort),
            limit=max(limit or 0, 0) or None,
            offset=max(offset or 0, 0),
        )
    return [_rule(rule, count) for rule, count in found]


async def get_review_status_rules_count(call: Call, rule_filter: structs.ReviewStatusRuleFilter | None) -> int:
    async with call.services.engine.connect() as conn:
        return await reviews.count_rules(conn, call.product.id, _where(rule_filter))


async def remove_review_status_rules(call: Call, rule_filter: structs.ReviewStatusRuleFilter | None) -> bool:
    """Without a filter all of the product."""
    async with call.services.engine.connect() as conn:
        await reviews.remove_rules(conn, call.product.id, _where(rule_filter))
    return True


def review_data(rule: Rule, *, in_source: bool) -> structs.ReviewData:
    """What is said of a hash, as clients know it."""
    return {
        "status": STATUSES[rule.status],
        "comment": rule.message,
        "author": rule.author or NOBODY,
        "date": time_text(rule.reviewed_at),
        "isInSource": in_source,
    }


def _where(asked: structs.ReviewStatusRuleFilter | None) -> RuleFilter:
    given = asked or {}
    return RuleFilter(
        report_hashes=given.get("reportHashes") or (),
        statuses=[FROM_STATUSES[status] for status in given.get("reviewStatuses") or ()],
        authors=given.get("authors") or (),
        without_reports=given.get("noAssociatedReports", False),
    )


def _order(mode: structs.ReviewStatusRuleSortMode | None) -> RuleOrder:
    asked = mode or {"type": ReviewStatusRuleSortType.DATE, "ord": Order.DESC}
    sort = SORTS[asked.get("type", ReviewStatusRuleSortType.DATE)]
    return RuleOrder(sort, asked.get("ord") is Order.DESC)


def _rule(rule: Rule, count: int) -> structs.ReviewStatusRule:
    return {
        "reportHash": rule.report_hash,
        "reviewData": review_data(rule, in_source=False),
        "associatedReportCount": count,
    }


METHODS: Final[Methods] = {
    "addReviewStatusRule": Handled(add_review_status_rule, Right.PRODUCT_STORE),
    "changeReviewStatus": Handled(change_review_status, Right.PRODUCT_STORE),
    "isReviewStatusChangeDisabled": Handled(is_review_status_change_disabled, Right.PRODUCT_VIEW),
    "getReviewStatusRules": Handled(get_review_status_rules, Right.PRODUCT_VIEW),
    "getReviewStatusRulesCount": Handled(get_review_status_rules_count, Right.PRODUCT_VIEW),
    "removeReviewStatusRules": Handled(remove_review_status_rules, Right.PRODUCT_ADMIN),
}
