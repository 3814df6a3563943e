"""Times on the command line: ISO 8601, or CodeChecker's year:month:day:hour:minute:second; local without a zone."""

from datetime import datetime

import click


def read_time(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """The callback of an option that is a time."""
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; it looks like 2026-11-24, 2026-11-24T07:57:41Z or 2026:11:24:7:57:41."
        ) from None


def parse_time(text: str) -> datetime:
    """An aware datetime; what is left out of it is zero. Raises ValueError."""
    parts = text.split(":")
    if len(parts) in range(3, 7) and all(part.isdecimal() for part in parts):
        return datetime(*map(int, parts)).astimezone()  # type: ignore[arg-type]  # three to six of them
    return datetime.fromisoformat(text).astimezone()
