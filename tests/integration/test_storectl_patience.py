"""What waits for a daemon waits no longer than it was told, whatever answers, and no shorter than a restart takes."""

import asyncio
import json
import plistlib
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from storaged_cli import client
from storaged_cli.awaiting import await_job
from storaged_cli.errors import WaitTimedOut
from storaged_cli.main import main

from tests.acceptance.daemons import free_port
from tests.integration.running_storectl import read_until, running_storectl
from tests.integration.storectl_daemon import TOKEN, Daemon, Handler, answering, hang_up, make_job, problem, serve

DONE = {"status": "completed", "result": {"reports": 1, "new": 1}}
GO_ON = f"To wait for it again:\n  storectl jobs wait {TOKEN}\n"


@pytest.fixture
def large(reports: Path) -> Path:
    """A report folder larger than all buffers on the way."""
    enlarge(reports)
    return reports


def enlarge(reports: Path) -> None:
    (reports / "a.c").write_bytes(random.Random(1).randbytes(64 << 20))
    (reports / "a.plist").write_bytes(plistlib.dumps({"files": ["a.c"], "diagnostics": []}))


def storectl(url: str, *arguments: str) -> Result:
    return CliRunner(env={"STORAGED_URL": url}).invoke(main, arguments, catch_exceptions=False)


