"""What this node counts for Prometheus as it happens; docs/operations.md has every name.

What can be looked up when somebody asks (the queue, slots, the spool) is not kept here: storaged/api/metrics.py.
"""

from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from storaged.model import ENDED, JobKind, JobStatus

# From a store that is claimed at once to an hour of backlog.
WAIT_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800, 3600)
PROCESSING_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800)
# A long poll may take minutes.
REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


# Else each counter and histogram would have a second time series, with the time at which it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counters and histograms of one node, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._ended = Counter(
            "storaged_jobs_ended", "Jobs that this node brought to an end.", ["kind", "status"], registry=self.registry
        )
        self._rescued = Counter(
            "storaged_jobs_rescued",
            "Orphaned jobs that this node dropped, cancelled or enqueued again.",
            ["status"],
            registry=self.registry,
        )
        self._waits = Histogram(
            "storaged_job_wait_seconds",
            "Time from enqueued to started of the jobs that this node claimed.",
            ["kind"],
            buckets=WAIT_BUCKETS,
            registry=self.registry,
        )
        self._processing = Histogram(
            "storaged_job_processing_seconds",
            "Time from claimed to ended of the jobs that this node completed.",
            ["kind"],
            buckets=PROCESSING_BUCKETS,
            registry=self.registry,
        )
        self._uploaded = Counter(
            "storaged_upload_bytes", "Bytes of archives received, whole or not.", registry=self.registry
        )
        self._requests = Histogram(
            "storaged_http_request_duration_seconds",
            "Time from a request's head to the end of its answer, long polls included.",
            ["method", "endpoint"],
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "storaged_http_requests", "Requests answered.", ["method", "endpoint", "status"], registry=self.registry
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A counter that appears with its first event has no increase that an alert could see."""
        for kind, status in product((JobKind.STORE, JobKind.DELETE_RUN), ENDED):
            self._ended.labels(kind, status)
        for status in (JobStatus.DROPPED, JobStatus.ENQUEUED, JobStatus.CANCELLED):
            self._rescued.labels(status)

    def job_claimed(self, kind: JobKind, waited_seconds: float) -> None:
        self._waits.labels(kind).observe(waited_seconds)

    def job_settled(self, kind: JobKind, status: JobStatus, seconds: float) -> None:
        """A job that ran here for so long ended, or was given back (`enqueued`)."""
        self.job_ended(kind, status)
        if status is JobStatus.COMPLETED:
            self._processing.labels(kind).observe(seconds)

    def job_ended(self, kind: JobKind, status: JobStatus) -> None:
        if status.ended:
            self._ended.labels(kind, status).inc()

    def job_rescued(self, kind: JobKind, status: JobStatus) -> None:
        self._rescued.labels(status).inc()
        self.job_ended(kind, status)

    def bytes_uploaded(self, count: int) -> None:
        self._uploaded.inc(count)

    def request_answered(self, method: str, endpoint: str, status: str, seconds: float) -> None:
        """`endpoint` is a route's template, never a path: each value of a label is a time series."""
        self._requests.labels(method, endpoint).observe(seconds)
        self._answers.labels(method, endpoint, status).inc()
