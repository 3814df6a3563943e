"""What an operator sees of a real daemon: /api/v1/ops, /metrics, and the database that goes away."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from storaged.queue.dashboard import NAMES
from tests.acceptance.calls import call, eventually, get, get_job, store, until_ended, until_status
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, clean_environment, running_daemon
from tests.acceptance.uploads import one_report
from tests.conftest import database_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"

Sample = tuple[str, frozenset[tuple[str, str]]]

DUMMY = """
INSERT INTO job (token, kind, summary, arguments, status, enqueued_at)
VALUES (
    repeat($1, 64), 'dummy', 'Count', jsonb_build_object('seconds', $2::integer, 'fail', $3::boolean), 'enqueued', now()
)
"""


@pytest.fixture
def daemon(database_url: str, tmp_path: Path) -> Iterator[DaemonProcess]:
    with running_daemon(database_url, tmp_path, testing=True, concurrent_jobs=1, node_id="first") as running:
        yield running


def metrics_of(daemon: DaemonProcess) -> dict[Sample, float]:
    text = call(daemon, "GET", "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def metric(daemon: DaemonProcess, name: str, **labels: str) -> float | None:
    return metrics_of(daemon).get((name, frozenset(labels.items())))


def documented() -> dict[str, tuple[str, set[str]]]:
    """Each metric of the table in operations.md with its type and labels."""
    table = DOCUMENT.read_text(encoding="utf-8").partition("## Metrics")[2]
    rows = re.findall(r"^\| (`storaged_.*?) \| (\w+)[^|]*\| ([^|]*)\|", table, re.MULTILINE)
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for names, kind, labels in rows
        for name in re.findall(r"`(\w+)`", names)
    }


def exposed(daemon: DaemonProcess) -> dict[str, tuple[str, set[str]]]:
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(call(daemon, "GET", "/metrics").body.decode()):
        if family.name.startswith("storaged_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
    return found


def test_every_metric_is_documented_with_its_type_and_labels_and_every_documented_one_is_there(
    daemon: DaemonProcess, database_url: str
) -> None:
    until_ended(daemon, store(daemon, "run", one_report()))
    run_sql(database_url, DUMMY, "a", 600, False)
    until_status(daemon, "a" * 64, "running")
    eventually(lambda: metric(daemon, "storaged_jobs", product="-", status="running") == 1)
    assert exposed(daemon) == documented()


def test_a_store_moves_the_metrics(daemon: DaemonProcess) -> None:
    archive = one_report()
    before = metrics_of(daemon)
    until_ended(daemon, store(daemon, "run", archive))
    eventually(lambda: metric(daemon, "storaged_jobs_ended_total", kind="store", status="completed") == 1)
    after = metrics_of(daemon)

    def moved(name: str, **labels: str) -> float:
        sample = (name, frozenset(labels.items()))
        return after[sample] - before.get(sample, 0)

    assert before["storaged_jobs_ended_total", frozenset({"kind": "store", "status": "completed"}.items())] == 0
    assert moved("storaged_job_wait_seconds_count", kind="store") == 1
    assert moved("storaged_job_processing_seconds_count", kind="store") == 1
    assert moved("storaged_job_processing_seconds_sum", kind="store") > 0
    assert moved("storaged_upload_bytes_total") == len(archive)
    stores = {"method": "POST", "endpoint": "/api/v1/products/{product}/stores"}
    assert moved("storaged_http_requests_total", status="202", **stores) == 1
    assert moved("storaged_http_request_duration_seconds_count", **stores) == 1


def test_what_fails_and_what_is_cancelled_is_counted_as_such(daemon: DaemonProcess, database_url: str) -> None:
    token = store(daemon, "run", b"no archive")
    eventually(lambda: get_job(daemon, token)["status"] == "failed")
    assert get_job(daemon, token)["reason"] == "bad-archive"
    run_sql(database_url, DUMMY, "a", 600, False)
    until_status(daemon, "a" * 64, "running")
    waiting = store(daemon, "run", one_report())
    call(daemon, "POST", f"/api/v1/jobs/{waiting}/cancel")
    call(daemon, "POST", f"/api/v1/jobs/{'a' * 64}/cancel")
    for kind, status in (("store", "failed"), ("store", "cancelled"), ("dummy", "cancelled")):
        eventually(
            lambda kind=kind, status=status: metric(daemon, "storaged_jobs_ended_total", kind=kind, status=status) == 1  # type: ignore[misc]
        )
    (row,) = get(daemon, "/api/v1/ops/failures")["failures"]
    assert (row["reason"], row["latest_token"]) == ("bad-archive", token)


def test_the_queue_is_seen_alike_in_the_api_and_in_the_metrics(daemon: DaemonProcess, database_url: str) -> None:
    run_sql(database_url, DUMMY, "a", 600, False)
    until_status(daemon, "a" * 64, "running")
    for _ in range(2):
        store(daemon, "run", one_report())
    eventually(lambda: metric(daemon, "storaged_queue_depth") == 2)
    assert metric(daemon, "storaged_jobs", product="Default", status="enqueued") == 2
    assert metric(daemon, "storaged_jobs", product="-", status="running") == 1
    assert metric(daemon, "storaged_jobs_blocked", product="Default") == 1
    assert (metric(daemon, "storaged_queue_oldest_wait_seconds") or 0) > 0
    assert metric(daemon, "storaged_job_slots_busy") == 1
    assert metric(daemon, "storaged_nodes", state="alive") == 1
    eventually(lambda: (metric(daemon, "storaged_spool_uploads") or 0) >= 2)
    seen = get(daemon, "/api/v1/ops")
    assert (seen["queue"][0]["waiting"], seen["queue"][0]["running"]) == (2, 1)
    assert [row["token"] for row in seen["running"]] == ["a" * 64]
    assert seen["nodes"][0]["jobs"] == ["dummy"]
    assert (seen["node"]["node"], seen["node"]["running_jobs"], seen["node"]["job_slots"]) == ("first", 1, 1)
    assert seen["node"]["spool_uploads"] >= 2


@pytest.fixture(scope="module")
def ended_jobs(shared_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with a store that completed and one that failed."""
    until_ended(shared_daemon, store(shared_daemon, "run", one_report()))
    failing = store(shared_daemon, "other", b"no archive")
    eventually(lambda: get_job(shared_daemon, failing)["status"] == "failed")
    return shared_daemon


