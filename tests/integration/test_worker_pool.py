"""Worker processes die, hang, and are interrupted; what they did not harm goes on."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from storaged.errors import BadResultFile, WorkerDied
from storaged.worker.pool import Worker, WorkerPool, open_pool
from tests.integration import pool_calls as calls

PARENT = Path(__file__).with_name("pool_parent.py")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    async with open_pool(2, warm=calls.warm) as opened:
        await opened.warm()
        yield opened


@pytest.fixture
def gate(tmp_path: Path) -> calls.Gate:
    """Two pipes: a call in a child says that it is there, and waits until it may go on."""
    return calls.make_gate(tmp_path)


async def gone(pids: set[int]) -> None:
    while any(psutil.pid_exists(pid) for pid in pids):  # noqa: ASYNC110 (processes bring no event)
        await asyncio.sleep(0.01)


async def workers_ready(pool: WorkerPool, without: int) -> None:
    """All slots are filled, none of them by the process that is gone."""
    while len(pool.stats.pids) < pool.size or without in pool.stats.pids:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_call_runs_in_another_process_and_gives_its_result(pool: WorkerPool) -> None:
    pid, total = await pool.run(calls.add, 1, 2)
    assert total == 3
    assert pid in pool.stats.pids
    assert pid != os.getpid()


async def test_workers_are_warm_before_their_first_call(pool: WorkerPool) -> None:
    assert await pool.run(calls.is_warm)


async def test_calls_run_side_by_side_and_wait_for_a_free_worker(pool: WorkerPool) -> None:
    results = await asyncio.gather(*(pool.run(calls.add, n, n) for n in range(20)))
    assert [total for _, total in results] == [2 * n for n in range(20)]
    assert len({pid for pid, _ in results}) == 2
    assert pool.stats.busy == 0


async def test_errors_of_the_function_come_through_with_their_traceback(pool: WorkerPool) -> None:
    with pytest.raises(BadResultFile, match=r"a\.plist: cut off") as caught:
        await pool.run(calls.fail, BadResultFile("a.plist", "cut off"))
    assert caught.value.entry == "a.plist"
    assert "in fail" in str(caught.value.__cause__)
    assert (await pool.run(calls.add, 1, 1))[1] == 2


async def test_an_error_that_cannot_be_pickled_is_told_in_words(pool: WorkerPool) -> None:
    with pytest.raises(RuntimeError, match="Awkward: 1 and 2"):
        await pool.run(calls.fail_awkwardly)
    with pytest.raises(Exception, match="make_a_lambda"):  # the rest of the words differs between Pythons
        await pool.run(calls.make_a_lambda)


async def test_arguments_that_cannot_be_pickled_hurt_no_worker(pool: WorkerPool) -> None:
    before = pool.stats.pids
    with pytest.raises(Exception, match="lambda"):  # the rest of the words differs between Pythons
        await pool.run(calls.add, lambda: 1, 2)
    assert pool.stats.pids == before
    assert len({pid for pid, _ in await asyncio.gather(*(pool.run(calls.add, 1, 1) for _ in range(8)))}) == 2


async def test_a_worker_killed_in_mid_call_fails_its_call_only(pool: WorkerPool, gate: calls.Gate) -> None:
    waiting = asyncio.create_task(pool.run(calls.wait_at, gate))
    sibling = await asyncio.to_thread(calls.arrived, gate)
    with pytest.raises(WorkerDied, match="was killed by signal 9 while it ran kill_itself"):
        await pool.run(calls.kill_itself)
    calls.let_go(gate)
    assert await waiting == sibling
    assert sibling in pool.stats.pids


@pytest.mark.parametrize("how", ["leave", "raise_exit"])
async def test_a_worker_that_leaves_in_mid_call_is_replaced(pool: WorkerPool, how: str) -> None:
    before = set(pool.stats.pids)
    with pytest.raises(WorkerDied, match="exited with code 3"):
        await pool.run(getattr(calls, how), 3)
    while len(set(pool.stats.pids) - before) < 1:  # noqa: ASYNC110 (processes bring no event)
        await asyncio.sleep(0.01)
    assert len(set(pool.stats.pids) & before) == 1
    results = await asyncio.gather(*(pool.run(calls.add, n, n) for n in range(8)))
    assert [total for _, total in results] == [2 * n for n in range(8)]


def test_a_worker_killed_while_it_writes_its_result_does_not_let_the_reader_wait_for_ever() -> None:
    worker = Worker(calls.warm)
    worker.read_answer("warm-up")
    worker.ask("make_much", calls.make_much, ())
    # The first bytes are there, and nobody reads them: the worker is stuck in the middle.
    assert worker._connection.poll(60)
    worker.kill()
    with pytest.raises(WorkerDied, match="killed by signal 9 while it ran make_much"):
        worker.read_answer("make_much")
    worker.reap()


async def test_an_idle_worker_that_is_killed_costs_no_call(pool: WorkerPool) -> None:
    (victim, _) = pool.stats.pids
    os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(30):
        # Not by its state: the process is a zombie a moment before its end of the pipe is closed.
        while not any(worker.has_ended for worker in pool._workers):  # noqa: ASYNC110 (a death brings no event)
            await asyncio.sleep(0.01)
    results = await asyncio.gather(*(pool.run(calls.add, n, n) for n in range(6)))
    assert [total for _, total in results] == [0, 2, 4, 6, 8, 10]
    assert victim not in {pid for pid, _ in results}
    await workers_ready(pool, without=victim)


async def test_large_arguments_and_results_pass(pool: WorkerPool) -> None:
    data = os.urandom(1 << 20) * 24
    assert await pool.run(calls.echo, data) == data


async def test_cancelling_the_caller_ends_the_computation(pool: WorkerPool, gate: calls.Gate) -> None:
    call = asyncio.create_task(pool.run(calls.wait_at, gate))
    pid = await asyncio.to_thread(calls.arrived, gate)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gone({pid})
    await workers_ready(pool, without=pid)
    assert pool.stats.busy == 0
    results = await asyncio.gather(*(pool.run(calls.add, n, n) for n in range(4)))
    assert pid not in {worker for worker, _ in results}


async def test_nobody_is_told_how_a_cancelled_call_ended(gate: calls.Gate) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with open_pool(1) as pool:
        call = asyncio.create_task(pool.run(calls.wait_at, gate))
        await asyncio.to_thread(calls.arrived, gate)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    del call
    gc.collect()
    assert told == []


async def test_a_time_out_ends_a_computation_that_never_ends(pool: WorkerPool) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.run(calls.spin), 0.3)
    assert (await pool.run(calls.add, 1, 1))[1] == 2


async def test_cancelling_a_caller_that_still_waits_for_a_worker_hurts_no_call(gate: calls.Gate) -> None:
    async with open_pool(1) as pool:
        running = asyncio.create_task(pool.run(calls.wait_at, gate))
        pid = await asyncio.to_thread(calls.arrived, gate)
        waiting = asyncio.create_task(pool.run(calls.add, 1, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        calls.let_go(gate)
        assert await running == pid
        assert (await pool.run(calls.add, 1, 1))[0] == pid


async def test_the_loop_goes_on_while_workers_start(gate: calls.Gate) -> None:
    async with open_pool(1, warm=partial(calls.wait_at, gate)) as pool:
        warming = asyncio.create_task(pool.warm())
        # If starting blocked the loop, nothing would ever open the gate.
        assert await asyncio.to_thread(calls.arrived, gate) in pool.stats.pids
        assert not warming.done()
        calls.let_go(gate)
        await warming


async def test_closing_kills_a_worker_that_will_not_leave() -> None:
    async with open_pool(1) as pool:
        pid = await pool.run(calls.stay_for_ever)
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


async def test_closing_leaves_no_process_behind_also_when_one_hangs(gate: calls.Gate) -> None:
    async with open_pool(2, warm=calls.warm) as pool:
        await pool.warm()
        pids = set(pool.stats.pids)
        hanging = asyncio.create_task(pool.run(calls.hang_deaf, gate))
        await asyncio.to_thread(calls.arrived, gate)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert pool.stats.pids == ()
    with pytest.raises(WorkerDied):
        await hanging


async def test_closing_while_workers_still_start_leaves_no_process_behind() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with open_pool(2, warm=calls.warm_slowly):
        pass
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child.cmdline() for child in left if "spawn_main" in " ".join(child.cmdline())] == []


async def test_a_warm_up_that_fails_is_told_to_who_waits_for_it() -> None:
    async with open_pool(1, warm=calls.fail_to_warm) as pool:
        with pytest.raises(ImportError, match="no such parser"):
            await pool.warm()
    async with open_pool(1, warm=calls.kill_itself) as pool:
        with pytest.raises(WorkerDied, match="warm-up"):
            await pool.warm()


async def test_ctrl_c_is_for_the_parent_alone(pool: WorkerPool) -> None:
    before = pool.stats.pids
    for pid in before:
        os.kill(pid, signal.SIGINT)
    results = await asyncio.gather(*(pool.run(calls.add, n, n) for n in range(8)))
    assert {pid for pid, _ in results} == set(before)


async def test_a_worker_obeys_sigterm(pool: WorkerPool, gate: calls.Gate) -> None:
    call = asyncio.create_task(pool.run(calls.wait_at, gate))
    os.kill(await asyncio.to_thread(calls.arrived, gate), signal.SIGTERM)
    with pytest.raises(WorkerDied, match="signal 15"):
        await call


@pytest.mark.parametrize("doing", ["idle", "busy", "warming"])
async def test_workers_leave_when_their_daemon_is_killed(doing: str) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, PARENT, doing, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pids = {int(pid) for pid in (await parent.stdout.readline()).split()}
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    await gone(pids)
