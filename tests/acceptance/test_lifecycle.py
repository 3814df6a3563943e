"""Daemons, workers, connections and clients that are killed or stopped, and what becomes of the jobs."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from storaged.database.engine import open_connection
from storaged.database.postgres_home import PostgresHome
from storaged.model import JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs
from tests.acceptance.calls import (
    PATIENCE,
    Answer,
    call,
    eventually,
    get,
    get_job,
    post_json,
    post_store,
    reports_of,
    store,
    texts,
    until,
    until_ended,
    until_status,
)
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, clean_environment, free_port, running_daemon
from tests.acceptance.uploads import bulky_result_file, one_report, report, upload
from tests.plists import plist

DEFAULT = ProductId(1)
FOREVER = 600
BULKY_FILES = 48


@pytest.fixture(scope="module")
def bulky() -> bytes:
    """An upload that takes some seconds to parse."""
    data = bulky_result_file(3)
    return upload({f"{number:02}.plist": data for number in range(BULKY_FILES)})


def dummy(database_url: str, seconds: int, *, fail: bool = False, run: str | None = None) -> str:
    """Enqueue a job that counts seconds."""

    async def enqueue() -> str:
        connection = await open_connection(database_url)
        try:
            job = await jobs.enqueue(
                connection,
                kind=JobKind.DUMMY,
                product_id=None if run is None else DEFAULT,
                run=run,
                username=None,
                summary="dummy",
                arguments={"seconds": seconds, "fail": fail},
                token=jobs.new_token(),
            )
        finally:
            await connection.close()
        return job.token

    return asyncio.run(enqueue())


def read_job(database_url: str, token: str) -> Any:
    """A job as it stands in the database, with no daemon there."""

    async def read() -> Any:
        connection = await open_connection(database_url)
        try:
            return await jobs.get(connection, Token(token))
        finally:
            await connection.close()

    return asyncio.run(read())


def embedded_url(daemon: DaemonProcess) -> str:
    return f"postgresql://storaged@/storaged?host={daemon.data_dir / 'postgres' / 'run'}"


def workers_of(daemon: DaemonProcess) -> list[psutil.Process]:
    """The processes that parse."""
    assert daemon.process is not None
    found = []
    for child in psutil.Process(daemon.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def processes_about(folder: Path) -> list[psutil.Process]:
    """Whatever runs with the folder's name on its command line, but for the caller."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if str(folder) in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process)
    return found


