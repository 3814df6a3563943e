"""Review comments in sources: where they stand, what they look like, and which of them count."""

import pytest

from storaged.ingest.comments import MalformedComment, ReviewComment, comments_above, comments_on
from storaged.model import ReviewStatus

FALSE_POSITIVE, INTENTIONAL = ReviewStatus.FALSE_POSITIVE, ReviewStatus.INTENTIONAL
CONFIRMED = ReviewStatus.CONFIRMED


def above(source: str) -> list[ReviewComment]:
    """Those above the line `bug` of the source."""
    lines = source.splitlines(keepends=True)
    return comments_above(lines, lines.index("bug\n") + 1)


def said(source: str) -> list[tuple[int, str, set[str], str]]:
    return [(one.line, str(one.status), set(one.checkers), one.message) for one in above(source)]


@pytest.mark.parametrize(
    ("mark", "status"),
    [
        ("codechecker_suppress", "false_positive"),
        ("codechecker_false_positive", "false_positive"),
        ("codechecker_intentional", "intentional"),
        ("codechecker_confirmed", "confirmed"),
    ],
)
def test_each_mark_has_its_status(mark: str, status: str) -> None:
    assert said(f"code\n// {mark} [core.A] why not\nbug\n") == [(2, status, {"core.A"}, "why not")]


@pytest.mark.parametrize(
    "source",
    [
        "// codechecker_suppress [a, b] see https://x.org/1 and more\nbug\n",
        "  //codechecker_suppress[ a,b ]see   https://x.org/1\n\t// and more\nbug\n",
        "/* codechecker_suppress [a b] see https://x.org/1 and more */\nbug\n",
        "/* codechecker_suppress [a, b]\n   see https://x.org/1\n   and more */\nbug\n",
        "/** codechecker_suppress [a, b]\n * see https://x.org/1\n * and more\n */\nbug\n",
        "// codechecker_suppress [a,\n// b] see https://x.org/1 and more\nbug\n",
    ],
)
def test_a_comment_may_have_one_line_or_several_in_either_form(source: str) -> None:
    assert said(source) == [(1, "false_positive", {"a", "b"}, "see https://x.org/1 and more")]


def test_a_message_may_be_left_out() -> None:
    assert said("// codechecker_confirmed [all]\nbug\n") == [(1, "confirmed", {"all"}, "")]


@pytest.mark.parametrize(
    "source",
    [
        "// codechecker_suppress [all] why\n\nbug\n",
        "// codechecker_suppress [all] why\ncode\nbug\n",
        "bug\n// codechecker_suppress [all] why\n",
        "/* codechecker_suppress [all] why */\n/* another */\nbug\n",
        "// an ordinary comment\nbug\n",
        "// codechecker_weather [all] sunny\nbug\n",
    ],
)
def test_a_comment_that_is_not_directly_above_does_not_count(source: str) -> None:
    assert said(source) == []


def test_lines_beyond_the_source_have_none() -> None:
    assert comments_above(["// codechecker_suppress [all] why\n"], 2) != []
    assert comments_above(["// codechecker_suppress [all] why\n"], 3) == []
    assert comments_above([], 1) == []
    assert comments_above(["bug\n"], 0) == []


def test_several_comments_are_told_the_nearest_first() -> None:
    source = "// codechecker_suppress [a] one\n// more of it\n// codechecker_confirmed [b] two\nbug\n"
    assert said(source) == [(3, "confirmed", {"b"}, "two"), (1, "false_positive", {"a"}, "one more of it")]
    block = "/* codechecker_suppress [a] one\n more of it\n codechecker_confirmed [b] two */\nbug\n"
    assert said(block) == [(3, "confirmed", {"b"}, "two"), (1, "false_positive", {"a"}, "one more of it")]


@pytest.mark.parametrize(
    "source",
    [
        "// codechecker_suppress [all why\nbug\n",
        "// codechecker_suppress all why\nbug\n",
        "// codechecker_suppressed [all] why\nbug\n",
        "// please codechecker_suppress [all] why\nbug\n",
        "int a; /* codechecker_suppress [all] why */\nbug\n",
    ],
)
def test_a_comment_of_another_form_is_told_with_its_line(source: str) -> None:
    with pytest.raises(MalformedComment, match="codechecker_suppress") as caught:
        above("code\n" + source)
    assert caught.value.line == 2


def comment(status: ReviewStatus, *checkers: str, line: int = 1) -> ReviewComment:
    return ReviewComment(line, status, frozenset(checkers), "")


def test_a_comment_speaks_of_checkers_by_their_names_by_a_part_of_them_or_of_all() -> None:
    assert comment(CONFIRMED, "core.DivideZero").speaks_of("core.DivideZero")
    assert comment(CONFIRMED, "core", "x").speaks_of("core.DivideZero")
    assert comment(CONFIRMED, "all").speaks_of("core.DivideZero")
    assert not comment(CONFIRMED, "core.DivideZero").speaks_of("core.Divide")
    assert not comment(CONFIRMED).speaks_of("core.DivideZero")


def test_of_comments_that_agree_the_nearest_counts_and_what_contradicts_it_is_told() -> None:
    nearest, same = comment(CONFIRMED, "a", line=5), comment(CONFIRMED, "all", line=3)
    other, elsewhere = comment(INTENTIONAL, "a", line=1), comment(FALSE_POSITIVE, "b", line=4)
    assert comments_on([nearest, elsewhere, same], "a") == [nearest]
    assert comments_on([nearest, elsewhere, same, other], "a") == [nearest, other]
    assert comments_on([elsewhere], "a") == []


def test_a_very_long_comment_is_not_read_to_its_beginning() -> None:
    source = "// codechecker_suppress [all] why\n" + "// more\n" * 100_000 + "bug\n"
    assert said(source) == []
