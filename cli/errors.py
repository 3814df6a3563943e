"""What can go wrong in the client, in one table with the exit code that each error ends in."""

from typing import IO, Any

import click

from .notices import tell


class StorectlError(click.ClickException):
    """Base of the client's own errors; the text is fit for a person to read, the exit code comes from `EXIT_CODES`."""

    def show(self, file: IO[Any] | None = None) -> None:
        tell(f"storectl: {self.message}", file)


class Usage(StorectlError):
    """What was asked for cannot be meant: a folder that is not there, no run name, an address without product."""


class Unreadable(Usage):
    """A file or folder is there, and cannot be read."""


class Unreachable(StorectlError):
    """No daemon answered, or the connection broke; asking again later may help."""


class UnknownHost(Unreachable):
    """The daemon's host has no address here: a mistyped name, or a look-up that fails for a while."""


class InsecureConnection(StorectlError):
    """TLS could not be agreed on; asking again does not help."""


class NotADaemon(StorectlError):
    """Something answers at the address that is no storaged daemon."""


class Refused(StorectlError):
    """The daemon refused the request; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unavailable(StorectlError):
    """The daemon, or a proxy before it, cannot answer now; `retry_after` is in seconds, when it was told."""

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class FileChanged(StorectlError):
    """A file is not what it was when it was scanned, or is gone, so nothing came of what was sent."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while it was being sent. Nothing was stored; is an analysis still running?")


class WaitTimedOut(StorectlError):
    """The time given for waiting is over; `job` is how it stood then, and it goes on. None: nothing is known of one."""

    def __init__(self, message: str, job: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.job = job


class GaveUp(StorectlError):
    """The daemon could not be reached for too long; the job may have gone on."""


class Interrupted(StorectlError):
    """A person pressed Ctrl-C."""


EXIT_CODES: dict[type[StorectlError], int] = {
    Unreachable: 1,
    UnknownHost: 1,
    InsecureConnection: 1,
    NotADaemon: 1,
    Refused: 1,
    Unavailable: 1,
    FileChanged: 1,
    GaveUp: 1,
    Usage: 2,
    Unreadable: 2,
    WaitTimedOut: 8,
    Interrupted: 130,
}

for _kind, _code in EXIT_CODES.items():
    _kind.exit_code = _code

NOT_ENDED = 8
JOB_EXIT_CODES = {"completed": 0, "failed": 4, "cancelled": 16, "dropped": 16}


def job_exit_code(status: str) -> int:
    """The exit code for one job in this status; 8 when it has not ended."""
    return JOB_EXIT_CODES.get(status, NOT_ENDED)


def jobs_exit_code(statuses: list[str]) -> int:
    """For one job its own code; for several 0 when all are completed, else 1."""
    if len(statuses) == 1:
        return job_exit_code(statuses[0])
    return 0 if all(status == "completed" for status in statuses) else 1
