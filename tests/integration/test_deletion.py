"""Deleting a run as a job, and sweeping what nobody refers to any more."""

import asyncio
import zlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from storaged.database.engine import Engine
from storaged.errors import CancelRequested, LeaseLost
from storaged.model import Claim, Content, JobKind
from storaged.queue import jobs
from storaged.store import contents, runs
from storaged.store.orphans import UPLOAD, sweep_orphans
from storaged.worker.deletion import delete_run
from tests.staged import PRODUCT, Found, sha256, store

NOW = timedelta(0)
WEEK = timedelta(days=7)
TABLES = ("run", "store", "report", "report_path", "run_file", "file", "content")


async def enqueue(engine: Engine, kind: JobKind = JobKind.DELETE_RUN, run: str = "run") -> jobs.Job:
    async with engine.begin() as conn:
        return await jobs.enqueue(
            conn,
            kind=kind,
            product_id=PRODUCT,
            run=run,
            username=None,
            summary="",
            arguments={},
            token=jobs.new_token(),
        )


async def claim(engine: Engine) -> Claim:
    async with engine.connect() as conn:
        (claimed,) = await jobs.claim(conn, node="n", instance=uuid4(), slots=1)
    return claimed


async def run_deletion(engine: Engine, run: str = "run") -> jobs.Job:
    job = await enqueue(engine, run=run)
    await delete_run(engine, await claim(engine))
    async with engine.connect() as conn:
        return await jobs.get(conn, job.token)


async def add_content(engine: Engine, data: bytes) -> None:
    async with engine.connect() as conn:
        await contents.insert_contents(conn, PRODUCT, [Content(sha256(data), len(data), zlib.compress(data))])


async def missing(engine: Engine, data: bytes) -> bool:
    async with engine.connect() as conn:
        return await contents.missing_contents(conn, PRODUCT, [sha256(data)]) != []


async def count(engine: Engine, *tables: str) -> dict[str, int]:
    async with engine.connect() as conn:
        return {table: await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608


async def sweep(engine: Engine, upload: timedelta = NOW) -> dict[str, int]:
    async with engine.connect() as conn:
        return await sweep_orphans(conn, WEEK, upload=upload)


async def store_with_content(engine: Engine, run: str, content: bytes, **changes: Any) -> None:
    await add_content(engine, content)
    await store(engine, [Found("bug", content=content, **changes)], run=run)


async def test_a_deleted_run_takes_its_reports_and_its_history_with_it_and_leaves_other_runs_alone(
    engine: Engine,
) -> None:
    await store(engine, [Found("a"), Found("b")])
    await store(engine, [Found("a")])
    await store(engine, [Found("a")], run="other")
    job = await run_deletion(engine)
    assert (job.status, job.result) == ("completed", {"reports": 2, "stores": 2})
    assert await count(engine, "run", "store", "report") == {"run": 1, "store": 1, "report": 1}


async def test_a_run_that_is_gone_already_completes_the_job_with_a_note(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await run_deletion(engine)
    job = await run_deletion(engine)
    assert (job.status, job.result) == ("completed", {"reports": 0, "stores": 0})
    assert "has no run 'run' any more" in job.comments[0].text


async def test_a_store_after_the_deletion_makes_a_new_run(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await run_deletion(engine)
    merged = await store(engine, [Found("a")])
    assert merged.counts == {"new": 1}


async def test_a_cancel_before_the_commit_leaves_the_run_as_it_was(engine: Engine) -> None:
    await store(engine, [Found("a")])
    job = await enqueue(engine)
    claimed = await claim(engine)
    async with engine.begin() as conn:
        await jobs.request_cancel(conn, job.token, "somebody")
    with pytest.raises(CancelRequested):
        await delete_run(engine, claimed)
    assert await count(engine, "run", "report") == {"run": 1, "report": 1}


async def test_a_lost_lease_leaves_the_run_as_it_was(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await enqueue(engine)
    claimed = await claim(engine)
    async with engine.connect() as conn:
        await jobs.cancel(conn, claimed)
    with pytest.raises(LeaseLost):
        await delete_run(engine, claimed)
    assert await count(engine, "run", "report") == {"run": 1, "report": 1}


async def test_what_a_deleted_run_left_behind_is_swept_and_what_others_share_stays(engine: Engine) -> None:
    await store_with_content(engine, "run", b"of one", file="/src/one.c")
    await store_with_content(engine, "run", b"shared", file="/src/shared.c")
    await store_with_content(engine, "other", b"shared", file="/src/shared.c")
    await run_deletion(engine)
    await sweep(engine)
    swept = await sweep(engine)
    assert swept == {"contents": 1, "files": 1, "checker_sets": 0}
    assert await count(engine, "file", "content") == {"file": 1, "content": 1}
    assert not await missing(engine, b"shared")


async def test_nothing_is_left_after_the_last_run_is_deleted(engine: Engine) -> None:
    await store_with_content(engine, "run", b"source")
    await run_deletion(engine)
    await sweep(engine)
    await sweep(engine)
    assert await count(engine, *TABLES) == dict.fromkeys(TABLES, 0)


async def test_an_orphan_is_not_swept_before_the_longest_upload_is_over(engine: Engine) -> None:
    await add_content(engine, b"source")
    await sweep(engine, UPLOAD)
    assert await sweep(engine, UPLOAD) == {"contents": 0, "files": 0, "checker_sets": 0}
    assert await count(engine, "content") == {"content": 1}


async def test_a_marked_content_counts_as_missing_and_is_kept_when_it_comes_again(engine: Engine) -> None:
    await add_content(engine, b"source")
    await sweep(engine)
    assert await missing(engine, b"source")
    await add_content(engine, b"source")
    assert not await missing(engine, b"source")
    assert await sweep(engine) == {"contents": 0, "files": 0, "checker_sets": 0}


@pytest.mark.parametrize("ended", ["enqueued", "running", "failed"])
async def test_what_an_unfinished_or_retryable_store_may_rely_on_is_not_swept(engine: Engine, ended: str) -> None:
    await add_content(engine, b"source")
    await enqueue(engine, JobKind.STORE)
    if ended != "enqueued":
        claimed = await claim(engine)
    if ended == "failed":
        async with engine.connect() as conn:
            await jobs.fail(conn, claimed, comment="bad")
    await sweep(engine)
    await sweep(engine)
    assert await count(engine, "content") == {"content": 1}


async def test_a_reference_made_at_the_moment_of_the_mark_takes_the_mark_away(engine: Engine) -> None:
    await store_with_content(engine, "run", b"source")
    async with engine.connect() as conn:
        await conn.execute("UPDATE content SET orphaned_at = now()")
        await conn.execute("UPDATE file SET orphaned_at = now()")
    await sweep(engine)
    assert not await missing(engine, b"source")
    async with engine.connect() as conn:
        assert await conn.fetchval("SELECT count(*) FROM file WHERE orphaned_at IS NULL") == 1


async def test_a_store_registers_a_marked_path_again(engine: Engine) -> None:
    await store(engine, [Found("a")])
    await run_deletion(engine)
    await sweep(engine)
    await store(engine, [Found("a")])
    await sweep(engine)
    assert await count(engine, "file") == {"file": 1}


async def test_a_deletion_under_way_holds_up_no_store_of_another_run(engine: Engine) -> None:
    await store_with_content(engine, "run", b"shared")
    async with engine.begin() as conn:
        await runs.delete_run_named(conn, PRODUCT, "run")
        await asyncio.wait_for(store_with_content(engine, "other", b"shared"), 30)
    assert await count(engine, "run", "report", "content") == {"run": 1, "report": 1, "content": 1}
