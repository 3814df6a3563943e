"""When to ask again: jittered back-off, and what Retry-After says."""

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from .errors import StorectlError, Unavailable, Unreachable

Result = TypeVar("Result")

BUSY_STATUSES = {429, 502, 503, 504}


class Backoff:
    """Delays in seconds that double from `first` up to `longest`, each between a half and the whole of its turn."""

    def __init__(self, first: float = 0.5, longest: float = 8.0) -> None:
        self._first = first
        self._longest = longest
        self._turn = first

    def reset(self) -> None:
        self._turn = self._first

    def delay(self, error: StorectlError | None = None) -> float:
        """The next delay; what the daemon asked for (Retry-After) goes before it, and is at most a little exceeded."""
        turn, self._turn = self._turn, min(self._turn * 2, self._longest)
        asked = error.retry_after if isinstance(error, Unavailable) else None
        if asked is not None:
            return max(asked, self._first / 4) * _spread(1.0, 1.1)
        return turn * _spread(0.5, 1.0)


def _spread(low: float, high: float) -> float:
    """Keeps many clients from coming back at the same moment."""
    return random.uniform(low, high)  # noqa: S311 - hides nothing


def read_retry_after(value: str | None) -> float | None:
    """Seconds from the header's two forms, seconds or an HTTP date; None when absent or not understood."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def is_busy(error: StorectlError) -> bool:
    """The daemon or a proxy says that it cannot take the request just now."""
    return isinstance(error, Unavailable) and error.status in BUSY_STATUSES


def is_passing(error: StorectlError) -> bool:
    """Busy, or the connection broke."""
    return is_busy(error) or isinstance(error, Unreachable)


def persist(
    call: Callable[[], Result],
    worth: Callable[[StorectlError], bool],
    note: Callable[[str], None],
    attempts: int = 6,
) -> Result:
    """Call until it succeeds, as long as the error is `worth` it; the error of the last attempt is raised."""
    backoff = Backoff()
    for _ in range(attempts - 1):
        try:
            return call()
        except StorectlError as error:
            if not worth(error):
                raise
            delay = backoff.delay(error)
            note(f"{error.message}\nTrying again in {delay:.1f} s.")
        time.sleep(delay)
    return call()
