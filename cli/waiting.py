"""Follow a job to its end, through time-outs, restarts of the daemon and broken connections."""

import math
import time

from .client import ANSWER_SECONDS, Client, JsonObject
from .errors import JOB_EXIT_CODES, Interrupted, StorectlError, Unavailable, Unreachable, WaitTimedOut
from .progress import Progress
from .retries import Backoff

LONG_POLL_SECONDS = 30
"""Proxies cut off what is silent for a minute."""
MARGIN_SECONDS = 15.0
QUICK_SECONDS = 1.0


class Deadline:
    """When the patience ends; never, without seconds."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


def fetch(client: Client, token: str, deadline: Deadline) -> JsonObject:
    """The job as it is. That the daemon is not there at all is told at once, even by one that would wait."""
    return client.job(token, seconds=min(ANSWER_SECONDS, max(1.0, deadline.left)))


def has_ended(job: JsonObject) -> bool:
    return job["status"] in JOB_EXIT_CODES


def follow(client: Client, job: JsonObject, deadline: Deadline, progress: Progress) -> JsonObject:
    """The job as it ended. Only the deadline (WaitTimedOut), Ctrl-C (Interrupted) or a refusal ends it sooner."""
    watch = _Watch(progress)
    backoff = Backoff()
    try:
        while not has_ended(job):
            watch.show(job)
            if deadline.left <= 0:
                raise _timed_out(client, job, deadline)
            job = _next(client, job, deadline, backoff, watch)
    except KeyboardInterrupt as error:
        raise Interrupted(f"The job goes on. To wait for it again: {wait_command(client, job)}") from error
    watch.show(job)
    return job


def wait_command(client: Client, job: JsonObject) -> str:
    return f"storectl jobs wait{client.address.flag} {job['token']}"


def _next(client: Client, job: JsonObject, deadline: Deadline, backoff: Backoff, watch: "_Watch") -> JsonObject:
    """The job after its next change, or as it was when there is none or no answer."""
    since = job["sequence"]
    wait = max(1, math.ceil(min(LONG_POLL_SECONDS, deadline.left)))
    seconds = wait + max(1.0, min(MARGIN_SECONDS, deadline.left - wait))
    asked = time.monotonic()
    try:
        answer = client.job(job["token"], wait=wait, since=since, seconds=seconds)
    except (Unreachable, Unavailable) as error:
        watch.lost(error)
        _sleep(backoff.delay(error), deadline)
        return job
    watch.found()
    if answer["sequence"] == since and time.monotonic() - asked < QUICK_SECONDS:
        # Something on the way answers at once instead of waiting: do not ask it in a tight loop.
        _sleep(backoff.delay(), deadline)
    else:
        backoff.reset()
    return answer


def _sleep(seconds: float, deadline: Deadline) -> None:
    time.sleep(max(0.0, min(seconds, deadline.left)))


def _timed_out(client: Client, job: JsonObject, deadline: Deadline) -> WaitTimedOut:
    return WaitTimedOut(
        f"The job has not ended within {deadline.seconds:g} s (it is {job['status']}); it goes on. "
        f"To wait for it again: {wait_command(client, job)}",
        job,
    )


class _Watch:
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
    """What the job is at, and how much of how much is done."""
    if job["status"] != "running":
        return _describe_queue(job), 0, None
    progress = job.get("progress") or {}
    phase = str(progress.get("phase") or "running").replace("_", " ").capitalize()
    return phase, progress.get("done") or 0, progress.get("total") or None


def _describe_queue(job: JsonObject) -> str:
    text = f"{job['status'].capitalize()}"
    if job.get("position") is not None:
        text += f", {job['position']} before it in the queue"
    if job.get("estimated_seconds") is not None:
        text += f", about {job['estimated_seconds']:.0f} s"
    return text