def in_background(work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Run it in a thread of its own; a thread that hangs does not outlive the tests."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is asked for)
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


WaitingClient = Callable[[DaemonProcess, str], "subprocess.Popen[str]"]


@pytest.fixture
def waiting_client() -> Iterator[WaitingClient]:
    """Starts `storectl jobs wait` and returns it once it has told that it waits."""
    clients: list[subprocess.Popen[str]] = []

    def start(daemon: DaemonProcess, token: str) -> "subprocess.Popen[str]":
        clients.append(daemon.storectl_process("jobs", "wait", token))
        stderr = clients[-1].stderr
        assert stderr is not None
        line = stderr.readline()
        assert token in line, line
        return clients[-1]

    yield start
    for client in clients:
        client.kill()
        with client:
            client.wait()


def end_of(client: "subprocess.Popen[str]") -> tuple[int, str]:
    """The client's exit code, and what it printed."""
    out, _ = client.communicate(timeout=PATIENCE)
    return client.returncode, out


# The daemon is killed


@pytest.mark.parametrize("on_orphan", ["drop", "retry"])
def test_of_a_killed_daemon_the_queued_jobs_complete_the_running_one_is_seen_to_and_clients_learn_of_it(
    request: pytest.FixtureRequest, tmp_path: Path, waiting_client: WaitingClient, on_orphan: str
) -> None:
    # The one with the embedded database, which outlives its daemon, the other with a database elsewhere.
    given = None if on_orphan == "drop" else request.getfixturevalue("database_url")
    settings = {"testing": True, "concurrent_jobs": 1, "on_orphan": on_orphan, "grace_seconds": 0}
    with running_daemon(given, tmp_path, **settings) as daemon:
        # Long enough that it runs yet when the clients have started, on a slow machine, too.
        running = dummy(given or embedded_url(daemon), 6, run="one")
        until_status(daemon, running, "running")
        runs = ["one", "one", "two", "three", "four"]
        queued = [store(daemon, run, one_report(number)) for number, run in enumerate(runs)]
        clients = [waiting_client(daemon, token) for token in (running, queued[1], queued[4])]
        daemon.kill()
        daemon.start()
        polls = [in_background(until_ended, daemon, token) for token in queued]
        ended = [poll.result(PATIENCE) for poll in polls]
        assert [(job["status"], job["attempt"]) for job in ended] == [("completed", 1)] * 5
        assert ended[0]["finished_at"] < ended[1]["started_at"]
        codes = [end_of(client)[0] for client in clients]
        job = get_job(daemon, running)
        assert job["comments"][0]["text"].startswith("DROPPED!\n")
        if on_orphan == "drop":
            assert (job["status"], job["attempt"], codes) == ("dropped", 1, [16, 0, 0])
        else:
            assert (job["status"], job["attempt"], codes) == ("completed", 2, [0, 0, 0])
        assert [found["message"] for found in reports_of(daemon, "one") if found["fixed_at"] is None] == ["bad 1"]
        assert daemon.stop() == 0


def test_a_daemon_that_is_killed_in_the_middle_of_a_store_leaves_nothing_of_it_and_it_can_be_retried(
    daemon: DaemonProcess, database_url: str, bulky: bytes
) -> None:
    until_ended(daemon, store(daemon, "r", one_report(7)))
    token = store(daemon, "r", bulky)
    until(daemon, token, lambda job: job["progress"]["phase"] == "parse")
    workers = workers_of(daemon)
    daemon.kill()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert alive == []
    daemon.start()
    assert get_job(daemon, token)["status"] == "dropped"
    assert [found["message"] for found in reports_of(daemon, "r")] == ["bad 7"]
    eventually(lambda: run_sql(database_url, "SELECT FROM staged_report LIMIT 1") == [])
    assert call(daemon, "POST", f"/api/v1/jobs/{token}/retry").status == 200
    job = until_ended(daemon, token)
    assert (job["status"], job["attempt"]) == ("completed", 2)
    assert daemon.stop() == 0
    assert list((daemon.data_dir / "spool").glob("*.zip")) == []
    assert [path for path in (daemon.data_dir / "scratch").rglob("*") if path.is_file()] == []


def test_an_embedded_database_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with running_daemon(None, tmp_path) as daemon:
        until_ended(daemon, store(daemon, "r", one_report(1)))
        pid_file = PostgresHome(daemon.data_dir / "postgres").pid_file
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: pid_file.exists() and int(pid_file.read_text().split()[0]) != pid)
        daemon.wait_until_ready()
        assert until_ended(daemon, store(daemon, "r", one_report(2)))["status"] == "completed"
        assert sorted(found["message"] for found in reports_of(daemon, "r")) == ["bad 1", "bad 2"]
        assert "it is started again" in daemon.log.read_text()
        assert daemon.stop() == 0
        assert not pid_file.exists()


# The daemon is stopped


def test_a_stopped_daemon_lets_running_jobs_end_within_the_grace_time_and_keeps_the_queued_ones(
    database_url: str, tmp_path: Path
) -> None:
    with running_daemon(database_url, tmp_path, testing=True, concurrent_jobs=1, grace_seconds=60) as daemon:
        running = dummy(database_url, 2)
        until_status(daemon, running, "running")
        queued = store(daemon, "r", one_report())
        told = in_background(until_ended, daemon, running)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        assert told.result(PATIENCE)["status"] == "completed"
        assert daemon.process.wait(PATIENCE) == 0
        assert read_job(database_url, queued).status == JobStatus.ENQUEUED
        daemon.start()
        assert until_ended(daemon, queued)["status"] == "completed"
        assert daemon.stop() == 0


@pytest.mark.parametrize(("on_orphan", "status", "attempt"), [("drop", "dropped", 1), ("retry", "enqueued", 0)])
def test_a_job_that_is_not_done_by_the_end_of_the_grace_time_is_dropped_or_enqueued_again(
    database_url: str, tmp_path: Path, on_orphan: str, status: str, attempt: int
) -> None:
    settings = {"testing": True, "concurrent_jobs": 1, "grace_seconds": 0, "on_orphan": on_orphan}
    with running_daemon(database_url, tmp_path, **settings) as daemon:
        running, queued = dummy(database_url, FOREVER), dummy(database_url, 0)
        until_status(daemon, running, "running")
        assert daemon.stop() == 0
        job = read_job(database_url, running)
        # A shutdown does not burn the attempt of a job that is enqueued again.
        assert (job.status, job.attempt) == (status, attempt)
        assert job.comments[0].text.startswith("SHUTDOWN!\n")
        assert read_job(database_url, queued).status == JobStatus.ENQUEUED
        # Nobody rescues what has been seen to.
        daemon.start()
        if on_orphan == "drop":
            assert until_ended(daemon, queued)["status"] == "completed"
            assert len(get_job(daemon, running)["comments"]) == 1
        else:
            assert until_status(daemon, running, "running")["attempt"] == 1


