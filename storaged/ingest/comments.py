"""Review comments in sources: `// codechecker_suppress [checker] message` above the line that a report is at.

The rules are CodeChecker's (docs/reviews.md).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from storaged.model import ReviewStatus

# A source without these bytes has no review comments.
SIGN: Final = b"codechecker_"
MARKS: Final = {
    "codechecker_suppress": ReviewStatus.FALSE_POSITIVE,
    "codechecker_false_positive": ReviewStatus.FALSE_POSITIVE,
    "codechecker_intentional": ReviewStatus.INTENTIONAL,
    "codechecker_confirmed": ReviewStatus.CONFIRMED,
}
FORM: Final = re.compile(rf"({'|'.join(MARKS)}) ?\[ ?([^]]*)\] ?(.*)")
# Nobody writes longer comments; a report on each line of a very long one would make parsing quadratic.
LINES_READ: Final = 1000


@dataclass(frozen=True, slots=True)
class ReviewComment:
    """A comment that begins at a line; `checkers` are names, or parts of names, or `all`."""

    line: int
    status: ReviewStatus
    checkers: frozenset[str]
    message: str

    def speaks_of(self, checker: str) -> bool:
        return any(name == "all" or name in checker for name in self.checkers)


class MalformedComment(Exception):
    """A comment with the name of a review that has another form; `line` is where the name stands."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"{text:.200} is no review comment, which looks like: codechecker_suppress [checker] why")
        self.line = line


def comments_above(lines: Sequence[str], line: int) -> list[ReviewComment]:
    """The review comments above a line (counted from 1), the nearest first; raises MalformedComment.

    They stand in the lines directly above it: those that begin with `//`, and a comment between `/*` and `*/`, with
    which the search ends.
    """
    found: list[ReviewComment] = []
    below: list[str] = []
    in_block = False
    if line - 1 > len(lines):
        return found
    for number in range(line - 1, max(line - 1 - LINES_READ, 0), -1):
        text = lines[number - 1].strip()
        opens, closes = "/*" in text, "*/" in text
        if not (in_block or opens or closes or text.startswith("//")):
            break
        in_block = in_block or closes
        below.append(text)
        if any(mark in text for mark in MARKS):
            found.append(_read(number, _plain(list(reversed(below)))))
            below.clear()
        if opens:
            break
    return found


def comments_on(comments: Iterable[ReviewComment], checker: str) -> list[ReviewComment]:
    """Those of the comments that count for a checker: the nearest, and the first that contradicts it, if any does."""
    speaking = [comment for comment in comments if comment.speaks_of(checker)]
    other = [comment for comment in speaking if comment.status is not speaking[0].status]
    return [*speaking[:1], *other[:1]]


def _plain(comment: Sequence[str]) -> str:
    """The text of a comment's lines without what makes them a comment, on one line."""
    if comment[0].startswith("//"):
        texts = [line.removeprefix("//") for line in comment]
    else:
        texts = [line.replace("/*", "").replace("*/", "").strip().removeprefix("*") for line in comment]
    return " ".join(" ".join(texts).split())


def _read(line: int, text: str) -> ReviewComment:
    match = FORM.fullmatch(text)
    if match is None:
        raise MalformedComment(line, text)
    mark, checkers, message = match.groups()
    return ReviewComment(line, MARKS[mark], frozenset(re.findall(r"[^,\s]+", checkers)), message)
