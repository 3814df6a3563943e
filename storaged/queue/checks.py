"""What is wrong with a queue, if anything: rules on what the operator's queries tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from storaged.database.sql import Connection, load_queries
from storaged.model import Reason
from storaged.queue import dashboard
from storaged.queue.dashboard import Row

QUERIES = load_queries("checks")

LONG_WAIT_SECONDS: Final = 600.0
MANY_DEAD_ROWS: Final = 100_000
LONG_TRANSACTION_SECONDS: Final = 900.0
OLD_SNAPSHOT_TRANSACTIONS: Final = 1_000_000


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    # look at it
    WARNING = "warning"
    # jobs do not end, or get lost
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it when it is not well."""

    check: str
    level: Level
    text: str
    advice: str = ""


async def check_queue(conn: Connection, *, dead_after: timedelta) -> list[Finding]:
    """Findings on nodes, leases, queue, failures and vacuum, at least one each; reads only."""
    rows = {name: await dashboard.ask(conn, name) for name in ("nodes", "queue", "failures", "database")}
    # A rescue looks every third of this, and waits for as long after an outage before it judges.
    overdue = await QUERIES["overdue_leases"].row(conn, overdue=2 * dead_after)
    holders = await QUERIES["vacuum_holders"].fetch(conn)
    return [
        check_database(rows["database"]),
        *check_nodes(rows["nodes"]),
        check_leases(overdue),
        check_waits(rows["queue"]),
        *check_failures(rows["failures"]),
        check_dead_rows(rows["database"]),
        *check_vacuum([dict(row) for row in holders]),
    ]


def check_database(rows: Sequence[Row]) -> Finding:
    """What it is; it was asked, so it is there."""
    [database] = rows
    return Finding(
        "database",
        Level.OK,
        f"PostgreSQL {database['server']}, {database['database_bytes'] / 1e6:.0f} MB, schema up to date",
    )


def check_nodes(rows: Sequence[Row]) -> Iterator[Finding]:
    """Is there a daemon, and does each one hold its lock and beat?"""
    states = {row["state"] for row in rows}
    working = [row["node"] for row in rows if row["state"] in {"alive", "late"}]
    if working:
        yield Finding("nodes", Level.OK, f"{_count(len(working), 'daemon')}: {', '.join(working)}")
    elif "unlocked" not in states:
        yield Finding("nodes", Level.BAD, "No daemon works on this database.", "Start one: storaged serve.")
    for row in rows:
        if row["state"] in NODE_STATES:
            level, text, advice = NODE_STATES[row["state"]]
            yield Finding("nodes", level, text.format(**row), advice)


NODE_STATES: Final = {
    "late": (
        Level.WARNING,
        "{node} is late: its last heartbeat is {heartbeat_age_seconds:.0f} s old.",
        "Look at the load of its machine, and at its log.",
    ),
    "unlocked": (
        Level.WARNING,
        "{node} gave a sign of life {heartbeat_age_seconds:.0f} s ago, but the connection that holds its lock is gone.",
        "It was killed, or polls until it reconnects. If that goes on: does a pooler or a firewall cut connections?",
    ),
    "gone": (
        Level.WARNING,
        "{node} is gone, and left {running} running jobs.",
        "Start it again; other daemons end its jobs when its heartbeat is old enough.",
    ),
}


def check_leases(overdue: Row) -> Finding:
    """Were the jobs of dead nodes seen to?"""
    if not overdue["jobs"]:
        return Finding("leases", Level.OK, "No running job was left alone.")
    text = f"{_count(overdue['jobs'], 'running job')} without a sign of life for up to {overdue['seconds']:.0f} s."
    return Finding("leases", Level.BAD, text, f"A daemon that runs ends them. One is {overdue['token']}.")


def check_waits(rows: Sequence[Row]) -> Finding:
    """Does anything wait for too long?"""
    [every] = [row for row in rows if row["product"] == "*"]
    waited = every["oldest_wait_seconds"] or 0.0
    text = f"{_count(every['waiting'], 'job')} waiting, {every['running']} running"
    if waited <= LONG_WAIT_SECONDS:
        return Finding("queue", Level.OK, text)
    advice = "storectl top shows whether slots or the machine are at their limit."
    return Finding("queue", Level.WARNING, f"{text}; the oldest has been waiting for {waited:.0f} s.", advice)


def check_failures(rows: Sequence[Row]) -> Iterator[Finding]:
    """What went wrong within the last hour by the system's own fault."""
    faults = [row for row in rows if row["last_hour"] and _is_own_fault(row)]
    if not faults:
        yield Finding(
            "failures", Level.OK, "No job was dropped in the last hour, and none failed by a fault of storaged."
        )
    for row in faults:
        text = f"{_count(row['last_hour'], 'job')} {row['status']} in the last hour: {row['reason']}."
        advice = f"docs/operations.md tells of the reason, storectl jobs show {row['latest_token']} of the latest."
        yield Finding("failures", Level.WARNING, text, advice)


def _is_own_fault(row: Row) -> bool:
    return row["status"] == "dropped" or row["reason"] in {Reason.INTERNAL_ERROR, Reason.WORKER_CRASHES}


def check_dead_rows(rows: Sequence[Row]) -> Finding:
    """Does vacuum keep up with the table of jobs?"""
    [database] = rows
    dead = database["job_dead_rows"] or 0
    text = f"{dead} dead rows in the table of jobs"
    if dead <= MANY_DEAD_ROWS:
        return Finding("dead rows", Level.OK, text)
    advice = "Claims become slow. Is autovacuum on? Does something below hold it back?"
    return Finding("dead rows", Level.WARNING, f"{text}: vacuum does not keep up.", advice)


def check_vacuum(holders: Sequence[Row]) -> Iterator[Finding]:
    """Who holds vacuum back."""
    bad = [row for row in holders if _holds_back(row)]
    if not bad:
        yield Finding("vacuum", Level.OK, "Nothing holds it back.")
    for row in bad:
        since = "" if row["seconds"] is None else f" for {row['seconds']:.0f} s"
        text = f"Held back by {row['holder']}{since}, {row['transactions']} transactions long."
        yield Finding("vacuum", Level.WARNING, text, ADVICE_BY_HOLDER[row["holder"].partition(" ")[0]])


ADVICE_BY_HOLDER: Final = {
    "backend": "If nobody needs it, end it: SELECT pg_terminate_backend(PID).",
    "prepared": "If nobody needs it: ROLLBACK PREPARED 'NAME'.",
    "replication": "If no standby needs it: SELECT pg_drop_replication_slot('NAME').",
}


def _holds_back(row: Row) -> bool:
    return (row["seconds"] or 0.0) > LONG_TRANSACTION_SECONDS or row["transactions"] > OLD_SNAPSHOT_TRANSACTIONS


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
