"""What becomes of several jobs: a row for each on a terminal, a line for each new status elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .client import JsonObject
from .errors import StorectlError
from .notices import fit, tell
from .render import cut, one_line
from .waiting import describe_step, has_ended

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

SHORT_TOKEN = 8
NAME_WIDTH = 24
STEP_WIDTH = 16


class Board:
    """Tells each thing once."""

    def __init__(self) -> None:
        self._statuses: dict[str, str] = {}
        self._lost: set[str] = set()

    def show(self, job: JsonObject) -> None:
        if self._statuses.get(job["token"]) != job["status"]:
            self._statuses[job["token"]] = job["status"]
            self._state(job)

    def lost(self, token: str, error: StorectlError) -> None:
        """All jobs are of one daemon, so the first that is lost tells for all."""
        if not self._lost:
            asking = "The jobs are safe there; asking" if self._statuses else "Asking"
            self.note(f"{error.message}\n{asking} again until it can be reached.")
        self._lost.add(token)

    def found(self, token: str) -> None:
        if self._lost:
            self._lost.discard(token)
            if not self._lost:
                self.note("The daemon answers again.")

    def note(self, text: str) -> None:
        """A line that stays."""
        tell(text)

    def _state(self, job: JsonObject) -> None:
        tell(f"Job {job['token']}: {job['status']}")


class Rows(Board):
    """How many have ended, then as many rows as fit, first those of jobs that go on. Nothing stays behind."""

    def __init__(self, bars: "RichProgress", tokens: Sequence[str]) -> None:
        super().__init__()
        self._bars = bars
        self._count = f"{len(tokens):,}"
        self._all = bars.add_task("", total=len(tokens), name=f"All {self._count} jobs", amount=f"0 of {self._count}")
        # In the order of the tokens, though the jobs are first seen in any.
        self._rows = {token: bars.add_task("", name="", amount="", visible=False) for token in tokens}
        self._seen: set[str] = set()
        self._ended: set[str] = set()
        self._visible: set[str] = set()

    def show(self, job: JsonObject) -> None:
        self._seen.add(job["token"])
        if has_ended(job):
            self._ended.add(job["token"])
        self._update(job)
        ended = len(self._ended)
        self._bars.update(self._all, completed=ended, amount=f"{ended:,} of {self._count}")
        self._arrange()

    def note(self, text: str) -> None:
        console = self._bars.console
        console.print(fit(text, console.width), markup=False, highlight=False, soft_wrap=True)

    def _update(self, job: JsonObject) -> None:
        text, done, total = describe_step(job)
        amount = f"{done:,} of {total:,}" if total else _queue(job)
        if has_ended(job):
            # A full bar.
            done, total = 1, 1
        self._bars.update(
            self._rows[job["token"]],
            description=cut(text, STEP_WIDTH),
            # rich takes None for what it was before.
            total=total or 1,
            completed=done,
            name=_name(job),
            amount=amount,
        )

    def _arrange(self) -> None:
        room = max(1, self._bars.console.height - 3)
        seen = (token for token in self._rows if token in self._seen)
        visible = set(sorted(seen, key=lambda token: token in self._ended)[:room])
        for token in visible ^ self._visible:
            self._bars.update(self._rows[token], visible=token in visible)
        self._visible = visible


def _name(job: JsonObject) -> str:
    shown = one_line(f"{job['token'][:SHORT_TOKEN]} {job.get('run') or job.get('summary') or ''}")
    return cut(shown, NAME_WIDTH)


def _queue(job: JsonObject) -> str:
    return "" if job.get("position") is None else f"{job['position']:,} before it"


@contextmanager
def open_board(tokens: Sequence[str]) -> Iterator[Board]:
    """Rows when stderr is a terminal; rich is imported only then."""
    if not sys.stderr.isatty():
        yield Board()
        return
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (
        TextColumn("{task.fields[name]}", markup=False),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Rows(bars, tokens)
