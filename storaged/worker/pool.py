"""The processes that compute: one child to a slot, killed and replaced without harm to its siblings.

Not concurrent.futures: its ProcessPoolExecutor waits for ever for a result whose process was killed while it wrote it
(docs/decisions/0004-own-worker-pool.md).
"""

import asyncio
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import chain, repeat
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

import structlog

from storaged.errors import WorkerDied

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Spawn: a fork would copy the loop's threads and locks. A forkserver starts a child in 5 ms instead of 60 ms, which
# is not worth another process to look after.
CONTEXT = multiprocessing.get_context("spawn")

# How long an idle child may take to leave by itself when the pool closes.
LEAVE_SECONDS = 2.0


def no_warm_up() -> None:
    """What a child does before its first call when nothing was given."""


class RemoteTraceback(Exception):
    """The traceback of an error in the child, as the cause of the same error here."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What the pool does now."""

    size: int
    busy: int
    # How many processes ended by themselves, in a call or idle, since the pool opened.
    crashes: int
    pids: tuple[int, ...]


# In the child


def child_main(connection: Connection, warm: Callable[[], object]) -> None:
    """Answer calls until the parent closes the connection or dies."""
    # A terminal sends Ctrl-C to the whole group; when to stop is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    connection.send_bytes(_answer(warm, ()))
    with suppress(EOFError, OSError):
        while True:
            function, args = pickle.loads(connection.recv_bytes())  # noqa: S301 (from the parent)
            connection.send_bytes(_answer(function, args))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _answer(function: Callable[..., Any], args: Sequence[Any]) -> bytes:
    """(result, None, "") or (None, error, traceback), pickled."""
    try:
        return pickle.dumps((function(*args), None, ""), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 (it is raised in the parent)
        return _pickled_error(error)


def _pickled_error(error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        answer = pickle.dumps((None, error, trace), pickle.HIGHEST_PROTOCOL)
        pickle.loads(answer)  # noqa: S301 (just made: does it come out again?)
    except Exception:  # noqa: BLE001 (any class may refuse, in any way)
        return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return answer


# In the parent


class Worker:
    """One child process; its methods but `kill` and `hang_up` block, so they run in threads."""

    def __init__(self, warm: Callable[[], object]) -> None:
        self._connection, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=child_main, args=(theirs, warm), daemon=True)
        try:
            self.pid = _start_deaf_to_ctrl_c(self._process)
        except OSError:
            self._connection.close()
            raise
        finally:
            # The child's end is the child's alone: its death ends the stream here, in the middle of an answer as well.
            theirs.close()
        self._reaped = False

    def call(self, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        """The function's result in the child; raises its error, or WorkerDied."""
        name = getattr(function, "__name__", repr(function))
        self.ask(name, function, args)
        return self.read_answer(name)

    def ask(self, name: str, function: Callable[..., Any], args: Sequence[Any]) -> None:
        request = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        try:
            self._connection.send_bytes(request)
        except OSError:
            raise self._died(name) from None

    def read_answer(self, name: str) -> Any:
        """What the child answers to the call `name`, or at first to its warm-up."""
        try:
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise self._died(name) from None
        result, error, trace = pickle.loads(answer)  # noqa: S301 (from our child)
        if error is not None:
            raise error from RemoteTraceback(f"\n{trace}")
        return result

    @property
    def has_ended(self) -> bool:
        """Whether an idle process is gone: all that can be read from one is the end of the stream."""
        return self._connection.poll()

    def kill(self) -> None:
        """End the process whatever it does; a thread that waits for its answer learns of it."""
        self._process.kill()

    def hang_up(self) -> None:
        """Let an idle process leave by itself; no thread may be in a call."""
        self._connection.close()

    def reap(self) -> None:
        """See the process off, at the latest after LEAVE_SECONDS."""
        if self._reaped:
            return
        self.hang_up()
        self._process.join(LEAVE_SECONDS)
        self._process.kill()
        self._process.join()
        self._reaped = True

    def _died(self, name: str) -> WorkerDied:
        self._process.join(LEAVE_SECONDS)
        code = self._process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        return WorkerDied(f"The worker process {self.pid} {how} while it ran {name}.")


def _start_deaf_to_ctrl_c(process: SpawnProcess) -> int:
    """Start it with SIGINT blocked, as in the thread that starts it, until it ignores it by itself; its pid."""
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process.pid or 0


class WorkerPool:
    """Workers behind one `run`; made by `open_pool`."""

    def __init__(self, size: int, warm: Callable[[], object]) -> None:
        self._size = size
        self._warm = warm
        self._busy = 0
        self._crashes = 0
        self._closed = False
        self._workers: set[Worker] = set()
        self._free: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        # For each slot a call, the end of the worker before and the start of the next may go on at once.
        self._threads = ThreadPoolExecutor(max_workers=3 * size, thread_name_prefix="worker-pool")
        self._starts = [self._in_background(self._add_worker()) for _ in range(size)]

    @property
    def size(self) -> int:
        return self._size

    @property
    def stats(self) -> Stats:
        # A copy, since threads add to the set.
        return Stats(self._size, self._busy, self._crashes, tuple(sorted(worker.pid for worker in list(self._workers))))

    async def warm(self) -> None:
        """Wait until all workers are warm; raises what the warm-up raised, or WorkerDied."""
        await asyncio.gather(*self._starts)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run the function in a free worker, waiting for one; function, arguments and result are pickled.

        Raises what the function raises, and WorkerDied when its process ended before it answered. Cancelling the
        caller kills the process, since nothing else stops a computation.
        """
        worker = await self._take()
        self._busy += 1
        call = asyncio.get_running_loop().run_in_executor(self._threads, worker.call, function, args)
        try:
            result: T = await asyncio.shield(call)
        except WorkerDied:
            self._crashes += 1
            self._replace(worker, call)
            raise
        except asyncio.CancelledError:
            self._replace(worker, call)
            raise
        except BaseException:
            self._free.put_nowait(worker)
            raise
        finally:
            self._busy -= 1
        self._free.put_nowait(worker)
        return result

    async def _take(self) -> Worker:
        """A free worker; one that died while it was idle costs nobody a call."""
        while (worker := await self._free.get()).has_ended:
            nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            self._crashes += 1
            self._replace(worker, nothing)
        return worker

    async def close(self) -> None:
        """End all processes: idle ones leave, those in a call are killed."""
        self._closed = True
        idle = {self._free.get_nowait() for _ in range(self._free.qsize())}
        for worker in self._workers - idle:
            worker.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._starts, return_exceptions=True)
        await asyncio.to_thread(self._reap_all)

    def _reap_all(self) -> None:
        # Every call has ended by now, or ends with its killed worker; a start that is under way ends in a kill.
        self._threads.shutdown(wait=True)
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.reap()
        self._workers.clear()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _add_worker(self) -> None:
        worker = await asyncio.get_running_loop().run_in_executor(self._threads, self._start_worker)
        self._free.put_nowait(worker)

    def _start_worker(self) -> Worker:
        worker = Worker(self._warm)
        self._workers.add(worker)
        if self._closed:
            worker.kill()
        try:
            worker.read_answer("its warm-up")
        except BaseException:
            worker.kill()
            worker.reap()
            self._workers.discard(worker)
            raise
        return worker

    def _replace(self, worker: Worker, call: asyncio.Future[Any]) -> None:
        worker.kill()
        call.add_done_callback(_take_note)
        if not self._closed:
            self._in_background(self._see_off(worker, call))
            self._in_background(self._add_worker_at_last())

    async def _see_off(self, worker: Worker, call: asyncio.Future[Any]) -> None:
        await asyncio.wait([call])
        await asyncio.get_running_loop().run_in_executor(self._threads, worker.reap)
        self._workers.discard(worker)

    async def _add_worker_at_last(self) -> None:
        """However long it takes: a slot that cannot be filled now is the system's fault, not that of the next job."""
        for pause in chain((0.1, 0.5, 1.0), repeat(5.0)):
            try:
                await self._add_worker()
            except Exception:
                log.exception("a worker process cannot be started; trying again", seconds=pause)
                await asyncio.sleep(pause)
            else:
                break


def _take_note(call: asyncio.Future[Any]) -> None:
    """How a call ended that nobody waits for any more is no news."""
    if not call.cancelled():
        call.exception()


@asynccontextmanager
async def open_pool(size: int, *, warm: Callable[[], object] = no_warm_up) -> AsyncIterator[WorkerPool]:
    """Start so many processes, each of which calls `warm` first (a module's function, which imports what is needed).

    They start in the background: `await pool.warm()` before the first call that shall be quick, and to learn of errors.
    """
    pool = WorkerPool(size, warm)
    try:
        yield pool
    finally:
        await pool.close()
