"""Follow a job to its end, through time-outs, restarts of the daemon and broken connections."""

import math
import time
from dataclasses import dataclass
from typing import Protocol

from .address import Address
from .client import ANSWER_SECONDS, Client, JsonObject
from .errors import (
    JOB_EXIT_CODES,
    GaveUp,
    Interrupted,
    StorectlError,
    Unavailable,
    Unreachable,
    WaitTimedOut,
)
from .progress import Progress
from .retries import Backoff

LONG_POLL_SECONDS = 30
"""Proxies cut off what is silent for a minute."""
MARGIN_SECONDS = 15.0
QUICK_SECONDS = 1.0
GIVE_UP_SECONDS = 900.0
"""Longer than a restart with migrations, or a fail-over of the database, takes; shorter than a CI job may hang."""
LOST = (Unreachable, Unavailable)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a job, and how long for a daemon that gives no answer all the while; None: without end."""

    timeout: float | None = None
    give_up: float | None = GIVE_UP_SECONDS


class Deadline:
    """When the patience ends; it begins now."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._end = math.inf if patience.timeout is None else time.monotonic() + patience.timeout

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


class Asking:
    """When to ask about a job the next time, and how: all of the waiting but the HTTP."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._backoff = Backoff()
        self._asked = 0.0
        self._lost_since: float | None = None

    def ask(self) -> tuple[int, float]:
        """The long poll's seconds, and those after which an answer counts as none."""
        self._asked = time.monotonic()
        wait = max(1, math.ceil(min(LONG_POLL_SECONDS, self._deadline.left)))
        return wait, wait + max(1.0, min(MARGIN_SECONDS, self._deadline.left - wait))

    def found(self, changed: bool) -> float:
        """There was an answer; how many seconds to wait before the next question."""
        self._lost_since = None
        if not changed and time.monotonic() - self._asked < QUICK_SECONDS:
            # Something on the way answers at once instead of waiting: do not ask it in a tight loop.
            return self._within(self._backoff.delay())
        self._backoff.reset()
        return 0.0

    def lost(self, error: StorectlError) -> float:
        """There was none; how many seconds to wait before the next question. Raises GaveUp when it is enough."""
        if self._lost_since is None:
            self._lost_since = self._asked
        silent = time.monotonic() - self._lost_since
        limit = self._deadline.patience.give_up
        if limit is not None and silent >= limit:
            raise GaveUp(f"{error.message}\nGiving up: there was no answer for {silent:.0f} s.")
        left = math.inf if limit is None else limit - silent
        return self._within(min(self._backoff.delay(error), left))

    def _within(self, seconds: float) -> float:
        return max(0.0, min(seconds, self._deadline.left))


def has_ended(job: JsonObject) -> bool:
    return job["status"] in JOB_EXIT_CODES


def first_look(client: Client, token: str, deadline: Deadline, *, was_there: bool = False) -> JsonObject:
    """The job as it is; a daemon that says "not now" is asked again.

    That nothing is there at all is told at once, but for a daemon that `was_there` a moment ago.
    """
    asking = Asking(deadline)
    passing = LOST if was_there else (Unavailable,)
    while True:
        asking.ask()
        try:
            return client.job(token, seconds=min(ANSWER_SECONDS, max(1.0, deadline.left)))
        except passing as error:
            if deadline.left <= 0:
                raise
            time.sleep(asking.lost(error))


def follow(client: Client, job: JsonObject, deadline: Deadline, progress: Progress) -> JsonObject:
    """The job as it ended.

    Sooner end it the deadline (WaitTimedOut), a daemon that is away for too long (GaveUp), Ctrl-C (Interrupted) or a
    refusal.
    """
    watch = Watch(progress)
    try:
        return follow_quietly(client, job, deadline, watch)
    except KeyboardInterrupt as error:
        raise Interrupted(f"The job goes on. To wait for it again: {wait_command(client.address, job)}") from error
    except GaveUp as error:
        raise GaveUp(f"{error.message} The job may go on: {wait_command(client.address, job)}") from error


class Watching(Protocol):
    """Who is told what happens meanwhile."""

    def show(self, job: JsonObject) -> None: ...
    def lost(self, error: StorectlError) -> None: ...
    def found(self) -> None: ...


def follow_quietly(client: Client, job: JsonObject, deadline: Deadline, watch: Watching) -> JsonObject:
    """As `follow`, but that Ctrl-C stays what it is."""
    asking = Asking(deadline)
    while True:
        watch.show(job)
        if has_ended(job):
            return job
        if deadline.left <= 0:
            raise timed_out(client.address, job, deadline)
        wait, seconds = asking.ask()
        try:
            answer = client.job(job["token"], wait=wait, since=job["sequence"], seconds=seconds)
        except LOST as error:
            watch.lost(error)
            time.sleep(asking.lost(error))
            continue
        watch.found()
        time.sleep(asking.found(answer["sequence"] != job["sequence"]))
        job = answer


def wait_command(address: Address, job: JsonObject) -> str:
    return f"storectl jobs wait{address.flag} {job['token']}"


def timed_out(address: Address, job: JsonObject, deadline: Deadline) -> WaitTimedOut:
    return WaitTimedOut(
        f"The job has not ended within {deadline.patience.timeout:g} s (it is {job['status']}); it goes on. "
        f"To wait for it again: {wait_command(address, job)}",
        job,
    )


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
            self._progress.note(f"{error.message}\nThe job is safe there; asking again until it can be reached.")

    def found(self) -> None:
        if self._lost:
            self._lost = False
            self._progress.note("The daemon answers again.")


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
