"""`review_status.yaml` of a report folder: reviews by file, checker and report hash (docs/reviews.md)."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import yaml

from storaged.errors import BadArchive
from storaged.ingest.documents import Node
from storaged.model import ReviewStatus

# A review file is written by people; YAML is slow to read.
SIZE_LIMIT: Final = 1 << 20
VERSION: Final = "1"
FILTERS: Final = ("filepath", "checker_name", "report_hash")
ACTIONS: Final = ("review_status", "reason")
STATUSES: Final = {
    "suppress": ReviewStatus.FALSE_POSITIVE,
    **{
        str(status): status
        for status in (ReviewStatus.FALSE_POSITIVE, ReviewStatus.CONFIRMED, ReviewStatus.INTENTIONAL)
    },
}


class Review(NamedTuple):
    """What is said of a report, in its source or in a review file."""

    status: ReviewStatus
    message: str
    in_source: bool


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """What a rule asks of a report (None: nothing), and what it says of it."""

    review: Review
    path: str | None
    checker: str | None
    hash_start: str | None


# Takes a path (not trimmed), a checker and a report hash.
FindReview = Callable[[str, str, str], Review | None]


def read_review_file(entry: str, data: bytes) -> tuple[ReviewRule, ...]:
    """The rules in their order; an empty file has none. Raises BadArchive that names the place of what is wrong."""
    if len(data) > SIZE_LIMIT:
        raise BadArchive(f"{entry} has {len(data)} bytes; the limit is {SIZE_LIMIT}.")
    try:
        # All plain values are texts: a report hash may look like a number.
        root = Node(yaml.load(data.decode("utf-8", "ignore"), Loader=yaml.BaseLoader), entry)  # noqa: S506 (a safe one)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadArchive(f"{entry} is not YAML: {error}.") from error
    if root.value is None:
        return ()
    version = root.at("$version").typed(str)
    if version != VERSION:
        raise BadArchive(f"{entry}: $version is {version:.20}, not {VERSION}.")
    if root.at("rules").value is None:
        raise BadArchive(f"{entry} has no rules.")
    return tuple(_rule(node) for node in root.at("rules").elements())


def finder(rules: tuple[ReviewRule, ...]) -> FindReview:
    """A function that finds what the first rule which fits says; a rule that asks nothing of a report fits none."""
    ready = [
        (None if rule.path is None else re.compile(fnmatch.translate(rule.path)).match, rule)
        for rule in rules
        if (rule.path, rule.checker, rule.hash_start) != (None, None, None)
    ]

    def find(path: str, checker: str, report_hash: str) -> Review | None:
        fitting = (
            rule.review
            for matches, rule in ready
            if (matches is None or matches(path))
            and rule.checker in {None, checker}
            and report_hash.startswith(rule.hash_start or "")
        )
        return next(fitting, None)

    return find


def _rule(node: Node) -> ReviewRule:
    filters, actions = node.at("filters"), node.at("actions")
    _know(filters, FILTERS)
    _know(actions, ACTIONS)
    status = actions.at("review_status").typed(str)
    if status not in STATUSES:
        raise BadArchive(f"{actions.place}: review_status is {status:.50}, not one of {', '.join(STATUSES)}.")
    path, checker, hash_start = (filters.maybe(name, str) for name in FILTERS)
    return ReviewRule(Review(STATUSES[status], actions.maybe("reason", str) or "", False), path, checker, hash_start)


def _know(node: Node, names: tuple[str, ...]) -> None:
    node.typed(dict)
    unknown = [name for name in node.names() if name not in names]
    if unknown:
        raise BadArchive(f"{node.place}: {unknown[0]!s:.50} is not known; there are {', '.join(names)}.")
