"""What is told of jobs whose daemon went, or never heard of them: a number and a line of the log for each."""

from collections.abc import Iterable

import structlog

from storaged.metrics import Metrics
from storaged.model import Job

log = structlog.get_logger(__name__)


def tell_rescued(metrics: Metrics, event: str, rescued: Iterable[Job]) -> None:
    """Count the jobs and warn of them; `event` is what the line says."""
    for job in rescued:
        metrics.job_rescued(job.kind, job.status)
        log.warning(event, token=job.token, run=job.run, status=job.status, reason=job.reason)
