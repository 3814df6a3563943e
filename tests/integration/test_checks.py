"""`storaged check`: each thing that can be wrong is found, and nothing where all is well."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from storaged import check
from storaged.check import check_installation, describe
from storaged.daemon import prepare_spool
from storaged.database.engine import Engine, open_connection
from storaged.model import Reason
from storaged.queue import nodes
from storaged.queue.checks import (
    QUERIES,
    Finding,
    Level,
    check_dead_rows,
    check_leases,
    check_nodes,
    check_queue,
    check_vacuum,
    check_waits,
)
from storaged.settings import Settings
from tests.integration.queue_scenes import NODE, claim_one, enqueue

DEAD_AFTER = timedelta(seconds=30)


async def faults(engine: Engine) -> list[Finding]:
    async with engine.connect() as conn:
        return [found for found in await check_queue(conn, dead_after=DEAD_AFTER) if found.level != Level.OK]


async def execute(engine: Engine, statement: str, *arguments: object) -> None:
    async with engine.begin() as conn:
        await conn.fetch(statement, *arguments)


@pytest.fixture
async def living(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The connection of a daemon that lives."""
    connection = await open_connection(database_url)
    await nodes.register(connection, NODE)
    yield connection
    await connection.close()


@pytest.mark.usefixtures("living")
async def test_a_queue_that_is_well_has_a_good_word_from_each_check(engine: Engine) -> None:
    await enqueue(engine)
    await claim_one(engine)
    async with engine.connect() as conn:
        found = await check_queue(conn, dead_after=DEAD_AFTER)
    assert [(one.check, one.level.value) for one in found] == [
        (check, "ok") for check in ("database", "nodes", "leases", "queue", "failures", "dead rows", "vacuum")
    ]
    assert found[1].text == f"1 daemon: {NODE}"
    assert found[3].text == "0 jobs waiting, 1 running"


async def test_a_database_without_a_daemon_is_bad(engine: Engine) -> None:
    (found,) = await faults(engine)
    assert (found.check, found.level) == ("nodes", Level.BAD)
    assert found.advice == "Start one: storaged serve."


async def test_daemons_that_are_late_gone_or_without_notifications_are_named(
    engine: Engine, living: asyncpg.Connection
) -> None:
    await execute(engine, "UPDATE node SET heartbeat_at = now() - interval '40 seconds'")
    await execute(engine, "INSERT INTO node (id, instance, lock_key) VALUES ('deaf', gen_random_uuid(), 1)")
    await execute(
        engine,
        "INSERT INTO node (id, instance, lock_key, heartbeat_at) "
        "VALUES ('dead', gen_random_uuid(), 2, now() - interval '1 hour')",
    )
    assert not living.is_closed()
    told = [(found.level, found.text) for found in await faults(engine)]
    assert [level for level, _ in told] == [Level.WARNING] * 3
    dead, deaf, late = (text for _, text in told)
    assert dead == "dead is gone, and left 0 running jobs."
    assert deaf.startswith("deaf gave a sign of life ")
    assert late.startswith(f"{NODE} is late: its last heartbeat is ")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"state": "late", "heartbeat_age_seconds": 40.4}, "a is late: its last heartbeat is 40 s old."),
        (
            {"state": "unlocked", "heartbeat_age_seconds": 0.2},
            "a gave a sign of life 0 s ago, but the connection that holds its lock is gone.",
        ),
        ({"state": "gone", "heartbeat_age_seconds": 3600.0}, "a is gone, and left 2 running jobs."),
    ],
)
def test_a_daemon_that_is_not_well_is_told_with_how_long_ago_it_lived(row: dict[str, object], text: str) -> None:
    *_, found = check_nodes([{"node": "a", "running": 2, **row}])
    assert (found.level, found.text) == (Level.WARNING, text)


