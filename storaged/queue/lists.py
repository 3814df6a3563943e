"""Lists of jobs: every filter, and pages that start after the last job of the page before."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from storaged.database.sql import Connection, like_pattern, load_queries, planned_anew
from storaged.model import Job, JobStatus, ProductId
from storaged.queue.jobs import job_of

QUERIES = load_queries("jobs")

# In a name: any characters, or none.
ANY = "*"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs: any of the values of a condition, all of the conditions; times include both ends.

    Of tokens, nodes, kinds and users case is ignored, and `*` stands for anything, as CodeChecker filters its tasks;
    runs are compared as they are. A job that has not got to a time yet (not started, not finished) is neither before
    nor after one.
    """

    tokens: Sequence[str] = ()
    nodes: Sequence[str] = ()
    kinds: Sequence[str] = ()
    # Of stores: whether they came by the legacy call.
    legacy: bool | None = None
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


async def conditions(conn: Connection, where: JobFilter) -> dict[str, Any]:
    """What the query takes of a filter."""
    values = {name: list(value) if isinstance(value, tuple | list) else value for name, value in asdict(where).items()}
    values["kinds"] = [like_pattern(kind.lower()) for kind in where.kinds]
    values["tokens"] = [token.lower() for token in where.tokens]
    for name in ("tokens", "nodes", "users"):
        globs = values[name]
        values[f"{name}_like"] = [like_pattern(one) for one in globs if ANY in one]
        # An index finds these.
        values[name] = [one for one in globs if ANY not in one]
    if values["nodes"] or values["users"]:
        values |= await QUERIES["lower_names"].row(conn, nodes=values["nodes"], users=values["users"])
    return values


async def list_jobs(
    conn: Connection, where: JobFilter = EVERY_JOB, *, limit: int = 100, after_id: int | None = None
) -> list[Job]:
    """Jobs, the newest first; the next page is the one after the last id of this one."""
    async with planned_anew(conn):
        rows = await QUERIES["list_jobs"].fetch(conn, **await conditions(conn, where), limit=limit, after_id=after_id)
    return [job_of(row) for row in rows]
