"""Runs and their history as CodeChecker's clients are told them, asked by Apache's library."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from storaged.thrift.structs import ErrorCode, Order, RunSortType
from tests.acceptance.calls import store, until_ended
from tests.acceptance.conftest import fresh_database
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, ask
from tests.acceptance.uploads import report, upload
from tests.plists import plist


def stored(daemon: DaemonProcess, run: str, *numbers: int, **options: str) -> None:
    metadata = {
        "tools": [
            {
                "name": "codechecker",
                "version": "6.29.1 (abc)",
                "command": ["CodeChecker", "a<b"],
                "timestamps": {"begin": 10.0, "end": 10.0 + 2.5 * len(numbers)},
                "analyzers": {
                    "clangsa": {
                        "checkers": {"core.DivideZero": True, "core.NullDereference": False},
                        "analyzer_statistics": {
                            "failed": 1,
                            "failed_sources": ["/src/bad.c"],
                            "successful": 3,
                            "version": "clang 19",
                        },
                    }
                },
            }
        ],
        "version": 2,
    }
    archive = upload(
        {"a.plist": plist(*(report(number, check_name="core.DivideZero") for number in numbers), files=["/src/a.c"])},
        others={"reports/0/metadata.json": json.dumps(metadata)},
    )
    job = until_ended(daemon, store(daemon, run, archive, options))
    assert job["status"] == "completed", job


@pytest.fixture(scope="module")
def runs(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """`one` was stored twice, `two` has most reports, and `Three*` is called so."""
    with fresh_database(postgres_url) as url, running_daemon(url, tmp_path_factory.mktemp("runs")) as daemon:
        stored(daemon, "one", 1, tag="v1")
        stored(daemon, "two", 1, 2, 3, tag="v1", description="the second")
        stored(daemon, "Three*", 4, 5)
        stored(daemon, "one", 2, tag="v2")
        yield daemon


def service(daemon: DaemonProcess, method: str, /, **arguments: Any) -> Any:
    given = {argument: value for argument, value in arguments.items() if value is not None}
    return ask(daemon, "CodeCheckerService", method, product="Default", **given)


def names(
    daemon: DaemonProcess, sort: RunSortType | None = None, order: Order = Order.ASC, **run_filter: Any
) -> list[str]:
    mode = None if sort is None else {"type": sort, "ord": order}
    found = service(daemon, "getRunData", runFilter=run_filter, sortMode=mode)
    assert service(daemon, "getRunCount", runFilter=run_filter) == len(found)
    return [run["name"] for run in found]


def ids(daemon: DaemonProcess, *wanted: str) -> list[int]:
    found = service(daemon, "getRunData", runFilter={"names": list(wanted), "exactMatch": True})
    return [run["runId"] for run in found]


def test_the_run_that_was_stored_last_comes_first(runs: DaemonProcess) -> None:
    assert names(runs) == ["one", "Three*", "two"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (RunSortType.NAME, ["Three*", "one", "two"]),
        (RunSortType.UNRESOLVED_REPORTS, ["one", "Three*", "two"]),
        (RunSortType.DATE, ["two", "Three*", "one"]),
        (RunSortType.DURATION, ["one", "Three*", "two"]),
    ],
)
def test_runs_come_in_the_order_that_is_asked_for(runs: DaemonProcess, sort: RunSortType, expected: list[str]) -> None:
    in_order = names(runs, sort)
    assert sorted(in_order) == sorted(expected)
    # How letters compare is the database's matter.
    assert sort is RunSortType.NAME or in_order == expected
    assert names(runs, sort, Order.DESC) == in_order[::-1]


def test_names_of_runs_may_have_wildcards_and_any_case_unless_they_are_to_match_exactly(runs: DaemonProcess) -> None:
    assert sorted(names(runs, names=["T*"])) == ["Three*", "two"]
    assert names(runs, names=["three*"]) == ["Three*"]
    assert names(runs, names=["Three*", "o"], exactMatch=True) == ["Three*"]
    assert names(runs, names=["nothing"]) == []
    assert names(runs, ids=ids(runs, "two")) == ["two"]


def test_runs_are_chosen_by_when_they_were_stored(runs: DaemonProcess) -> None:
    assert names(runs, beforeRun="one") == ["Three*", "two"]
    assert names(runs, afterRun="two") == ["one", "Three*"]
    assert names(runs, afterTime=1) == ["one", "Three*", "two"]
    assert names(runs, beforeTime=1) == []


def test_a_run_that_is_not_there_is_told_and_not_taken_for_any(runs: DaemonProcess) -> None:
    for name in ("getRunData", "removeRun"):
        with pytest.raises(Failed, match=r"no run 'onee'\. Did you mean 'one'") as told:
            service(runs, name, runFilter={"beforeRun": "onee"})
        assert told.value.code == ErrorCode.GENERAL


def test_a_run_comes_with_what_its_last_store_says(runs: DaemonProcess) -> None:
    (found,) = service(runs, "getRunData", runFilter={"names": ["two"]})
    assert datetime.strptime(found.pop("runDate"), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert found.pop("runId") > 0
    assert found == {
        "name": "two",
        "duration": 7,
        "resultCount": 3,
        "detectionStatusCount": {0: 3},
        "versionTag": "v1",
        "codeCheckerVersion": "6.29.1 (abc)",
        "analyzerStatistics": {"clangsa": {"failed": 1, "successful": 3}},
        "description": "the second",
    }


def test_runs_come_in_pages(runs: DaemonProcess) -> None:
    pages = [service(runs, "getRunData", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [[run["name"] for run in page] for page in pages] == [["one", "Three*"], ["two"], []]


def history(daemon: DaemonProcess, *runs: str, **chosen: Any) -> list[tuple[str, str | None]]:
    asked = {"runIds": ids(daemon, *runs) if runs else None, "runHistoryFilter": chosen}
    found = service(daemon, "getRunHistory", **asked)
    assert service(daemon, "getRunHistoryCount", **asked) == len(found)
    return [(entry["runName"], entry.get("versionTag")) for entry in found]


def test_the_history_has_the_newest_store_first(runs: DaemonProcess) -> None:
    assert history(runs) == [("one", "v2"), ("Three*", None), ("two", "v1"), ("one", "v1")]
    assert history(runs, "one") == [("one", "v2"), ("one", "v1")]
    assert history(runs, tagNames=["V1"]) == [("two", "v1"), ("one", "v1")]
    assert history(runs, "one", tagNames=["v*"]) == [("one", "v2"), ("one", "v1")]
    assert history(runs, stored={"before": 1}) == []
    entry = service(runs, "getRunHistory", limit=1, offset=2)[0]
    assert (entry["user"], entry["description"], entry["analyzerStatistics"]["clangsa"]["successful"]) == (
        "Anonymous",
        "the second",
        3,
    )
    assert history(runs, tagIds=[entry["id"]]) == [("two", "v1")]


def test_how_an_analysis_was_made_is_told_of_a_run_and_of_a_store(runs: DaemonProcess) -> None:
    (run,), entry = ids(runs, "two"), service(runs, "getRunHistory", limit=1, offset=2)[0]
    for meant in ({"runId": run}, {"runHistoryId": entry["id"]}):
        (info,) = service(runs, "getAnalysisInfo", analysisInfoFilter=meant)
        assert info == {
            "analyzerCommand": "CodeChecker a&lt;b",
            "checkers": {"clangsa": {"core.DivideZero": {"enabled": True}, "core.NullDereference": {"enabled": False}}},
        }
        assert service(runs, "getCheckCommand", **meant) == info["analyzerCommand"]
        assert service(runs, "getAnalysisStatistics", **meant) == {
            "clangsa": {"version": "clang 19", "failed": 1, "successful": 3, "failedFilePaths": ["/src/bad.c"]}
        }
    (report,) = service(runs, "getRunResults", runIds=[run], limit=1, reportFilter={})
    assert service(runs, "getAnalysisInfo", analysisInfoFilter={"reportId": report["reportId"]}) == [info]
    for nothing in ({}, {"reportId": 10**6}):
        assert service(runs, "getAnalysisInfo", analysisInfoFilter=nothing) == []
    assert service(runs, "getAnalysisInfo", analysisInfoFilter={"runId": run}, offset=1) == []
    assert service(runs, "getFailedFiles", runIds=[run]) == {"/src/bad.c": [{"runName": "two"}]}
    assert service(runs, "getFailedFilesCount", runIds=[]) == 1


def test_checkers_are_told_by_the_runs_that_had_them_and_what_they_found(runs: DaemonProcess) -> None:
    two = ids(runs, "two")
    found = {
        one["checkerName"]: one
        for one in service(runs, "getCheckerStatusVerificationDetails", runIds=two, reportFilter={}).values()
    }
    assert found["core.DivideZero"] == {
        "checkerName": "core.DivideZero",
        "analyzerName": "clangsa",
        "severity": 40,
        "enabled": two,
        "disabled": [],
        "unknown": [],
        "closed": 0,
        "outstanding": 3,
    }
    assert found["core.NullDereference"]["disabled"] == two
    # A client of 6.24 does not know of the last.
    older = service(runs, "getCheckerStatusVerificationDetails", runIds=two, reportFilter={}, version="v6.58")
    assert {**found["core.DivideZero"], "unknown": None} in [{**one, "unknown": None} for one in older.values()]
    assert not any("unknown" in one for one in older.values())
    every = service(runs, "getCheckerStatusVerificationDetails", reportFilter={"isUnique": True})
    divided = next(one for one in every.values() if one["checkerName"] == "core.DivideZero")
    assert (len(divided["enabled"]), divided["outstanding"], divided["closed"]) == (3, 5, 1)
    asked = [{"checkerId": "core.DivideZero"}, {"checkerId": "nobody.Knows"}]
    assert service(runs, "getCheckerLabels", checkers=asked) == [["severity:HIGH"], ["severity:UNSPECIFIED"]]


def test_a_run_gets_another_name_unless_that_is_taken(runs: DaemonProcess) -> None:
    (two,) = ids(runs, "two")
    assert service(runs, "updateRunData", runId=two, newRunName="zwei") is True
    assert ids(runs, "two", "zwei") == [two]
    for number, name, told in (
        (two, "one", "has a run 'one' already"),
        (two, "", "newRunName: String should have at least 1 character"),
        (two, "x" * 1001, "newRunName: String should have at most 1000 characters"),
        (two, "\u00e4" * 1000 + "x", "newRunName: "),
        (10**6, "x", "no run of"),
    ):
        with pytest.raises(Failed, match=told):
            service(runs, "updateRunData", runId=number, newRunName=name)
    assert service(runs, "updateRunData", runId=two, newRunName="two") is True


def test_runs_are_deleted_when_the_answer_comes(runs: DaemonProcess) -> None:
    stored(runs, "gone 1", 1)
    stored(runs, "gone 2", 1)
    stored(runs, "gone 3", 1)
    assert service(runs, "removeRun", runFilter={"names": ["gone 1", "gone 2"]}) is True
    assert sorted(names(runs)) == ["Three*", "gone 3", "one", "two"]
    assert service(runs, "removeRun", runId=ids(runs, "gone 3")[0]) is True
    assert service(runs, "removeRun", runFilter={"names": ["gone*"]}) is False
    stored(runs, "gone 4", 1)
    assert service(runs, "removeRunResults", runIds=ids(runs, "gone 4")) is True
    assert service(runs, "removeRunResults", runIds=[]) is True
    assert sorted(names(runs)) == ["Three*", "one", "two"]


def test_a_filter_that_asks_nothing_deletes_no_run(runs: DaemonProcess) -> None:
    for nothing in ({}, {"names": [], "exactMatch": True}):
        with pytest.raises(Failed, match="all would be deleted"):
            service(runs, "removeRun", runFilter=nothing)
    assert sorted(names(runs)) == ["Three*", "one", "two"]
