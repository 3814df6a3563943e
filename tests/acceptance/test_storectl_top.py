"""`storectl top` on a terminal and off it, beside a daemon that goes away and comes back."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from select import select

import pytest

from tests.acceptance.calls import store, until_ended
from tests.acceptance.daemons import DaemonProcess, clean_environment
from tests.acceptance.uploads import one_report

PATIENCE = 60.0
ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
CTRL_C = b"\x03"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """`storectl top` on a terminal of 80 by 24."""

    def __init__(self, master: int, slave: int, process: "subprocess.Popen[bytes]") -> None:
        self.master = master
        self.slave = slave
        self.process = process
        self.shown = ""

    def until(self, text: str) -> None:
        """Read on until the text was shown after what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            ready, _, _ = select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not shown:\n{self.shown[-4000:]}"
            self.shown = COLOURS.sub("", self.shown + os.read(self.master, 65536).decode(errors="replace"))
        self.shown = self.shown.partition(text)[2]

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)


@contextmanager
def top_on_a_terminal(daemon: DaemonProcess, *options: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "storaged_cli", "top", "--interval", "0.2", *options],
        env=clean_environment() | {"STORAGED_URL": f"{daemon.url}/Default", "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # Ctrl-C goes to the process whose terminal it is.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (no lock is taken in it)
    )
    try:
        yield Terminal(master, slave, process)
    finally:
        process.kill()
        process.wait()
        for end in (master, slave):
            with suppress(OSError):
                os.close(end)


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        (lambda terminal: terminal.press(b"q"), 0),
        (lambda terminal: terminal.press(CTRL_C), 0),
        (lambda terminal: terminal.process.send_signal(signal.SIGTERM), 128 + signal.SIGTERM),
    ],
    ids=["q", "Ctrl-C", "SIGTERM"],
)
def test_it_is_left_by_a_key_or_a_signal_and_gives_the_terminal_back(
    shared_daemon: DaemonProcess, leave: Callable[[Terminal], None], code: int
) -> None:
    with top_on_a_terminal(shared_daemon) as terminal:
        terminal.until(ENTERS)
        terminal.until("FAILED LATELY")
        assert not terminal.echoes
        leave(terminal)
        terminal.until(LEAVES)
        assert terminal.process.wait(PATIENCE) == code
        assert terminal.echoes
        assert "Traceback" not in terminal.shown


def test_it_shows_what_happens_meanwhile(shared_daemon: DaemonProcess) -> None:
    with top_on_a_terminal(shared_daemon) as terminal:
        terminal.until("FAILED LATELY")
        store(shared_daemon, "sudden", b"no archive")
        terminal.until("sudden")
        terminal.until("not a zip archive")


def test_it_is_drawn_anew_when_the_window_changes_its_size(shared_daemon: DaemonProcess) -> None:
    with top_on_a_terminal(shared_daemon, "--interval", "3600") as terminal:
        terminal.until("FAILED LATELY")
        terminal.resize(40, 120)
        # Wider, there is more room between the two halves of the times.
        terminal.until(" " * 6 + "per min")


def test_it_outlives_the_daemon(daemon: DaemonProcess) -> None:
    with top_on_a_terminal(daemon) as terminal:
        terminal.until("listening")
        daemon.kill()
        terminal.until("NO ANSWER")
        daemon.start()
        terminal.until("listening")
        terminal.press(b"q")
        assert terminal.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("options", [[], ["--once"], ["-o", "plain"]])
def test_off_a_terminal_it_is_one_frame_without_codes_for_a_terminal(
    shared_daemon: DaemonProcess, options: list[str]
) -> None:
    until_ended(shared_daemon, store(shared_daemon, "run", one_report()))
    done = shared_daemon.storectl("top", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert re.search(r"^5 minutes +[1-9]", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("\n")


def test_as_json_it_is_what_the_api_gives(shared_daemon: DaemonProcess) -> None:
    done = shared_daemon.storectl("top", "-o", "json")
    assert json.loads(done.stdout).keys() == shared_daemon.get("/api/v1/ops").keys()


def test_a_daemon_that_is_not_there_is_told_before_the_screen_is_taken(shared_daemon: DaemonProcess) -> None:
    done = shared_daemon.storectl("top", "--url", "localhost:1/Default")
    assert done.returncode == 1
    assert "No daemon answers" in done.stderr
    assert done.stdout == ""
