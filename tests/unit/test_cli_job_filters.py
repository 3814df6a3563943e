"""The options of `storectl jobs`: times in several forms, several values at once, what contradicts itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from storaged_cli.errors import Usage
from storaged_cli.job_filters import filter_options, filter_query
from storaged_cli.several import SeveralValues
from storaged_cli.timestamps import Length, read_length, read_time

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24T08:30:00", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24T08:30:00Z", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24 08:30:00+02:00", datetime(2026, 11, 24, 6, 30, tzinfo=UTC)),
        ("2026:11:24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026:1:4:8:5:0", datetime(2026, 1, 4, 8, 5, tzinfo=UTC)),
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("1w", NOW - timedelta(weeks=1)),
    ],
)
def test_a_time_is_read_in_each_form(text: str, expected: datetime) -> None:
    assert read_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026:11", "2026:13:1", "2026-11-24T25:00", "5", "99999999999d", "٣h"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("0", 0), ("0.5", 0.5), ("90s", 90), ("1.5m", 90), ("5m", 300), ("2h", 7200), ("1d", 86400)],
)
def test_a_length_of_time_is_seconds_or_says_its_unit(text: str, seconds: float) -> None:
    assert read_length(text) == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *((text, f"{text!r} is no length of time. Say 300 (seconds), or 90s, 5m, 2h.") for text in ("", "5x", "-1")),
        *((text, f"{text!r} is no length of time.") for text in ("m", "inf", "nan", "1h30m", "٣h", "2026-11-24")),
        ("0.1s", "'0.1s' is too short: the least is 0.2 seconds."),
    ],
)
def test_what_is_no_length_of_time_is_refused_with_what_to_say(text: str, told: str) -> None:
    with pytest.raises(click.BadParameter) as error:
        Length(0.2).convert(text, None, None)
    assert told in error.value.message


def query_of(*args: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    @click.command(cls=SeveralValues)
    @filter_options
    @click.option("--limit", type=int)
    def command(limit: int | None, **filters: Any) -> None:
        found.extend(filter_query(filters))

    command.main(list(args), standalone_mode=False)
    return found


def test_an_option_takes_several_values_at_once_or_one_by_one() -> None:
    apart = query_of("--status", "failed", "--status", "dropped", "-t", "a", "--token", "b")
    assert query_of("-t", "a", "b", "--limit", "3", "--status", "failed", "dropped") == apart
    assert apart == [("token", "a"), ("token", "b"), ("status", "failed"), ("status", "dropped")]


def test_a_value_too_many_of_another_option_is_refused() -> None:
    with pytest.raises(click.UsageError, match="extra"):
        query_of("--limit", "3", "4")


@pytest.mark.parametrize(
    "args",
    [
        ["--username", "ann", "--no-username"],
        ["--product", "Default", "--no-product"],
        ["--only-cancelled", "--no-cancelled"],
        ["--only-consumed", "--no-consumed"],
        ["--started-after", "1h", "--started-before", "2h"],
        ["--last-seen-after", "1h", "--last-seen-before", "2h"],
    ],
)
def test_options_that_no_job_can_fit_are_refused(args: list[str]) -> None:
    with pytest.raises(Usage, match="no job can be"):
        query_of(*args)


def test_a_time_goes_to_the_daemon_in_utc() -> None:
    assert query_of("--started-after", "2026-11-24T08:30:00+02:00") == [("started_after", "2026-11-24T06:30:00+00:00")]
    with pytest.raises(click.BadParameter, match="is no time"):
        query_of("--started-after", "soon")
