"""Lists of jobs: every filter, and pages that start after the last job of the page before."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from storaged.database.sql import Connection, load_queries, planned_anew
from storaged.model import Job, JobKind, JobStatus, ProductId, Token
from storaged.queue.jobs import job_of

QUERIES = load_queries("jobs")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs: any of the values of a condition, all of the conditions; times include both ends.

    A job that has not got to a time yet (not started, not finished) is neither before nor after one.
    """

    tokens: Sequence[Token] = ()
    nodes: Sequence[str] = ()
    kinds: Sequence[JobKind] = ()
    statuses: Sequence[JobStatus] = ()
    runs: Sequence[str] = ()
    # With `no_user` also those that nobody is known to have made.
    users: Sequence[str] = ()
    no_user: bool = False
    # With `no_product` also those of no product.
    products: Sequence[ProductId] = ()
    no_product: bool = False
    enqueued_after: datetime | None = None
    enqueued_before: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    last_seen_after: datetime | None = None
    last_seen_before: datetime | None = None
    # Whether somebody asked that it stop.
    cancelled: bool | None = None
    # Of those that ended: whether somebody was told so.
    consumed: bool | None = None


EVERY_JOB = JobFilter()


async def list_jobs(
    conn: Connection, where: JobFilter = EVERY_JOB, *, limit: int = 100, after_id: int | None = None
) -> list[Job]:
    """Jobs, the newest first; the next page is the one after the last id of this one."""
    values = {name: list(value) if isinstance(value, tuple | list) else value for name, value in asdict(where).items()}
    async with planned_anew(conn):
        rows = await QUERIES["list_jobs"].fetch(conn, **values, limit=limit, after_id=after_id)
    return [job_of(row) for row in rows]
