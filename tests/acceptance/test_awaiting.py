"""Whoever waits for a job sits through what may happen to a daemon, its database and the connection meanwhile."""

import asyncio
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from storaged_cli import waiting
from storaged_cli.awaiting import await_job, await_job_async

from storaged.database.embedded import open_embedded
from tests.acceptance import hasty_storectl
from tests.acceptance.calls import PATIENCE, call, eventually, get, until_status
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.proxies import Connection, running_proxy
from tests.acceptance.uploads import report
from tests.plists import plist

DUMMY = """
INSERT INTO job (token, kind, summary, arguments, status, enqueued_at)
VALUES (repeat($1, 64), 'dummy', 'Dummy', jsonb_build_object('seconds', $2::integer, 'fail', false), 'enqueued', now())
RETURNING token
"""


FOREVER = 600


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A report folder with one report."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "a.plist").write_bytes(plist(report(), files=["/src/a.c"]))
    return folder


class Cluster:
    """A PostgreSQL of its own, which can be stopped and started again."""

    def __init__(self, home: Path, runner: asyncio.Runner) -> None:
        self._home = home
        self._runner = runner
        self._stack = AsyncExitStack()
        self.url = ""

    def start(self) -> None:
        self.url = self._runner.run(self._stack.enter_async_context(open_embedded(self._home, None)))

    def stop(self) -> None:
        self._runner.run(self._stack.aclose())


@contextmanager
def running_cluster(home: Path) -> Iterator[Cluster]:
    with asyncio.Runner() as runner:
        cluster = Cluster(home, runner)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def dummy(database_url: str, name: str, seconds: int) -> str:
    (row,) = run_sql(database_url, DUMMY, name, seconds)
    token: str = row["token"]
    return token


class Waits:
    """`storectl jobs wait`, `await_job` and `await_job_async` on one job, each seen to wait before anything happens."""

    def __init__(
        self,
        daemon: DaemonProcess,
        token: str,
        pool: ThreadPoolExecutor,
        url: str = "",
        program: Sequence[str] = ("-m", "storaged_cli"),
    ) -> None:
        url = url or f"127.0.0.1:{daemon.port}/Default"
        options: dict[str, Any] = {"url": url, "give_up": PATIENCE}
        seen = [threading.Event(), threading.Event()]
        self._client = daemon.storectl_process("jobs", "wait", token, "--url", url, program=program)
        self._jobs = [
            pool.submit(await_job, token, **options, on_change=lambda _: seen[0].set()),
            pool.submit(lambda: asyncio.run(await_job_async(token, **options, on_change=lambda _: seen[1].set()))),
        ]
        assert self._client.stderr is not None
        assert token in self._client.stderr.readline()
        assert all(event.wait(PATIENCE) for event in seen)

    def end(self) -> tuple[int, list[str]]:
        """The client's exit code, and the states in which the functions found the job."""
        with self._client:
            self._client.communicate(timeout=PATIENCE)
        return self._client.returncode, [future.result(PATIENCE)["status"] for future in self._jobs]


@pytest.mark.parametrize(
    ("on_orphan", "expected"),
    [("drop", (16, ["dropped", "dropped"])), ("retry", (0, ["completed", "completed"]))],
)
def test_waits_sit_through_a_daemon_that_is_killed_and_started_again(
    database_url: str, tmp_path: Path, on_orphan: str, expected: tuple[int, list[str]]
) -> None:
    with (
        ThreadPoolExecutor(2) as pool,
        running_daemon(database_url, tmp_path, testing=True, on_orphan=on_orphan, grace_seconds=0) as daemon,
    ):
        token = dummy(database_url, "a", 3)
        until_status(daemon, token, "running")
        waits = Waits(daemon, token, pool)
        daemon.kill()
        daemon.start()
        assert waits.end() == expected