async def test_a_daemon_that_was_killed_a_moment_ago_is_not_counted_as_one_that_works(engine: Engine) -> None:
    await execute(engine, "INSERT INTO node (id, instance, lock_key) VALUES ('killed', gen_random_uuid(), 1)")
    async with engine.connect() as conn:
        found = await check_queue(conn, dead_after=DEAD_AFTER)
    assert [(one.level, one.text[:23]) for one in found if one.check == "nodes"] == [
        (Level.WARNING, "killed gave a sign of l")
    ]


@pytest.mark.usefixtures("living")
async def test_a_running_job_that_nobody_rescued_is_bad(engine: Engine) -> None:
    job = await enqueue(engine)
    await claim_one(engine)
    # Older than a node may be, but a rescue may be on its way.
    await execute(engine, "UPDATE job SET heartbeat_at = now() - $1::interval", DEAD_AFTER)
    assert await faults(engine) == []
    await execute(engine, "UPDATE job SET heartbeat_at = now() - 2 * $1::interval", DEAD_AFTER)
    (found,) = await faults(engine)
    assert (found.check, found.level) == ("leases", Level.BAD)
    assert found.text.startswith("1 running job without a sign of life for up to ")
    assert job.token in found.advice
    assert check_leases({"jobs": 2, "seconds": 61.2, "token": "a"}).text == (
        "2 running jobs without a sign of life for up to 61 s."
    )


@pytest.mark.usefixtures("living")
async def test_a_job_that_waits_for_long_is_told(engine: Engine) -> None:
    await enqueue(engine)
    await execute(engine, "UPDATE job SET enqueued_at = now() - interval '11 minutes'")
    (found,) = await faults(engine)
    assert (found.check, found.level) == ("queue", Level.WARNING)
    assert found.text.startswith("1 job waiting, 0 running; the oldest has been waiting for ")


def test_how_long_the_oldest_job_waits_is_told_only_when_it_is_long() -> None:
    row = {"product": "*", "waiting": 2, "running": 1}
    assert check_waits([{**row, "oldest_wait_seconds": 600.0}]).text == "2 jobs waiting, 1 running"
    assert check_waits([{**row, "oldest_wait_seconds": 660.4}]).text == (
        "2 jobs waiting, 1 running; the oldest has been waiting for 660 s."
    )


@pytest.mark.usefixtures("living")
async def test_jobs_that_ended_by_a_fault_of_the_system_are_told_not_those_of_bad_uploads(engine: Engine) -> None:
    for status, reason, ago in (
        ("failed", Reason.BAD_ARCHIVE, 1),
        ("failed", Reason.INTERNAL_ERROR, 1),
        ("dropped", Reason.SHUTDOWN, 1),
        ("dropped", Reason.DATABASE, 90),
    ):
        job = await enqueue(engine)
        await execute(
            engine,
            "UPDATE job SET status = $2, reason = $3, finished_at = now() - $4::interval WHERE id = $1",
            job.id,
            status,
            reason,
            timedelta(minutes=ago),
        )
    assert sorted(found.text for found in await faults(engine)) == [
        "1 job dropped in the last hour: shutdown.",
        "1 job failed in the last hour: internal-error.",
    ]


@pytest.mark.usefixtures("living")
async def test_who_holds_vacuum_back_is_named(engine: Engine, database_url: str) -> None:
    holder = await open_connection(database_url)
    await holder.execute("SET application_name = 'sleeper'")
    before = await holder.fetchval("SELECT clock_timestamp()")
    async with holder.transaction(isolation="repeatable_read"), engine.connect() as conn:
        await holder.execute("SELECT 1 FROM job")
        pid = await holder.fetchval("SELECT pg_backend_pid()")
        holders = await QUERIES["vacuum_holders"].fetch(conn)
        row = next(row for row in holders if str(pid) in row["holder"])
        assert row["holder"].startswith(f"backend {pid} of user ")
        assert row["holder"].endswith("(sleeper)")
        most = await conn.fetchval("SELECT extract(epoch FROM clock_timestamp() - $1)::float8", before)
        assert 0 < row["seconds"] <= most
    await holder.close()


