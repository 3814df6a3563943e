"""Whatever is done to the queue, in whatever order: its invariants hold after each step."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from storaged.database.engine import open_connection
from storaged.errors import AlreadyEnded, CancelRequested, NotRetryable
from storaged.model import Claim, JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs, rescue
from storaged.queue.lists import JobFilter, list_jobs
from storaged.queue.rescue import Rescuer

T = TypeVar("T")

WALKS = 40
STEPS = 40
PRODUCTS = 2
RUNS = (None, "a", "b")

BROKEN = """
SELECT 'two of one run are running' AS rule FROM job
WHERE status = 'running' AND run IS NOT NULL GROUP BY product_id, run HAVING count(*) > 1
UNION ALL
SELECT 'the head is not who runs, or else the first' FROM (
    SELECT head, status, run, row_number() OVER (
        PARTITION BY product_id, run ORDER BY (status = 'running') DESC, id
    ) AS place
    FROM job WHERE status IN ('enqueued', 'running') AND run IS NOT NULL
) AS line WHERE head <> (place = 1)
UNION ALL
SELECT 'a job without a run waits for nobody' FROM job
WHERE run IS NULL AND head <> (status IN ('enqueued', 'running'))
UNION ALL
SELECT 'running is having a lease' FROM job WHERE (status = 'running') <> (lease_id IS NOT NULL)
UNION ALL
SELECT 'ended is having an end' FROM job
WHERE (status IN ('completed', 'failed', 'cancelled', 'dropped')) <> (finished_at IS NOT NULL)
UNION ALL
SELECT 'a waiting job has not begun' FROM job
WHERE status = 'enqueued' AND (started_at IS NOT NULL OR node IS NOT NULL OR cancel_requested)
UNION ALL
SELECT 'an ended job is no head' FROM job WHERE head AND finished_at IS NOT NULL
"""


class Walk(RuleBasedStateMachine):
    """One node does all that nodes do, and people all that people do, on a queue that starts empty."""

    runner: asyncio.Runner
    conn: asyncpg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []
        self.claims: list[Claim] = []
        self.sequences: dict[Token, int] = {}
        self.instance = uuid4()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        async def in_transaction() -> T:
            async with self.conn.transaction():
                return await work

        return self.runner.run(in_transaction())

    @initialize()
    def empty(self) -> None:
        self.do(self.conn.execute("TRUNCATE job, job_turn RESTART IDENTITY CASCADE"))

    @rule(product=st.integers(1, PRODUCTS), run=st.sampled_from(RUNS), priority=st.integers(0, 1))
    def enqueue(self, product: int, run: str | None, priority: int) -> None:
        job = self.do(
            jobs.enqueue(
                self.conn,
                kind=JobKind.DUMMY,
                product_id=ProductId(product),
                run=run,
                username=None,
                summary="Walk",
                arguments={},
                priority=priority,
                token=jobs.new_token(),
            )
        )
        self.tokens.append(job.token)

    @rule(slots=st.integers(1, 3))
    def claim(self, slots: int) -> None:
        may_run = self.do(self.conn.fetchval("SELECT count(*) FROM job WHERE status = 'enqueued' AND head"))
        claims = self.do(jobs.claim(self.conn, node="walker", instance=self.instance, slots=slots))
        assert len(claims) == min(slots, may_run)
        self.claims.extend(claims)

    @rule(data=st.data(), how=st.sampled_from([jobs.fail, jobs.drop, jobs.release]))
    def settle(self, data: st.DataObject, how: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        if self.claims:
            self.do(how(self.conn, self._take(data), comment="The walk goes on."))

    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        if self.claims:
            claim = self._take(data)
            try:
                self.do(jobs.complete(self.conn, claim))
            except CancelRequested:
                self.do(jobs.cancel(self.conn, claim))

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        if self.claims:
            self.do(jobs.record_crash(self.conn, self._take(data), limit=2))

    @rule(data=st.data())
    def request_cancel(self, data: st.DataObject) -> None:
        if self.tokens:
            with suppress(AlreadyEnded):
                self.do(jobs.request_cancel(self.conn, data.draw(st.sampled_from(self.tokens)), "ann"))

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if self.tokens:
            with suppress(NotRetryable):
                self.do(jobs.retry(self.conn, data.draw(st.sampled_from(self.tokens)), "ann"))

    @rule(on_orphan=st.sampled_from(["drop", "retry"]))
    def restart(self, on_orphan: Any) -> None:
        self.instance = uuid4()
        rescued = self.do(
            rescue.drop_own_orphans(self.conn, Rescuer("walker", self.instance, on_orphan, max_attempts=2))
        )
        assert {job.token for job in rescued} == {claim.token for claim in self.claims}
        self.claims.clear()

    @invariant()
    def nothing_is_broken(self) -> None:
        assert [row["rule"] for row in self.do(self.conn.fetch(BROKEN))] == []
        running = self.do(list_jobs(self.conn, JobFilter(statuses=[JobStatus.RUNNING])))
        assert {job.token for job in running} == {claim.token for claim in self.claims}

    @invariant()
    def sequences_never_shrink(self) -> None:
        for job in self.do(list_jobs(self.conn, limit=STEPS)):
            assert job.sequence >= self.sequences.get(job.token, 1)
            self.sequences[job.token] = job.sequence

    def _take(self, data: st.DataObject) -> Claim:
        return self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))


def test_whatever_is_done_the_queue_keeps_its_rules(database_url: str) -> None:
    with asyncio.Runner() as runner:
        conn = runner.run(open_connection(database_url))
        runner.run(conn.execute("INSERT INTO product (endpoint, display_name) VALUES ('other', 'other')"))
        walk = type("WalkHere", (Walk,), {"runner": runner, "conn": conn})
        try:
            run_state_machine_as_test(
                walk,
                settings=settings(
                    max_examples=WALKS,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                    database=None,
                ),
            )
        finally:
            runner.run(conn.close())