def test_a_store_that_is_stopped_in_the_middle_keeps_its_upload_and_no_process_is_left(
    tmp_path: Path, bulky: bytes
) -> None:
    with running_daemon(None, tmp_path, grace_seconds=0) as daemon:
        token = store(daemon, "r", bulky)
        until(daemon, token, lambda job: job["progress"]["phase"] == "parse")
        assert daemon.process is not None
        children = psutil.Process(daemon.process.pid).children(recursive=True)
        assert len(workers_of(daemon)) == 2
        assert [process.name() for process in processes_about(daemon.data_dir)] != []
        assert daemon.stop() == 0
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []
        assert processes_about(daemon.data_dir) == []
        assert [path.name for path in (daemon.data_dir / "spool").glob("*.zip")] == [f"{token}.zip"]
        daemon.start()
        assert "SHUTDOWN!" in texts(get_job(daemon, token))
        assert call(daemon, "POST", f"/api/v1/jobs/{token}/retry").status == 200
        assert until_ended(daemon, token)["status"] == "completed"
        assert daemon.stop() == 0
    assert processes_about(daemon.data_dir) == []


def test_a_daemon_that_is_stopped_in_the_middle_of_an_upload_leaves_nothing_of_it(daemon: DaemonProcess) -> None:
    incoming = daemon.data_dir / "spool" / "incoming"
    head = b"POST /api/v1/products/Default/stores?run=r HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port)) as client:
        client.sendall(head + b"x" * 3_000_000)
        eventually(lambda: any(path.stat().st_size > 1_000_000 for path in incoming.iterdir()))
        assert daemon.stop() == 0
    assert list(incoming.iterdir()) == []
    daemon.start()
    assert get(daemon, "/api/v1/jobs")["jobs"] == []


def test_a_second_signal_ends_the_daemon_at_once(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path, testing=True, grace_seconds=FOREVER) as daemon:
        running = dummy(database_url, FOREVER)
        until_status(daemon, running, "running")
        workers = workers_of(daemon)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: "waiting for running jobs" in daemon.log.read_text())
        assert daemon.process.poll() is None
        assert daemon.is_ready()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE) == 1
        _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
        assert alive == []
        daemon.start()
        assert get_job(daemon, running)["status"] == "dropped"


def test_a_daemon_whose_database_is_away_stops_all_the_same(tmp_path: Path) -> None:
    with running_daemon(None, tmp_path, testing=True, grace_seconds=0) as daemon:
        running = dummy(embedded_url(daemon), FOREVER)
        until_status(daemon, running, "running")
        for process in processes_about(daemon.data_dir):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        eventually(lambda: call(daemon, "GET", "/readyz").status == 503)
        assert call(daemon, "GET", f"/api/v1/jobs/{running}").status == 503
        assert call(daemon, "GET", "/livez").status == 200
        # In the words of CodeChecker's server.
        assert call(daemon, "GET", "/live").body == b"CODECHECKER_SERVER_IS_LIVE"
        answer = call(daemon, "GET", "/ready")
        assert (answer.status, answer.body) == (500, b"CODECHECKER_SERVER_IS_NOT_READY")
        assert daemon.stop() == 0
        daemon.start()
        assert get_job(daemon, running)["status"] == "dropped"
        assert daemon.stop() == 0


# A worker is killed


def kill_workers(daemon: DaemonProcess, count: int) -> None:
    for worker in workers_of(daemon)[:count]:
        worker.kill()


def test_a_worker_that_is_killed_in_mid_parse_costs_its_job_one_attempt_and_other_jobs_nothing(
    database_url: str, tmp_path: Path, bulky: bytes
) -> None:
    with running_daemon(database_url, tmp_path, testing=True) as daemon:
        counting = dummy(database_url, 2)
        token = store(daemon, "bulky", bulky)
        until(daemon, token, lambda job: job["progress"]["phase"] == "parse")
        other = store(daemon, "other", one_report())
        until_status(daemon, other, "running")
        kill_workers(daemon, 1)
        job = until_ended(daemon, token)
        assert (job["status"], job["attempt"]) == ("completed", 2)
        assert "worker process died" in texts(job)
        assert job["result"]["result_files"] == BULKY_FILES
        assert get(daemon, "/readyz")["status"] == "ready"
        assert len(workers_of(daemon)) == 2
        for untouched in (counting, other):
            ended = until_ended(daemon, untouched)
            assert (ended["status"], ended["attempt"], ended["comments"]) == ("completed", 1, [])


