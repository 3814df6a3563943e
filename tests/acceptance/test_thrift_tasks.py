"""Jobs as CodeChecker's clients know them: who submitted one is told of its end without a poll; lists have filters."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storaged.thrift.structs import TaskStatus, Ternary
from tests.acceptance.calls import eventually, get, store, until_ended, until_status
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess
from tests.acceptance.thrift_calls import Failed, ask
from tests.acceptance.uploads import one_report

ELSEWHERE = "127.0.0.2"
# Shorter than an answer is held, longer than an answer at once takes.
SHORT, FOREVER = 3, 600
UNFINISHED = {TaskStatus.ENQUEUED, TaskStatus.RUNNING}
STORE_KIND = "report_server::massStoreRunAsynchronous()"
HOUR = 3600
# Not so long ago that they would be pruned, before all other jobs.
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)

# Three jobs that differ in all that is filtered by: 1 at noon, 2 an hour later, 3 two hours later.
SCENE = """
WITH other AS (INSERT INTO product (endpoint, display_name) VALUES ('other', 'Other') RETURNING id)
INSERT INTO job (
    token, kind, product_id, run, username, summary, status, node, cancel_requested, consumed,
    enqueued_at, started_at, finished_at, heartbeat_at
)
SELECT
    repeat(n::text, 64), (ARRAY['store', 'dummy', 'delete_run'])[n], (ARRAY[1, NULL, other.id])[n],
    (ARRAY['a', NULL, 'c'])[n], (ARRAY['ann', NULL, 'Bob'])[n], 'Job ' || n,
    (ARRAY['completed', 'cancelled', 'failed'])[n], (ARRAY['north:1', NULL, 'south:2'])[n], n = 2, n = 1,
    at, at, at, at
