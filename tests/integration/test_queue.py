"""One job after another: states, leases, cancel, retry, comments, keys, pruning."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import asyncpg
import pytest

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import (
    AlreadyEnded,
    CancelRequested,
    IdempotencyConflict,
    JobNotFound,
    LeaseLost,
    NotRetryable,
)
from storaged.model import Job, JobStatus, Token
from storaged.queue import jobs
from storaged.queue.lists import list_jobs
from tests.integration.queue_scenes import (
    DEFAULT,
    INSTANCE,
    NODE,
    add_product,
    claim,
    claim_one,
    complete,
    enqueue,
    get,
    status,
    texts,
)

UNKNOWN = Token("0" * 64)


async def test_a_new_job_waits_with_all_that_was_said_of_it(engine: Engine) -> None:
    job = await enqueue(engine, "trunk", arguments={"tag": "v1"}, username="ann", priority=3)
    assert job == await get(engine, job.token)
    assert (job.product, job.run, job.username, job.status) == ("Default", "trunk", "ann", JobStatus.ENQUEUED)
    assert (job.attempt, job.priority, job.sequence, job.started_at, job.comments) == (0, 3, 1, None, ())


async def test_tokens_are_64_hex_digits_and_never_twice_the_same() -> None:
    tokens = {jobs.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 64 and int(token, 16) >= 0 for token in tokens)


async def test_a_claim_starts_an_attempt_under_a_new_lease(engine: Engine) -> None:
    job = await enqueue(engine, "trunk", arguments={"tag": "v1"}, username="ann")
    claimed = await claim_one(engine)
    assert (claimed.token, claimed.product_id, claimed.product, claimed.run) == (job.token, DEFAULT, "Default", "trunk")
    assert (claimed.username, claimed.arguments, claimed.attempt, claimed.crashes) == ("ann", {"tag": "v1"}, 1, 0)
    running = await get(engine, job.token)
    assert (running.status, running.attempt, running.node) == (JobStatus.RUNNING, 1, NODE)
    assert running.sequence > job.sequence
    assert running.started_at is not None
    assert running.heartbeat_at is not None


async def test_a_claim_without_free_slots_takes_nothing(engine: Engine) -> None:
    await enqueue(engine)
    assert await claim(engine, 0) == []


async def test_a_completed_job_has_its_result_and_its_end(engine: Engine) -> None:
    job = await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.complete(conn, claimed, result={"inserted": 7}, comment="Stored 7 reports.")
    ended = await get(engine, job.token)
    assert (ended.status, ended.result, texts(ended)) == (JobStatus.COMPLETED, {"inserted": 7}, ["Stored 7 reports."])
    assert ended.comments[0].who == f"storaged@{NODE}"
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.finished_at >= ended.started_at


async def test_comments_of_failed_cancelled_and_dropped_jobs_begin_with_the_words_that_scripts_look_for(
    engine: Engine,
) -> None:
    tokens = [(await enqueue(engine, run)).token for run in "abc"]
    claims = await claim(engine, 3)
    async with engine.begin() as conn:
        await jobs.fail(conn, claims[0], comment="The archive is cut off.")
        await jobs.cancel(conn, claims[1])
        await jobs.drop(conn, claims[2], comment="The disk is full.")
    ended = [await get(engine, token) for token in tokens]
    assert [job.status for job in ended] == [JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DROPPED]
    assert [texts(job) for job in ended] == [
        ["FAILED!\nException during execution:\nThe archive is cut off."],
        ["CANCEL!\nCancel request of admin honoured by task."],
        ["DROPPED!\nThe disk is full."],
    ]


async def test_a_lost_lease_cannot_complete_the_job(engine: Engine) -> None:
    job = await enqueue(engine)
    stalled = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.release(conn, stalled, comment="The node stops.")
    successor = await claim_one(engine)
    writes: list[Callable[[Connection], Awaitable[object]]] = [
        lambda conn: jobs.complete(conn, stalled),
        lambda conn: jobs.cancel(conn, stalled),
        lambda conn: jobs.fail(conn, stalled, comment="too late"),
        lambda conn: jobs.drop(conn, stalled, comment="too late"),
        lambda conn: jobs.release(conn, stalled, comment="too late"),
        lambda conn: jobs.record_crash(conn, stalled),
        lambda conn: jobs.progress(conn, stalled, "parse", 1, 2),
    ]
    for write in writes:
        async with engine.begin() as conn:
            with pytest.raises(LeaseLost, match=job.token):
                await write(conn)
    assert await status(engine, job.token) is JobStatus.RUNNING
    await complete(engine, successor)


async def test_progress_is_seen_and_tells_of_a_cancel(engine: Engine) -> None:
    job = await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.connect() as conn:
        assert await jobs.progress(conn, claimed, "parse", 3, 10) is False
        seen = await jobs.get(conn, job.token)
        await jobs.request_cancel(conn, job.token, "ann")
        assert await jobs.progress(conn, claimed, "parse", 4, 10) is True
    assert (seen.phase, seen.done, seen.total) == ("parse", 3, 10)


async def test_a_heartbeat_renews_all_leases_and_tells_which_are_lost_or_asked_to_stop(engine: Engine) -> None:
    for run in "abc":
        await enqueue(engine, run)
    held, cancelled, lost = await claim(engine, 3)
    before = await get(engine, held.token)
    async with engine.connect() as conn:
        await jobs.request_cancel(conn, cancelled.token, "ann")
        await jobs.drop(conn, lost, comment="Taken away.")
        beat = await jobs.heartbeat(
            conn, node=NODE, instance=INSTANCE, leases=[claimed.lease_id for claimed in (held, cancelled, lost)]
        )
        assert await jobs.cancelling(conn, [held.lease_id, cancelled.lease_id]) == {cancelled.lease_id}
    assert beat == jobs.Heartbeat(
        held=frozenset({held.lease_id, cancelled.lease_id}), cancelling=frozenset({cancelled.lease_id})
    )
    after = await get(engine, held.token)
    assert before.heartbeat_at is not None
    assert after.heartbeat_at is not None
    assert after.heartbeat_at > before.heartbeat_at
    # Waiters are not told of heartbeats.
    assert after.sequence == before.sequence


async def test_a_heartbeat_does_not_wait_for_a_job_that_is_being_settled(engine: Engine) -> None:
    await enqueue(engine, "a")
    await enqueue(engine, "b")
    settling, other = await claim(engine, 2)
    async with engine.begin() as merge, engine.connect() as conn:
        await jobs.complete(merge, settling)
        await conn.execute("SET statement_timeout = '5s'")
        beat = await jobs.heartbeat(conn, node=NODE, instance=INSTANCE, leases=[settling.lease_id, other.lease_id])
    assert beat.held == {settling.lease_id, other.lease_id}


# Cancel


async def test_a_waiting_job_is_cancelled_at_once(engine: Engine) -> None:
    job = await enqueue(engine)
    async with engine.begin() as conn:
        cancelled = await jobs.request_cancel(conn, job.token, "ann", "wrong branch")
    assert cancelled.status is JobStatus.CANCELLED
    assert cancelled.finished_at is not None
    assert [(comment.who, comment.text) for comment in cancelled.comments] == [
        ("ann", "User requested cancellation.\nwrong branch"),
        ("storaged", "CANCEL!\nTask cancelled before execution began!"),
    ]
    assert await claim(engine) == []


async def test_a_running_job_that_was_asked_to_stop_cannot_complete(engine: Engine) -> None:
    job = await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        asked = await jobs.request_cancel(conn, job.token, "ann")
    assert (asked.status, asked.cancel_requested) == (JobStatus.RUNNING, True)
    assert texts(asked) == ["User requested cancellation."]
    with pytest.raises(CancelRequested):
        await complete(engine, claimed)
    async with engine.begin() as conn:
        await jobs.cancel(conn, claimed)
    assert await status(engine, job.token) is JobStatus.CANCELLED


async def test_asking_again_that_a_job_stop_changes_nothing(engine: Engine) -> None:
    job = await enqueue(engine)
    await claim_one(engine)
    async with engine.connect() as conn:
        first = await jobs.request_cancel(conn, job.token, "ann")
        second = await jobs.request_cancel(conn, job.token, "bob")
    assert second == first


async def test_an_ended_job_cannot_be_cancelled(engine: Engine) -> None:
    job = await enqueue(engine)
    await complete(engine, await claim_one(engine))
    async with engine.connect() as conn:
        with pytest.raises(AlreadyEnded, match="completed"):
            await jobs.request_cancel(conn, job.token, "ann")
        with pytest.raises(JobNotFound):
            await jobs.request_cancel(conn, UNKNOWN, "ann")
    assert (await get(engine, job.token)).comments == ()


# Retry, release, crashes


async def test_a_dropped_job_is_retried_under_its_token(engine: Engine) -> None:
    job = await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        await jobs.drop(conn, claimed, comment="The node is gone.", result={"half": True})
        await jobs.mark_consumed(conn, [job.token])
    async with engine.begin() as conn:
        again = await jobs.retry(conn, job.token, "ann")
    assert (again.status, again.finished_at, again.started_at, again.node) == (JobStatus.ENQUEUED, None, None, None)
    assert (again.result, again.consumed) == (None, False)
    assert (again.comments[-1].who, again.comments[-1].text) == ("ann", "User requested a retry.")
    second = await claim_one(engine)
    assert (second.token, second.attempt) == (job.token, 2)
    assert second.lease_id != claimed.lease_id


async def test_only_failed_and_dropped_jobs_are_retried(engine: Engine) -> None:
    tokens = [(await enqueue(engine, run)).token for run in "abcd"]
    claims = await claim(engine, 3)
    async with engine.begin() as conn:
        await jobs.complete(conn, claims[0])
        await jobs.cancel(conn, claims[1])
    states = ("completed", "cancelled", "running", "enqueued")
    advice = ("", " Store the results again.", "", "")
    for token, state, instead in zip(tokens, states, advice, strict=True):
        told = f"is {state}; only failed and dropped jobs can be retried.{instead}"
        async with engine.begin() as conn:
            with pytest.raises(NotRetryable, match=rf"{re.escape(told)}$"):
                await jobs.retry(conn, token, "ann")
        assert await status(engine, token) == state
    async with engine.begin() as conn:
        with pytest.raises(JobNotFound):
            await jobs.retry(conn, UNKNOWN, "ann")


async def test_a_released_job_has_not_used_up_an_attempt(engine: Engine) -> None:
    job = await enqueue(engine)
    claimed = await claim_one(engine)
    async with engine.begin() as conn:
        assert await jobs.release(conn, claimed, comment="The node stops.") is JobStatus.ENQUEUED
    released = await get(engine, job.token)
    assert (released.status, released.attempt, released.node) == (JobStatus.ENQUEUED, 0, None)
    assert [(comment.who, comment.text) for comment in released.comments] == [
        (f"storaged@{NODE}", "SHUTDOWN!\nThe node stops.")
    ]
    assert (await claim_one(engine)).attempt == 1


async def test_a_job_that_kills_its_worker_again_and_again_fails(engine: Engine) -> None:
    job = await enqueue(engine)
    states = []
    for _ in range(3):
        claimed = await claim_one(engine)
        async with engine.begin() as conn:
            states.append(await jobs.record_crash(conn, claimed, limit=3))
    assert states == [JobStatus.ENQUEUED, JobStatus.ENQUEUED, JobStatus.FAILED]
    failed = await get(engine, job.token)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 3)
    assert texts(failed)[-1].startswith("FAILED!\nException during execution:\nA worker process died while it ran")
    assert "3 of 3 times" in texts(failed)[-1]
    assert await claim(engine) == []


async def test_a_retried_job_may_crash_as_often_as_a_new_one(engine: Engine) -> None:
    job = await enqueue(engine)
    async with engine.connect() as conn:
        assert await jobs.record_crash(conn, await claim_one(engine), limit=2) is JobStatus.ENQUEUED
        assert await jobs.record_crash(conn, await claim_one(engine), limit=2) is JobStatus.FAILED
        await jobs.retry(conn, job.token, "ann")
        assert await jobs.record_crash(conn, await claim_one(engine), limit=2) is JobStatus.ENQUEUED


async def test_a_job_that_was_asked_to_stop_is_not_enqueued_again(engine: Engine) -> None:
    tokens = [(await enqueue(engine, run)).token for run in "ab"]
    released, crashed = await claim(engine, 2)
    async with engine.connect() as conn:
        for token in tokens:
            await jobs.request_cancel(conn, token, "ann")
        assert await jobs.release(conn, released, comment="The node stops.") is JobStatus.CANCELLED
        assert await jobs.record_crash(conn, crashed) is JobStatus.CANCELLED
    assert [await status(engine, token) for token in tokens] == [JobStatus.CANCELLED] * 2


# Readers


async def test_changed_names_the_jobs_beyond_what_their_waiters_saw(engine: Engine) -> None:
    seen, moved, unseen = [await enqueue(engine, run) for run in "abc"]
    async with engine.connect() as conn:
        await jobs.add_comment(conn, moved.token, "ann", "look")
        changed = await jobs.changed(
            conn,
            [(seen.token, seen.sequence), (moved.token, moved.sequence), (unseen.token, 0), (UNKNOWN, 0)],
        )
    assert {job.token for job in changed} == {moved.token, unseen.token}
    (told,) = (job for job in changed if job.token == moved.token)
    assert texts(told) == ["look"]


async def test_each_change_that_a_waiter_is_told_of_grows_the_sequence(engine: Engine) -> None:
    job = await enqueue(engine)
    sequences = [job.sequence]

    async def note() -> None:
        sequences.append((await get(engine, job.token)).sequence)

    claimed = await claim_one(engine)
    await note()
    async with engine.connect() as conn:
        await jobs.progress(conn, claimed, "parse", 1, 2)
        await note()
        await jobs.request_cancel(conn, job.token, "ann")
        await note()
        await jobs.cancel(conn, claimed)
        await note()
        await jobs.add_comment(conn, job.token, "ann", "thanks")
        await note()
    assert sequences == sorted(set(sequences))


async def test_the_position_counts_the_jobs_that_will_be_claimed_before(engine: Engine) -> None:
    other = await add_product(engine, "other")
    first, second, third = [await enqueue(engine, "run") for _ in range(3)]
    for n in range(5):
        await enqueue(engine, f"run {n}", product=other)
    urgent = await enqueue(engine, "urgent", priority=5)

    async def positions() -> list[int | None]:
        async with engine.connect() as conn:
            return [await jobs.position(conn, job) for job in (urgent, first, second, third)]

    # Its own product's, and as many of the other's as get their turn meanwhile.
    assert await positions() == [0 + 1, 1 + 2, 2 + 3, 3 + 4]
    running = await claim(engine, 7)
    assert {urgent.token, first.token} <= {claimed.token for claimed in running}
    assert await positions() == [None, None, 0, 1]


COMPLETED = """
INSERT INTO job (token, kind, summary, status, started_at, finished_at)
SELECT
    lpad(to_hex(n), 64, '0'), 'store', 'Job', CASE WHEN n = 4 THEN 'failed' ELSE 'completed' END,
    now() - interval '1 hour', now() - interval '1 hour' + took * interval '1 second'
