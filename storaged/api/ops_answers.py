"""What the endpoints below /api/v1/ops answer: the columns of the queries of sql/dashboard/, with their types."""

from datetime import datetime
from typing import Any, Literal

from typing_extensions import TypedDict

from storaged.model import JobKind, JobStatus

Trend = Literal["growing", "shrinking", "steady"] | None


class QueueRow(TypedDict):
    """Waiting and running jobs, of all products (`*`) or of one."""

    product: str
    waiting: int
    blocked: int
    running: int
    oldest_wait_seconds: float | None


class WaitingRow(TypedDict):
    """Jobs that have been waiting for about so long."""

    age: str
    waiting: int
    blocked: int
    products: int


class WaitsRow(TypedDict):
    """Queueing times of what started in a period."""

    period: Literal["5 minutes", "hour", "day"]
    jobs: int
    median_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None
    longest_seconds: float | None
    earlier_median_seconds: float | None
    later_median_seconds: float | None
    trend: Trend


class ProcessingRow(TypedDict):
    """Throughput and processing times of what ended in a period."""

    period: Literal["5 minutes", "hour", "day"]
    ended: int
    completed: int
    failed: int
    dropped: int
    cancelled: int
    per_minute: float
    median_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None
    longest_seconds: float | None
    earlier_median_seconds: float | None
    later_median_seconds: float | None
    trend: Trend


class LatestRow(TypedDict):
    """A job that ended lately."""

    token: str
    kind: JobKind
    product: str | None
    run: str | None
    status: JobStatus
    reason: str | None
    node: str | None
    waited_seconds: float | None
    took_seconds: float | None
    ended_ago_seconds: float


class FailuresRow(TypedDict):
    """How many jobs ended badly, for one reason."""

    status: Literal["failed", "dropped"]
    reason: str
    last_5_minutes: int
    last_hour: int
    last_day: int
    products: int
    latest_ago_seconds: float
    latest_token: str


class FailedRow(TypedDict):
    """A job that ended badly, with the end of its log."""

    token: str
    kind: JobKind
    product: str | None
    run: str | None
    user: str | None
    status: Literal["failed", "dropped"]
    reason: str | None
    node: str | None
    attempt: int
    ended_ago_seconds: float
    comment: str | None


class NodeRow(TypedDict):
    """A daemon on this database."""

    node: str
    state: Literal["alive", "late", "unlocked", "gone"]
    heartbeat_age_seconds: float | None
    up_seconds: float | None
    running: int
    longest_seconds: float | None
    jobs: list[str]


class RunningRow(TypedDict):
    """A job that runs."""

    token: str
    kind: JobKind
    product: str | None
    run: str | None
    user: str | None
    node: str
    attempt: int
    phase: str | None
    done: int
    total: int
    running_seconds: float
    heartbeat_age_seconds: float
    cancelling: bool


class DatabaseRow(TypedDict):
    """The database's size and what may slow it down."""

    server: str
    database_bytes: int
    job_bytes: int
    job_dead_rows: int | None
    vacuumed_ago_seconds: float | None
    connections: int
    oldest_transaction_seconds: float | None
    oldest_transaction_pid: int | None


class NodeObject(TypedDict):
    """The node that answers: what runs jobs, notifications, and the spool."""

    node: str
    version: str
    up_seconds: float
    listener: Literal["listening", "polling"]
    listener_reconnects: int
    waiters: int
    job_slots: int
    running_jobs: int
    worker_processes: int
    busy_worker_processes: int
    worker_crashes: int
    spool_uploads: int
    spool_bytes: int
    spool_free_bytes: int


class QueueAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    queue: list[QueueRow]


class WaitingAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    waiting: list[WaitingRow]


class WaitsAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    waits: list[WaitsRow]


class ProcessingAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    processing: list[ProcessingRow]


class LatestAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    latest: list[LatestRow]


class FailuresAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    failures: list[FailuresRow]


class FailedAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    failed: list[FailedRow]


class NodesAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    nodes: list[NodeRow]


class RunningAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    running: list[RunningRow]


class DatabaseAnswer(TypedDict):
    """The rows, and when they were read."""

    at: datetime
    database: list[DatabaseRow]


class Overview(TypedDict):
    """The node that answers, and the rows of all queries under their names."""

    at: datetime
    node: NodeObject
    queue: list[QueueRow]
    waiting: list[WaitingRow]
    waits: list[WaitsRow]
    processing: list[ProcessingRow]
    latest: list[LatestRow]
    failures: list[FailuresRow]
    failed: list[FailedRow]
    nodes: list[NodeRow]
    running: list[RunningRow]
    database: list[DatabaseRow]


ANSWERS: dict[str, Any] = {
    "queue": QueueAnswer,
    "waiting": WaitingAnswer,
    "waits": WaitsAnswer,
    "processing": ProcessingAnswer,
    "latest": LatestAnswer,
    "failures": FailuresAnswer,
    "failed": FailedAnswer,
    "nodes": NodesAnswer,
    "running": RunningAnswer,
    "database": DatabaseAnswer,
}
