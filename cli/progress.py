"""How far it is, for the person who waits: bars on a terminal, a line for each step elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .notices import fit, tell

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class Progress:
    """Shows nothing but notes: what a log can use."""

    def step(self, text: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        """Begin something that takes a while; without `total` nobody knows how long."""

    def done(self, amount: int) -> None:
        """So much of the step's total is behind us."""

    def note(self, text: str) -> None:
        """A line that stays."""
        tell(text)

    def note_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.note(text)

    def state(self, text: str) -> None:
        """A line for a log, where no step is shown; a terminal has the step instead."""
        tell(text)


class Bars(Progress):
    """One bar on stderr that shows the step at hand, and leaves nothing behind."""

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, amount="")
        self._total: int | None = None
        self._in_bytes = False

    def step(self, text: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        self._total, self._in_bytes = total, in_bytes
        self._bars.reset(self._task, description=text, total=total, amount="")

    def done(self, amount: int) -> None:
        self._bars.update(self._task, completed=amount, amount=self._describe(amount))

    def note(self, text: str) -> None:
        console = self._bars.console
        console.print(fit(text, console.width), markup=False, highlight=False, soft_wrap=True)

    def state(self, text: str) -> None:
        """The step tells it."""

    def _describe(self, amount: int) -> str:
        if self._total is None:
            return ""
        if self._in_bytes:
            return f"{amount / 1e6:,.1f} of {self._total / 1e6:,.1f} MB"
        return f"{amount:,} of {self._total:,}"


@contextmanager
def open_progress() -> Iterator[Progress]:
    """Bars when stderr is a terminal. rich is imported only then: it takes longer to start than all the rest."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars(bars)
