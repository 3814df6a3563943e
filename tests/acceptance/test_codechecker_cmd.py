"""CodeChecker's own `cmd products`, `cmd serverside-tasks`, `cmd login` and `cmd token` on a daemon."""

from pathlib import Path
from typing import Any

from storaged.thrift.structs import Permission
from tests.acceptance.calls import call, eventually, get, until_ended, until_status
from tests.acceptance.codechecker_client import Client
from tests.acceptance.daemons import DaemonProcess
from tests.acceptance.thrift_calls import ask

KIND = "TaskService::DummyTask"
FOREVER = 600


def dummy(daemon: DaemonProcess, seconds: int, source: str = "127.0.0.1", *, fail: bool = False) -> str:
    token: str = ask(daemon, "Tasks", "createDummyTask", timeout=seconds, shouldFail=fail, source=source)
    return token


def job_of(daemon: DaemonProcess, token: str) -> Any:
    """By a list, which tells nobody."""
    [job] = get(daemon, f"/api/v1/jobs?token={token}")["jobs"]
    return job


def test_products_are_added_listed_and_deleted(each_client: Client, shared_daemon: DaemonProcess) -> None:
    named = ("--name", "Größe", "--description", "of beasts", "--report-limit", "5", "--sqlite", "zoo.sqlite")
    assert each_client.cmd(shared_daemon, "products", "add", *named, "zoo").code == 0
    native = get(shared_daemon, "/api/v1/products/zoo")
    assert (native["display_name"], native["description"], native["report_limit"]) == ("Größe", "of beasts", 5)
    listed = each_client.cmd(shared_daemon, "products", "list")
    assert listed.code == 0
    assert "Größe" in listed.out
    assert "Database is up to date." in listed.out
    again = each_client.cmd(shared_daemon, "products", "add", "--sqlite", "x", "zoo")
    assert again.code == 1
    assert "There is a product 'zoo' already." in again.out + again.err
    assert each_client.cmd(shared_daemon, "products", "del", "zoo").code == 0
    assert call(shared_daemon, "GET", "/api/v1/products/zoo").status == 404


def test_nobody_needs_to_log_in_and_nobody_has_tokens(each_client: Client, shared_daemon: DaemonProcess) -> None:
    login = each_client.cmd(shared_daemon, "login")
    assert login.code == 0
    assert "does not require privileged access" in login.out + login.err
    assert "Successfully logged out" in each_client.cmd(shared_daemon, "login", "-d").out
    allowed = each_client.cmd(shared_daemon, "permissions").json
    assert (allowed["global_permissions"]["user_permissions"], allowed["product_permissions"]) == ({}, {})
    tokens = each_client.cmd(shared_daemon, "token", "list")
    assert tokens.code == 1
    assert "nobody has access tokens" in tokens.out + tokens.err
    asked = {"permission": Permission.PRODUCT_ADMIN, "extraParams": '{"productID": "1"}'}
    assert ask(shared_daemon, "Authentication", "getAuthorisedNames", **asked) == {"users": [], "groups": []}


def test_a_task_is_awaited_without_a_poll_and_shown_as_codechecker_shows_it(
    codechecker_client: Client, shared_daemon: DaemonProcess, tmp_path: Path
) -> None:
    done = codechecker_client.cmd(
        shared_daemon, "serverside-tasks", "--create-dummy-task", "2", "yes", TEST_WORKSPACE=str(tmp_path)
    )
    # Asked for once, while it ran still: the answer was held until it had failed.
    assert done.code == 4
    token = done.out.split("'")[1]
    job = job_of(shared_daemon, token)
    for line in (f"Type:         {KIND}", "Status:       FAILED", "> FAILED!", "> The job was told to fail."):
        assert line in done.out
    started = job["started_at"][:19].replace("T", " ")
    assert f"Started at:   {started}" in done.out
    awaited = codechecker_client.cmd(shared_daemon, "serverside-tasks", "--await", "--token", token)
    assert awaited.code == 1
    assert "error status: FAILED" in awaited.out + awaited.err
    # Written down a moment after the answer.
    eventually(lambda: job_of(shared_daemon, token)["consumed"] is True)


def test_tasks_that_fit_are_listed_killed_and_awaited(codechecker_client: Client, shared_daemon: DaemonProcess) -> None:
    ended = dummy(shared_daemon, 0)
    until_ended(shared_daemon, ended)
    running = [dummy(shared_daemon, FOREVER), dummy(shared_daemon, FOREVER)]
    for token in running:
        until_status(shared_daemon, token, "running")
    narrowed = (
        *("--type", KIND, "store", "--status", "running", "enqueued", "--machine-id", "127.0.0.1:*"),
        *("--enqueued-after", "2020:01:01", "--started-before", "2100:01:01", "--no-cancelled"),
    )
    done = codechecker_client.cmd(shared_daemon, "serverside-tasks", *narrowed, "--output", "json", "--kill", "--await")
    assert done.code == 0, done.err
    assert [(task["token"], task["status"], task["cancelFlagSet"]) for task in done.json] == [
        (token, "RUNNING", False) for token in running
    ]
    assert [job_of(shared_daemon, token)["status"] for token in (ended, *running)] == [
        "completed",
        "cancelled",
        "cancelled",
    ]
    cancelled = codechecker_client.cmd(
        shared_daemon, "serverside-tasks", "--only-cancelled", "--output", "json", "--token", ended, *running
    ).json
    assert [task["token"] for task in cancelled] == running
    asked, honoured = cancelled[0]["comments"].split("\n----------\n")
    assert asked.endswith("+00:00:\nUser requested cancellation.")
    assert honoured.endswith("+00:00:\nCANCEL!\nCancel request of admin honoured by task.")
