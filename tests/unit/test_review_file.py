"""`review_status.yaml`: its rules, and what is wrong with one."""

import pytest

from storaged.errors import BadArchive
from storaged.ingest.review_file import SIZE_LIMIT, finder, read_review_file
from storaged.model import ReviewStatus

ENTRY = "reports/0/review_status.yaml"
RULES = """
$version: 1
rules:
  - filters: {filepath: /src/*.c, checker_name: core.A}
    actions: {review_status: intentional, reason: both}
  - filters:
      filepath: "*/third_party/*"
    actions:
      review_status: suppress
      reason: not ours
  - filters: {report_hash: 12345}
    actions: {review_status: confirmed}
  - filters: {}
    actions: {review_status: false_positive}
"""


def said(path: str, checker: str = "core.B", report_hash: str = "abc") -> tuple[str, str] | None:
    found = finder(read_review_file(ENTRY, RULES.encode()))(path, checker, report_hash)
    assert found is None or not found.in_source
    return None if found is None else (str(found.status), found.message)


def test_the_first_rule_that_fits_in_all_decides() -> None:
    assert said("/src/a.c", "core.A") == ("intentional", "both")
    assert said("/src/third_party/a.c", "core.A") == ("intentional", "both")
    assert said("/src/third_party/a.c", "core.B") == ("false_positive", "not ours")
    assert said("/a.c", report_hash="12345f") == ("confirmed", "")
    assert said("/a.c", report_hash="x12345") is None


def test_an_empty_file_has_no_rules() -> None:
    assert read_review_file(ENTRY, b"") == read_review_file(ENTRY, b"# later\n") == ()


HEAD = "$version: 1\nrules:\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is not YAML"),
        ("[1, 2]", "is an array, not an object"),
        ("rules: []", r"\$version is null"),
        ("$version: 2\nrules: []", r"\$version is 2, not 1"),
        ("$version: 1", "has no rules"),
        ("$version: 1\nrules: x", "rules is a string, not an array"),
        (HEAD + "- filters: {}", r"rules\[0\]: actions is null, not an object"),
        (HEAD + "- filters:\n  actions: {review_status: confirmed}", r"filters is a string, not an object"),
        (HEAD + "- filters: {}\n  actions: {reason: x}", "review_status is null"),
        (HEAD + "- filters: {}\n  actions: {review_status: wrong}", "review_status is wrong, not one of suppress"),
        (HEAD + "- filters: {}\n  actions: {review_status: unreviewed}", "review_status is unreviewed"),
        (HEAD + "- filters: {file: x}\n  actions: {review_status: confirmed}", "file is not known; there are filepath"),
        (HEAD + "- filters: {filepath: [a]}\n  actions: {review_status: confirmed}", "filepath is an array"),
        ("&a [*a]", "is not YAML: found unconstructable recursive node"),
        ("[" * 100_000, "is not YAML"),
        ("x" * (SIZE_LIMIT + 1), "the limit is"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadArchive, match=told) as caught:
        read_review_file(ENTRY, text.encode())
    assert str(caught.value).startswith(ENTRY)


def test_statuses_are_those_that_a_store_knows() -> None:
    (rule, *_) = read_review_file(ENTRY, RULES.encode())
    assert rule.review.status is ReviewStatus.INTENTIONAL