FROM unnest(ARRAY[8, 10, 900, 0]) WITH ORDINALITY AS done (took, n)
"""


async def test_the_estimate_goes_by_the_median_of_jobs_done_by_slots_and_by_the_line_of_the_run(engine: Engine) -> None:
    first = [await enqueue(engine, f"run {n}") for n in range(4)]
    assert len(await claim(engine, 2)) == 2
    line = [await enqueue(engine, "run 3") for _ in range(5)]

    async def estimates(*waiting: Job) -> list[float | None]:
        async with engine.connect() as conn:
            return [
                await jobs.estimate(conn, job, position=await jobs.position(conn, job) or 0, node_slots=2)
                for job in waiting
            ]

    assert await estimates(line[0]) == [None]
    async with engine.begin() as conn:
        await conn.execute(COMPLETED)
    # A job takes 10 s and both slots are taken: one becomes free every 5 s. The line of run 3 goes one by one.
    assert await estimates(first[2], line[0], line[4]) == [5.0, 15.0, 50.0]


DONE_LATELY = """
INSERT INTO job (token, kind, product_id, run, summary, status, started_at, finished_at)
SELECT
    lpad(to_hex(n), 64, '0'), kind, 1, run, 'Job', status,
    now() - interval '1 hour', now() - interval '1 hour' + took * interval '1 second'
