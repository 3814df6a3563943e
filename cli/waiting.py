"""Follow a job to its end, through time-outs, restarts of the daemon and broken connections."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .address import Address
from .client import Client, JsonObject
from .errors import (
    JOB_EXIT_CODES,
    GaveUp,
    Interrupted,
    StorectlError,
    Unavailable,
    UnknownHost,
    Unreachable,
    WaitTimedOut,
)
from .limits import ANSWER_SECONDS, Limit
from .notices import COMMAND
from .patience import LEAST_SECONDS, Deadline, Silence
from .progress import Progress
from .retries import Backoff

LONG_POLL_SECONDS = 30
"""Proxies cut off what is silent for a minute."""
MARGIN_SECONDS = 15.0
QUICK_SECONDS = 1.0
LOST = (Unreachable, Unavailable)


class Watching(Protocol):
    """Who is told what happens meanwhile."""

    def show(self, job: JsonObject) -> None: ...
    def lost(self, error: StorectlError) -> None: ...
    def found(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Question:
    """About a job: as it is now, or with `wait` (seconds) after its next change. Within `seconds`, or not at all."""

    seconds: float
    wait: int | None = None
    since: int | None = None


class Following:
    """A job on its way to its end: all of the waiting but the HTTP and the sleep.

    Until there is an `end`, whoever drives it sleeps for `pause` seconds, asks its `question`, and tells it what came
    of that, `answered` or `lost`. `job` is the job as it was last seen, if it was. A daemon that `was_there` a moment
    ago has the right address.
    """

    def __init__(
        self,
        address: Address,
        token: str,
        deadline: Deadline,
        watch: Watching,
        *,
        job: JsonObject | None = None,
        was_there: bool = False,
    ) -> None:
        self.token = token
        self.job: JsonObject | None = None
        self.pause = 0.0
        self._address = address
        self._deadline = deadline
        self._watch = watch
        self._was_there = was_there
        self._silence = Silence(deadline.patience.give_up, deadline)
        self._quick = Backoff()
        self._fault: StorectlError | None = None
        if job is not None:
            self._see(job)

    @property
    def end(self) -> JsonObject | None:
        """The job as it ended."""
        return self.job if self.job is not None and has_ended(self.job) else None

    def question(self) -> Question:
        """Raises WaitTimedOut; but a first question there is in any case."""
        left = self._deadline.left
        if left <= 0 and (self.job is not None or self._fault is not None):
            raise self._timed_out() from self._fault
        silence = self._silence.ask()
        if self.job is None:
            return Question(max(LEAST_SECONDS, min(ANSWER_SECONDS, silence, left)))
        # A daemon that is well must answer before its silence is too long.
        wait = max(1, int(min(LONG_POLL_SECONDS, left, silence / 2)))
        return Question(
            min(wait + MARGIN_SECONDS, max(wait + LEAST_SECONDS, silence), left), wait, self.job["sequence"]
        )

    def answered(self, job: JsonObject) -> None:
        changed = self.job is None or job["sequence"] != self.job["sequence"]
        self._watch.found()
        self._fault = None
        self._silence.broken()
        self._see(job)
        if not changed and self._silence.asked < QUICK_SECONDS:
            # Something on the way answers at once instead of waiting: do not ask it in a tight loop.
            self.pause = max(0.0, min(self._quick.delay(), self._deadline.left))
        else:
            self._quick.reset()
            self.pause = 0.0

    def lost(self, error: StorectlError) -> None:
        """Raises GaveUp when it is enough, and the error itself when it shows that the address was never right."""
        if isinstance(error, UnknownHost) and self.job is None and not self._was_there:
            raise error
        self.pause = 0.0
        if self._deadline.left > 0:
            self.pause = self._silence.goes_on(error)
            self._watch.lost(error)
        elif self.job is not None and self._fault is None:
            # Not a fault: our time was over before the daemon's answer was due.
            return
        self._fault = error

    def _see(self, job: JsonObject) -> None:
        self.job = job
        self._watch.show(job)

    def _timed_out(self) -> WaitTimedOut:
        known = f" (it is {self.job['status']}); it goes on." if self.job is not None else "."
        if self._fault is not None:
            known = f", as far as is known. {self._fault.message}"
        how = f"To wait for it again:\n{wait_command(self._address, self.token)}"
        return WaitTimedOut(
            f"The job has not ended within {self._deadline.patience.timeout:g} s{known} {how}", self.job
        )


def has_ended(job: JsonObject) -> bool:
    return job["status"] in JOB_EXIT_CODES


def first_look(client: Client, following: Following) -> JsonObject:
    """The job as it is, as soon as somebody answers."""
    while following.job is None:
        _ask(client, following)
    return following.job


def follow_quietly(client: Client, following: Following) -> JsonObject:
    """The job as it ended.

    Sooner end it the deadline (WaitTimedOut), a daemon that is away for too long (GaveUp), or a refusal.
    """
    while following.end is None:
        _ask(client, following)
    return following.end


def _ask(client: Client, following: Following) -> None:
    time.sleep(following.pause)
    question = following.question()
    limit = Limit(question.seconds, question.seconds)
    try:
        job = client.job(following.token, wait=question.wait, since=question.since, limit=limit)
    except LOST as error:
        following.lost(error)
    else:
        following.answered(job)


def follow(
    client: Client, token: str, deadline: Deadline, progress: Progress, job: JsonObject | None = None
) -> JsonObject:
    """As `follow_quietly`, for a person. `job` is the job when it is known already."""
    return follow_quietly(client, Following(client.address, token, deadline, Watch(progress), job=job))


@contextmanager
def resumable(address: Address, token: str) -> Iterator[None]:
    """Who leaves the job to itself, by Ctrl-C (Interrupted) or by giving up, is told how to wait for it again."""
    how = f"To wait for it again:\n{wait_command(address, token)}"
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"The job goes on. {how}") from error
    except GaveUp as error:
        raise GaveUp(f"{error.message} The job may go on. {how}") from error


def wait_command(address: Address, *tokens: str) -> str:
    """On a line of its own, to copy."""
    return f"{COMMAND}jobs wait{address.flag} {' '.join(tokens)}"


class Watch:
    """Tells what has changed since the last look, each thing once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._step: tuple[str, int | None] = ("", None)
        self._status = ""
        self._lost = False

    def show(self, job: JsonObject) -> None:
        if job["status"] != self._status:
            self._status = job["status"]
            self._progress.state(f"Job {job['token']}: {self._status}")
        text, done, total = _describe(job)
        if (text, total) != self._step:
            self._step = (text, total)
            self._progress.step(text, total)
        self._progress.done(done)

    def lost(self, error: StorectlError) -> None:
        if not self._lost:
            self._lost = True
            asking = "The job is safe there; asking" if self._status else "Asking"
            self._progress.note(f"{error.message}\n{asking} again until it can be reached.")

    def found(self) -> None:
        if self._lost:
            self._lost = False
            self._progress.note("The daemon answers again." if self._status else "The daemon answers.")


def _describe(job: JsonObject) -> tuple[str, int, int | None]:
    """What the job is at, where it is in the queue, and how much of how much is done."""
    text, done, total = describe_step(job)
    return f"{text}{_describe_queue(job)}", done, total


def describe_step(job: JsonObject) -> tuple[str, int, int | None]:
    """What the job is at, and how much of how much is done; None: nobody knows of how much."""
    if job["status"] != "running":
        return job["status"].capitalize(), 0, None
    progress = job.get("progress") or {}
    phase = str(progress.get("phase") or "running").replace("_", " ").capitalize()
    return phase, progress.get("done") or 0, progress.get("total") or None


def _describe_queue(job: JsonObject) -> str:
    text = ""
    if job.get("position") is not None:
        text += f", {job['position']} before it in the queue"
    # That of a running one is until its end, and changes with each look; the bar shows that it goes on.
    if job.get("estimated_seconds") is not None and job["status"] != "running":
        text += f", about {job['estimated_seconds']:.0f} s"
    return text