@contextmanager
def listening(
    talk: Callable[[socket.socket], None] = lambda _: None, receive_buffer: int | None = None
) -> Iterator[str]:
    """The URL of something that takes connections, and does with each what is given: nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        if receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                stack.enter_context(connection)
                talk(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}/Default"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def holding(answer: threading.Event) -> Handler:
    """Takes the whole request, and answers no sooner than is said."""

    async def hold(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.to_thread(answer.wait, 30)
        return web.Response()

    return hold


# what takes connections and never answers


def test_a_store_ends_at_its_timeout_when_nothing_answers(reports: Path) -> None:
    with listening() as url:
        result = storectl(url, "store", str(reports), "--timeout", "1")
    assert result.exit_code == 8
    assert result.stderr == (
        "storectl: Asking which sources are missing took until the 1 s of --timeout were over. "
        f"http://{url.removesuffix('/Default')} did not answer in time.\n"
        "Nothing was stored. The same command tries again; to store twice does no harm.\n"
    )


def test_a_dry_run_ends_at_its_timeout_when_nothing_answers(reports: Path) -> None:
    with listening() as url:
        result = storectl(url, "store", str(reports), "--timeout", "1", "--dry-run")
    assert result.exit_code == 8
    assert "Nothing was stored." in result.stderr


def test_a_wait_ends_at_its_timeout_when_nothing_answers() -> None:
    with listening() as url:
        one = storectl(url, "jobs", "wait", TOKEN, "--timeout", "1", "-o", "json")
        several = storectl(url, "jobs", "wait", "a", "b", "--timeout", "1", "-o", "json")
        with pytest.raises(WaitTimedOut) as error:
            await_job(TOKEN, url=url, timeout=1)
    assert (one.exit_code, json.loads(one.stdout)) == (8, [])
    assert one.stderr.startswith("The job has not ended within 1 s, as far as is known. http://127.0.0.1")
    assert one.stderr.endswith(f"did not answer in time. {GO_ON}")
    assert (several.exit_code, json.loads(several.stdout)) == (8, [])
    assert "2 of 2 jobs have not ended within 1 s, as far as is known." in several.stderr
    assert several.stderr.endswith("storectl jobs wait a b\n")
    assert error.value.job is None


@pytest.mark.parametrize("part", ["head", "body"])
def test_bytes_now_and_then_do_not_lengthen_a_timeout(reports: Path, part: str) -> None:
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        rest = {"head": b"", "body": b"Content-Length: 1000000\r\n\r\n"}
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + rest[part])
        while not over.wait(0.05):
            connection.sendall(b"X")

    with listening(lambda connection: threading.Thread(target=trickle, args=[connection], daemon=True).start()) as url:
        assert storectl(url, "jobs", "wait", TOKEN, "--timeout", "1").exit_code == 8
        assert storectl(url, "store", str(reports), "--timeout", "1").exit_code == 8
        over.set()


def test_without_timeout_the_silence_is_bounded(reports: Path) -> None:
    with listening() as url:
        stored = storectl(url, "store", str(reports), "--give-up", "1")
        waited = storectl(url, "jobs", "wait", TOKEN, "--give-up", "1")
    assert stored.exit_code == waited.exit_code == 1
    assert stored.stderr.count("Giving up: there was no answer for 1 s. Nothing was stored.") == 1
    assert waited.stderr.endswith(f"Giving up: there was no answer for 1 s. The job may go on. {GO_ON}")


def test_a_daemon_that_falls_silent_ends_the_wait_for_a_stored_job_in_time(daemon: Daemon, reports: Path) -> None:
    answer = threading.Event()
    daemon.polls.append(holding(answer))
    late = storectl(daemon.url, "store", str(reports), "--timeout", "1")
    assert late.exit_code == 8
    assert late.stderr.endswith(f"The job has not ended within 1 s (it is enqueued); it goes on. {GO_ON}")
    daemon.polls.extend([holding(answer)] * 9)
    gone = storectl(daemon.url, "store", str(reports), "--give-up", "2")
    answer.set()
    assert gone.exit_code == 1
    assert gone.stderr.endswith(f"The job may go on. {GO_ON}")


# uploads


def test_an_upload_that_takes_too_long_is_left_and_never_whole(daemon: Daemon, large: Path) -> None:
    go_on, outcome = threading.Event(), threading.Event()

    async def read_late(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        await asyncio.to_thread(go_on.wait, 30)
        try:
            return await daemon.store(request)
        finally:
            outcome.set()

    daemon.replace_next("store", read_late)
    result = storectl(daemon.url, "store", str(large), "--timeout", "1")
    go_on.set()
    assert outcome.wait(30)
    assert result.exit_code == 8
    assert "The upload (" in result.stderr
    assert " of 67.1 MB) took until the 1 s of --timeout were over." in result.stderr
    assert "\nNothing was stored. The same command tries again" in result.stderr
    assert daemon.uploads == []


def test_an_upload_that_went_out_and_is_not_answered_may_be_stored(daemon: Daemon, reports: Path) -> None:
    answer = threading.Event()
    daemon.replace_next("store", holding(answer))
    result = storectl(daemon.url, "store", str(reports), "--timeout", "1")
    answer.set()
    assert result.exit_code == 8
    assert "The upload went out whole, so the daemon may store it; `storectl jobs` lists it then." in result.stderr


@contextmanager
def slow_link(port: int, over: threading.Event) -> Iterator[str]:
    """The URL of a daemon behind a link that takes 16 KiB in 10 ms, with small buffers."""
    with ExitStack() as stack:

        def carry(client: socket.socket) -> None:
            daemon = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            threading.Thread(target=pump, args=[daemon, client, 0.0], daemon=True).start()
            threading.Thread(target=pump, args=[client, daemon, 0.01], daemon=True).start()

        def pump(source: socket.socket, target: socket.socket, pause: float) -> None:
            with suppress(OSError):
                while not over.wait(pause) and (data := source.recv(1 << 14)):
                    target.sendall(data)

        yield stack.enter_context(listening(carry, receive_buffer=1 << 15))


@pytest.mark.parametrize("timeout", [[], ["--timeout", "30"]])
def test_a_slow_link_does_not_end_an_upload(
    daemon: Daemon, reports: Path, monkeypatch: pytest.MonkeyPatch, timeout: list[str]
) -> None:
    """The daemon hears of the last byte long after the system took it, if the system takes many."""
    monkeypatch.setattr(client, "UPLOAD_ANSWER_SECONDS", 0.5)
    (reports / "skip_file").write_bytes(random.Random(1).randbytes(6 << 20))
    daemon.script.append(DONE)
    over = threading.Event()
    with slow_link(daemon.port, over) as url:
        result = storectl(url, "store", str(reports), *timeout)
        over.set()
    assert (result.exit_code, len(daemon.uploads)) == (0, 1), result.stderr
    assert "Trying again" not in result.stderr


def cut_off_after(whole: bool) -> Handler:
    """The connection breaks in the midst of the upload, or when all of it came."""

    async def cut_off(request: web.Request) -> web.StreamResponse:
        await (request.read() if whole else request.content.readany())
        return await hang_up(request)

    return cut_off


def test_an_upload_is_tried_again_however_often_it_fails_while_there_is_time(daemon: Daemon, reports: Path) -> None:
    keys: list[str] = []

    async def busy(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        await request.read()
        return problem(503, "Not now.", {"Retry-After": "0"})

    daemon.script.append(DONE)
    daemon.replace_next("store", *[busy] * 8)
    result = storectl(daemon.url, "store", str(reports))
    assert result.exit_code == 0, result.stderr
    assert keys == [daemon.uploads[0].headers["Idempotency-Key"]] * 8
    # Before each a small question was answered.
    assert len(daemon.queries("missing")) == 9
    assert result.stderr.count("Not now.\nTrying again, for 900 s at most.\n") == 1


@pytest.mark.parametrize(
    ("whole", "outcome"),
    [
        (False, "Nothing was stored."),
        (True, "The upload went out whole, so the daemon may store it; `storectl jobs` lists it then."),
    ],
)
def test_an_upload_that_does_not_go_through_is_given_up_in_time_and_says_what_became_of_it(
    daemon: Daemon, reports: Path, whole: bool, outcome: str
) -> None:
    if not whole:
        enlarge(reports)
    daemon.replace_next("store", *[cut_off_after(whole)] * 1000)
    result = storectl(daemon.url, "store", str(reports), "--give-up", "1")
    assert result.exit_code == 1
    given_up, _, rest = result.stderr.partition("\nGiving up: the upload did not go through for ")
    assert given_up.endswith("broke: remote end closed connection without response.")
    assert rest.endswith(f" s. {outcome} The same command tries again; to store twice does no harm.\n")


# a daemon that is away at first


def test_a_wait_that_begins_while_the_daemon_is_away_is_answered_when_it_is_back(reports: Path) -> None:
    port = free_port()
    job = {TOKEN: make_job(TOKEN), "other": make_job("other")}
    commands = (["jobs", "wait", TOKEN], ["jobs", "wait", TOKEN, "other"], ["store", str(reports)])
    with ExitStack() as stack:
        url = f"127.0.0.1:{port}/Default"
        running = [stack.enter_context(running_storectl(url, *command)) for command in commands]
        for process in running:
            read_until(process, f"No daemon answers at http://127.0.0.1:{port} (connection refused).")
            read_until(process, "Asking again until it ")
        stack.enter_context(serve(Daemon(port=port, jobs=job, script=deque([DONE] * 3))))
        ends = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends
    for _, stderr in ends:
        assert stderr.count("The daemon answers") == 1
        assert "No daemon answers" not in stderr


@pytest.mark.parametrize("command", [["jobs", "wait", TOKEN], ["jobs", "wait", "a", "b"], ["store"]])
def test_an_address_that_is_wrong_is_not_waited_for(daemon: Daemon, reports: Path, command: list[str]) -> None:
    command = [*command, str(reports)] if command == ["store"] else command
    nobody = storectl("storaged.invalid:8001/Default", *command)
    assert nobody.exit_code == 1
    assert nobody.stderr == "storectl: The host of http://storaged.invalid:8001 is not known here. Is the name right?\n"
    page = answering(lambda: web.Response(text="<html>", content_type="text/html"))
    for kind in ("missing", "job"):
        daemon.replace_next(kind, page)
    other = storectl(daemon.url, *command)
    assert other.exit_code == 1
    assert "is no storaged daemon: 200 OK with text/html" in other.stderr
    assert "Asking again" not in other.stderr


# a proxy before a daemon that is away


def bad_gateway(status: int) -> Handler:
    return answering(lambda: web.Response(status=status, text="<html>", content_type="text/html"))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_says_that_nobody_is_there_is_asked_again(daemon: Daemon, reports: Path, status: int) -> None:
    away = bad_gateway(status)
    daemon.script.append(DONE)
    daemon.replace_next("missing", away, away, daemon.missing, away)
    daemon.replace_next("store", away)
    daemon.replace_next("job", away, hang_up)
    stored = storectl(daemon.url, "store", str(reports))
    assert stored.exit_code == 0, stored.stderr
    # The upload went twice, though after the first the daemon stayed away for longer.
    assert [len(daemon.queries("stores")), len(daemon.queries("missing"))] == [2, 5]
    assert stored.stderr.count("Asking again until it answers, for 60 s at most.") == 1
    assert stored.stderr.count("Asking again until it answers, for 900 s at most.") == 1
    daemon.replace_next("job", away, away)
    waited = storectl(daemon.url, "jobs", "wait", TOKEN)
    assert waited.exit_code == 0
    assert waited.stderr.count("it cannot serve this now.\nAsking again until it can be reached.\n") == 1


def test_a_proxy_that_never_finds_the_daemon_ends_a_store_that_was_not_sent(daemon: Daemon, reports: Path) -> None:
    daemon.replace_next("missing", *[bad_gateway(502)] * 100)
    result = storectl(daemon.url, "store", str(reports), "--give-up", "1")
    assert result.exit_code == 1
    assert "answers 502 Bad Gateway: it cannot serve this now.\nGiving up" in result.stderr
    assert daemon.queries("stores") == []
