"""Everything that can go wrong, in the words of the domain; knows no HTTP."""

import shlex
from collections.abc import Sequence


class StoragedError(Exception):
    """Base of all errors that storaged raises on purpose; its text is fit for a person to read."""


class SettingsError(StoragedError):
    """Settings that the daemon cannot start with; the text lists all faults."""


class ListenError(StoragedError):
    """The address to serve on cannot be had."""


class QuickstartError(StoragedError):
    """The tour of quickstart came to a halt."""


# The database and its schema


class DatabaseUnavailable(StoragedError):
    """The database cannot be reached now."""


class StagedRowsLost(StoragedError):
    """Rows that were staged for a merge are gone; the store can be done again from its upload."""


class SchemaError(StoragedError):
    """The database's schema is not one that this daemon can work with."""


# What a client names


def _meant(close: Sequence[str]) -> str:
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


class ProductNotFound(StoragedError):
    """No product has this endpoint."""

    def __init__(self, product: str, close: Sequence[str] = ()) -> None:
        super().__init__(f"There is no product {product!r}.{_meant(close)} `storectl product list` lists the products.")


class ProductExists(StoragedError):
    """There is a product of this endpoint already."""


class ProductInUse(StoragedError):
    """The product has runs, or jobs that have not ended."""


class RunNotFound(StoragedError):
    """The product has no run of this name."""

    def __init__(self, product: str, run: str, close: Sequence[str] = ()) -> None:
        super().__init__(f"Product {product!r} has no run {run!r}.{_meant(close)} `storectl runs` lists the runs.")


class TagNotFound(StoragedError):
    """The run has no store of this tag."""

    def __init__(self, product: str, run: str, tag: str) -> None:
        lists = f"`storectl history {shlex.quote(run)}` lists its tags."
        super().__init__(f"Run {run!r} of product {product!r} has no tag {tag!r}. {lists}")


class ReportNotFound(StoragedError):
    """The product has no report of this id."""

    def __init__(self, product: str, report_id: int) -> None:
        super().__init__(f"Product {product!r} has no report {report_id}.")


class ReviewNotFound(StoragedError):
    """The product has no review of this report hash."""

    def __init__(self, product: str, report_hash: str) -> None:
        super().__init__(f"Product {product!r} has no review of report hash {report_hash!r}.")


class JobNotFound(StoragedError):
    """No job has this token."""

    def __init__(self, token: str) -> None:
        super().__init__(f"There is no job {token!r}. Jobs that ended long ago are pruned.")


# The queue


class LeaseLost(StoragedError):
    """The job is no longer held under this lease: it was dropped, cancelled or claimed anew."""


class CancelRequested(StoragedError):
    """Somebody asked that the running job stop."""


class DummyFailed(StoragedError):
    """A dummy job that was told to fail."""


class NotRetryable(StoragedError):
    """The job cannot be enqueued again: it has not failed, or its upload is gone."""


class AlreadyEnded(StoragedError):
    """The job has ended, so there is nothing to cancel."""


class IdempotencyConflict(StoragedError):
    """The Idempotency-Key was used with another body."""


class WorkerDied(StoragedError):
    """The worker process that ran a call ended before it answered."""


class NodeIdInUse(StoragedError):
    """Another living daemon has this node id."""


# Uploads


class BadRequest(StoragedError):
    """The request is wrong; all that is, is told in pairs of pointer and detail."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" for pointer, detail in faults))
        self.faults = faults


class UploadTooLarge(StoragedError):
    """The body is larger than the limit."""


class UploadIncomplete(StoragedError):
    """The client went away before the whole body came."""


class SpoolOfAnother(StoragedError):
    """The spool folder belongs to another database."""


class SpoolFull(StoragedError):
    """The spool cannot take the upload."""


class TooManyComparisons(StoragedError):
    """As many archives as may be are being compared now."""


class UploadGone(StoragedError):
    """The spool has lost an upload whose job was to run."""


# What is wrong with what was uploaded: these end a job `failed`


class BadArchive(StoragedError):
    """The upload is not an archive that can be stored."""


class BadResultFile(StoragedError):
    """One result file cannot be read; `entry` names it."""

    def __init__(self, entry: str, detail: str) -> None:
        super().__init__(f"{entry}: {detail}")
        self.entry = entry
        self.detail = detail

    def __reduce__(self) -> tuple[type["BadResultFile"], tuple[str, str]]:
        return type(self), (self.entry, self.detail)


class BadResultFiles(StoragedError):
    """Result files of a store cannot be read; the text lists which and why."""


class ContradictingReviews(StoragedError):
    """Review comments in sources say different things of one report; the text lists which and where."""


class ReportLimitReached(StoragedError):
    """The store has more reports than the product takes."""


class RunLimitReached(StoragedError):
    """The product has as many runs as it takes."""


# The embedded PostgreSQL


class EmbeddedPostgresError(StoragedError):
    """The embedded PostgreSQL cannot be created, started, joined or stopped."""
