"""storectl that writes down how long each of its steps took.

    python -m benchmarks.timed_storectl STEPS.json SINCE store FOLDER ...

The steps are those that its progress bar shows; `start-up` is all from SINCE (seconds since 1970) to the first one, and
`packing` the part of `Uploading` in which the archive was made, not sent.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storaged_cli import pack, upload
from storaged_cli.commands import store
from storaged_cli.main import main
from storaged_cli.progress import Progress


class Steps(Progress):
    """Adds up what each step took."""

    def __init__(self, since: float) -> None:
        self.seconds: Counter[str] = Counter()
        self._name, self._since = "start-up", since

    def step(self, text: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        now = time.time()
        self.seconds[self._name] += now - self._since
        self._name, self._since = text, now


class TimedArchive(pack.Archive):
    """Knows how long its chunks took to make."""

    seconds = 0.0

    def __iter__(self) -> Iterator[bytes]:
        chunks = super().__iter__()
        started = time.perf_counter()
        for chunk in chunks:
            TimedArchive.seconds += time.perf_counter() - started
            yield chunk
            started = time.perf_counter()
        TimedArchive.seconds += time.perf_counter() - started


def run(target: Path, since: float) -> None:
    """storectl with the rest of the command line; the steps go to the file, in seconds by name."""
    steps = Steps(since)

    @contextmanager
    def open_steps() -> Iterator[Progress]:
        yield steps

    store.open_progress = open_steps
    upload.Archive = TimedArchive
    try:
        main(prog_name="storectl")
    finally:
        steps.step("end")
        target.write_text(json.dumps({**steps.seconds, "packing": TimedArchive.seconds}))


if __name__ == "__main__":
    run(Path(sys.argv.pop(1)), float(sys.argv.pop(1)))