@pytest.mark.parametrize(
    ("row", "text", "advice"),
    [
        (
            {"holder": "backend 7 of user ci", "transactions": 3, "seconds": 901.0},
            "Held back by backend 7 of user ci for 901 s, 3 transactions long.",
            "pg_terminate_backend",
        ),
        (
            {"holder": "replication slot old", "transactions": 1_000_001, "seconds": None},
            "Held back by replication slot old, 1000001 transactions long.",
            "pg_drop_replication_slot",
        ),
        (
            {"holder": "prepared transaction x", "transactions": 1, "seconds": 9000.0},
            "Held back by prepared transaction x for 9000 s, 1 transactions long.",
            "ROLLBACK PREPARED",
        ),
    ],
)
def test_each_kind_of_holder_has_its_advice(row: dict[str, object], text: str, advice: str) -> None:
    (found,) = check_vacuum([row])
    assert (found.level, found.text) == (Level.WARNING, text)
    assert advice in found.advice


def test_a_short_transaction_holds_nothing_back() -> None:
    (found,) = check_vacuum([{"holder": "backend 7", "transactions": 1000, "seconds": 899.0}])
    assert found.level == Level.OK


def test_dead_rows_that_pile_up_are_told() -> None:
    assert check_dead_rows([{"job_dead_rows": 100_000}]).level == Level.OK
    assert check_dead_rows([{"job_dead_rows": 100_001}]).level == Level.WARNING


async def spool_findings(settings: Settings) -> list[Finding]:
    return [found for found in await check_installation(settings) if found.check in {"spool", "uploads"}]


async def test_a_waiting_store_whose_upload_is_elsewhere_is_bad(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=database_url, data_dir=tmp_path)
    assert [found.text for found in await spool_findings(settings)] == [
        f"None in {tmp_path}: no daemon has been run on this folder."
    ]
    spool = await prepare_spool(settings, engine)
    here, elsewhere = await enqueue(engine, "here"), await enqueue(engine, "elsewhere")
    spool.path(here.token).write_bytes(b"whole")
    found = (await spool_findings(settings))[-1]
    assert (found.check, found.level) == ("uploads", Level.BAD)
    assert found.text == f"1 waiting store has no upload here; one is {elsewhere.token}."
    spool.path(here.token).unlink()
    assert (await spool_findings(settings))[-1].text.startswith("2 waiting stores have no upload here; one is ")
    for job in (here, elsewhere):
        spool.path(job.token).write_bytes(b"whole")
    assert (await spool_findings(settings))[-1].level == Level.OK


async def test_a_disk_that_is_nearly_full_is_told(
    engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=database_url, data_dir=tmp_path)
    await prepare_spool(settings, engine)
    room, _ = await spool_findings(settings)
    monkeypatch.setattr(check, "LITTLE_ROOM_BYTES", shutil.disk_usage(tmp_path).total + 1)
    little, _ = await spool_findings(settings)
    assert (room.level, little.level) == (Level.OK, Level.WARNING)
    assert little.advice == "Make room, or uploads will be refused."


async def test_the_spool_of_another_database_is_bad(engine: Engine, database_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database_url, data_dir=tmp_path)
    await prepare_spool(settings, engine)
    await execute(engine, "UPDATE installation SET id = gen_random_uuid()")
    (found,) = await spool_findings(settings)
    assert (found.level, found.text) == (Level.BAD, f"{settings.spool_dir} belongs to another database.")


def test_findings_are_told_in_lines_and_as_json() -> None:
    findings = [
        Finding("nodes", Level.BAD, "No daemon works on this database.", "Start one: storaged serve."),
        Finding("dead rows", Level.OK, "3 dead rows"),
    ]
    assert describe(findings, "plain").splitlines() == [
        "bad      nodes      No daemon works on this database.",
        "                    Start one: storaged serve.",
        "ok       dead rows  3 dead rows",
    ]
    assert '"level": "bad"' in describe(findings, "json")