FROM other, generate_series(1, 3) AS n
CROSS JOIN LATERAL (SELECT $1::timestamptz + n * interval '1 hour' AS at) AS moment
"""

# One behind the other, in the line of a run.
LINE = """
INSERT INTO job (token, kind, summary, status, enqueued_at, heartbeat_at, product_id, run, arguments)
VALUES (
    repeat($1, 64), 'dummy', 'In line', 'enqueued', now(), now() - interval '1 day', 1, 'line',
    '{"seconds": 600, "fail": false}'
)
"""


def dummy(daemon: DaemonProcess, seconds: int, *, fail: bool = False) -> str:
    token: str = ask(daemon, "Tasks", "createDummyTask", timeout=seconds, shouldFail=fail)
    return token


def info(daemon: DaemonProcess, token: str, source: str = "127.0.0.1") -> Any:
    return ask(daemon, "Tasks", "getTaskInfo", token=token, source=source)


def is_consumed(daemon: DaemonProcess, token: str) -> bool:
    """By a list, which tells nobody."""
    [job] = get(daemon, f"/api/v1/jobs?token={token}")["jobs"]
    return bool(job["consumed"])


def refusal(daemon: DaemonProcess, name: str, **arguments: Any) -> str:
    with pytest.raises(Failed) as caught:
        ask(daemon, "Tasks", name, **arguments)
    return str(caught.value)


def test_who_has_just_submitted_a_job_is_answered_when_it_ends(shared_daemon: DaemonProcess) -> None:
    told = info(shared_daemon, dummy(shared_daemon, SHORT))
    assert told["status"] == TaskStatus.COMPLETED
    assert told["completedAtEpoch"] >= told["startedAtEpoch"] >= told["enqueuedAtEpoch"]
    assert (told["taskKind"], told["productId"]) == ("TaskService::DummyTask", 0)
    assert {"comments", "actorUsername"}.isdisjoint(told)


def test_another_address_is_answered_at_once(shared_daemon: DaemonProcess) -> None:
    token = dummy(shared_daemon, SHORT)
    assert info(shared_daemon, token, ELSEWHERE)["status"] in UNFINISHED
    until_ended(shared_daemon, token)


def test_of_an_older_job_its_submitter_is_told_at_once(shared_daemon: DaemonProcess, shared_database_url: str) -> None:
    token = dummy(shared_daemon, SHORT)
    older = "UPDATE job SET enqueued_at = enqueued_at - interval '2 minutes' WHERE token = $1"
    run_sql(shared_database_url, older, token)
    assert info(shared_daemon, token)["status"] in UNFINISHED
    until_ended(shared_daemon, token)


def test_a_job_is_consumed_when_its_submitter_was_told_of_its_end(shared_daemon: DaemonProcess) -> None:
    seen_elsewhere, seen_here = dummy(shared_daemon, 0), dummy(shared_daemon, 0)
    eventually(lambda: info(shared_daemon, seen_elsewhere, ELSEWHERE)["status"] == TaskStatus.COMPLETED)
    assert info(shared_daemon, seen_here)["status"] == TaskStatus.COMPLETED
    # What was noted before it is written with it, or before.
    eventually(lambda: is_consumed(shared_daemon, seen_here))
    assert not is_consumed(shared_daemon, seen_elsewhere)


def test_a_job_that_waits_shows_no_heartbeat_that_could_be_old(
    shared_daemon: DaemonProcess, shared_database_url: str
) -> None:
    for letter in ("d", "e"):
        run_sql(shared_database_url, LINE, letter)
    told = info(shared_daemon, "e" * 64)
    for letter in ("e", "d"):
        assert ask(shared_daemon, "Tasks", "cancelTask", token=letter * 64) is True
    assert told["status"] == TaskStatus.ENQUEUED
    assert "lastHeartbeatEpoch" not in told


def test_a_deletion_of_a_run_that_is_cancelled_is_told(shared_daemon: DaemonProcess, shared_database_url: str) -> None:
    until_ended(shared_daemon, store(shared_daemon, "line", one_report()))
    run_sql(shared_database_url, LINE, "f")
    with ThreadPoolExecutor(1) as pool:
        asked = {"product": "Default", "runFilter": {"names": ["line"]}}
        answer = pool.submit(ask, shared_daemon, "CodeCheckerService", "removeRun", **asked)  # type: ignore[arg-type]
        deletions = "/api/v1/jobs?run=line&kind=delete_run"
        eventually(lambda: bool(get(shared_daemon, deletions)["jobs"]))
        [deletion] = get(shared_daemon, deletions)["jobs"]
        for token in (deletion["token"], "f" * 64):
            assert ask(shared_daemon, "Tasks", "cancelTask", token=token) is True
        with pytest.raises(
            Failed, match=f"'line' was not deleted, its job {deletion['token']} has ended as cancelled: "
        ):
            answer.result()
    assert get(shared_daemon, "/api/v1/products/Default/runs/line")["name"] == "line"


def test_a_cancelled_job_tells_who_said_what_and_when_as_codechecker_does(shared_daemon: DaemonProcess) -> None:
    token = dummy(shared_daemon, FOREVER)
    until_status(shared_daemon, token, "running")
    assert ask(shared_daemon, "Tasks", "cancelTask", token=token) is True
    assert ask(shared_daemon, "Tasks", "cancelTask", token=token) is False
    told = info(shared_daemon, token)
    assert (told["status"], told["cancelFlagSet"]) == (TaskStatus.CANCELLED, True)
    asked, ended = told["comments"].split("\n----------\n")
    times = []
    for comment, text in ((asked, ["User requested cancellation."]), (ended, ["CANCEL!", "Cancel request of admin"])):
        head, *lines = comment.splitlines()
        _who, _at, moment = head.partition(" at ")
        assert head.endswith("+00:00:")
        times.append(datetime.fromisoformat(moment.removesuffix(":")))
        assert [line[: len(start)] for line, start in zip(lines, text, strict=True)] == text
    assert times == sorted(times)


def test_what_has_ended_or_never_was_cannot_be_cancelled(shared_daemon: DaemonProcess) -> None:
    token = dummy(shared_daemon, 0, fail=True)
    assert info(shared_daemon, token)["status"] == TaskStatus.FAILED
    assert ask(shared_daemon, "Tasks", "cancelTask", token=token) is False
    assert "There is no job" in refusal(shared_daemon, "cancelTask", token="0" * 64)
    assert "There is no job" in refusal(shared_daemon, "getTaskInfo", token="nothing")


@pytest.fixture(scope="module")
def scene(shared_daemon: DaemonProcess, shared_database_url: str) -> dict[str, int]:
    """The ids of the two products of the scene."""
    run_sql(shared_database_url, SCENE, NOON)
    products = ask(shared_daemon, "Products", "getProducts")
    return {product["endpoint"]: product["id"] for product in products}


def epoch(number: int) -> int:
    """When job `number` was enqueued, started, seen and finished."""
    return int(NOON.timestamp()) + number * HOUR


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"tokens": ["1" * 64, "3" * 64]}, [1, 3]),
        ({"tokens": ["22*", "*33"]}, [2, 3]),
        ({"machineIDs": ["NORTH*", "south:2"]}, [1, 3]),
        ({"kinds": [STORE_KIND.upper()]}, [1]),
        ({"kinds": ["task*dummy*", "delete_run"]}, [2, 3]),
        ({"kinds": ["nothing"]}, []),
        ({"statuses": [TaskStatus.FAILED, TaskStatus.CANCELLED]}, [2, 3]),
        ({"statuses": [TaskStatus.RUNNING]}, []),
        ({"usernames": ["bob", "a*"]}, [1, 3]),
        ({"usernames": []}, [2]),
        ({"productIDs": ["other"]}, [3]),
        ({"productIDs": ["Default", "other"]}, [1, 3]),
        ({"productIDs": [2**40]}, []),
        ({"productIDs": []}, [2]),
        ({"cancelFlag": Ternary.ON}, [2]),
        ({"cancelFlag": Ternary.OFF}, [1, 3]),
        ({"consumedFlag": Ternary.ON}, [1]),
        ({"consumedFlag": Ternary.OFF}, [2, 3]),
        ({"consumedFlag": Ternary.BOTH}, [1, 2, 3]),
        *[
            ({f"{time}{side}Epoch": bound}, numbers)
            for time in ("enqueued", "started", "completed", "heartbeat")
            for side, bound, numbers in (
                ("Before", epoch(2), [1, 2]),
                ("After", epoch(2), [2, 3]),
                ("Before", 2**62, [1, 2, 3]),
                ("After", -(2**62), [1, 2, 3]),
                ("Before", 0, [1, 2, 3]),
            )
        ],
        ({"machineIDs": ["*"], "enqueuedAfterEpoch": epoch(2)}, [3]),
    ],
    ids=str,
)
def test_each_filter_keeps_what_it_names_and_nothing_else(
    shared_daemon: DaemonProcess, scene: dict[str, int], filters: dict[str, Any], numbers: list[int]
) -> None:
    if "productIDs" in filters:
        filters = {"productIDs": [scene.get(one, one) for one in filters["productIDs"]]}
    found = ask(shared_daemon, "Tasks", "getTasks", filters=filters)
    # Besides the jobs of other tests.
    known = [int(task["normalInfo"]["token"][0]) for task in found if task["normalInfo"]["summary"].startswith("Job ")]
    assert known == numbers


def test_a_list_tells_what_administrators_want_to_know(shared_daemon: DaemonProcess, scene: dict[str, int]) -> None:
    filters = {"tokens": ["1" * 64, "2" * 64]}
    first, second = ask(shared_daemon, "Tasks", "getTasks", filters=filters)
    assert (first["machineId"], first["statusConsumed"], second["machineId"]) == ("north:1", True, "")
    normal = first["normalInfo"]
    assert (normal["actorUsername"], normal["productId"], normal["summary"]) == ("ann", scene["Default"], "Job 1")
    assert (normal["taskKind"], normal["lastHeartbeatEpoch"]) == (STORE_KIND, epoch(1))


def test_more_tasks_than_a_list_can_hold_are_an_error(shared_daemon: DaemonProcess, shared_database_url: str) -> None:
    many = """
        INSERT INTO job (token, kind, summary, status, enqueued_at, finished_at)
        SELECT '777' || lpad(to_hex(n), 61, '0'), 'dummy', 'Many', 'completed', now(), now()
        FROM generate_series(0, 10000) AS n
    """
    run_sql(shared_database_url, many)
    assert "More than 10000 tasks fit" in refusal(shared_daemon, "getTasks", filters={"tokens": ["777*"]})
    assert len(ask(shared_daemon, "Tasks", "getTasks", filters={"tokens": ["777*0"]})) == 626
    run_sql(shared_database_url, "DELETE FROM job WHERE summary = 'Many'")
