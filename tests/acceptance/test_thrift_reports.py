"""Reports, counts, diffs and sources as CodeChecker's clients are told them, asked by Apache's library."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from storaged.thrift.structs import DetectionStatus, DiffType, Encoding, Order, ReportStatus, ReviewStatus, SortType
from tests.acceptance.calls import store, until_ended
from tests.acceptance.conftest import fresh_database
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, ask
from tests.acceptance.uploads import report as any_report
from tests.acceptance.uploads import upload
from tests.plists import event, place, plist

SOURCES = {"/src/a.c": b"first\r\nsecond \xff\nthird", "/src/B.c": b"of b\n"}
CHANGED = SOURCES | {"/src/a.c": b"changed\n"}
PATH = [event(1, 1, "begin", file=1), event(2, 3, "bad 3")]


def report(number: int, **changes: Any) -> Any:
    return any_report(number, **({"check_name": "core.DivideZero"} | changes))


def stored(daemon: DaemonProcess, run: str, *reports: Any, sources: Any = None, **options: str) -> None:
    files = {"a.plist": plist(*reports, files=list(SOURCES))}
    job = until_ended(daemon, store(daemon, run, upload(files, sources or SOURCES), options))
    assert job["status"] == "completed", job


@pytest.fixture(scope="module")
def reports(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """`one` had the reports 1 to 3 when it was tagged v1, and now has 1 and 4; `two` has 1 and, twice, 3."""
    three = report(3, path=PATH, check_name="unix.Malloc")
    again = report(3, check_name="unix.Malloc", **{"report-annotation": {"testcase": "t1"}})
    with fresh_database(postgres_url) as url, running_daemon(url, tmp_path_factory.mktemp("reports")) as daemon:
        stored(daemon, "one", report(1), report(2), three, tag="v1")
        stored(daemon, "one", report(1), report(4, check_name="deadcode.DeadStores"), sources=CHANGED)
        stored(daemon, "two", report(1), three, again, sources=CHANGED)
        yield daemon


def service(daemon: DaemonProcess, method: str, /, **arguments: Any) -> Any:
    given = {argument: value for argument, value in arguments.items() if value is not None}
    return ask(daemon, "CodeCheckerService", method, product="Default", **given)


def ids(daemon: DaemonProcess, *names: str) -> list[int]:
    found = {run["name"]: run["runId"] for run in service(daemon, "getRunData")}
    return [found[name] for name in names]


def tag(daemon: DaemonProcess, name: str) -> int:
    (found,) = service(daemon, "getRunHistory", runHistoryFilter={"tagNames": [name]})
    number: int = found["id"]
    return number


def results(daemon: DaemonProcess, *runs: str, **options: Any) -> list[dict[str, Any]]:
    asked = {"runIds": ids(daemon, *runs), "reportFilter": {}, **options}
    found: list[dict[str, Any]] = service(daemon, "getRunResults", **asked)
    counted = {name: asked.get(name) for name in ("runIds", "reportFilter", "cmpData")}
    assert "limit" in asked or service(daemon, "getRunResultCount", **counted) == len(found)
    return found


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [int(one["checkerMsg"].split()[-1]) for one in found]


def chosen(daemon: DaemonProcess, *runs: str, **report_filter: Any) -> list[int]:
    return sorted(numbers(results(daemon, *runs, reportFilter=report_filter)))


def test_reports_of_all_runs_come_unless_runs_are_named(reports: DaemonProcess) -> None:
    assert chosen(reports) == [1, 1, 2, 3, 3, 3, 4]
    assert chosen(reports, "two") == [1, 3, 3]


def test_a_report_comes_with_all_that_is_known_of_it(reports: DaemonProcess) -> None:
    (found,) = [one for one in results(reports, "two") if one["bugPathLength"] == 2]
    assert service(reports, "getReport", reportId=found["reportId"]) == found
    assert "details" not in found
    assert {name: found[name] for name in found if name not in {"reportId", "fileId", "detectedAt"}} == {
        "runId": ids(reports, "two")[0],
        "checkerId": "unix.Malloc",
        "bugHash": f"{3:032x}",
        "checkedFile": "/src/a.c",
        "checkerMsg": "bad 3",
        "line": 2,
        "column": 3,
        "severity": 30,
        "reviewData": {"status": ReviewStatus.UNREVIEWED, "comment": "", "isInSource": False},
        "detectionStatus": DetectionStatus.NEW,
        "bugPathLength": 2,
        "analyzerName": "unknown",
        "annotations": {},
    }


def test_clients_are_told_what_their_version_knows_of_a_report(reports: DaemonProcess) -> None:
    told = {
        version: service(reports, "getRunResults", runIds=[], limit=500, getDetails=True, version=version)
        for version in ("v6.58", "v6.70", "v6.74")
    }
    assert (
        told["v6.70"]
        == told["v6.74"]
        != told["v6.58"]
        == [{name: report[name] for name in report if name != "blameInfo"} for report in told["v6.74"]]
    )
    assert {str(report["blameInfo"]) for report in told["v6.74"]} == {"{}"}


def test_a_bug_path_names_its_files_by_path_and_number(reports: DaemonProcess) -> None:
    found = results(reports, "two", getDetails=True, reportFilter={"bugPathLength": {"min": 2}})[0]
    assert found["details"] == service(reports, "getReportDetails", reportId=found["reportId"])
    begin, end = found["details"]["pathEvents"]
    assert (begin["filePath"], begin["startLine"], begin["msg"]) == ("/src/B.c", 1, "begin")
    assert (end["filePath"], end["fileId"], end["endCol"], end["msg"]) == ("/src/a.c", found["fileId"], 3, "bad 3")
    source = service(reports, "getSourceFileData", fileId=begin["fileId"], fileContent=True)
    assert (source["filePath"], source["fileContent"]) == ("/src/B.c", "of b\n")


@pytest.mark.parametrize(
    ("report_filter", "expected"),
    [
        ({"checkerName": ["UNIX.*"]}, [3, 3]),
        ({"checkerMsg": ["BAD 1", "nothing"]}, [1]),
        ({"analyzerNames": ["UNK*"]}, [1, 3, 3]),
        ({"severity": [30]}, [3, 3]),
        ({"reportHash": [f"{1:032x}"]}, [1]),
        ({"reportHash": ["*3"]}, [3, 3]),
        ({"reportHash": []}, []),
        ({"filepath": ["/SRC/A.c"]}, [1, 3, 3]),
        ({"filepath": ["%a.c"]}, [1, 3, 3]),
        ({"filepath": ["/src/b.C"]}, []),
        ({"filepath": ["/src/b.C"], "fileMatchesAnyPoint": True}, [3]),
        ({"isUnique": True}, [1, 3]),
        ({"bugPathLength": {"max": 1}}, [1, 3]),
        ({"annotations": [{"first": "testcase", "second": "t*"}]}, [3]),
        ({"reviewStatus": [ReviewStatus.UNREVIEWED, ReviewStatus.CONFIRMED]}, [1, 3, 3]),
        ({"reviewStatus": [ReviewStatus.CONFIRMED]}, []),
        ({"runName": ["t*"]}, [1, 3, 3]),
        ({"runName": ["nothing"]}, []),
        ({"date": {"detected": {"after": 1}}}, [1, 3, 3]),
        ({"date": {"detected": {"before": 1}}}, []),
        ({"date": {"fixed": {"after": 1}}}, []),
        ({"firstDetectionDate": 1}, [1, 3, 3]),
        ({"fixDate": 1}, []),
        ({"openReportsDate": 1}, []),
        ({"runHistoryTag": ["2001-01-01 00:00:00.0"]}, []),
        ({"reportStatus": [ReportStatus.OUTSTANDING]}, [1, 3, 3]),
        ({"reportStatus": [ReportStatus.CLOSED]}, []),
        ({"reportStatus": [ReportStatus.CLOSED, ReportStatus.OUTSTANDING]}, [1, 3, 3]),
    ],
)
def test_reports_are_filtered(reports: DaemonProcess, report_filter: Any, expected: list[int]) -> None:
    assert chosen(reports, "two", **report_filter) == expected


def test_reports_are_filtered_by_status_and_by_what_a_tag_had(reports: DaemonProcess) -> None:
    assert chosen(reports, "one", detectionStatus=[DetectionStatus.RESOLVED]) == [2, 3]
    assert chosen(reports, "one", detectionStatus=[DetectionStatus.NEW, DetectionStatus.UNRESOLVED]) == [1, 4]
    assert chosen(reports, "one", reportStatus=[ReportStatus.CLOSED]) == [2, 3]
    assert chosen(reports, "one", runTag=[tag(reports, "v1")]) == [1, 2, 3]
    assert chosen(reports, runTag=[tag(reports, "v1")]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("report_filter", "told"),
    [
        ({"runHistoryTag": ["yesterday"]}, "'yesterday' is no time"),
        ({"runHistoryTag": ["2001-01-01 00:00:00.0"], "openReportsDate": 1}, "for one time only"),
        ({"openReportsDate": 2**62}, f"{2**62} is no time: seconds since 1970"),
        ({"firstDetectionDate": -(2**62)}, f"-{2**62} is no time"),
    ],
)
def test_a_time_that_is_none_is_told(reports: DaemonProcess, report_filter: Any, told: str) -> None:
    with pytest.raises(Failed, match=told):
        chosen(reports, **report_filter)


def test_reports_are_filtered_by_cleanup_plans(reports: DaemonProcess) -> None:
    plans = {name: service(reports, "addCleanupPlan", name=name) for name in ("spring", "autumn", "empty")}
    for name, numbers_in in (("spring", (1, 3)), ("autumn", (3, 4))):
        hashes = [f"{number:032x}" for number in numbers_in]
        assert service(reports, "setCleanupPlan", cleanupPlanId=plans[name], reportHashes=[*hashes, "foreign"])
    assert chosen(reports, "two", cleanupPlanNames=["spring"]) == [1, 3, 3]
    assert chosen(reports, "two", cleanupPlanNames=["autumn", "empty"]) == [3, 3]
    assert chosen(reports, "one", cleanupPlanNames=["autumn"], reportHash=[f"{1:032x}", f"{4:032x}"]) == [4]
    assert chosen(reports, cleanupPlanNames=["empty"]) == chosen(reports, cleanupPlanNames=["SPRING", "s*"]) == []
    service(reports, "closeCleanupPlan", cleanupPlanId=plans["autumn"])
    assert service(reports, "getRunResultCount", reportFilter={"cleanupPlanNames": ["autumn"]}) == 4
    for plan in plans.values():
        service(reports, "removeCleanupPlan", cleanupPlanId=plan)


def test_reports_are_filtered_by_source_components(reports: DaemonProcess) -> None:
    other = "Other (auto-generated)"
    assert chosen(reports, "two", componentNames=[other]) == [1, 3, 3]
    for name, value in (("a", "+/src/*\n-*/B.c"), ("b", "+*/B.c"), ("no a", "-*/a.c"), ("none", "+/lib/*")):
        service(reports, "addSourceComponent", name=name, value=value, description="")
    assert chosen(reports, "two", componentNames=["a"]) == [1, 3, 3]
    assert chosen(reports, "two", componentNames=["a"], fullReportPathInComponent=True) == [1, 3]
    assert chosen(reports, "two", componentNames=["b"]) == chosen(reports, "two", componentNames=["no a"]) == []
    assert chosen(reports, "two", componentNames=["b"], componentMatchesAnyPoint=True) == [3]
    assert chosen(reports, "two", componentNames=["none"]) == chosen(reports, "two", componentNames=["x"]) == []
    assert chosen(reports, "two", componentNames=["none", "a"]) == [1, 3, 3]
    assert chosen(reports, "two", componentNames=[other]) == []
    for name in ("a", "b", "no a", "none"):
        service(reports, "removeSourceComponent", name=name)


def test_reviews_and_comments_are_part_of_reports_filters_counts_and_diffs(reports: DaemonProcess) -> None:
    rule = {"reportHash": f"{3:032x}", "status": ReviewStatus.INTENTIONAL, "message": "so"}
    service(reports, "addReviewStatusRule", **rule)
    (once,) = results(reports, "two", reportFilter={"bugPathLength": {"min": 2}})
    service(reports, "addComment", reportId=once["reportId"], comment={"message": "a < b"})
    (found,) = results(reports, "two", reportFilter={"bugPathLength": {"min": 2}}, getDetails=True)
    said = found["reviewData"]
    assert (said["status"], said["comment"], said["author"], said["isInSource"]) == (
        ReviewStatus.INTENTIONAL,
        "so",
        "Anonymous",
        False,
    )
    assert found["details"]["comments"][0]["message"] == "a &lt; b"
    assert chosen(reports, "two", reviewStatus=[ReviewStatus.INTENTIONAL]) == [3, 3]
    assert chosen(reports, "two", reviewStatus=[ReviewStatus.UNREVIEWED, ReviewStatus.CONFIRMED]) == [1]
    assert chosen(reports, "two", reportStatus=[ReportStatus.CLOSED]) == [3, 3]
    assert chosen(reports, "two", reportStatus=[ReportStatus.OUTSTANDING]) == [1]
    asked = {"runIds": ids(reports, "two"), "reportFilter": {}}
    assert service(reports, "getReviewStatusCounts", **asked) == {
        ReviewStatus.UNREVIEWED: 1,
        ReviewStatus.INTENTIONAL: 2,
    }
    assert service(reports, "getReportStatusCounts", **asked) == {ReportStatus.OUTSTANDING: 1, ReportStatus.CLOSED: 2}
    (run,) = service(reports, "getRunData", runFilter={"names": ["two"]})
    assert (run["resultCount"], run["detectionStatusCount"]) == (1, {DetectionStatus.NEW: 3})
    checkers = service(reports, "getCheckerStatusVerificationDetails", **asked).values()
    assert {one["checkerName"]: (one["outstanding"], one["closed"]) for one in checkers}["unix.Malloc"] == (0, 2)
    assert diff(reports, DiffType.NEW, "one", "two") == []
    hashes = {"runIds": ids(reports, "two"), "reportHashes": [f"{1:032x}"], "diffType": DiffType.RESOLVED}
    assert service(reports, "getDiffResultsHash", **hashes) == []
    service(reports, "removeReviewStatusRules")
    assert service(reports, "getDiffResultsHash", **hashes) == [f"{3:032x}"]
    assert diff(reports, DiffType.NEW, "one", "two") == [3, 3]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, [1, 3, 3]),
        (SortType.CHECKER_NAME, [1, 3, 3]),
        (SortType.FILENAME, [1, 3, 3]),
        (SortType.SEVERITY, [3, 3, 1]),
        (SortType.DETECTION_STATUS, [1, 3, 3]),
        (SortType.REVIEW_STATUS, [1, 3, 3]),
    ],
)
def test_reports_are_sorted(reports: DaemonProcess, sort: SortType | None, expected: list[int]) -> None:
    mode = None if sort is None else [{"type": sort, "ord": Order.ASC}]
    assert numbers(results(reports, "two", sortType=mode)) == expected


def test_a_sort_goes_down_as_well(reports: DaemonProcess) -> None:
    mode = {"type": SortType.BUG_PATH_LENGTH, "ord": Order.DESC}
    lengths = [one["bugPathLength"] for one in results(reports, sortType=[mode])]
    assert lengths == [2, 2, 1, 1, 1, 1, 1]


def test_reports_are_sorted_by_all_that_is_asked_for_and_by_annotations(reports: DaemonProcess) -> None:
    def sorted_by(*sorts: tuple[SortType, Order]) -> list[tuple[int, str]]:
        found = results(reports, "two", sortType=[{"type": kind, "ord": order} for kind, order in sorts])
        return list(zip(numbers(found), [one["annotations"].get("testcase", "") for one in found], strict=True))

    up, down = Order.ASC, Order.DESC
    assert sorted_by((SortType.SEVERITY, down), (SortType.TESTCASE, down)) == [(1, ""), (3, "t1"), (3, "")]
    assert sorted_by((SortType.SEVERITY, up), (SortType.TESTCASE, up)) == [(3, ""), (3, "t1"), (1, "")]
    assert sorted_by((SortType.TESTCASE, up), (SortType.CHECKER_NAME, down)) == [(3, ""), (1, ""), (3, "t1")]
    again = (SortType.TESTCASE, up)
    assert sorted_by((SortType.TESTCASE, down), again, (SortType.CHECKER_NAME, up)) == [(3, "t1"), (1, ""), (3, "")]
    for kind in (SortType.TIMESTAMP, SortType.CHRONOLOGICAL_ORDER):
        assert sorted_by((kind, down), (SortType.TESTCASE, up))[-1] == (3, "t1")


def test_pages_have_every_report_once_also_when_a_store_comes_between(reports: DaemonProcess) -> None:
    asked = {"sortType": [{"type": SortType.FILENAME, "ord": Order.ASC}], "limit": 2}
    stored(reports, "paged", *map(report, range(10, 15)))
    first = results(reports, "paged", offset=0, **asked)
    stored(reports, "paged", *map(report, range(15)))
    rest = [results(reports, "paged", offset=offset, **asked) for offset in (2, 4)]
    assert sorted(numbers([*first, *rest[0], *rest[1]])) == [10, 11, 12, 13, 14]
    assert len(results(reports, "paged", offset=2, limit=20)) == 13
    service(reports, "removeRun", runFilter={"names": ["paged"]})


def test_a_page_of_a_list_whose_reports_are_gone_is_of_what_there_is(reports: DaemonProcess) -> None:
    stored(reports, "paged", *map(report, range(20, 26)))
    run = ids(reports, "paged")
    assert len(service(reports, "getRunResults", runIds=run, limit=2, reportFilter={})) == 2
    stored(reports, "paged", *map(report, range(30, 36)), force="true")
    assert service(reports, "getRunResults", runIds=run, limit=2, offset=2, reportFilter={}) == []
    service(reports, "removeRun", runFilter={"names": ["paged"]})


def test_reports_are_counted_by_what_they_have_in_common(reports: DaemonProcess) -> None:
    def counts(name: str, **report_filter: Any) -> Any:
        return service(reports, f"get{name}Counts", runIds=ids(reports, "two"), reportFilter=report_filter)

    assert counts("Checker") == [
        {"name": "core.DivideZero", "severity": 40, "count": 1},
        {"name": "unix.Malloc", "severity": 30, "count": 2},
    ]
    assert counts("Severity", isUnique=True)[30] == 1
    assert counts("CheckerMsg") == {"bad 1": 1, "bad 3": 2}
    assert counts("File") == {"/src/a.c": 3}
    assert counts("AnalyzerName") == {"unknown": 3}
    assert counts("DetectionStatus") == {DetectionStatus.NEW: 3}
    assert counts("ReviewStatus") == {ReviewStatus.UNREVIEWED: 3}
    assert counts("ReportStatus") == {ReportStatus.OUTSTANDING: 3}
    every = service(reports, "getRunReportCounts", reportFilter={"isUnique": True})
    assert [(one["name"], one["reportCount"]) for one in every] == [("one", 4), ("two", 2)]
    at = service(reports, "getRunHistoryTagCounts", reportFilter={})
    assert [(one["runName"], one.get("name"), one["count"]) for one in at] == [
        ("two", None, 3),
        ("one", None, 2),
        ("one", "v1", 3),
    ]


def test_the_reports_of_each_file_are_counted_by_what_they_are(reports: DaemonProcess) -> None:
    stored(reports, "files", report(1), report(2), report(3, location=place(1, 1, 1), check_name="unix.Malloc"))
    asked = {"runIds": ids(reports, "files"), "reportFilter": {}}
    of_b = {"reports": 1, "severity:MEDIUM": 1, "review_status:unreviewed": 1, "detection_status:new": 1}
    assert service(reports, "getFileCountsSummary", **asked) == {
        "/src/a.c": {"reports": 2, "severity:HIGH": 2, "review_status:unreviewed": 2, "detection_status:new": 2},
        "/src/B.c": of_b,
    }
    pages = [service(reports, "getFileCountsSummary", limit=1, offset=page, **asked) for page in range(3)]
    assert list(map(list, pages)) == [["/src/B.c"], ["/src/a.c"], []]
    compared = {"runIds": ids(reports, "files"), "diffType": DiffType.NEW}
    asked = {"runIds": ids(reports, "two"), "reportFilter": {"isUnique": True}, "cmpData": compared}
    assert [counts["reports"] for counts in service(reports, "getFileCountsSummary", **asked).values()] == [1]
    service(reports, "removeRun", runFilter={"names": ["files"]})


def test_of_no_guideline_any_rules_are_known(reports: DaemonProcess) -> None:
    asked = [{"guidelineName": "sei-cert-c"}]
    assert service(reports, "getGuidelineRules", guidelines=asked) == {"sei-cert-c": []}


def test_the_values_of_annotations_are_told(reports: DaemonProcess) -> None:
    for report_filter in ({}, {"annotations": [{"first": "testcase"}]}):
        assert service(reports, "getReportAnnotations", reportFilter=report_filter) == ["t1"]
    assert service(reports, "getReportAnnotations", reportFilter={"annotations": [{"first": "x"}]}) == []


def diff(daemon: DaemonProcess, which: DiffType, base: str, new: str, base_tag: str | None = None) -> list[int]:
    compared = {"runIds": ids(daemon, new), "diffType": which}
    tags = {"runTag": [tag(daemon, base_tag)]} if base_tag else {}
    return sorted(numbers(results(daemon, base, cmpData=compared, reportFilter=tags)))


def test_runs_are_compared_as_they_are_and_as_they_were_at_a_tag(reports: DaemonProcess) -> None:
    sets = (DiffType.NEW, DiffType.RESOLVED, DiffType.UNRESOLVED)
    assert [diff(reports, which, "one", "two") for which in sets] == [[3, 3], [4], [1]]
    assert [diff(reports, which, "one", "two", "v1") for which in sets] == [[], [2], [1, 3, 3]]
    compared = {"runIds": ids(reports, "one"), "runTag": [tag(reports, "v1")], "diffType": DiffType.NEW}
    assert sorted(numbers(results(reports, "one", cmpData=compared))) == [2, 3]


def test_the_hashes_of_a_folder_are_compared_with_what_is_open_in_a_run(reports: DaemonProcess) -> None:
    def hashes(which: DiffType, run: str, *given: int, **more: Any) -> list[int]:
        texts = [f"{number:032x}" for number in given]
        asked = {"runIds": ids(reports, run), "reportHashes": texts, "diffType": which, **more}
        return sorted(int(text, 16) for text in service(reports, "getDiffResultsHash", **asked))

    assert hashes(DiffType.NEW, "one", 1, 2, 9) == [2, 9]
    assert hashes(DiffType.UNRESOLVED, "one", 1, 2, 9) == [1]
    assert hashes(DiffType.RESOLVED, "one", 1, 2, 9) == [4]
    tagged = {"tagIds": [tag(reports, "v1")]}
    assert hashes(DiffType.NEW, "one", 1, 2, 9, **tagged) == [9]
    assert hashes(DiffType.RESOLVED, "one", 1, **tagged) == [2, 3]
    skipped = {"skipDetectionStatuses": [DetectionStatus.NEW]}
    assert hashes(DiffType.RESOLVED, "one", 9, **skipped) == [1]


def test_a_file_has_what_it_held_when_its_report_was_last_seen(reports: DaemonProcess) -> None:
    found = {number: one for one in results(reports, "one") for number in numbers([one])}
    held = {
        number: service(reports, "getSourceFileData", fileId=found[number]["fileId"], fileContent=True)
        for number in (1, 2)
    }
    assert (held[1]["fileContent"], held[2]["fileContent"]) == ("changed\n", "first\r\nsecond \ufffd\nthird")
    assert found[3]["fileId"] == found[2]["fileId"] != found[1]["fileId"] == found[4]["fileId"]
    assert "fileContent" not in service(reports, "getSourceFileData", fileId=held[1]["fileId"])
    assert service(reports, "getSourceFileData", fileId=10**9, fileContent=True) == {}
    packed = service(reports, "getSourceFileData", fileId=held[2]["fileId"], fileContent=True, encoding=Encoding.BASE64)
    assert base64.b64decode(packed["fileContent"]) == SOURCES["/src/a.c"]
    lines = [{"fileId": held[2]["fileId"], "lines": {0, 1, 2, 3, 4}}, {"fileId": 10**9, "lines": {1}}]
    assert service(reports, "getLinesInSourceFileContents", linesInFilesRequested=lines) == {
        held[2]["fileId"]: {0: "", 1: "first\r", 2: "second \ufffd", 3: "third", 4: ""},
        10**9: {1: ""},
    }
    (packed_lines,) = service(
        reports, "getLinesInSourceFileContents", linesInFilesRequested=lines[:1], encoding=Encoding.BASE64
    ).values()
    assert base64.b64decode(packed_lines[3]) == b"third"


def test_reports_can_be_deleted_and_the_run_counts_what_is_left(reports: DaemonProcess) -> None:
    stored(reports, "thinned", report(1), report(2), report(3, path=PATH))
    thinned = ids(reports, "thinned")
    asked = {"runIds": thinned, "reportFilter": {"bugPathLength": {"min": 2}}}
    assert service(reports, "removeRunReports", **asked) is True
    assert chosen(reports, "thinned") == [1, 2]
    (run,) = service(reports, "getRunData", runFilter={"ids": thinned})
    assert (run["resultCount"], run["detectionStatusCount"]) == (2, {DetectionStatus.NEW: 2})
    stored(reports, "thinned", report(1), report(3, path=PATH))
    assert chosen(reports, "thinned", detectionStatus=[DetectionStatus.NEW]) == [3]
    service(reports, "removeRun", runFilter={"names": ["thinned"]})


def test_a_call_that_asks_nothing_deletes_no_report(reports: DaemonProcess) -> None:
    before = chosen(reports)
    for nothing in (
        {},
        {"runIds": [], "reportFilter": {"checkerName": [], "isUnique": False}, "cmpData": {"diffType": 1}},
    ):
        with pytest.raises(Failed, match="all would be deleted"):
            service(reports, "removeRunReports", **nothing)
    assert chosen(reports) == before != []


def test_a_report_that_is_not_there_is_told(reports: DaemonProcess) -> None:
    for name in ("getReport", "getReportDetails"):
        with pytest.raises(Failed, match="has no report 1000000"):
            service(reports, name, reportId=10**6)
