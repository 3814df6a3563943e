"""How long to wait: for the end of a job, and for a daemon that gives no answer."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .errors import GaveUp, StorectlError, UnknownHost, WaitTimedOut
from .limits import ANSWER_SECONDS, Limit
from .retries import Backoff, is_passing

Result = TypeVar("Result")

GIVE_UP_SECONDS = 900.0
"""Longer than a restart with migrations, or a fail-over of the database, takes; shorter than a CI job may hang."""
CONTACT_SECONDS = 60.0
"""Longer than a daemon takes to start; a wrong port in a CI job is soon found."""
LEAST_SECONDS = 1.0
"""A question is given no less, be the time as good as over."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: how long all waiting may take, and for how long a daemon may give no answer; None: without end.

    `contact` is for a daemon that gave none yet, and to which nothing was sent.
    """

    timeout: float | None = None
    give_up: float | None = GIVE_UP_SECONDS
    contact: float | None = CONTACT_SECONDS


class Deadline:
    """When the patience ends; it begins now."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._end = math.inf if patience.timeout is None else time.monotonic() + patience.timeout

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


class Silence:
    """How long a daemon gives no answer to question after question, and when it is enough; `lack` says it in words."""

    def __init__(self, give_up: float | None, deadline: Deadline, lack: str = "there was no answer") -> None:
        self.give_up = math.inf if give_up is None else give_up
        self._lack = lack
        self._deadline = deadline
        self._backoff = Backoff()
        self._asked = time.monotonic()
        self._since: float | None = None

    @property
    def asked(self) -> float:
        """Seconds since the last question."""
        return time.monotonic() - self._asked

    def ask(self) -> float:
        """A question begins; the seconds of silence that are left."""
        self._asked = time.monotonic()
        return self.give_up if self._since is None else self.give_up - (self._asked - self._since)

    def broken(self) -> None:
        """There was an answer."""
        self._since = None
        self._backoff.reset()

    def goes_on(self, error: StorectlError) -> float:
        """There was none; the seconds to wait before the next question. Raises GaveUp when it is enough."""
        if self._since is None:
            self._since = self._asked
        lasted = time.monotonic() - self._since
        if lasted >= self.give_up:
            raise GaveUp(f"{error.message}\nGiving up: {self._lack} for {lasted:.0f} s.") from error
        return max(0.0, min(self._backoff.delay(error), self.give_up - lasted, self._deadline.left))


def reach(
    ask: Callable[[Limit], Result],
    deadline: Deadline,
    note: Callable[[str], None],
    *,
    silence: Silence | None = None,
) -> Result:
    """The answer of a daemon that may be away for a while: refuses connections, is silent, or is busy.

    `silence` is that of a daemon which was there before: it goes on, and the daemon's name is known to be right. Raises
    WaitTimedOut, GaveUp.
    """
    was_there = silence is not None
    silence = silence or Silence(deadline.patience.contact, deadline)
    told = False
    while True:
        left = silence.ask()
        try:
            answer = ask(Limit(max(LEAST_SECONDS, min(ANSWER_SECONDS, left)), deadline.left))
        except StorectlError as error:
            if not is_passing(error) or (isinstance(error, UnknownHost) and not was_there):
                raise
            if deadline.left <= 0:
                raise WaitTimedOut(error.message) from error
            pause = silence.goes_on(error)
            if not told:
                note(f"{error.message}\nAsking again until it answers{within(silence.give_up)}.")
                told = True
        else:
            if told:
                note("The daemon answers.")
            return answer
        time.sleep(pause)


def within(seconds: float) -> str:
    """Words for how long it is tried; none where it has no end."""
    return "" if seconds == math.inf else f", for {seconds:.0f} s at most"
