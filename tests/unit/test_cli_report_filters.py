"""The options that choose reports: what they ask of the API, and what they refuse."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from storaged_cli.errors import Usage
from storaged_cli.main import main
from storaged_cli.render import SEVERITIES
from storaged_cli.report_filters import DETECTION_STATUSES, filter_options, filter_query, status_option


def query_of(*args: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    @click.command()
    @status_option
    @filter_options
    def command(**filters: Any) -> None:
        found.extend(filter_query(filters))

    command.main(list(args), standalone_mode=False)
    return found


def test_without_options_the_open_reports_are_asked_for() -> None:
    standing = [("review_status", status) for status in ("unreviewed", "confirmed")]
    opened = [("detection_status", status) for status in ("new", "reopened", "unresolved")]
    assert query_of() == [*opened, *standing]
    every = [("detection_status", status) for status in DETECTION_STATUSES]
    assert query_of("--detection-status", "all") == [*every, *standing]
    assert query_of("--review-status", "all") == opened
    assert sorted(query_of("--review-status", "INTENTIONAL")) == sorted([*opened, ("review_status", "intentional")])


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--severity", "high", "--severity", "LOW"], [("severity", "HIGH"), ("severity", "LOW")]),
        (["--checker-name", "core.*", "--checker", "x"], [("checker", "core.*"), ("checker", "x")]),
        (["--analyzer-name", "clang*"], [("analyzer", "clang*")]),
        (["--checker-msg", "*leak*", "--message", "y"], [("message", "*leak*"), ("message", "y")]),
        (["--file", "*/src/*"], [("file", "*/src/*")]),
        (["--report-hash", "ab"], [("report_hash", "ab")]),
        (["--annotation", "testcase:a*"], [("annotation", "testcase:a*")]),
        (["--file", "x", "--anywhere-on-report-path"], [("file", "x"), ("anywhere", "true")]),
        (["--uniqueing", "on"], [("unique", "true")]),
        (["--uniqueing", "off"], []),
        (["--outstanding-reports-date", "2026-11-24"], [("open_at", "2026-11-24T00:00:00+00:00")]),
        (["--open-reports-date", "2026:11:24"], [("open_at", "2026-11-24T00:00:00+00:00")]),
        (["--bug-path-length", "2:5"], [("path_length_min", "2"), ("path_length_max", "5")]),
        (["--bug-path-length", ":5"], [("path_length_max", "5")]),
        (["--bug-path-length", "2:"], [("path_length_min", "2")]),
        (["--detected-after", "2026-11-24"], [("detected_after", "2026-11-24T00:00:00+00:00")]),
        (["--detected-before", "2026:11:24"], [("detected_before", "2026-11-24T00:00:00+00:00")]),
        (["--fixed-after", "2026-11-24"], [("fixed_after", "2026-11-24T00:00:00+00:00")]),
        (["--fixed-before", "2026-11-24T01:02Z"], [("fixed_before", "2026-11-24T01:02:00+00:00")]),
    ],
)
def test_each_option_asks_for_what_it_names(args: list[str], expected: list[tuple[str, str]]) -> None:
    assert [pair for pair in query_of(*args) if pair[0] not in {"detection_status", "review_status"}] == expected


def test_what_was_open_at_a_date_is_asked_for_whatever_has_become_of_it() -> None:
    assert [name for name, _ in query_of("--open-reports-date", "1d")] == ["open_at"]


def test_files_on_the_way_need_a_file() -> None:
    with pytest.raises(Usage, match="needs --file"):
        query_of("--anywhere-on-report-path")


@pytest.mark.parametrize("span", ["5", ":", "5:2", "a:b", "-1:2", "²:"])
def test_a_span_of_lengths_that_is_none_is_refused(span: str) -> None:
    with pytest.raises(click.BadParameter, match="is no span of lengths"):
        query_of("--bug-path-length", span)


@pytest.mark.parametrize("moment", ["detected", "fixed"])
def test_a_span_of_time_that_is_empty_is_refused(moment: str) -> None:
    with pytest.raises(Usage, match="no report can be in between"):
        query_of(f"--{moment}-after", "1h", f"--{moment}-before", "2h")


def test_which_number_a_severity_has_in_json_is_told_by_the_help_and_the_docs() -> None:
    for command in ("results", "sum", "diff"):
        told = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
        assert "UNSPECIFIED, STYLE, LOW, MEDIUM, HIGH, CRITICAL; in JSON 0, 10, 20, 30, 40, 50." in told
    docs = (Path(__file__).parents[2] / "docs" / "storectl.md").read_text()
    assert [name for number, name in SEVERITIES.items() if not re.search(rf"\b{number} (is )?{name}\b", docs)] == []
