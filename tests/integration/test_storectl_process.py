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
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from tests.acceptance.daemons import free_port
from tests.integration.running_storectl import interrupt, read_terminal, read_until, running_storectl
from tests.integration.storectl_daemon import TOKEN, Daemon, hang_up, serve

REPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>files</key><array><string>a.c</string></array></dict></plist>"""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text("int a;\n")
    (tmp_path / "a.plist").write_bytes(REPORT)
    return tmp_path


def test_ctrl_c_while_it_waits_says_how_to_go_on(daemon: Daemon, reports: Path) -> None:
    with running_storectl(daemon.url, "store", str(reports), "-n", "shop") as process:
        read_until(process, f"Job {TOKEN}: enqueued")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == f"storectl: The job goes on. To wait for it again:\n  storectl jobs wait {TOKEN}\n"


PHASES = {
    "Hashing sources": "Interrupted: nothing was stored.",
    "Asking which sources are missing": "Interrupted: nothing was stored.",
    "Uploading": "Interrupted: nothing was stored.",
    "Waiting until the upload is safe": "Interrupted: the upload went out whole, so the daemon may store it;\r\n"
    "  `storectl jobs` lists it then.",
    "Enqueued": f"The job goes on. To wait for it again:\r\n  storectl jobs wait {TOKEN}",
}


@pytest.mark.parametrize("timeout", [[], ["--timeout", "600"]])
@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_on_a_terminal_ends_each_phase_at_once_with_one_message(
    daemon: Daemon, reports: Path, phase: str, timeout: list[str]
) -> None:
    answer = threading.Event()

    async def keep_waiting(request: web.Request) -> web.StreamResponse:
        if phase != "Uploading":
            await request.read()
        await asyncio.to_thread(answer.wait, 30)
        return web.Response()

    if phase == "Hashing sources":
        with (reports / "a.c").open("wb") as file:
            # Full of holes; to hash it takes minutes.
            file.truncate(1 << 37)
    elif phase == "Asking which sources are missing":
        daemon.replace_next("missing", keep_waiting)
    elif phase == "Uploading":
        (reports / "a.c").write_bytes(random.Random(1).randbytes(64 << 20))
        daemon.replace_next("store", keep_waiting)
    elif phase == "Waiting until the upload is safe":
        daemon.replace_next("store", keep_waiting)
    else:
        daemon.polls.append(keep_waiting)
    terminal, other_side = pty.openpty()
    with running_storectl(daemon.url, "store", str(reports), "-n", "shop", *timeout, stderr=other_side) as process:
        os.close(other_side)
        shown = b""
        while phase.encode() not in shown:
            shown += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        rest = read_terminal(terminal)
        process.communicate(timeout=30)
        answer.set()
    assert process.returncode == 130
    assert rest.endswith(f"\x1b[2Kstorectl: {PHASES[phase]}\r\n")
    assert "Traceback" not in rest


def test_ctrl_c_while_it_waits_for_a_daemon_that_is_away_says_how_to_go_on() -> None:
    with running_storectl(f"localhost:{free_port()}/Default", "jobs", "wait", TOKEN) as process:
        read_until(process, "Asking again until it can be reached.")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == f"storectl: The job goes on. To wait for it again:\n  storectl jobs wait {TOKEN}\n"


@pytest.mark.parametrize(
    ("count", "then"), [(2, "To wait for them again:\n  storectl jobs wait {}"), (6, "The same {}")]
)
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
    with running_storectl(daemon.url, "jobs", "wait", "done", *tokens) as process:
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
    with running_storectl(daemon.url, "jobs", "cancel", "a", "b", "c") as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        answer.set()
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "storectl: Interrupted at job 2 of 3; `storectl jobs show TOKEN...` tells how they are now.\n"


def test_ctrl_c_at_a_question_does_nothing_and_says_so(daemon: Daemon) -> None:
    daemon.pages["runs"] = [{"name": "shop"}]
    terminal, other_side = pty.openpty()
    with running_storectl(daemon.url, "del", "-n", "shop", stdin=other_side, stderr=other_side) as process:
        os.close(other_side)
        shown = b""
        while b"[y/N]: " not in shown:
            shown += os.read(terminal, 4096)
        interrupt(process)
        rest = read_terminal(terminal)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.endswith("\r\nstorectl: Interrupted: nothing was done.\r\n")
    assert [request.method for request in daemon.requests] == ["GET"]


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
    with running_storectl(daemon.url, "store", str(reports), "-n", "shop") as process:
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
    with running_storectl(daemon.url, "store", str(reports), "-n", "shop") as process:
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
        process = stack.enter_context(running_storectl(first.url, "jobs", "wait", TOKEN, "--timeout", "60"))
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
    with running_storectl(daemon.url, "jobs", "wait", "a", "b", "--give-up", "1") as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.count("asking again until it can be reached.") == 1
    assert stderr.endswith("The jobs may go on. To wait for them again:\n  storectl jobs wait a b\n")


def test_on_a_terminal_progress_leaves_only_the_summary(daemon: Daemon, reports: Path) -> None:
    daemon.script.extend(
        [
            {"status": "running", "progress": {"phase": "parse", "done": 1, "total": 2}},
            {"status": "completed", "result": {"reports": 1, "new": 1}},
        ]
    )
    terminal, other_side = pty.openpty()
    with running_storectl(daemon.url, "store", str(reports), "-n", "shop", stderr=other_side) as process:
        os.close(other_side)
        shown = read_terminal(terminal)
        stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, "")
    assert "\x1b[" in shown
    assert shown.endswith("Stored run 'shop': 1 report (1 new).\r\n")


@pytest.mark.parametrize("others", [[], ["b"]])
def test_on_a_terminal_the_command_to_go_on_with_is_whole_on_its_line(daemon: Daemon, others: list[str]) -> None:
    for token in (TOKEN, *others):
        daemon.add_job(token)
    terminal, other_side = pty.openpty()
    command = ["jobs", "wait", TOKEN, *others, "--timeout", "0.5"]
    with running_storectl(daemon.url, *command, stderr=other_side) as process:
        os.close(other_side)
        shown = read_terminal(terminal)
        process.communicate(timeout=30)
    assert process.returncode == 8
    assert f"\r\n  storectl jobs wait {' '.join([TOKEN, *others])}\r\n" in shown


def test_on_a_terminal_several_jobs_have_a_row_each_and_none_stays(daemon: Daemon) -> None:
    daemon.add_job("abcdefghijk", run="shop")
    daemon.add_job("nopqrstuvwx", run="shelf")
    daemon.script.extend([{"status": "completed"}] * 2)
    terminal, other_side = pty.openpty()
    with running_storectl(
        daemon.url, "jobs", "wait", "abcdefghijk", "nopqrstuvwx", "-o", "json", stderr=other_side
    ) as process:
        os.close(other_side)
        shown = read_terminal(terminal)
        process.communicate(timeout=30)
    assert process.returncode == 0
    rows = [text for text in ("All 2 jobs", "2 of 2", "abcdefgh shop", "nopqrstu shelf", "Completed") if text in shown]
    assert len(rows) == 5
    # Each of the three lines is erased.
    assert shown.count("\x1b[2K") >= 3


@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_a_reader_that_goes_away_ends_it_silently_as_sigpipe_does(daemon: Daemon, output: str) -> None:
    daemon.pages["runs"] = [{"name": "x" * 1000, "reports": {}} for _ in range(2000)]
    daemon.page_size = 2000
    with running_storectl(daemon.url, "runs", "-o", output) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(30) == 141


@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_is_gone_before_the_little_that_there_is_ends_it_so_too(daemon: Daemon, code: int) -> None:
    """Python writes a little only at the end."""
    daemon.add_job("a", status="completed")
    tokens = ["a", *["unknown"] * code]
    with running_storectl(daemon.url, "jobs", "show", *tokens) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "BrokenPipe" not in process.stderr.read()
        assert process.wait(30) == 141


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