FROM (VALUES
    (1, 'store', 'a', 'completed', 10), (2, 'store', 'a', 'completed', 300), (3, 'store', 'a', 'completed', 340),
    (4, 'store', 'a', 'failed', 9000), (5, 'store', 'b', 'completed', 1000), (6, 'delete_run', 'c', 'completed', 7000)
) AS done (n, kind, run, status, took)
"""


async def test_a_running_job_is_taken_to_end_as_those_like_it_that_took_longer_than_it_has_run(engine: Engine) -> None:
    known, new, waiting = await enqueue(engine, "a"), await enqueue(engine, "new"), await enqueue(engine, "a")
    assert len(await claim(engine, 5)) == 2

    async def remaining(job: Job, ran: int) -> int | None:
        """In tens of seconds: some time passes before the database looks at its clock."""
        async with engine.begin() as conn:
            await conn.execute(
                "UPDATE job SET started_at = clock_timestamp() - $2 * interval '1 s' WHERE id = $1", job.id, ran
            )
            seconds = await jobs.remaining(conn, job)
            return None if seconds is None else round(seconds / 10)

    assert await remaining(known, 0) is None
    async with engine.begin() as conn:
        await conn.execute(DONE_LATELY)
    # Of its run: 10, 300 and 340 s at first, then the longer two, then none. Of its kind: 1000 s, too.
    assert [await remaining(known, ran) for ran in (0, 100, 310, 400)] == [30, 22, 3, None]
    assert [await remaining(new, ran) for ran in (0, 200, 400, 2000)] == [32, 14, 60, None]
    async with engine.connect() as conn:
        assert await jobs.remaining(conn, waiting) is None


async def test_consumed_is_noted_only_of_a_job_that_ended(engine: Engine) -> None:
    job = await enqueue(engine)
    async with engine.connect() as conn:
        await jobs.mark_consumed(conn, [job.token])
        assert not (await jobs.get(conn, job.token)).consumed
        await jobs.complete(conn, await claim_one(engine))
        await jobs.mark_consumed(conn, [job.token])
        assert (await jobs.get(conn, job.token)).consumed


async def test_a_comment_on_a_job_that_is_not_there_is_an_error(engine: Engine) -> None:
    async with engine.connect() as conn:
        with pytest.raises(JobNotFound):
            await jobs.add_comment(conn, UNKNOWN, "ann", "hello")
        with pytest.raises(JobNotFound):
            await jobs.get(conn, UNKNOWN)


async def test_only_jobs_that_ended_long_ago_are_pruned_the_oldest_first(engine: Engine) -> None:
    tokens = [(await enqueue(engine, run)).token for run in "abcd"]
    for claimed in await claim(engine, 3):
        await complete(engine, claimed)
    async with engine.connect() as conn:
        await conn.execute("UPDATE job SET finished_at = now() - '9 days'::interval WHERE token = $1", tokens[1])
        await conn.execute("UPDATE job SET finished_at = now() - '8 days'::interval WHERE token = $1", tokens[0])
        await conn.execute("UPDATE job SET enqueued_at = now() - '9 days'::interval WHERE token = $1", tokens[3])
        assert await jobs.prune(conn, timedelta(days=7), limit=1) == [tokens[1]]
        assert await jobs.prune(conn, timedelta(days=7)) == [tokens[0]]
        assert await jobs.prune(conn, timedelta(days=7)) == []
        assert {job.token for job in await list_jobs(conn)} == set(tokens[2:])


async def test_an_upload_is_needed_while_its_job_is_unfinished_or_can_be_retried(engine: Engine) -> None:
    tokens = {state: (await enqueue(engine, state)).token for state in ("failed", "dropped", "done", "old", "running")}
    failed, dropped, done, old, _ = await claim(engine, 5)
    waiting = await enqueue(engine, "waiting")
    async with engine.connect() as conn:
        await jobs.fail(conn, failed, comment="Bad.")
        await jobs.drop(conn, dropped, comment="Gone.")
        await jobs.complete(conn, done)
        await jobs.fail(conn, old, comment="Bad.")
        await conn.execute("UPDATE job SET finished_at = now() - '8 days'::interval WHERE token = $1", old.token)
        needed = await jobs.tokens_with_upload(conn, [*tokens.values(), waiting.token, UNKNOWN], timedelta(days=7))
    assert set(needed) == {tokens["failed"], tokens["dropped"], tokens["running"], waiting.token}


# Idempotency


async def test_a_key_stands_for_its_job_per_product_and_user(engine: Engine) -> None:
    job = await enqueue(engine)
    other = await add_product(engine, "other")
    async with engine.begin() as conn:
        assert await jobs.find_by_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"1") is None
        await jobs.remember_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"1", job=job)
    async with engine.begin() as conn:
        assert await jobs.find_by_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"1") == job.token
        assert await jobs.find_by_key(conn, product_id=DEFAULT, username="ann", key="k", body_digest=b"1") is None
        assert await jobs.find_by_key(conn, product_id=other, username=None, key="k", body_digest=b"1") is None
        with pytest.raises(IdempotencyConflict, match="another body"):
            await jobs.find_by_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"2")


async def test_a_key_is_forgotten_after_a_day(engine: Engine) -> None:
    old, new = await enqueue(engine, "old"), await enqueue(engine, "new")
    find = partial(jobs.find_by_key, product_id=DEFAULT, username="ann", key="k")
    remember = partial(jobs.remember_key, product_id=DEFAULT, username="ann", key="k")
    async with engine.begin() as conn:
        await remember(conn, body_digest=b"1", job=old)
        await conn.execute("UPDATE idempotency_key SET created_at = now() - '25 hours'::interval")
        assert await find(conn, body_digest=b"2") is None
        await remember(conn, body_digest=b"2", job=new)
        assert await find(conn, body_digest=b"2") == new.token
        await conn.execute("UPDATE idempotency_key SET created_at = now() - '25 hours'::interval")
        await jobs.prune(conn, timedelta(days=7))
        assert await conn.fetchval("SELECT count(*) FROM idempotency_key") == 0


async def test_a_key_that_stands_for_a_job_is_not_given_to_another(engine: Engine) -> None:
    first, second = await enqueue(engine, "a"), await enqueue(engine, "b")
    async with engine.connect() as conn:
        await jobs.remember_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"1", job=first)
        with pytest.raises(IdempotencyConflict):
            await jobs.remember_key(conn, product_id=DEFAULT, username=None, key="k", body_digest=b"1", job=second)


# What the schema itself refuses


@pytest.mark.parametrize(
    "change",
    [
        "status = 'running'",
        "status = 'completed'",
        "lease_id = gen_random_uuid()",
        "finished_at = now()",
        "status = 'gone'",
        "product_id = NULL",
    ],
)
async def test_the_schema_refuses_states_that_are_none(engine: Engine, change: str) -> None:
    await enqueue(engine)
    async with engine.connect() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(f"UPDATE job SET {change}")  # noqa: S608 (our own)
