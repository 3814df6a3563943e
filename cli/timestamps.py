"""Times on the command line: ISO 8601, CodeChecker's year:month:day:hour:minute:second, or how long ago; lengths."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .errors import Usage
from .several import Kind

_CODECHECKER_TIME = re.compile(r"\d{1,4}(:\d{1,2}){2}((:\d{1,2}){3})?", re.ASCII)
_AGE = re.compile(r"(\d+)([smhdw])", re.ASCII)
_LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800}
LENGTHS = "300 (seconds), or 90s, 5m, 2h"


class Length(Kind):
    """An option that is a length of time, of `least` seconds or more; the command gets seconds."""

    name = "length"

    def __init__(self, least: float = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return value
        seconds = read_length(value)
        if seconds is None:
            self.fail(f"{value!r} is no length of time. Say {LENGTHS}.", param, ctx)
        if seconds < self._least:
            self.fail(f"{value!r} is too short: the least is {self._least:g} seconds.", param, ctx)
        return seconds


def read_length(text: str) -> float | None:
    """Seconds from `300`, `0.5`, `90s`, `5m`, `2h`, `1d`; None for what is none of them."""
    found = _LENGTH.fullmatch(text.strip())
    return None if found is None else float(found[1]) * _SECONDS[found[2]]


def time_option_value(_context: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    """The callback of an option that is a time."""
    if text is None:
        return None
    try:
        return read_time(text, datetime.now(UTC))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time. Say 2026-11-24, 2026-11-24T08:30:00 (UTC, or with a zone), CodeChecker's "
            "2026:11:24:08:30:00, or how long ago: 90s, 30m, 2h, 7d, 2w.",
            param=option,
        ) from error


def check_order(flag: str, after: datetime | None, before: datetime | None, thing: str) -> None:
    """Raises Usage when nothing can be between the times of `<flag>-after` and `<flag>-before`."""
    if after is not None and before is not None and after > before:
        raise Usage(f"{flag}-after is later than {flag}-before: no {thing} can be in between.")


def read_time(text: str, now: datetime) -> datetime:
    """A time in UTC, as all that storectl shows; what is left out of it is zero.

    Raises ValueError or OverflowError for what is none of the three.
    """
    age = _AGE.fullmatch(text)
    if age is not None:
        return now - timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
    if _CODECHECKER_TIME.fullmatch(text):
        return datetime(*map(int, text.split(":")), tzinfo=UTC)  # type: ignore[misc, arg-type]
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def shown_time(text: str) -> str:
    """A time of the API for a person, to the second."""
    return f"{to_second(text)} UTC"


def to_second(text: str | None) -> str:
    """As a column has it whose title tells the zone; nothing for no time."""
    return (text or "")[:19].replace("T", " ")


def to_minute(text: str | None) -> str:
    """As `to_second`, where a second is of no use."""
    return to_second(text)[:16]


def shown_span(start: str | None, end: str | None) -> str:
    """How long it was between two times of the API, as 12.3s, 4m05s or 3h20m; nothing while one is not known."""
    if start is None or end is None:
        return ""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
