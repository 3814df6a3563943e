"""`storectl jobs` with the options of CodeChecker's `serverside-tasks`, against a real daemon."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from storaged_cli.job_filters import FLAGS, LISTS, MOMENTS

from tests.acceptance.calls import eventually, get_job, store, until_ended
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, clean_environment, running_daemon
from tests.acceptance.other_job import OTHER, add_other_job
from tests.acceptance.uploads import one_report

DUMMY = """
INSERT INTO job (token, kind, product_id, run, username, summary, arguments, status, enqueued_at)
VALUES ($1, 'dummy', NULL, NULL, 'ann', 'Dummy', '{"seconds": 600, "fail": false}', 'enqueued', now())
"""
STORED, WAITING = "a store", "f" * 64


@pytest.fixture(scope="module")
def daemon(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running_daemon(shared_database_url, tmp_path_factory.mktemp("jobs"), testing=True) as running:
        yield running


@pytest.fixture(scope="module")
def stored(daemon: DaemonProcess, shared_database_url: str) -> Any:
    """A completed store whose end was told; beside it a dummy job of ann that takes ten minutes, and the other job."""
    token = store(daemon, STORED, one_report())
    until_ended(daemon, token)
    eventually(lambda: bool(get_job(daemon, token)["consumed"]))
    run_sql(shared_database_url, DUMMY, WAITING)
    add_other_job(shared_database_url)
    return get_job(daemon, token)


def storectl(daemon: DaemonProcess, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storaged_cli", *args, "--url", f"127.0.0.1:{daemon.port}/Default"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )


def tokens(daemon: DaemonProcess, *args: str) -> set[str]:
    result = storectl(daemon, "jobs", *args, "-o", "json")
    return {job["token"] for job in json.loads(result.stdout)}


# What keeps the store and leaves the other job out, and the other way round.
WAYS: list[tuple[list[str], list[str]]] = [
    (["--token", "{token}", WAITING], ["-t", OTHER, WAITING]),
    (["--token", "{TOKEN}"], ["-t", f"{OTHER[:20].upper()}*"]),
    (["--machine-id", "{node}", "nowhere"], ["--machine-id", "elsewhere:1"]),
    (["--machine-id", "127*"], ["--machine-id", "ELSE*:1", "nowhere"]),
    (["--type", "Store", "dummy"], ["--type", "delete_run"]),
    (["--type", "st*"], ["--type", "*_RUN"]),
    (["--status", "failed", "completed"], ["--status", "failed", "CANCELLED"]),
    (["--no-username"], ["--username", "bob", "ann"]),
    (["--no-username"], ["--username", "A*"]),
    (["--product", "Default"], ["--no-product"]),
    (["--no-cancelled"], ["--only-cancelled"]),
    (["--only-consumed"], ["--no-consumed"]),
    *(([f"--{moment}-after", "1d"], [f"--{moment}-before", "1d"]) for moment in MOMENTS),
]
RUN = ["--run", "another", STORED]


def arguments(stored: Any, *options: list[str]) -> list[str]:
    values = {"token": stored["token"], "TOKEN": stored["token"].upper(), "node": stored["node"]}
    return [value.format(**values) for option in options for value in option]


@pytest.mark.parametrize(("ours", "theirs"), WAYS, ids=[f"{ours[0]} {theirs[0]}" for ours, theirs in WAYS])
def test_each_option_keeps_one_job_and_leaves_the_other_out(
    daemon: DaemonProcess, stored: Any, ours: list[str], theirs: list[str]
) -> None:
    both = {stored["token"], OTHER}
    assert tokens(daemon, *arguments(stored, ours)) & both == {stored["token"]}
    assert tokens(daemon, *arguments(stored, theirs)) & both == {OTHER}


def test_a_run_is_named_as_it_is(daemon: DaemonProcess, stored: Any) -> None:
    assert tokens(daemon, *RUN) == {stored["token"]}
    assert tokens(daemon, "--run", STORED.upper()) == set()
    assert tokens(daemon, "--run", f"{STORED[:3]}*") == set()


def test_no_option_is_left_untried() -> None:
    times = {f"--{moment}-{side}" for moment in MOMENTS for side in ("after", "before")}
    tried = {RUN[0], *(option[0] for way in WAYS for option in way)} - {"-t"}
    assert tried == {names[-1] for names, *_ in LISTS} | {name for name, *_ in FLAGS} | times


def test_options_narrow_each_other(daemon: DaemonProcess, stored: Any) -> None:
    ours = {way[0][0]: way[0] for way in WAYS} | {"--run": RUN}
    assert tokens(daemon, *arguments(stored, *ours.values())) == {stored["token"]}
    theirs = {way[1][0]: way[1] for way in WAYS}
    assert tokens(daemon, *arguments(stored, *theirs.values())) == {OTHER}
    for one, other in WAYS:
        others = [way for name, way in ours.items() if name != one[0]]
        assert tokens(daemon, *arguments(stored, *others, other)) == set(), other


def test_with_one_token_the_exit_code_tells_the_state(daemon: DaemonProcess, stored: Any) -> None:
    failed = store(daemon, "failing", b"no zip")
    until_ended(daemon, failed)
    assert storectl(daemon, "jobs", "-t", stored["token"]).returncode == 0
    assert storectl(daemon, "jobs", "-t", failed).returncode == 4
    assert storectl(daemon, "jobs", "-t", failed, stored["token"]).returncode == 0
    assert storectl(daemon, "jobs", "--status", "failed").returncode == 0
    # A part of a token may be that of several jobs.
    assert storectl(daemon, "jobs", "-t", f"{failed[:60]}*").returncode == 0
    assert storectl(daemon, "jobs", "-t", failed.upper()).returncode == 4
    unknown = storectl(daemon, "jobs", "-t", "0" * 64)
    assert unknown.returncode == 1
    assert f"No job has the token {'0' * 64}" in unknown.stderr


def test_jobs_are_awaited_and_killed(daemon: DaemonProcess, stored: Any) -> None:
    late = storectl(daemon, "jobs", "-t", WAITING, "--await", "--timeout", "0.2")
    assert late.returncode == 8
    assert storectl(daemon, "jobs", "-t", WAITING).returncode == 8
    nothing = storectl(daemon, "jobs", "--kill")
    assert (nothing.returncode, "need a filter" in nothing.stderr) == (2, True)
    killed = storectl(daemon, "jobs", "--type", "dummy", "--kill", "--await", "--comment", "enough", "-o", "json")
    assert killed.returncode == 0, killed.stderr
    (job,) = json.loads(killed.stdout)
    assert (job["token"], job["status"]) == (WAITING, "cancelled")
    assert "enough" in job["comments"][0]["text"]
    assert storectl(daemon, "jobs", "-t", WAITING).returncode == 16
    # What has ended is left alone.
    again = storectl(daemon, "jobs", "-t", stored["token"], "--kill", "-o", "json")
    assert (again.returncode, json.loads(again.stdout)[0]["status"]) == (0, "completed")


def test_the_newest_are_shown_and_that_there_are_more(daemon: DaemonProcess, stored: Any) -> None:
    result = storectl(daemon, "jobs", "list", "--limit", "1", "-o", "plain")
    assert len(result.stdout.splitlines()) == 1
    assert "--all shows more" in result.stderr
    every = storectl(daemon, "jobs", "list", "--all")
    assert len(every.stdout.splitlines()) > 1
    assert every.stderr == ""
    assert storectl(daemon, "jobs", "list", "--run", STORED, "--limit", "1").stderr == ""


def test_a_table_fits_the_terminal_and_has_whole_tokens(daemon: DaemonProcess, stored: Any) -> None:
    table = storectl(daemon, "jobs", "list", "-o", "table").stdout
    assert stored["token"] in table
    assert max(map(len, table.splitlines())) <= 80
