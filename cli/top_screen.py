"""`storectl top` on a terminal: asks in a thread, draws, listens to the keyboard."""

import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from types import FrameType

from rich.console import Console, Group
from rich.live import Live

from .address import Address
from .client import Client, JsonObject
from .errors import StorectlError
from .top_frame import Contact, frame

QUIT_KEYS = {b"q", b"Q", b"\x03"}
PLAIN_WIDTH = 120
HINT = "q quits"
LOOK_SECONDS = 1.0

Answer = JsonObject | StorectlError


class Bell:
    """Wakes the loop from another thread, or by a signal; made by `open_bell`."""

    def __init__(self, reads: int, writes: int) -> None:
        self.reads = reads
        self.writes = writes

    def ring(self) -> None:
        # Full: it has rung often enough.
        with suppress(BlockingIOError):
            os.write(self.writes, b"!")

    def hear(self) -> None:
        os.read(self.reads, 1024)


def print_once(overview: JsonObject, address: Address) -> None:
    """One frame on stdout, as long as it needs to be."""
    console = Console()
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else PLAIN_WIDTH
    console.width = width
    for shown in frame(overview, Contact(address.base), width):
        console.print(shown, soft_wrap=True)


def watch(client: Client, overview: JsonObject, interval: float) -> None:
    """Show it until q or Ctrl-C; the terminal is then as it was before."""
    answers: SimpleQueue[Answer] = SimpleQueue()
    stop = threading.Event()
    with ExitStack() as stack:
        bell = stack.enter_context(open_bell())
        stack.callback(stop.set)
        stack.enter_context(suppress(KeyboardInterrupt))
        asking = threading.Thread(target=ask, args=(client, interval, answers, bell, stop), daemon=True)
        stack.enter_context(ring_on_resize(bell))
        stack.enter_context(unwind_on_sigterm())
        keyboard = stack.enter_context(open_keyboard())
        live = stack.enter_context(Live(console=Console(), screen=True, auto_refresh=False))
        asking.start()
        show(live, View(client.address.base, overview), answers, bell, keyboard)


class View:
    """The last answer, and since when there is none."""

    def __init__(self, name: str, overview: JsonObject) -> None:
        self._name = name
        self._overview = overview
        self._answered_at = time.monotonic()
        self._trouble: str | None = None

    def take(self, answer: Answer) -> None:
        if isinstance(answer, StorectlError):
            self._trouble = answer.message
        else:
            self._overview, self._trouble, self._answered_at = answer, None, time.monotonic()

    def draw(self, live: Live) -> None:
        contact = Contact(self._name, HINT)
        if self._trouble is not None:
            contact = Contact(self._name, HINT, time.monotonic() - self._answered_at, self._trouble)
        size = live.console.size
        live.update(Group(*frame(self._overview, contact, size.width, size.height)), refresh=True)


def show(live: Live, view: View, answers: "SimpleQueue[Answer]", bell: Bell, keyboard: int | None) -> None:
    """Draw whenever there is an answer or the window has another size; return when a key says so."""
    watched = [bell.reads] if keyboard is None else [bell.reads, keyboard]
    while True:
        view.draw(live)
        size = live.console.size
        ready: list[int] = []
        # Its signal tells of a new size; where that goes astray, a look now and then does.
        while not ready and live.console.size == size:
            ready, _, _ = select.select(watched, [], [], LOOK_SECONDS)
        if keyboard in ready:
            keys = os.read(keyboard, 64) if keyboard is not None else b""
            if not keys:
                # The terminal is gone.
                return
            if QUIT_KEYS & {bytes([key]) for key in keys}:
                return
        if bell.reads in ready:
            bell.hear()
        while not answers.empty():
            view.take(answers.get())


def ask(client: Client, interval: float, answers: "SimpleQueue[Answer]", bell: Bell, stop: threading.Event) -> None:
    """Ask again and again, whatever comes back."""
    while not stop.wait(interval):
        try:
            answers.put(client.overview())
        except StorectlError as error:
            answers.put(error)
        if not stop.is_set():
            bell.ring()


@contextmanager
def open_bell() -> Iterator[Bell]:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    # Left open: the thread that asks may ring after the end, and the process ends then, too.
    yield Bell(reads, writes)


@contextmanager
def ring_on_resize(bell: Bell) -> Iterator[None]:
    # Not by a handler of ours: Python would call it only when `select` returns, if the signal came just before.
    before = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    rung = signal.set_wakeup_fd(bell.writes, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(rung)
        signal.signal(signal.SIGWINCH, before)


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """So that the terminal is given back then, too."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def open_keyboard() -> Iterator[int | None]:
    """The keyboard, key by key and without echo; None when stdin is no terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard)
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
