"""Who is claimed when: one at a time of each run, in order, products fairly, and never one job by two nodes."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from uuid import uuid4

import pytest

from storaged.database.engine import Engine, open_engine
from storaged.database.sql import Connection
from storaged.errors import AlreadyEnded, NotRetryable
from storaged.model import Claim, Job, JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs
from storaged.queue.lists import JobFilter, list_jobs
from tests.integration.queue_scenes import (
    DEFAULT,
    WAITS_FOR_A_LOCK,
    add_product,
    claim,
    claim_one,
    complete,
    enqueue,
    get,
    status,
)


@pytest.fixture
async def crowd(database_url: str) -> AsyncIterator[Engine]:
    """An engine with a connection for each of many who claim at once."""
    async with open_engine(database_url, connections=24) as opened:
        yield opened


async def drain(engine: Engine, slots: int) -> list[list[Claim]]:
    """Claim and complete until nothing is left; returns what each claim gave."""
    rounds = []
    while claims := await claim(engine, slots):
        rounds.append(claims)
        for claimed in claims:
            await complete(engine, claimed)
    return rounds


def tokens(claims: Sequence[Claim]) -> list[Token]:
    return [claimed.token for claimed in claims]


# One at a time, in order


async def test_jobs_of_one_run_go_one_at_a_time_and_in_order(engine: Engine) -> None:
    made = [await enqueue(engine, "trunk") for _ in range(4)]
    rounds = await drain(engine, 3)
    assert [tokens(claims) for claims in rounds] == [[job.token] for job in made]


async def test_of_two_stores_at_once_the_one_that_is_in_line_first_has_the_lower_id(crowd: Engine) -> None:
    async with crowd.connect() as witness:
        async with crowd.begin() as first:
            await first.execute("SELECT lock_job_line($1, 'run')", DEFAULT)
            late = asyncio.create_task(enqueue(crowd))
            await waiting(witness, 1)
            early = await enqueue_in(first, "run")
        assert early.id < (await late).id
    assert [tokens(claims) for claims in await drain(crowd, 2)] == [[early.token], [(await late).token]]


async def test_runs_of_one_name_in_two_products_do_not_wait_for_each_other(engine: Engine) -> None:
    other = await add_product(engine, "other")
    await enqueue(engine, "trunk")
    await enqueue(engine, "trunk", product=other)
    assert len(await claim(engine, 2)) == 2


async def test_jobs_without_a_run_do_not_wait_for_each_other(engine: Engine) -> None:
    for product in (None, None, DEFAULT, DEFAULT):
        await enqueue(engine, None, product=product)
    assert len(await claim(engine, 9)) == 4


@pytest.mark.parametrize("ending", ["complete", "fail", "cancel", "drop"])
async def test_however_a_job_ends_the_next_of_its_run_may_start(engine: Engine, ending: str) -> None:
    _, second = [await enqueue(engine) for _ in range(2)]
    first = await claim_one(engine)
    async with engine.begin() as conn:
        match ending:
            case "complete":
                await jobs.complete(conn, first)
            case "fail":
                await jobs.fail(conn, first, comment="Bad.")
            case "cancel":
                await jobs.cancel(conn, first)
            case _:
                await jobs.drop(conn, first, comment="Gone.")
    assert tokens(await claim(engine, 2)) == [second.token]


async def test_when_the_settling_is_rolled_back_the_next_of_the_run_goes_on_waiting(engine: Engine) -> None:
    await enqueue(engine)
    await enqueue(engine)
    first = await claim_one(engine)
    with suppress(ZeroDivisionError):
        async with engine.begin() as conn:
            await jobs.complete(conn, first)
            raise ZeroDivisionError
    assert await claim(engine, 2) == []
    await complete(engine, first)
    assert len(await claim(engine, 2)) == 1


async def test_cancelled_waiting_jobs_leave_the_line(engine: Engine) -> None:
    first, second, third = [await enqueue(engine) for _ in range(3)]
    async with engine.connect() as conn:
        await jobs.request_cancel(conn, second.token, "ann")
        await jobs.request_cancel(conn, first.token, "ann")
    assert tokens(await claim(engine, 3)) == [third.token]


async def test_a_retried_job_goes_before_the_younger_ones_that_have_not_begun(engine: Engine) -> None:
    first, second, third = [await enqueue(engine) for _ in range(3)]
    async with engine.begin() as conn:
        await jobs.fail(conn, await claim_one(engine), comment="Bad.")
    async with engine.begin() as conn:
        await jobs.retry(conn, first.token, "ann")
    assert [tokens(claims) for claims in await drain(engine, 3)] == [[first.token], [second.token], [third.token]]


async def test_a_retried_job_waits_for_the_younger_one_that_runs(engine: Engine) -> None:
    first, second, third = [await enqueue(engine) for _ in range(3)]
    async with engine.begin() as conn:
        await jobs.fail(conn, await claim_one(engine), comment="Bad.")
    running = await claim_one(engine)
    assert running.token == second.token
    async with engine.begin() as conn:
        await jobs.retry(conn, first.token, "ann")
    assert await claim(engine, 3) == []
    await complete(engine, running)
    assert [tokens(claims) for claims in await drain(engine, 3)] == [[first.token], [third.token]]


async def test_a_released_job_keeps_its_place(engine: Engine) -> None:
    first, second = [await enqueue(engine) for _ in range(2)]
    async with engine.begin() as conn:
        await jobs.release(conn, await claim_one(engine), comment="The node stops.")
    assert [tokens(claims) for claims in await drain(engine, 3)] == [[first.token], [second.token]]


async def test_priority_goes_before_age_but_not_before_the_order_of_a_run(engine: Engine) -> None:
    old = await enqueue(engine, "old")
    first = await enqueue(engine, "trunk")
    urgent_of_run = await enqueue(engine, "trunk", priority=9)
    urgent = await enqueue(engine, "urgent", priority=5)
    claimed = [claims[0].token for claims in await drain(engine, 1)]
    assert claimed.index(urgent.token) == 0
    assert claimed.index(old.token) < claimed.index(first.token) < claimed.index(urgent_of_run.token)


# Many at once


async def test_many_nodes_at_once_never_get_one_job_twice_nor_two_of_one_run(crowd: Engine) -> None:
    other = await add_product(crowd, "other")
    made = [
        await enqueue(crowd, f"run {n % 9}", product=DEFAULT if n % 3 else other, priority=n % 2) for n in range(90)
    ]
    lines: dict[tuple[str | None, str | None], list[Token]] = defaultdict(list)
    for job in made:
        lines[job.product, job.run].append(job.token)
    running: set[tuple[str | None, str | None]] = set()
    left = len(made)

    async def work(seed: int) -> None:
        nonlocal left
        chance = random.Random(seed)
        while left:
            for claimed in await claim(crowd, chance.randint(1, 4), node=f"node {seed}", instance=uuid4()):
                line = (claimed.product, claimed.run)
                assert line not in running
                assert lines[line].pop(0) == claimed.token
                running.add(line)
                await get(crowd, claimed.token)
                running.remove(line)
                await complete(crowd, claimed)
                left -= 1

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for seed in range(20):
            tasks.create_task(work(seed))
    assert [await status(crowd, job.token) for job in made] == [JobStatus.COMPLETED] * len(made)


async def test_a_claim_passes_over_what_another_is_claiming(engine: Engine) -> None:
    other = await add_product(engine, "other")
    mine = await enqueue(engine)
    theirs = await enqueue(engine, product=other)
    async with engine.begin() as first, engine.connect() as second:
        assert tokens(await jobs.claim(first, node="one", instance=uuid4(), slots=1)) == [mine.token]
        await second.execute("SET statement_timeout = '5s'")
        assert tokens(await jobs.claim(second, node="two", instance=uuid4(), slots=2)) == [theirs.token]


async def test_a_retry_and_a_cancel_in_one_line_do_not_block_each_other(engine: Engine) -> None:
    first, second = [await enqueue(engine) for _ in range(2)]
    async with engine.connect() as conn:
        await jobs.fail(conn, await claim_one(engine), comment="Bad.")

    async def retry() -> None:
        async with engine.begin() as conn:
            await jobs.retry(conn, first.token, "ann")

    async def cancel() -> None:
        async with engine.begin() as conn:
            await jobs.request_cancel(conn, second.token, "ann")

    async with engine.connect() as witness:
        async with engine.begin() as holder:
            # While the line is held by this one, the retry waits for it, then the cancel, which holds the head.
            third = await enqueue_in(holder, "run")
            retrying = asyncio.create_task(retry())
            await waiting(witness, 1)
            cancelling = asyncio.create_task(cancel())
            await waiting(witness, 2)
        await asyncio.gather(retrying, cancelling)
    assert [tokens(claims) for claims in await drain(engine, 3)] == [[first.token], [third.token]]


async def waiting(witness: Connection, count: int) -> None:
    """Until so many wait for a lock."""
    async with asyncio.timeout(30):
        while await witness.fetchval(WAITS_FOR_A_LOCK) < count:
            pass


async def test_a_job_enqueued_while_the_one_before_is_being_settled_is_not_forgotten(crowd: Engine) -> None:
    await enqueue(crowd)
    for _ in range(25):
        claimed = await claim_one(crowd)
        _, job = await asyncio.gather(complete(crowd, claimed), enqueue(crowd))
        async with crowd.connect() as conn:
            assert await conn.fetchval("SELECT head FROM job WHERE token = $1", job.token)


async def test_a_storm_of_requests_leaves_no_line_stuck_and_no_deadlock(crowd: Engine) -> None:
    async with crowd.begin() as conn:
        known = [(await enqueue_in(conn, f"run {n % 3}")).token for n in range(9)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for seed in range(12):
            tasks.create_task(storm(crowd, known, random.Random(seed)))
    async with crowd.connect() as conn:
        lines = await conn.fetch(
            "SELECT run, count(*) FILTER (WHERE head) AS heads FROM job"
            " WHERE status IN ('enqueued', 'running') GROUP BY run"
        )
        assert [line["heads"] for line in lines] == [1] * len(lines)
        assert await conn.fetchval("SELECT count(*) FROM job WHERE status = 'running'") == 0
    await drain(crowd, 3)
    async with crowd.connect() as conn:
        assert await list_jobs(conn, JobFilter(statuses=[JobStatus.ENQUEUED, JobStatus.RUNNING])) == []


async def storm(engine: Engine, known: list[Token], chance: random.Random) -> None:
    """What people and workers do, in any order; each claimed job is settled, in one way or another."""
    for _ in range(25):
        if chance.random() < 0.6:
            with suppress(AlreadyEnded, NotRetryable):
                known.append((await ask(engine, chance.choice(known), chance)).token)
            continue
        for claimed in await claim(engine, chance.randint(1, 2)):
            async with engine.begin() as conn:
                match chance.randrange(3):
                    case 0:
                        await jobs.fail(conn, claimed, comment="It is over.")
                    case 1:
                        await jobs.drop(conn, claimed, comment="It is over.")
                    case _:
                        await jobs.release(conn, claimed, comment="It goes on.")


async def ask(engine: Engine, token: Token, chance: random.Random) -> Job:
    async with engine.begin() as conn:
        match chance.randrange(3):
            case 0:
                return await enqueue_in(conn, f"run {chance.randrange(3)}")
            case 1:
                return await jobs.request_cancel(conn, token, "ann")
            case _:
                return await jobs.retry(conn, token, "ann")


async def enqueue_in(conn: Connection, run: str) -> Job:
    return await jobs.enqueue(
        conn,
        kind=JobKind.STORE,
        product_id=DEFAULT,
        run=run,
        username=None,
        summary="Store",
        arguments={},
        token=jobs.new_token(),
    )


# Fairness


async def flood(engine: Engine, product: ProductId, count: int) -> None:
    for n in range(count):
        await enqueue(engine, f"run {n}", product=product)


async def served(engine: Engine, count: int) -> list[str | None]:
    """The products of so many jobs, claimed and completed one by one."""
    products = []
    for _ in range(count):
        claimed = await claim_one(engine)
        products.append(claimed.product)
        await complete(engine, claimed)
    return products


async def test_a_product_that_floods_the_queue_does_not_hold_up_another(engine: Engine) -> None:
    await flood(engine, DEFAULT, 20)
    await served(engine, 3)
    other = await add_product(engine, "other")
    await flood(engine, other, 3)
    assert Counter(await served(engine, 6)) == {"Default": 3, "other": 3}


async def test_a_product_whose_jobs_hold_all_slots_gets_none_more_while_another_waits(engine: Engine) -> None:
    await flood(engine, DEFAULT, 9)
    running = await claim(engine, 4)
    other = await add_product(engine, "other")
    await flood(engine, other, 9)
    for _ in range(2):
        await complete(engine, running.pop(0))
        running.append(await claim_one(engine))
    assert Counter(claimed.product for claimed in running) == {"Default": 2, "other": 2}
    await complete(engine, next(claimed for claimed in running if claimed.product == "Default"))
    assert (await claim_one(engine)).product == "Default"


async def test_slots_are_shared_by_weight(engine: Engine) -> None:
    heavy, light = await add_product(engine, "heavy", 3), await add_product(engine, "light", 1)
    await flood(engine, light, 9)
    await flood(engine, heavy, 9)
    assert Counter(claimed.product for claimed in await claim(engine, 8)) == {"heavy": 6, "light": 2}


async def test_turns_at_a_single_slot_are_shared_by_weight(engine: Engine) -> None:
    heavy, light = await add_product(engine, "heavy", 3), await add_product(engine, "light", 1)
    await flood(engine, light, 16)
    await flood(engine, heavy, 16)
    assert Counter(await served(engine, 16)) == {"heavy": 12, "light": 4}


async def test_a_great_weight_does_not_starve_the_others(engine: Engine) -> None:
    heavy, light = await add_product(engine, "heavy", 100), await add_product(engine, "light", 1)
    await flood(engine, heavy, 9)
    await flood(engine, light, 1)
    running = await claim(engine, 2)
    assert {claimed.product for claimed in running} == {"heavy", "light"}


async def test_a_product_that_was_idle_has_not_saved_up_turns(engine: Engine) -> None:
    other = await add_product(engine, "other")
    await flood(engine, other, 1)
    await flood(engine, DEFAULT, 12)
    await served(engine, 9)
    await flood(engine, other, 12)
    assert Counter(await served(engine, 8)) == {"Default": 4, "other": 4}


async def test_jobs_without_a_product_have_their_turn(engine: Engine) -> None:
    await flood(engine, DEFAULT, 9)
    for _ in range(9):
        await enqueue(engine, None, product=None)
    assert Counter(await served(engine, 8)) == {"Default": 4, None: 4}


async def test_a_claim_spreads_over_the_waiting_products(engine: Engine) -> None:
    products = [await add_product(engine, f"p{n}") for n in range(6)]
    for product in products:
        await flood(engine, product, 2)
    assert len({claimed.product for claimed in await claim(engine, 6)}) == 6