def test_a_job_that_kills_its_workers_again_and_again_fails_and_says_so(
    database_url: str, tmp_path: Path, bulky: bytes
) -> None:
    with running_daemon(database_url, tmp_path, max_crashes=3) as daemon:
        token = store(daemon, "bulky", bulky)
        for attempt in (1, 2, 3):

            def parses(job: Any, attempt: int = attempt) -> bool:
                return bool(job["attempt"] == attempt and job["progress"]["phase"] == "parse")

            until(daemon, token, parses)
            kill_workers(daemon, 2)
        job = until_ended(daemon, token)
        assert (job["status"], job["attempt"]) == ("failed", 3)
        assert job["comments"][-1]["text"].startswith("FAILED!\n")
        assert "A worker process died while it ran this job (3 of 3 times)" in texts(job)
        assert until_ended(daemon, store(daemon, "bulky", one_report(1)))["status"] == "completed"
        assert [found["message"] for found in reports_of(daemon, "bulky")] == ["bad 1"]


# Cancel and retry


@pytest.fixture(scope="module")
def blocked(shared_daemon: DaemonProcess, shared_database_url: str) -> Iterator[Callable[[str], str]]:
    """A function that keeps a run busy with a dummy, so that its stores wait behind it; cancelled at the end."""
    tokens = []

    def block(run: str) -> str:
        tokens.append(dummy(shared_database_url, FOREVER, run=run))
        until_status(shared_daemon, tokens[-1], "running")
        return tokens[-1]

    yield block
    for token in tokens:
        call(shared_daemon, "POST", f"/api/v1/jobs/{token}/cancel")


def spooled(daemon: DaemonProcess, token: str) -> bool:
    return (daemon.data_dir / "spool" / f"{token}.zip").exists()


