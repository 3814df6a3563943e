"""How long a request may take, and a way to leave one that takes longer, whatever it hangs at."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Result = TypeVar("Result")

ANSWER_SECONDS = 60.0
HEARING_SECONDS = 0.5
"""A Ctrl-C that comes in the moment before a wait begins is heard by Python only at the end of the wait."""


@dataclass(frozen=True, slots=True)
class Limit:
    """In seconds: `silence` without a byte, while something is waited for, and the `whole` request."""

    silence: float = ANSWER_SECONDS
    whole: float = math.inf


USUAL = Limit()


class Attempt:
    """A piece of work that can be left: when its time is over or Ctrl-C comes, nobody waits for it any more.

    A socket's own time-outs end no server that sends a byte now and then, and no look-up of a name; so the work has a
    thread of its own.
    """

    def __init__(self) -> None:
        self._left = threading.Event()

    def run(self, work: Callable[[], Result], seconds: float) -> Result:
        """What the work returns or raises; TimeoutError when that takes longer."""
        if seconds == math.inf:
            return work()
        if seconds <= 0:
            raise TimeoutError
        from concurrent.futures import Future  # noqa: PLC0415 - slow, and most commands have no limit

        outcome: Future[Result] = Future()
        threading.Thread(target=settle, args=[outcome, work], daemon=True).start()
        try:
            return _await(outcome, seconds)
        finally:
            self._left.set()

    def guard(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """The body, but that it breaks off, and is never ended, once the work was left: half a body is no upload."""
        for chunk in body:
            self._check()
            yield chunk
        self._check()

    def _check(self) -> None:
        if self._left.is_set():
            raise TimeoutError


def _await(outcome: "Future[Result]", seconds: float) -> Result:
    """Its result, waited for bit by bit; see HEARING_SECONDS."""
    end = time.monotonic() + seconds
    while not outcome.done() and (left := end - time.monotonic()) > HEARING_SECONDS:
        with suppress(TimeoutError):
            return outcome.result(min(left, HEARING_SECONDS))
    return outcome.result(max(0.0, end - time.monotonic()))


def settle(outcome: "Future[Result]", work: Callable[[], Result]) -> None:
    """Whoever waits for the outcome gets what the work returns or raises."""
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - see above
        outcome.set_exception(error)