def test_what_begins_while_the_daemon_is_down_goes_on_when_it_is_up(
    database_url: str, tmp_path: Path, reports: Path
) -> None:
    with ExitStack() as stack:
        daemon = stack.enter_context(running_daemon(database_url, tmp_path, testing=True))
        token = dummy(database_url, "a", 0)
        until_status(daemon, token, "completed")
        daemon.kill()
        url = ["--url", f"127.0.0.1:{daemon.port}/Default"]
        commands = (["jobs", "wait", token], ["store", str(reports), "-n", "shop"])
        begun = [stack.enter_context(daemon.storectl_process(*command, *url)) for command in commands]
        for process in begun:
            assert process.stderr is not None
            assert "No daemon answers" in process.stderr.readline()
            assert "Asking again" in process.stderr.readline()
        daemon.start()
        ends = [process.communicate(timeout=PATIENCE)[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], ends
    assert ends[1].endswith("Stored run 'shop': 1 report (1 new).\n")


def test_an_upload_outlasts_a_daemon_that_is_killed_in_its_midst_and_started_again(
    database_url: str, tmp_path: Path, reports: Path
) -> None:
    source = reports / "a.c"
    # It takes a second or two to send.
    source.write_bytes(random.Random(1).randbytes(64 << 20))
    (reports / "a.plist").write_bytes(plist(report(), files=[str(source)]))
    with running_daemon(database_url, tmp_path, testing=True) as daemon:
        incoming = daemon.data_dir / "spool" / "incoming"
        with daemon.storectl_process("store", str(reports), "-n", "shop") as process:
            assert process.stderr is not None
            eventually(lambda: any(incoming.iterdir()))
            daemon.kill()
            told = [process.stderr.readline() for _ in range(4)]
            daemon.start()
            _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
        assert told[1::2] == [
            "Trying again, for 900 s at most.\n",
            "Asking again until it answers, for 900 s at most.\n",
        ]
        assert stderr.startswith("The daemon answers.\n")
        assert stderr.endswith("Stored run 'shop': 1 report (1 new).\n")
        assert len(daemon.get("/api/v1/jobs")["jobs"]) == 1


def test_waits_sit_through_a_restart_of_the_database(tmp_path: Path) -> None:
    with (
        ThreadPoolExecutor(2) as pool,
        running_cluster(tmp_path / "cluster") as cluster,
        running_daemon(cluster.url, tmp_path, testing=True, concurrent_jobs=1, poll_seconds=0.5) as daemon,
    ):
        before = dummy(cluster.url, "a", FOREVER)
        waits = Waits(daemon, dummy(cluster.url, "b", 0), pool)
        cluster.stop()
        eventually(lambda: call(daemon, "GET", "/readyz").status == 503)
        cluster.start()
        eventually(daemon.is_ready)
        # Dropped, if it noticed that the database was away; else it runs on.
        call(daemon, "POST", f"/api/v1/jobs/{before}/cancel")
        assert waits.end() == (0, ["completed", "completed"])


def black_hole(connection: Connection) -> None:
    """It stays open, and nothing goes through it any more."""
    connection.is_black_hole = True


HASTY_STORECTL = (hasty_storectl.__file__,)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """`await_job` finds out as soon as HASTY_STORECTL that a long poll went silent; else both take 45 s."""
    monkeypatch.setattr(waiting, "LONG_POLL_SECONDS", hasty_storectl.LONG_POLL_SECONDS)
    monkeypatch.setattr(waiting, "MARGIN_SECONDS", hasty_storectl.MARGIN_SECONDS)


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("cut", [Connection.reset, black_hole])
def test_waits_sit_through_connections_that_break_or_go_silent(
    database_url: str, tmp_path: Path, reports: Path, cut: Callable[[Connection], None]
) -> None:
    with (
        ThreadPoolExecutor(2) as pool,
        running_daemon(database_url, tmp_path, testing=True, concurrent_jobs=1) as daemon,
        running_proxy(daemon.port) as proxy,
    ):
        before = dummy(database_url, "a", FOREVER)
        until_status(daemon, before, "running")
        waits = Waits(daemon, dummy(database_url, "b", 0), pool, proxy.url, HASTY_STORECTL)
        options = ("-n", "shop", "--timeout", "100", "--url", proxy.url)
        with daemon.storectl_process("store", str(reports), *options, program=HASTY_STORECTL) as store:
            eventually(lambda: len(proxy.asking(b"?wait=")) == 4)
            for connection in list(proxy.connections):
                cut(connection)
            call(daemon, "POST", f"/api/v1/jobs/{before}/cancel")
            assert waits.end() == (0, ["completed", "completed"])
            _, stderr = store.communicate(timeout=PATIENCE)
        assert store.returncode == 0
        assert "The job is safe there; asking again" in stderr
        assert stderr.endswith("Stored run 'shop': 1 report (1 new).\n")


def test_a_store_whose_answer_is_lost_is_sent_again_and_made_once(daemon: DaemonProcess, reports: Path) -> None:
    with running_proxy(daemon.port) as proxy:
        proxy.swallowed, proxy.swallow = b"/stores?", 1
        done = daemon.storectl("store", str(reports), "-n", "shop", "--url", proxy.url)
        assert done.returncode == 0, done.stderr
        assert "Trying again, for 900 s at most." in done.stderr
        keys = [re.findall(rb"Idempotency-Key: (\S+)", sent.asked) for sent in proxy.asking(b"/stores?")]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len(get(daemon, "/api/v1/jobs")["jobs"]) == 1
