"""What becomes of running jobs whose daemon is gone: dropped, or enqueued again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from storaged.database.sql import Connection, load_queries
from storaged.model import Job, Reason
from storaged.queue import jobs

QUERIES = load_queries("nodes")

OWN = "The daemon %s stopped without finishing the job."
OTHERS = "The daemon %s, which ran the job, is gone."
LOST_CLAIM = "The daemon %s was given the job, but the connection broke before it heard of it."


@dataclass(frozen=True, slots=True)
class Rescuer:
    """The node that looks after orphans, and the policy: with `retry`, a job has at most so many attempts."""

    node: str
    instance: UUID
    on_orphan: Literal["drop", "retry"] = "drop"
    max_attempts: int = 3


async def drop_own_orphans(conn: Connection, rescuer: Rescuer) -> list[Job]:
    """End the jobs that run under this node's id since its earlier life; returns them as they are now."""
    async with conn.transaction():
        leases = await QUERIES["own_orphans"].fetch(conn, node=rescuer.node, instance=rescuer.instance)
        return await _rescue(conn, rescuer, [row["lease_id"] for row in leases], OWN, Reason.NODE_RESTARTED)


async def drop_orphans_of_dead_nodes(conn: Connection, rescuer: Rescuer, *, dead_after: timedelta) -> list[Job]:
    """End the jobs of nodes whose lock is free and whose heartbeat is older than `dead_after`; returns them.

    Does nothing unless this node's own heartbeats came regularly for `dead_after`: until then, after an outage of
    the database, a living node may look as dead.
    """
    async with conn.transaction():
        await QUERIES["bury_nodes"].fetch(conn, node=rescuer.node, instance=rescuer.instance, dead_after=dead_after)
        leases = await QUERIES["orphans_of_nobody"].fetch(conn, dead_after=dead_after)
        return await _rescue(conn, rescuer, [row["lease_id"] for row in leases], OTHERS, Reason.NODE_GONE)


async def drop_lost_claims(
    conn: Connection, rescuer: Rescuer, *, held: Collection[UUID], dead_after: timedelta
) -> list[Job]:
    """End the jobs that this node claimed without hearing of it, because the answer was lost; returns them.

    Call it right after a heartbeat of all leases that are `held`: what is older than `dead_after` then, nobody has.
    """
    async with conn.transaction():
        leases = await QUERIES["lost_claims"].fetch(
            conn, node=rescuer.node, instance=rescuer.instance, held=list(held), dead_after=dead_after
        )
        return await _rescue(conn, rescuer, [row["lease_id"] for row in leases], LOST_CLAIM, Reason.CLAIM_LOST)


async def _rescue(conn: Connection, rescuer: Rescuer, leases: Sequence[UUID], told: str, reason: Reason) -> list[Job]:
    if not leases:
        return []
    rescued = await QUERIES["rescue_jobs"].fetch(
        conn,
        leases=leases,
        node=rescuer.node,
        told=told,
        reason=reason,
        retry=rescuer.on_orphan == "retry",
        max_attempts=rescuer.max_attempts,
    )
    return await jobs.read_jobs(conn, [row["job_id"] for row in rescued])
