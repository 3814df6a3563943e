"""Work on many small files in threads without a hand-over for each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

PATHS_PER_BATCH = 32


def in_batches(
    paths: Sequence[str], jobs: int, work: Callable[[Sequence[str]], list[Result]]
) -> Iterator[list[Result]]:
    """`work` on slices of `paths`, `jobs` at a time; the results come slice by slice in the order of the paths."""
    slices = [paths[start : start + PATHS_PER_BATCH] for start in range(0, len(paths), PATHS_PER_BATCH)]
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(work, slices)
