"""The words that all rooms share: ids, states and the plain values that pass between them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

ProductId = NewType("ProductId", int)
JobId = NewType("JobId", int)
RunId = NewType("RunId", int)
StoreId = NewType("StoreId", int)
Token = NewType("Token", str)


# What no text of PostgreSQL can hold.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text, with U+FFFD for NUL and lone surrogates, which PostgreSQL cannot hold."""
    return UNSTORABLE.sub("\ufffd", text)


class JobStatus(StrEnum):
    """The states of a job; their meaning is CodeChecker's (docs/queue.md)."""

    ALLOCATED = "allocated"
    ENQUEUED = "enqueued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DROPPED = "dropped"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DROPPED})


class JobKind(StrEnum):
    """What a job does."""

    STORE = "store"
    DELETE_RUN = "delete_run"
    DUMMY = "dummy"


class DetectionStatus(StrEnum):
    """What the latest store of a run said of a report (docs/statuses.md)."""

    NEW = "new"
    REOPENED = "reopened"
    UNRESOLVED = "unresolved"
    RESOLVED = "resolved"
    OFF = "off"
    UNAVAILABLE = "unavailable"


class ReviewStatus(StrEnum):
    """What people say of a report (docs/reviews.md)."""

    UNREVIEWED = "unreviewed"
    CONFIRMED = "confirmed"
    FALSE_POSITIVE = "false_positive"
    INTENTIONAL = "intentional"


class Reason(StrEnum):
    """What kind of fault made a job fail or be dropped; docs/operations.md tells what to do about each."""

    # Failed: of the upload, or of storaged.
    BAD_ARCHIVE = "bad-archive"
    BAD_RESULT_FILES = "bad-result-files"
    CONTRADICTING_REVIEWS = "contradicting-reviews"
    REPORT_LIMIT = "report-limit"
    RUN_LIMIT = "run-limit"
    WORKER_CRASHES = "worker-crashes"
    INTERNAL_ERROR = "internal-error"
    TOLD_TO = "told-to"
    # Dropped.
    DATABASE = "database"
    DISK = "disk"
    UPLOAD_GONE = "upload-gone"
    SHUTDOWN = "shutdown"
    NODE_RESTARTED = "node-restarted"
    NODE_GONE = "node-gone"
    CLAIM_LOST = "claim-lost"


@dataclass(frozen=True, slots=True)
class Comment:
    """One entry of a job's log."""

    at: datetime
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the queue as readers see it."""

    id: JobId
    token: Token
    kind: JobKind
    product_id: ProductId | None
    product: str | None
    run: str | None
    username: str | None
    # The address that asked for it.
    submitter: str | None
    summary: str
    status: JobStatus
    attempt: int
    node: str | None
    priority: int
    sequence: int
    created_at: datetime
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    phase: str | None
    done: int
    total: int
    cancel_requested: bool
    consumed: bool
    result: Mapping[str, Any] | None
    # One of Reason, or of a newer version's.
    reason: str | None = None
    # A store that came by a call which is answered only when it has ended.
    legacy: bool = False
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this node runs, and the lease under which it may write."""

    id: JobId
    token: Token
    kind: JobKind
    product_id: ProductId | None
    product: str | None
    run: str | None
    username: str | None
    attempt: int
    crashes: int
    lease_id: UUID
    arguments: Mapping[str, Any] = field(default_factory=dict)
    # From enqueued to started.
    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AnalyzerInfo:
    """What an analysis says of one analyzer; None where it says nothing."""

    name: str
    version: str | None = None
    successful: int | None = None
    failed: int | None = None
    failed_sources: tuple[str, ...] = ()
    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NewStore:
    """A store that is about to be merged: which run, how, and what the analysis said of itself."""

    product_id: ProductId
    product: str
    run: str
    token: Token | None = None
    username: str | None = None
    tag: str | None = None
    description: str | None = None
    client_version: str | None = None
    command: str | None = None
    duration: float | None = None
    force: bool = False
    # Result files were left out: what did not come may be in them, so nothing is closed.
    partial: bool = False
    analyzers: tuple[AnalyzerInfo, ...] = ()
    # Decide off and unavailable; both empty where these two do not apply.
    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MergedStore:
    """What a merge did. `counts` has the run's reports by detection status after it."""

    store_id: StoreId
    incoming: int
    inserted: int
    replaced: int
    opened: int
    closed: int
    reviewed: int
    counts: Mapping[str, int]
    missing_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """A source as it is stored: SHA-256 and size of its bytes, and the bytes as a zlib stream."""

    hash: bytes
    size: int
    packed: bytes
    # It may have review comments.
    reviewed: bool = False
