"""storectl as a process of its own: signals, terminals, pipes, restarts of the daemon, what it imports."""

import asyncio
import os
import pty
import random
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.storectl_daemon import TOKEN, Daemon, hang_up, serve

REPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>files</key><array><string>a.c</string></array></dict></plist>"""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with serve(Daemon()) as running:
        yield running


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text("int a;\n")
    (tmp_path / "a.plist").write_bytes(REPORT)
    return tmp_path


@contextmanager
def storectl(
    daemon: Daemon, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """A running storectl; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "storaged_cli", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "STORAGED_URL": daemon.url, "COLUMNS": "80", "TERM": "xterm"},
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


def test_ctrl_c_while_it_waits_says_how_to_go_on(daemon: Daemon, reports: Path) -> None:
    with storectl(daemon, "store", str(reports), "-n", "shop") as process:
        read_until(process, f"Job {TOKEN}: enqueued")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == f"storectl: The job goes on. To wait for it again: storectl jobs wait {TOKEN}\n"


def interrupt(process: subprocess.Popen[str]) -> None:
    """SIGINT until it ends: Python does not see one that comes after a prompt was written, before it reads."""
    for _ in range(30):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    pytest.fail("it did not end")


@pytest.mark.parametrize(("count", "then"), [(2, "To wait for them again: storectl jobs wait {}"), (6, "The same {}")])
def test_ctrl_c_while_it_waits_for_several_jobs_says_how_to_go_on(daemon: Daemon, count: int, then: str) -> None:
    tokens = [f"job{number}" for number in range(count)]
    daemon.add_job("done", status="completed")
    answer = threading.Event()

    async def keep_waiting(request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(answer.wait, 30)
        return web.Response()

    for token in tokens:
        daemon.add_job(token)
    daemon.polls.extend([keep_waiting] * count)
    with storectl(daemon, "jobs", "wait", "done", *tokens) as process:
        for _ in range(count + 1):
            read_until(process, "Job ")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        answer.set()
    assert process.returncode == 130
    many = f"command waits again for the {count} that had not ended."
    assert stderr == f"storectl: The jobs go on. {then.format(' '.join(tokens) if count == 2 else many)}\n"


def test_ctrl_c_while_jobs_are_cancelled_tells_how_far_it_came(daemon: Daemon) -> None:
    asked, answer = threading.Event(), threading.Event()

    async def keep_waiting(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.to_thread(answer.wait, 30)
        return web.Response()

    for token in "abc":
        daemon.add_job(token)
    daemon.replace_next("cancel", daemon.cancel, keep_waiting)
    with storectl(daemon, "jobs", "cancel", "a", "b", "c") as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        answer.set()
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "storectl: Interrupted at job 2 of 3; `storectl jobs show TOKEN...` tells how they are now.\n"


def test_ctrl_c_at_a_question_does_nothing_and_says_so(daemon: Daemon) -> None:
    terminal, other_side = pty.openpty()
    with storectl(daemon, "del", "-n", "shop", stdin=other_side, stderr=other_side) as process:
        os.close(other_side)
        shown = b""
        while b"[y/N]: " not in shown:
            shown += os.read(terminal, 4096)
        interrupt(process)
        rest = read_terminal(terminal)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.endswith("\r\nstorectl: Interrupted: nothing was done.\r\n")
    assert daemon.requests == []


def test_ctrl_c_while_it_uploads_stores_nothing(daemon: Daemon, reports: Path) -> None:
    (reports / "a.c").write_bytes(random.Random(1).randbytes(64 << 20))
    uploading = threading.Event()

    async def read_nothing_more(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        uploading.set()
        # The body is larger than all buffers on the way: the client cannot finish before it is interrupted.
        await request.content.wait_eof()
        return web.Response()

    daemon.replace_next("store", read_nothing_more)
    with storectl(daemon, "store", str(reports), "-n", "shop") as process:
        assert uploading.wait(30)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.endswith("storectl: Interrupted: nothing was stored.\n")
    assert daemon.uploads == []


def test_ctrl_c_after_the_last_byte_does_not_claim_that_nothing_was_stored(daemon: Daemon, reports: Path) -> None:
    arrived, answer = threading.Event(), threading.Event()

    async def keep_waiting(request: web.Request) -> web.StreamResponse:
        await request.read()
        arrived.set()
        await asyncio.to_thread(answer.wait, 30)
        return web.Response()

    daemon.replace_next("store", keep_waiting)
    with storectl(daemon, "store", str(reports), "-n", "shop") as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        answer.set()
    assert process.returncode == 130
    assert "the daemon may store it" in stderr


def test_a_restart_of_the_daemon_does_not_end_the_wait() -> None:
    first = Daemon()
    with ExitStack() as stack:
        listening = stack.enter_context(ExitStack())
        listening.enter_context(serve(first)).add_job()
        process = stack.enter_context(storectl(first, "jobs", "wait", TOKEN, "--timeout", "60"))
        read_until(process, f"Job {TOKEN}: enqueued")
        listening.close()
        read_until(process, "asking again until it can be reached.")
        second = Daemon(port=first.port, jobs=first.jobs, script=deque([{"status": "completed"}]))
        stack.enter_context(serve(second))
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "The daemon answers again.\n" in stderr
    assert "status: completed\n" in stdout


def test_a_daemon_that_is_away_for_long_ends_the_wait_for_several_jobs_and_is_told_once(daemon: Daemon) -> None:
    daemon.add_job("a")
    daemon.add_job("b")
    daemon.polls.extend([hang_up] * 100)
    with storectl(daemon, "jobs", "wait", "a", "b", "--give-up", "1") as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.count("asking again until it can be reached.") == 1
    assert stderr.endswith("The jobs may go on. To wait for them again: storectl jobs wait a b\n")


def test_on_a_terminal_progress_leaves_only_the_summary(daemon: Daemon, reports: Path) -> None:
    daemon.script.extend(
        [
            {"status": "running", "progress": {"phase": "parse", "done": 1, "total": 2}},
            {"status": "completed", "result": {"reports": 1, "new": 1}},
        ]
    )
    terminal, other_side = pty.openpty()
    with storectl(daemon, "store", str(reports), "-n", "shop", stderr=other_side) as process:
        os.close(other_side)
        shown = read_terminal(terminal)
        stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, "")
    assert "\x1b[" in shown
    assert shown.endswith("Stored run 'shop': 1 report (1 new).\r\n")


def test_on_a_terminal_several_jobs_have_a_row_each_and_none_stays(daemon: Daemon) -> None:
    daemon.add_job("abcdefghijk", run="shop")
    daemon.add_job("nopqrstuvwx", run="shelf")
    daemon.script.extend([{"status": "completed"}] * 2)
    terminal, other_side = pty.openpty()
    with storectl(daemon, "jobs", "wait", "abcdefghijk", "nopqrstuvwx", "-o", "json", stderr=other_side) as process:
        os.close(other_side)
        shown = read_terminal(terminal)
        process.communicate(timeout=30)
    assert process.returncode == 0
    rows = [text for text in ("All 2 jobs", "2 of 2", "abcdefgh shop", "nopqrstu shelf", "Completed") if text in shown]
    assert len(rows) == 5
    # Each of the three lines is erased.
    assert shown.count("\x1b[2K") >= 3


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


def test_a_reader_that_goes_away_is_no_failure_worth_a_traceback(daemon: Daemon) -> None:
    daemon.pages["runs"] = [{"name": "x" * 1000, "reports": {}} for _ in range(2000)]
    daemon.page_size = 2000
    with storectl(daemon, "runs") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("x")
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def imported(daemon: Daemon, *arguments: str) -> set[str]:
    """The top-level modules that a run of the client imports."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "storaged_cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "STORAGED_URL": daemon.url},
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in process.stderr.splitlines()}


SLOW = {"rich", "pydantic", "asyncio", "aiohttp", "storaged"}


def test_help_starts_without_the_network(daemon: Daemon) -> None:
    modules = imported(daemon, "--help")
    assert "click" in modules
    assert not modules & (SLOW | {"urllib3", "ssl", "zipfile", "plistlib", "json"})


def test_a_query_starts_without_what_only_a_store_or_a_terminal_needs(daemon: Daemon) -> None:
    modules = imported(daemon, "runs")
    assert "urllib3" in modules
    assert not modules & (SLOW | {"plistlib", "concurrent"})