def test_a_job_that_waits_is_cancelled_at_once_and_its_upload_goes(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    before = blocked("cancelled while it waits")
    token = store(shared_daemon, "cancelled while it waits", one_report())
    assert spooled(shared_daemon, token)
    told = in_background(until_ended, shared_daemon, token)
    answer = post_json(shared_daemon, f"/api/v1/jobs/{token}/cancel", {"comment": "not needed"})
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert texts(answer.json) == (
        "User requested cancellation.\nnot needed\nCANCEL!\nTask cancelled before execution began!"
    )
    assert told.result(PATIENCE)["status"] == "cancelled"
    assert not spooled(shared_daemon, token)
    assert get_job(shared_daemon, before)["status"] == "running"
    assert call(shared_daemon, "POST", f"/api/v1/jobs/{token}/retry").status == 409
    assert call(shared_daemon, "POST", f"/api/v1/jobs/{before}/cancel").status == 200
    assert until_ended(shared_daemon, before)["status"] == "cancelled"


def test_a_running_store_is_cancelled_in_mid_parse_and_nothing_of_it_is_stored(
    shared_daemon: DaemonProcess, shared_database_url: str, bulky: bytes
) -> None:
    token = store(shared_daemon, "cancelled in mid-parse", bulky)
    until(shared_daemon, token, lambda job: job["progress"]["phase"] == "parse")
    done = shared_daemon.storectl("jobs", "cancel", token, "--comment", "changed my mind")
    assert done.returncode == 0, done.stderr
    job = until_ended(shared_daemon, token)
    assert (job["status"], job["cancel_requested"], job["result"]) == ("cancelled", True, None)
    assert job["progress"]["done"] < BULKY_FILES
    assert "CANCEL!\nCancel request of admin honoured by task." in texts(job)
    assert "changed my mind" in texts(job)
    eventually(lambda: not spooled(shared_daemon, token))
    eventually(lambda: run_sql(shared_database_url, "SELECT FROM staged_report LIMIT 1") == [])
    assert call(shared_daemon, "GET", "/api/v1/products/Default/runs/cancelled%20in%20mid-parse").status == 404
    assert shared_daemon.storectl("jobs", "wait", token).returncode == 16


def test_a_dropped_job_is_retried_while_its_upload_is_kept_and_refused_when_it_is_gone(
    shared_daemon: DaemonProcess, shared_database_url: str, blocked: Callable[[str], str]
) -> None:
    blocked("dropped")
    kept, lost = (store(shared_daemon, "dropped", one_report(number)) for number in (1, 2))
    drop = "UPDATE job SET status = 'dropped', finished_at = now(), sequence = sequence + 1 WHERE token = ANY($1)"
    run_sql(shared_database_url, drop, [kept, lost])
    (shared_daemon.data_dir / "spool" / f"{lost}.zip").unlink()
    answer = call(shared_daemon, "POST", f"/api/v1/jobs/{lost}/retry")
    assert (answer.status, answer.json["type"]) == (409, "urn:storaged:problem:not-retryable")
    assert "not kept any more" in answer.json["detail"]
    assert get_job(shared_daemon, lost)["status"] == "dropped"
    answer = call(shared_daemon, "POST", f"/api/v1/jobs/{kept}/retry")
    assert (answer.status, answer.json["token"], answer.json["status"]) == (200, kept, "enqueued")


def test_a_job_whose_upload_vanished_is_dropped_and_says_so(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    before = blocked("vanished")
    token = store(shared_daemon, "vanished", one_report())
    (shared_daemon.data_dir / "spool" / f"{token}.zip").unlink()
    call(shared_daemon, "POST", f"/api/v1/jobs/{before}/cancel")
    job = until_ended(shared_daemon, token)
    assert job["status"] == "dropped"
    assert "is not in the spool any more" in texts(job)


# Several at once


def stores_at_once(daemon: DaemonProcess, uploads: list[tuple[str, bytes]]) -> list[Any]:
    """Send them all at the same moment; the ended jobs, in the order in which they were accepted."""
    barrier = threading.Barrier(len(uploads))

    def send(run: str, archive: bytes) -> str:
        barrier.wait(PATIENCE)
        return store(daemon, run, archive)

    with ThreadPoolExecutor(len(uploads)) as pool:
        tokens = list(pool.map(send, *zip(*uploads, strict=True)))
        ended = list(pool.map(until_ended, [daemon] * len(tokens), tokens))
    return sorted(ended, key=lambda job: accepted.index(job["token"])) if (accepted := order_of(daemon)) else []


def order_of(daemon: DaemonProcess) -> list[str]:
    """All tokens, the oldest first."""
    return [job["token"] for job in get(daemon, "/api/v1/jobs?limit=1000")["jobs"]][::-1]


def numbered(number: int) -> bytes:
    """Two reports: one that all such uploads have, and one of its own."""
    return upload({"a.plist": plist(report(1000), report(number), files=["/src/a.c"])})


@pytest.mark.parametrize(("stores", "runs"), [(2, 1), (10, 3)])
def test_stores_of_one_run_that_come_at_once_all_succeed_one_after_the_other(
    shared_daemon: DaemonProcess, stores: int, runs: int
) -> None:
    named = [(f"{stores} at once, {number % runs}", number) for number in range(stores)]
    ended = stores_at_once(shared_daemon, [(run, numbered(number)) for run, number in named])
    assert [(job["status"], job["attempt"]) for job in ended] == [("completed", 1)] * stores
    for run in {name for name, _ in named}:
        line = [job for job in ended if job["run"] == run]
        assert all(one["finished_at"] <= two["started_at"] for one, two in pairwise(line))
        history = get(shared_daemon, f"/api/v1/products/Default/runs/{run.replace(' ', '%20')}/history")["stores"]
        assert [entry["job"] for entry in history] == [job["token"] for job in line][::-1]
        assert line[0]["result"]["new"] == 2
        assert [(job["result"]["new"], job["result"]["unresolved"]) for job in line[1:]] == [(1, 1)] * (len(line) - 1)
        assert line[-1]["result"]["resolved"] == len(line) - 1


# Waiting


def test_a_long_poll_answers_the_moment_the_job_ends(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    # The daemon polls once an hour: only a notification can bring these answers in time.
    before = blocked("waited for")
    token = store(shared_daemon, "waited for", one_report())
    waits = [in_background(get_job, shared_daemon, token, "?wait=50") for _ in range(20)]
    call(shared_daemon, "POST", f"/api/v1/jobs/{before}/cancel")
    assert {wait.result(PATIENCE)["status"] for wait in waits} == {"completed"}


def test_with_since_a_long_poll_answers_at_the_first_change(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    before = blocked("since")
    job = get_job(shared_daemon, store(shared_daemon, "since", one_report()))
    token, seen = job["token"], job["sequence"]
    wait = in_background(get_job, shared_daemon, token, f"?wait=50&since={seen}")
    call(shared_daemon, "POST", f"/api/v1/jobs/{before}/cancel")
    sequences = [seen, wait.result(PATIENCE)["sequence"]]
    while get_job(shared_daemon, token)["finished_at"] is None:
        sequences.append(get_job(shared_daemon, token, f"?wait=50&since={sequences[-1]}")["sequence"])
    assert sequences == sorted(set(sequences))
    # What has changed already is told at once, and of what has ended there is nothing to wait for.
    assert get_job(shared_daemon, token, f"?wait=50&since={seen}")["status"] == "completed"
    last = get_job(shared_daemon, token)["sequence"]
    assert get_job(shared_daemon, token, f"?wait=50&since={last}")["status"] == "completed"


def test_a_wait_that_is_over_answers_with_the_job_as_it_is(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    blocked("long")
    token = store(shared_daemon, "long", one_report())
    job = get_job(shared_daemon, token)
    again = get_job(shared_daemon, token, f"?wait=0.2&since={job['sequence']}")
    assert again | {"estimated_seconds": None} == job | {"estimated_seconds": None}
    assert job["status"] == "enqueued"
    behind = get_job(shared_daemon, store(shared_daemon, "long", one_report()))
    assert behind["position"] == get_job(shared_daemon, token)["position"] + 1
    assert get_job(shared_daemon, token, "?wait=0.2")["status"] == "enqueued"


LONG_AGO = """
INSERT INTO job (token, kind, summary, status, enqueued_at, started_at, finished_at)
VALUES ($1, 'dummy', 'dummy', 'completed', now() - interval '2 h', now() - interval '2 h', now() - interval '1 h')
"""


def test_a_running_job_tells_about_when_it_ends_and_one_that_stops_does_not(
    shared_daemon: DaemonProcess, shared_database_url: str
) -> None:
    run_sql(shared_database_url, LONG_AGO, "e" * 64)
    token = dummy(shared_database_url, 600)
    running = until_status(shared_daemon, token, "running")
    assert 3500 < running["estimated_seconds"] <= 3600
    call(shared_daemon, "POST", f"/api/v1/jobs/{token}/cancel")
    assert get_job(shared_daemon, token)["estimated_seconds"] is None
    assert until_ended(shared_daemon, token)["estimated_seconds"] is None


def events_of(stream: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Id and job of each event, until the stream ends."""
    for line in stream:
        if line.startswith(b"id: "):
            seen = line.removeprefix(b"id: ").decode().strip()
            assert stream.readline() == b"event: job\n"
            yield seen, json.loads(stream.readline().removeprefix(b"data: "))


@contextmanager
def event_stream(daemon: DaemonProcess, token: str, **headers: str) -> Iterator[Iterator[tuple[str, Any]]]:
    with closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/api/v1/jobs/{token}/events", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream")
        yield events_of(answer)


def test_a_stream_of_events_tells_each_change_and_ends_with_the_job(
    shared_daemon: DaemonProcess, blocked: Callable[[str], str]
) -> None:
    before = blocked("streamed")
    token = store(shared_daemon, "streamed", one_report())
    with event_stream(shared_daemon, token) as events:
        first, waiting = next(events)
        assert waiting["status"] == "enqueued"
        call(shared_daemon, "POST", f"/api/v1/jobs/{before}/cancel")
        later = list(events)
    seen = [int(first), *(int(number) for number, _ in later)]
    assert seen == sorted(set(seen))
    assert [job["sequence"] for _, job in later] == seen[1:]
    assert later[-1][1]["status"] == "completed"
    # After a reconnect what was seen is not told again, but for the end.
    with event_stream(shared_daemon, token, **{"Last-Event-ID": first}) as events:
        assert [number for number, _ in events] == [later[-1][0]]


def test_who_has_seen_the_end_is_told_that_nothing_more_comes(
    shared_daemon: DaemonProcess,
) -> None:
    token = store(shared_daemon, "seen", one_report())
    last = until_ended(shared_daemon, token)["sequence"]
    events = f"/api/v1/jobs/{token}/events"
    assert call(shared_daemon, "GET", events, headers={"Last-Event-ID": str(last)}).status == 204
    assert call(shared_daemon, "GET", f"{events}?since={last}").status == 204
    assert call(shared_daemon, "GET", f"{events}?since={last - 1}").status == 200


def test_a_client_that_went_away_was_not_told(shared_daemon: DaemonProcess, blocked: Callable[[str], str]) -> None:
    first, second = blocked("left"), blocked("stayed")
    left, stayed = (store(shared_daemon, run, one_report()) for run in ("left", "stayed"))
    with socket.create_connection(("127.0.0.1", shared_daemon.port)) as client:
        client.sendall(f"GET /api/v1/jobs/{left}?wait=50 HTTP/1.1\r\nHost: storaged\r\n\r\n".encode())
        # What comes is done in its order: when this is answered the other waits.
        get_job(shared_daemon, left)
    # And when this is, the daemon knows that the other has gone.
    get(shared_daemon, "/livez")
    for token in (first, second):
        call(shared_daemon, "POST", f"/api/v1/jobs/{token}/cancel")
    until_ended(shared_daemon, stayed)

    def listed(token: str) -> Any:
        (job,) = get(shared_daemon, f"/api/v1/jobs?token={token}")["jobs"]
        return job

    eventually(lambda: listed(left)["finished_at"] is not None and listed(stayed)["consumed"])
    # Notes are written in their order, and this one is made after that of the other would have been.
    later = store(shared_daemon, "later", one_report())
    until_ended(shared_daemon, later)
    eventually(lambda: listed(later)["consumed"])
    assert not listed(left)["consumed"]


def test_a_daemon_that_stops_answers_its_waiters_with_the_job_as_it_is(database_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        daemon = stack.enter_context(
            running_daemon(database_url, tmp_path, testing=True, keep_alive_seconds=0.2, grace_seconds=0)
        )
        until_status(daemon, dummy(database_url, FOREVER, run="stopped"), "running")
        waiting = f"/api/v1/jobs/{dummy(database_url, FOREVER, run='stopped')}"
        poll = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)))
        poll.request("GET", f"{waiting}?wait=50")
        stream = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)))
        stream.request("GET", f"{waiting}/events")
        lines = stream.getresponse()
        assert next(events_of(lines))[1]["status"] == "enqueued"
        assert [lines.readline(), lines.readline()] == [b"\n", b": still here\n"]
        assert daemon.stop() == 0
        assert {job["status"] for _, job in events_of(lines)} <= {"enqueued"}
        answer = poll.getresponse()
        assert (answer.status, json.load(answer)["status"]) == (200, "enqueued")


def test_an_end_that_was_told_to_whoever_asked_makes_a_job_consumed(shared_daemon: DaemonProcess) -> None:
    def listed_as(token: str) -> tuple[str, bool]:
        (job,) = get(shared_daemon, f"/api/v1/jobs?token={token}")["jobs"]
        return job["status"], job["consumed"]

    looked_at, read, streamed = (store(shared_daemon, f"consumed {number}", one_report()) for number in range(3))
    until_ended(shared_daemon, read)
    with event_stream(shared_daemon, streamed) as events:
        assert list(events)
    call(shared_daemon, "HEAD", f"/api/v1/jobs/{looked_at}?wait={PATIENCE}")
    eventually(lambda: listed_as(read) == listed_as(streamed) == ("completed", True))
    assert listed_as(looked_at) == ("completed", False)


# The database goes away for a moment


TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # noqa: E501


def stubbornly(work: Callable[[], Answer]) -> Answer:
    """As a client does it: 503 says that it may come again."""
    answers: list[Answer] = []

    def served() -> bool:
        answers.append(work())
        assert answers[-1].status < 500 or (answers[-1].status, answers[-1].headers["Retry-After"]) == (503, "2")
        return answers[-1].status != 503

    eventually(served)
    return answers[-1]


def test_a_daemon_whose_connections_are_all_cut_goes_on(
    database_url: str, tmp_path: Path, waiting_client: WaitingClient
) -> None:
    archive = upload({f"{number}.plist": bulky_result_file(1) for number in range(4)})
    with running_daemon(database_url, tmp_path, testing=True, poll_seconds=0.5, heartbeat_seconds=0.2) as daemon:
        counting = dummy(database_url, 1)
        client = waiting_client(daemon, counting)
        tokens = []
        for number in range(6):
            send = partial(post_store, daemon, f"r{number}", archive)
            tokens.append(stubbornly(send).json["token"])
            run_sql(database_url, TERMINATE)
        ended = [stubborn_end(daemon, token) for token in [counting, *tokens]]
        for job in ended:
            assert job["status"] in {"completed", "dropped"}, job
            assert (job["status"] == "completed") == (job["comments"] == [])
            assert job["status"] == "completed" or "database" in texts(job)
        assert end_of(client)[0] == (0 if ended[0]["status"] == "completed" else 16)
        for token in [job["token"] for job in ended if job["status"] == "dropped"]:
            assert call(daemon, "POST", f"/api/v1/jobs/{token}/retry").status == 200
            assert until_ended(daemon, token)["status"] == "completed"
        eventually(lambda: get(daemon, "/readyz")["queue"] == "listening")
        assert until_ended(daemon, store(daemon, "later", one_report()))["status"] == "completed"
        assert daemon.stop() == 0


def stubborn_end(daemon: DaemonProcess, token: str) -> Any:
    job: Any = None
    while job is None or job["finished_at"] is None:
        job = stubbornly(lambda: call(daemon, "GET", f"/api/v1/jobs/{token}?wait=10")).json
    return job


def test_a_job_that_the_daemon_was_given_without_hearing_of_it_does_not_run_for_ever(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"testing": True, "heartbeat_seconds": 0.1, "dead_after_seconds": 0.5, "on_orphan": "retry"}
    with running_daemon(database_url, tmp_path, **settings) as daemon:
        held = dummy(database_url, 2)
        until_status(daemon, held, "running")
        lost = dummy(database_url, 0)
        until_ended(daemon, lost)
        # As it is after a claim whose answer was lost with the connection.
        run_sql(
            database_url,
            """UPDATE job SET status = 'running', lease_id = gen_random_uuid(), finished_at = NULL, head = true,
                   node = node.id, node_instance = node.instance, heartbeat_at = now(), sequence = sequence + 1
               FROM node WHERE token = $1""",
            lost,
        )
        job = until(daemon, lost, lambda job: job["attempt"] == 2 and job["status"] == "completed")
        assert "the connection broke before it heard of it" in texts(job)
        ended = until_ended(daemon, held)
        assert (ended["status"], ended["attempt"]) == ("completed", 1)


# What the log tells


def log_lines(daemon: DaemonProcess) -> list[Any]:
    """The log of a daemon that writes JSON; what is no JSON is no log line."""
    lines = daemon.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_the_log_tells_why_a_job_failed(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path, testing=True, log_format="json", grace_seconds=0) as daemon:
        good, bad = store(daemon, "good", one_report(1)), store(daemon, "bad", b"no zip")
        until_ended(daemon, good)
        comment = until_ended(daemon, bad)["comments"][-1]["text"]
        stopped = dummy(database_url, 600)
        until_status(daemon, stopped, "running")
        daemon.stop()
        ends = {line["token"]: line for line in log_lines(daemon) if line["event"] == "job ended"}
    assert (ends[good]["level"], ends[good]["status"], "reason" in ends[good]) == ("info", "completed", False)
    assert (ends[bad]["level"], ends[bad]["status"], ends[bad]["reason"]) == ("warning", "failed", "bad-archive")
    assert ends[bad]["run"] == "bad"
    assert ends[bad]["error"] in comment
    assert (ends[stopped]["status"], ends[stopped]["reason"]) == ("dropped", "shutdown")


def test_a_variable_that_is_no_setting_is_logged_and_does_not_keep_it_from_serving(
    database_url: str, tmp_path: Path
) -> None:
    with running_daemon(database_url, tmp_path, log_format="json", worker=7, url="elsewhere/Default") as daemon:
        told = [line for line in log_lines(daemon) if line["event"] == "a variable that is no setting"]
    assert [(line["level"], line["variable"], line["meant"]) for line in told] == [
        ("warning", "STORAGED_WORKER", "STORAGED_WORKERS")
    ]


# Refusing to serve


def refusal(*arguments: str, **settings: object) -> str:
    """The one line that a daemon which cannot serve leaves behind."""
    variables = {f"STORAGED_{name.upper()}": str(value) for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "storaged", "serve", *arguments],
        env=clean_environment() | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_a_taken_port_is_told_with_what_to_do(shared_daemon: DaemonProcess, tmp_path: Path) -> None:
    told = refusal("--port", str(shared_daemon.port), data_dir=tmp_path)
    assert f"127.0.0.1:{shared_daemon.port}" in told
    assert "--port" in told
    assert list(tmp_path.iterdir()) == []


def test_a_node_id_that_is_in_use_is_told_with_what_to_do(
    shared_daemon: DaemonProcess, shared_database_url: str, tmp_path: Path
) -> None:
    node = f"127.0.0.1:{shared_daemon.port}"
    told = refusal("--port", "0", "--node-id", node, data_dir=tmp_path, database_url=shared_database_url, workers=1)
    assert repr(node) in told
    assert "--node-id" in told
    assert get(shared_daemon, "/readyz")["status"] == "ready"


def test_a_schema_that_is_newer_is_told_with_what_to_do(database_url: str, tmp_path: Path) -> None:
    run_sql(database_url, "INSERT INTO schema_migration (number, name, digest) VALUES (9999, 'future', '')")
    told = refusal("--port", "0", data_dir=tmp_path, database_url=database_url, workers=1)
    assert "9999" in told
    assert "older than the schema" in told


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    assert "Cannot connect to database" in refusal("--port", "0", data_dir=tmp_path, database_url=url)


def test_an_address_that_others_reach_needs_a_word_of_consent(tmp_path: Path) -> None:
    told = refusal("--host", "0.0.0.0", "--port", "0", data_dir=tmp_path)
    assert "'0.0.0.0' is not loopback" in told
    assert "--insecure-open" in told
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_all_told_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "storaged", "serve", "--port", "99999", "--workers", "0"],
        env=clean_environment() | {"STORAGED_DATA_DIR": str(tmp_path), "STORAGED_ON_ORPHAN": "keep"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert [name for name in ("port", "workers", "on_orphan") if name not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_consent_to_an_open_address_is_answered_with_a_warning(database_url: str, tmp_path: Path) -> None:
    # An address of the loopback network that is not one of the three which need no consent.
    command = [sys.executable, "-m", "storaged", "serve", "--host", "127.0.0.2", "--port", "0", "--insecure-open"]
    variables = {"STORAGED_DATA_DIR": str(tmp_path), "STORAGED_DATABASE_URL": database_url, "STORAGED_WORKERS": "1"}
    with subprocess.Popen(command, env=clean_environment() | variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        warning = process.stderr.readline()
        assert warning.startswith("WARNING: listening on 127.0.0.2")
        assert "whoever reaches it may do everything" in warning
        assert any("storaged listens on http://127.0.0.2:" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(PATIENCE) == 0
