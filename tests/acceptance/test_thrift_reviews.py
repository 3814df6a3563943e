"""Reviews, comments, source components, cleanup plans and filter presets as CodeChecker's clients are told them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storaged.thrift.structs import CommentKind, ErrorCode, Order, ReviewStatus, ReviewStatusRuleSortType
from tests.acceptance.calls import call as native
from tests.acceptance.calls import get
from tests.acceptance.codechecker_client import Client, Done
from tests.acceptance.conftest import fresh_database
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, ask
from tests.archives import unpack_sample

REPORTS = "/api/v1/products/Default/reports?run=pantry&checker=core.DivideZero&limit=1"


@pytest.fixture(scope="module")
def pantry(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("pantry")
    with fresh_database(postgres_url) as url, running_daemon(url, folder) as daemon:
        done = daemon.storectl("store", str(unpack_sample(folder / "pantry") / "reports"), "-n", "pantry")
        assert done.returncode == 0, done.stderr
        yield daemon


@pytest.fixture(autouse=True)
def _no_rules(pantry: DaemonProcess) -> None:
    call(pantry, "removeReviewStatusRules")


def call(daemon: DaemonProcess, method: str, /, **arguments: Any) -> Any:
    return ask(daemon, "CodeCheckerService", method, product="Default", **arguments)


def report(daemon: DaemonProcess) -> Any:
    """The first report of a division by zero, of which there are two with one hash."""
    return get(daemon, REPORTS)["reports"][0]


def rules(daemon: DaemonProcess, **options: Any) -> list[Any]:
    found: list[Any] = call(daemon, "getReviewStatusRules", **options)
    return found


def hashes(found: list[Any]) -> list[str]:
    return [rule["reportHash"] for rule in found]


def say(daemon: DaemonProcess, report_hash: str, status: ReviewStatus, message: str = "why") -> None:
    assert call(daemon, "addReviewStatusRule", reportHash=report_hash, status=status, message=message) is True


def test_a_rule_is_for_all_reports_of_its_hash(pantry: DaemonProcess) -> None:
    name = report(pantry)["report_hash"]
    say(pantry, name, ReviewStatus.FALSE_POSITIVE)
    assert report(pantry)["review_status"] == "false_positive"
    (rule,) = rules(pantry)
    assert (rule["reportHash"], rule["associatedReportCount"]) == (name, 2)
    data = rule["reviewData"]
    assert (data["status"], data["comment"], data["author"], data["isInSource"]) == (
        ReviewStatus.FALSE_POSITIVE,
        "why",
        "Anonymous",
        False,
    )
    assert data["date"].replace(" ", "T") + "Z" == report(pantry)["review"]["at"]


def test_the_review_of_one_report_is_that_of_its_hash(pantry: DaemonProcess) -> None:
    assert call(pantry, "isReviewStatusChangeDisabled") is False
    one = report(pantry)
    assert call(pantry, "changeReviewStatus", reportId=one["id"], status=ReviewStatus.INTENTIONAL, message="so")
    assert hashes(rules(pantry)) == [one["report_hash"]]
    with pytest.raises(Failed, match="has no report 999999"):
        call(pantry, "changeReviewStatus", reportId=999999, status=ReviewStatus.INTENTIONAL, message="so")


def test_rules_are_filtered_sorted_counted_and_removed(pantry: DaemonProcess) -> None:
    name = report(pantry)["report_hash"]
    for report_hash, status in (("bb", 2), (name, 1), ("aa", 3)):
        say(pantry, report_hash, ReviewStatus(status))
    assert hashes(rules(pantry)) == ["aa", name, "bb"]
    assert hashes(rules(pantry, limit=1, offset=1)) == [name]
    for kind, expected in (
        (ReviewStatusRuleSortType.REPORT_HASH, ["aa", "bb", name]),
        (ReviewStatusRuleSortType.STATUS, [name, "bb", "aa"]),
        (ReviewStatusRuleSortType.AUTHOR, None),
        (ReviewStatusRuleSortType.DATE, ["bb", name, "aa"]),
        (ReviewStatusRuleSortType.ASSOCIATED_REPORTS_COUNT, ["aa", "bb", name]),
    ):
        up = hashes(rules(pantry, sortMode={"type": kind, "ord": Order.ASC}))
        down = hashes(rules(pantry, sortMode={"type": kind, "ord": Order.DESC}))
        assert expected is None or (up == expected and down[0] == expected[-1]), kind
        assert sorted(down) == sorted(up)
    for asked, expected in (
        ({"reportHashes": ["aa", name[:5] + "*"]}, ["aa", name]),
        ({"reviewStatuses": [ReviewStatus.FALSE_POSITIVE, ReviewStatus.INTENTIONAL]}, ["aa", "bb"]),
        ({"noAssociatedReports": True}, ["aa", "bb"]),
        ({"authors": ["nobody"]}, []),
    ):
        assert sorted(hashes(rules(pantry, filter=asked))) == sorted(expected)
        assert call(pantry, "getReviewStatusRulesCount", filter=asked) == len(expected)
    assert call(pantry, "removeReviewStatusRules", filter={"noAssociatedReports": True})
    assert hashes(rules(pantry)) == [name]


def test_comments_are_on_the_hash_of_a_report(pantry: DaemonProcess) -> None:
    number = report(pantry)["id"]
    assert call(pantry, "addComment", reportId=number, comment={"message": "is <b> 0?"})
    assert call(pantry, "addComment", reportId=number, comment={"message": "never", "author": "eve", "id": 7})
    newest, oldest = comments(pantry, number, CommentKind.USER)
    assert (newest["message"], newest["author"], newest["kind"]) == ("never", "Anonymous", CommentKind.USER)
    assert oldest["message"] == "is &lt;b&gt; 0?"
    assert call(pantry, "updateComment", commentId=newest["id"], newMessage="hardly ever")
    assert call(pantry, "removeComment", commentId=oldest["id"])
    assert [one["message"] for one in comments(pantry, number, CommentKind.USER)] == ["hardly ever"]
    for method, arguments in (
        ("updateComment", {"commentId": oldest["id"], "newMessage": "x"}),
        ("removeComment", {"commentId": oldest["id"]}),
    ):
        with pytest.raises(Failed, match="Nobody wrote a comment with the id") as caught:
            call(pantry, method, **arguments)
        assert caught.value.code == ErrorCode.DATABASE
    with pytest.raises(Failed, match="must not be empty"):
        call(pantry, "addComment", reportId=number, comment={"message": " "})
    with pytest.raises(Failed, match="has no report 999999"):
        call(pantry, "getComments", reportId=999999)


def comments(daemon: DaemonProcess, report_id: int, kind: CommentKind) -> list[Any]:
    """Those of users, or of the system, the newest first."""
    found = call(daemon, "getComments", reportId=report_id)
    assert call(daemon, "getCommentCount", reportId=report_id) == len(found)
    return [one for one in found if one["kind"] == kind]


def changed_review(before: str, after: str, message: str = "") -> str:
    now, then = f'<b class="new-review-status">{after}</b>', f'<b class="old-review-status">{before}</b>'
    why = f", saying <i>{message}</i>" if message else ""
    return f"%author% reviewed it as {now}{why}; before, it was {then}. %date%"


def test_each_change_of_a_review_is_written_down_as_a_comment_of_the_system(pantry: DaemonProcess) -> None:
    one = get(pantry, REPORTS.replace("limit=1", "limit=2"))["reports"][1]
    name, before = one["report_hash"], len(comments(pantry, one["id"], CommentKind.SYSTEM))
    for message in ("why <b>", "why <b>", "'so' & \"so\""):
        say(pantry, name, ReviewStatus.CONFIRMED, message)
    say(pantry, name, ReviewStatus.FALSE_POSITIVE, "")
    call(pantry, "removeReviewStatusRules")
    assert call(pantry, "changeReviewStatus", reportId=one["id"], status=ReviewStatus.INTENTIONAL, message="meant")
    (rule,) = rules(pantry)
    told = comments(pantry, one["id"], CommentKind.SYSTEM)
    assert [comment["message"] for comment in told[: len(told) - before]] == [
        changed_review("Unreviewed", "Intentional", "meant"),
        changed_review("Confirmed", "False_positive"),
        changed_review("Confirmed", "Confirmed", "&#x27;so&#x27; &amp; &quot;so&quot;"),
        changed_review("Unreviewed", "Confirmed", "why &lt;b&gt;"),
    ]
    assert (told[0]["author"], told[0]["createdAt"]) == ("Anonymous", rule["reviewData"]["date"])
    (shown,) = call(pantry, "getRunResults", reportFilter={"reportHash": [name], "isUnique": True}, getDetails=True)
    assert [one for one in shown["details"]["comments"] if one["kind"] == CommentKind.SYSTEM] == told


def test_what_a_comment_said_before_it_was_changed_is_written_down(pantry: DaemonProcess) -> None:
    number = report(pantry)["id"]
    call(pantry, "addComment", reportId=number, comment={"message": "it's <b>"})
    mine = comments(pantry, number, CommentKind.USER)[0]["id"]
    for _ in range(2):
        assert call(pantry, "updateComment", commentId=mine, newMessage="no")
    told = comments(pantry, number, CommentKind.SYSTEM)
    now, then = '<b class="new-comment-message">no</b>', '<b class="old-comment-message">it&#x27;s &lt;b&gt;</b>'
    assert next(one["message"] for one in told if "comment-message" in one["message"]) == (
        f"%author% wrote the comment anew: {now}; before, it was {then}. %date%"
    )
    assert sum("it&#x27;s" in one["message"] for one in told) == 1
    for method, more in (("updateComment", {"newMessage": "x"}), ("removeComment", {})):
        with pytest.raises(Failed, match="Nobody wrote a comment with the id"):
            call(pantry, method, commentId=told[0]["id"], **more)
    call(pantry, "removeComment", commentId=mine)


def test_comments_of_a_system_are_imported_once_and_never_shown_as_foreign_html(pantry: DaemonProcess) -> None:
    one, at = report(pantry), "2024-01-01 00:00:00.000000"
    given = ("rev_st_changed Confirmed 'Not <b>'", "<script>", "rev_st_changed 'x")
    written = [{"message": text, "kind": CommentKind.SYSTEM, "createdAt": at, "author": "eve"} for text in given]
    review = {"status": ReviewStatus.INTENTIONAL, "comment": "", "date": at}
    for _ in range(2):
        call(pantry, "removeReviewStatusRules")
        data = {"comments": {one["report_hash"]: written}, "reviewData": {one["report_hash"]: review}}
        assert call(pantry, "importData", exportData=data)
    found = [one for one in comments(pantry, one["id"], CommentKind.SYSTEM) if one["createdAt"] == at]
    assert sorted(comment["message"] for comment in found) == [
        changed_review("Confirmed", "Not &lt;b&gt;"),
        "&lt;script&gt;",
        "rev_st_changed &#x27;x",
    ]


def test_components_are_added_changed_listed_and_removed(pantry: DaemonProcess) -> None:
    for value in ("+*/src/*", "+*/lib/*\n-*/test/*"):
        assert call(pantry, "addSourceComponent", name="core", value=value, description="the core")
    assert call(pantry, "addSourceComponent", name="apps", value="+*/apps/*")
    listed = call(pantry, "getSourceComponents")
    assert [one["name"] for one in listed] == ["apps", "core", "Other (auto-generated)"]
    assert listed[1] == {"name": "core", "value": "+*/lib/*\n-*/test/*", "description": "the core"}
    assert [one["name"] for one in call(pantry, "getSourceComponents", sourceComponentFilter=["C*"])] == ["core"]
    assert call(pantry, "removeSourceComponent", name="core")
    with pytest.raises(Failed, match="There is no source component 'core'") as caught:
        call(pantry, "removeSourceComponent", name="core")
    assert caught.value.code == ErrorCode.DATABASE
    for name in ("", "x" * 2001, "Other (auto-generated)"):
        with pytest.raises(Failed, match="source component"):
            call(pantry, "addSourceComponent", name=name, value="+*")


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("addReviewStatusRule", {"reportHash": "", "status": 1, "message": ""}, "reportHash: .* at least 1 character"),
        ("addReviewStatusRule", {"reportHash": "h" * 1001, "status": 1, "message": ""}, "reportHash: .* at most 1000"),
        ("addReviewStatusRule", {"reportHash": "h", "status": 1, "message": "m" * 10_001}, "message: .* at most 10000"),
        ("addComment", {"comment": {"message": "m" * 10_001}}, "message: .* at most 10000 "),
        ("updateComment", {"commentId": 1, "newMessage": "m" * 10_001}, "message: .* at most 10000 "),
        ("addSourceComponent", {"name": "big", "value": "+" * 200_001}, "value: .* at most 200000"),
        ("addSourceComponent", {"name": "big", "value": "+*", "description": "d" * 200_001}, "description: .* at most"),
    ],
)
def test_texts_that_are_too_long_are_refused(
    pantry: DaemonProcess, method: str, arguments: dict[str, Any], told: str
) -> None:
    of_report = {"reportId": report(pantry)["id"]} if method == "addComment" else {}
    with pytest.raises(Failed, match=told) as caught:
        call(pantry, method, **of_report, **arguments)
    assert caught.value.code == ErrorCode.GENERAL


def plans(daemon: DaemonProcess, **plan_filter: Any) -> list[str]:
    return [plan["name"] for plan in call(daemon, "getCleanupPlans", filter=plan_filter)]


def test_cleanup_plans_are_added_changed_closed_reopened_and_removed(pantry: DaemonProcess) -> None:
    assert call(pantry, "getCleanupPlans") == []
    due = 1_800_000_000
    spring = call(pantry, "addCleanupPlan", name="spring", description="all", dueDate=due)
    autumn = call(pantry, "addCleanupPlan", name="autumn", dueDate=0)
    assert call(pantry, "getCleanupPlans") == [
        {"id": autumn, "name": "autumn", "reportHashes": []},
        {"id": spring, "name": "spring", "description": "all", "dueDate": due, "reportHashes": []},
    ]
    assert plans(pantry, names=["spring"]) == plans(pantry, ids=[spring]) == ["spring"]
    assert plans(pantry, ids=[], names=[]) == ["autumn", "spring"]
    assert plans(pantry, names=["S*"]) == []
    assert call(pantry, "updateCleanupPlan", id=autumn, name="winter", description="none")
    for _ in range(2):
        assert call(pantry, "closeCleanupPlan", cleanupPlanId=autumn)
    (closed,) = call(pantry, "getCleanupPlans", filter={"isOpen": False})
    assert (closed["name"], closed["description"], "dueDate" in closed) == ("winter", "none", False)
    assert closed["closedAt"] > 0
    assert plans(pantry, isOpen=True) == ["spring"]
    assert call(pantry, "reopenCleanupPlan", cleanupPlanId=autumn)
    assert plans(pantry, isOpen=True) == ["spring", "winter"]
    with pytest.raises(Failed, match="There is a cleanup plan 'winter' already") as caught:
        call(pantry, "updateCleanupPlan", id=spring, name="winter")
    assert caught.value.code == ErrorCode.DATABASE
    for name, told in (("winter", "There is a cleanup plan 'winter' already"), ("", "between 1 and 2000 bytes")):
        with pytest.raises(Failed, match=told):
            call(pantry, "addCleanupPlan", name=name)
    for plan in (spring, autumn):
        assert call(pantry, "removeCleanupPlan", cleanupPlanId=plan)
    assert plans(pantry) == []


def test_report_hashes_are_put_into_cleanup_plans_and_taken_out(pantry: DaemonProcess) -> None:
    plan = call(pantry, "addCleanupPlan", name="spring")
    other = call(pantry, "addCleanupPlan", name="autumn")
    known = report(pantry)["report_hash"]
    for hashes in ([known, "Foreign", known], ["aa", known], []):
        assert call(pantry, "setCleanupPlan", cleanupPlanId=plan, reportHashes=hashes)
    assert call(pantry, "setCleanupPlan", cleanupPlanId=other, reportHashes=[known])
    assert call(pantry, "unsetCleanupPlan", cleanupPlanId=plan, reportHashes=["Foreign", "never in it"])
    (found,) = call(pantry, "getCleanupPlans", filter={"names": ["spring"]})
    assert sorted(found["reportHashes"]) == sorted(["aa", known])
    for gone in (plan, other):
        assert call(pantry, "removeCleanupPlan", cleanupPlanId=gone)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("updateCleanupPlan", {"id": 999, "name": "x"}),
        *((f"{verb}CleanupPlan", {"cleanupPlanId": 999}) for verb in ("close", "reopen", "remove")),
        *((f"{verb}CleanupPlan", {"cleanupPlanId": 999, "reportHashes": ["x"]}) for verb in ("set", "unset")),
    ],
)
def test_a_cleanup_plan_that_is_not_there_is_told(pantry: DaemonProcess, method: str, arguments: Any) -> None:
    with pytest.raises(Failed, match="There is no cleanup plan with the id 999") as caught:
        call(pantry, method, **arguments)
    assert caught.value.code == ErrorCode.DATABASE


def presets(daemon: DaemonProcess) -> list[tuple[int, str]]:
    return [(preset["id"], preset["name"]) for preset in call(daemon, "listFilterPreset")]


def test_filter_presets_are_kept_as_they_were_given_changed_renamed_and_deleted(pantry: DaemonProcess) -> None:
    asked = {
        "severity": [40],
        "reviewStatus": [ReviewStatus.CONFIRMED],
        "isUnique": True,
        "checkerName": ["core.*"],
        "bugPathLength": {"min": 1},
        "date": {"detected": {"after": 5}},
        "annotations": [{"first": "testcase", "second": "t*"}],
        "fixDate": 2**62,
    }
    first = call(pantry, "storeFilterPreset", preset={"id": -1, "name": "mine", "reportFilter": asked})
    second = call(pantry, "storeFilterPreset", preset={"name": "all"})
    assert call(pantry, "getFilterPreset", id=first) == {"id": first, "name": "mine", "reportFilter": asked}
    assert presets(pantry) == [(first, "mine"), (second, "all")]
    assert call(pantry, "renameFilterPreset", id=second, name="every") == second
    changed = {"id": first, "name": "ours", "reportFilter": {"severity": [10]}}
    assert call(pantry, "storeFilterPreset", preset=changed) == first
    assert call(pantry, "listFilterPreset") == [
        {"id": first, "name": "ours", "reportFilter": {"severity": [10], "annotations": []}},
        {"id": second, "name": "every", "reportFilter": {"annotations": []}},
    ]
    for method, arguments in (
        ("storeFilterPreset", {"preset": {"id": -1, "name": "every"}}),
        ("storeFilterPreset", {"preset": {"id": first, "name": "every"}}),
        ("renameFilterPreset", {"id": first, "name": "every"}),
    ):
        with pytest.raises(Failed, match="There is a filter preset 'every' already") as caught:
            call(pantry, method, **arguments)
        assert caught.value.code == ErrorCode.DATABASE
    for preset in (first, second):
        assert call(pantry, "deleteFilterPreset", id=preset) == preset
    assert presets(pantry) == []


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("getFilterPreset", {"id": 999}, "no filter preset with the id 999"),
        ("deleteFilterPreset", {"id": 999}, "no filter preset with the id 999"),
        ("renameFilterPreset", {"id": 999, "name": "x"}, "no filter preset with the id 999"),
        ("storeFilterPreset", {"preset": {"id": 999, "name": "x"}}, "no filter preset with the id 999"),
        ("storeFilterPreset", {"preset": {"id": -1}}, "between 1 and 2000 bytes"),
        ("storeFilterPreset", {"preset": {"id": -1, "name": "x" * 2001}}, "between 1 and 2000 bytes"),
        (
            "storeFilterPreset",
            {"preset": {"id": -1, "name": "x", "reportFilter": {"checkerName": ["c" * 200_000]}}},
            "at most 200000 bytes",
        ),
    ],
)
def test_a_filter_preset_that_cannot_be_is_told(pantry: DaemonProcess, method: str, arguments: Any, told: str) -> None:
    with pytest.raises(Failed, match=told):
        call(pantry, method, **arguments)


def test_codecheckers_own_client_makes_applies_renames_and_deletes_filter_presets(
    codechecker_client: Client, pantry: DaemonProcess
) -> None:
    def client(*arguments: str) -> Done:
        return codechecker_client.cmd(pantry, *arguments, product="Default")

    made = client("filter-preset", "new", "--name", "zeros", "--checker-name", "core.DivideZero", "--uniqueing", "on")
    assert made.code == 0, made.err + made.out
    listed = client("filter-preset", "list", "-o", "json")
    assert [one["name"] for one in listed.json] == ["zeros"]
    assert "core.DivideZero" in listed.out
    shown = client("results", "pantry", "--filter-preset", "zeros", "-o", "json").json
    assert [one["bugHash"] for one in shown] == [report(pantry)["report_hash"]]
    (number, _name), *_ = presets(pantry)
    assert client("filter-preset", "rename", "--preset-id", str(number), "--new-name", "naught").code == 0
    assert presets(pantry) == [(number, "naught")]
    assert client("filter-preset", "delete", "--id", str(number)).code == 0
    assert presets(pantry) == []


COMPONENT = "+*/shelf.cpp\n-*/units.h"


def test_codecheckers_own_client_adds_lists_and_deletes_components(
    each_client: Client, pantry: DaemonProcess, tmp_path: Path
) -> None:
    (tmp_path / "component").write_text(COMPONENT)

    def client(*arguments: str) -> Done:
        return each_client.cmd(pantry, "components", *arguments, product="Default")

    assert client("add", "-i", str(tmp_path / "component"), "shelf").code == 0
    listed = client("list", "-o", "json").json
    assert [(one["name"], one["value"]) for one in listed if one["name"] == "shelf"] == [("shelf", COMPONENT)]
    assert client("del", "shelf").code == 0
    assert "does not exist" in client("del", "shelf").out


def test_reviews_and_comments_are_exported_by_run_and_imported_elsewhere(pantry: DaemonProcess) -> None:
    one = report(pantry)
    say(pantry, one["report_hash"], ReviewStatus.INTENTIONAL, "so it is")
    say(pantry, "elsewhere", ReviewStatus.CONFIRMED)
    call(pantry, "addComment", reportId=one["id"], comment={"message": "a <b>"})
    data = call(pantry, "exportData", runFilter={"names": ["pan*"]})
    assert list(data["reviewData"]) == [one["report_hash"]]
    (written,) = data["comments"].values()
    assert [one["message"] for one in written[:2]] == [
        "a <b>",
        "rev_st_changed_msg Unreviewed Intentional 'so it is'",
    ]
    assert call(pantry, "exportData", runFilter={"names": ["none"], "exactMatch": True}) == {
        "comments": {},
        "reviewData": {},
    }
    call(pantry, "removeReviewStatusRules")
    count = call(pantry, "getCommentCount", reportId=one["id"])
    for _ in range(2):
        assert call(pantry, "importData", exportData=data) is True
    assert report(pantry)["review"] == {
        "message": "so it is",
        "author": None,
        "at": data["reviewData"][one["report_hash"]]["date"].replace(" ", "T") + "Z",
        "source": "rule",
    }
    assert call(pantry, "getCommentCount", reportId=one["id"]) == count
    native(pantry, "POST", "/api/v1/products", body=b'{"endpoint":"other"}')
    ask(pantry, "CodeCheckerService", "importData", product="other", exportData=data)
    again = ask(pantry, "CodeCheckerService", "exportData", product="other")
    assert again["reviewData"] == data["reviewData"]
    assert [one["createdAt"] for one in again["comments"][one["report_hash"]]] == [one["createdAt"] for one in written]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"reviewData": {"aa": {"status": 1, "date": "yesterday"}}}, "'yesterday' is no time"),
        ({"reviewData": {"aa": {"date": "2026-11-24 08:30:00"}}}, "The review of aa has no status"),
        ({"comments": {"aa": [{"message": "x"}]}}, "'' is no time"),
        ({"comments": {"aa": [{"message": "x" * 200_001}]}}, "comments/aa/message: .* at most 200000 characters"),
        ({"reviewData": {"": {"status": 1, "date": "2026-11-24"}}}, "reviewData: .* at least 1 character"),
        ({"reviewData": {"aa": {"status": 1, "comment": "x" * 200_001}}}, "reviewData/aa/comment: .* at most 2"),
        ({"comments": {"aa": [{"message": "x", "createdAt": "0001-01-01 00:00:00+14:00"}]}}, "is no time"),
    ],
)
def test_what_cannot_be_imported_is_told_and_nothing_is(pantry: DaemonProcess, data: Any, told: str) -> None:
    good = {"zz": {"status": 1, "date": "2026-11-24 08:30:00.5"}}
    with pytest.raises(Failed, match=told):
        call(pantry, "importData", exportData={"reviewData": {**good, **data.pop("reviewData", {})}, **data})
    assert rules(pantry) == []


def test_codecheckers_own_client_suppresses_exports_and_imports(
    each_client: Client, pantry: DaemonProcess, tmp_path: Path
) -> None:
    one = report(pantry)
    name = Path(one["file"]).name
    (tmp_path / "suppress").write_text(f"{one['report_hash']}||{name}||never so||false_positive\n")

    def client(*arguments: str) -> Done:
        done = each_client.cmd(pantry, *arguments, product="Default")
        assert done.code == 0, done.err + done.out
        return done

    client("suppress", "-i", str(tmp_path / "suppress"), "pantry")
    assert (report(pantry)["review_status"], report(pantry)["review"]["message"]) == ("false_positive", "never so")
    exported = client("export", "-n", "pantry")
    (tmp_path / "exported.json").write_text(exported.out)
    call(pantry, "removeReviewStatusRules")
    client("import", "-i", str(tmp_path / "exported.json"))
    assert report(pantry)["review_status"] == "false_positive"
    shown = client("results", "pantry", "--details", "-o", "json").json
    assert one["report_hash"] not in {row["bugHash"] for row in shown}
    shown = client("results", "pantry", "--review-status", "false_positive", "-o", "json").json
    assert {row["bugHash"] for row in shown} == {one["report_hash"]}
