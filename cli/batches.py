"""Work on many small files in threads without a hand-over for each."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from .limits import settle

Result = TypeVar("Result")

PATHS_PER_BATCH = 32


def in_batches(
    paths: Sequence[str], jobs: int, work: Callable[[Sequence[str]], list[Result]]
) -> Iterator[list[Result]]:
    """`work` on slices of `paths`, `jobs` at a time; the results come slice by slice in the order of the paths.

    An error, or Ctrl-C, ends it at once: unlike those of a ThreadPoolExecutor, nobody waits for these threads.
    """
    waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
    outcomes: list[Future[list[Result]]] = []
    for start in range(0, len(paths), PATHS_PER_BATCH):
        outcome: Future[list[Result]] = Future()
        waiting.put(partial(settle, outcome, partial(work, paths[start : start + PATHS_PER_BATCH])))
        outcomes.append(outcome)
    for _ in range(min(jobs, len(outcomes))):
        threading.Thread(target=_work_off, args=[waiting], daemon=True).start()
    try:
        for outcome in outcomes:
            yield outcome.result()
    finally:
        _work_off(waiting, call=False)


def _work_off(waiting: "SimpleQueue[Callable[[], None]]", *, call: bool = True) -> None:
    with suppress(Empty):
        while True:
            task = waiting.get_nowait()
            if call:
                task()
