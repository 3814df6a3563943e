"""storectl as a process of its own, which is talked to while it runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest


@contextmanager
def running_storectl(
    url: str, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """A running storectl; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "storaged_cli", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "STORAGED_URL": url, "COLUMNS": "80", "TERM": "xterm"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read stderr up to a line with the text; at its end the test fails."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} never came, but: {''.join(seen)}")


def interrupt(process: subprocess.Popen[str]) -> None:
    """SIGINT until it ends: Python does not see one that comes after a prompt was written, before it reads."""
    for _ in range(30):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    pytest.fail("it did not end")


def read_terminal(terminal: int) -> str:
    """All that is written until the other side is closed."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            part = b""
        if not part:
            os.close(terminal)
            return b"".join(parts).decode()
        parts.append(part)