@pytest.mark.parametrize("name", [*NAMES, "node"])
def test_each_query_is_answered_as_the_openapi_document_tells(ended_jobs: DaemonProcess, name: str) -> None:
    # `call` holds each answer against the document.
    assert call(ended_jobs, "GET", f"/api/v1/ops/{name}").status == 200


def test_a_path_with_a_token_in_it_makes_no_time_series(daemon: DaemonProcess) -> None:
    token = store(daemon, "run", one_report())
    until_ended(daemon, token)
    call(daemon, "GET", f"/nothing/{token}")
    text = call(daemon, "GET", "/metrics").body.decode()
    assert token not in text
    assert metric(daemon, "storaged_http_requests_total", method="GET", endpoint="none", status="404") == 1
    assert (metric(daemon, "storaged_http_requests_total", method="GET", endpoint="/metrics", status="200") or 0) > 0


def test_a_client_that_waits_is_counted(daemon: DaemonProcess, database_url: str) -> None:
    run_sql(database_url, DUMMY, "a", 600, False)
    until_status(daemon, "a" * 64, "running")
    with daemon.storectl_process("jobs", "wait", "a" * 64) as waiting:
        eventually(lambda: metric(daemon, "storaged_waiters") == 1)
        waiting.kill()


def test_a_worker_that_is_killed_is_counted(daemon: DaemonProcess) -> None:
    assert daemon.process is not None
    (worker, *_) = [
        child for child in psutil.Process(daemon.process.pid).children() if "spawn_main" in " ".join(child.cmdline())
    ]
    worker.kill()
    # An idle one is missed when its turn comes.
    for number in range(4):
        until_ended(daemon, store(daemon, f"run {number}", one_report()))
    assert metric(daemon, "storaged_worker_crashes_total") == 1


def test_what_a_killed_daemon_left_is_counted_as_rescued(daemon: DaemonProcess, database_url: str) -> None:
    run_sql(database_url, DUMMY, "a", 600, False)
    until_status(daemon, "a" * 64, "running")
    daemon.kill()
    daemon.start()
    assert metric(daemon, "storaged_jobs_rescued_total", status="dropped") == 1
    assert metric(daemon, "storaged_jobs_ended_total", kind="dummy", status="dropped") == 1
    (row,) = get(daemon, "/api/v1/ops/failed")["failed"]
    assert (row["reason"], row["node"]) == ("node-restarted", "first")


def test_metrics_are_there_while_the_database_is_away(
    daemon: DaemonProcess, database_url: str, postgres_url: str
) -> None:
    with closed_database(database_url, postgres_url):
        eventually(lambda: metric(daemon, "storaged_database_up") == 0)
        eventually(lambda: metric(daemon, "storaged_listener_up") == 0)
        found = {name for name, _ in metrics_of(daemon)}
        assert "storaged_queue_depth" not in found
        assert "storaged_spool_bytes" in found
    eventually(lambda: metric(daemon, "storaged_database_up") == 1)
    eventually(lambda: metric(daemon, "storaged_listener_up") == 1)
    assert (metric(daemon, "storaged_listener_reconnects_total") or 0) >= 1


@contextmanager
def closed_database(database_url: str, server_url: str) -> Iterator[None]:
    """The database lets nobody in, and throws out who is in, while the block runs."""
    name = database_url.partition("?")[0].rsplit("/", 1)[1]
    server = database_of(server_url, "template1")

    def allow(connections: str) -> None:
        run_sql(server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {connections}')

    allow("false")
    try:
        run_sql(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
    finally:
        allow("true")


def check(daemon: DaemonProcess, database_url: str) -> tuple[int, list[str]]:
    arguments = ["check", "--database-url", database_url, "--data-dir", str(daemon.data_dir)]
    done = subprocess.run(
        [sys.executable, "-m", "storaged", *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_storaged_check_finds_nothing_wrong_with_a_daemon_that_works_and_misses_one_that_was_killed(
    daemon: DaemonProcess, database_url: str
) -> None:
    until_ended(daemon, store(daemon, "run", one_report()))
    code, lines = check(daemon, database_url)
    assert [line.split()[0] for line in lines] == ["ok"] * 9, lines
    assert code == 0
    daemon.kill()
    # Its lock is free as soon as the server notices, and then its heartbeat must be old, too.
    run_sql(database_url, "UPDATE node SET heartbeat_at = now() - interval '1 hour'")
    eventually(lambda: check(daemon, database_url)[0] == 1)
    _, lines = check(daemon, database_url)
    assert "bad      nodes      No daemon works on this database." in lines


def test_storaged_dashboard_names_the_folder_of_the_queries() -> None:
    told: Any = subprocess.run(
        [sys.executable, "-m", "storaged", "dashboard"], capture_output=True, text=True, check=True
    )
    assert sorted(path.stem for path in Path(told.stdout.strip()).glob("*.sql")) == sorted(NAMES)
