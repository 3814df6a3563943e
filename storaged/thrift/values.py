"""How values that many methods share are written in CodeChecker's API: times, pages, lists."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import StringConstraints, TypeAdapter

from storaged.api.params import INDEXED_BYTES, LongText, Text, in_utc
from storaged.model import DetectionStatus as Detection
from storaged.store.numbered import Extent
from storaged.thrift import structs
from storaged.thrift.faults import Refused

# What people write, as by the native API.
WRITTEN_TEXT: Final[TypeAdapter[str]] = TypeAdapter(LongText)
# What comes from other servers, of which a comment on a change quotes two texts; and patterns of components.
LONGER_TEXT: Final[TypeAdapter[str]] = TypeAdapter(Annotated[str, StringConstraints(max_length=200_000)])
HASH_TEXT: Final[TypeAdapter[str]] = TypeAdapter(Text)
# As much as one call answers with; its clients go on with the next page when it is full.
MAX_QUERY_SIZE: Final = 500
Value = TypeVar("Value")

DETECTION: Final = {status: structs.DetectionStatus[status.name] for status in Detection}


def checked_name(name: str | None, of: str) -> str:
    """The name of a thing, which an index has; raises Refused."""
    if not name or len(name.encode()) > INDEXED_BYTES:
        raise Refused(f"The name of a {of} has between 1 and {INDEXED_BYTES} bytes.")
    return name


def time_text(moment: datetime) -> str:
    """In UTC, as CodeChecker's server writes it where the clock is in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def time_of(seconds: int) -> datetime:
    """Seconds since 1970; raises Refused."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"{seconds} is no time: seconds since 1970 are meant.") from None


def time_or_none(seconds: int | None) -> datetime | None:
    """None, and 0 as well, as CodeChecker has it, ask nothing. Raises Refused."""
    return time_of(seconds) if seconds else None


def time_of_text(text: str) -> datetime:
    """As `time_text` has it, or another form of ISO 8601; in UTC when it names no zone. Raises Refused."""
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise Refused(f"{text!r} is no time such as 2026-11-24 08:30:00.000000.") from None


def extent_of(limit: int | None, offset: int | None) -> Extent:
    """Without a limit, or with one that is too large, as much as one call answers with."""
    return Extent(min(limit, MAX_QUERY_SIZE) if limit and limit > 0 else MAX_QUERY_SIZE, max(offset or 0, 0))


def some(values: Sequence[Value] | None) -> Sequence[Value] | None:
    """None for an empty list as well: both ask nothing."""
    return values or None


def statistics_of(analyzers: Any) -> dict[str, structs.AnalyzerStatistics]:
    """Numbers that were not told are 0: clients add them."""
    return {one["name"]: {"failed": one["failed"] or 0, "successful": one["successful"] or 0} for one in analyzers}
