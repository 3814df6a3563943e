"""The words that all rooms share: ids, states and the plain values that pass between them."""

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
    DUMMY = "dummy"


class DetectionStatus(StrEnum):
    """What the latest store of a run said of a report (docs/statuses.md)."""

    NEW = "new"
    REOPENED = "reopened"
    UNRESOLVED = "unresolved"
    RESOLVED = "resolved"
    OFF = "off"
    UNAVAILABLE = "unavailable"


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
    product: str | None
    run: str | None
    username: str | None
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
