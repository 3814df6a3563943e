"""The HTTP contract: what each endpoint answers, and how it refuses."""

import hashlib
import json
import plistlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from storaged.api.jobs import JobQuery
from storaged.api.reports import ReportFilterQuery
from tests.acceptance.calls import (
    Answer,
    call,
    eventually,
    get,
    get_job,
    post_json,
    post_store,
    store,
    texts,
    until_ended,
)
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess
from tests.acceptance.other_job import OTHER, add_other_job
from tests.acceptance.uploads import SOURCE, many_reports, one_report, report, upload
from tests.plists import event, place, plist

NO_TOKEN = "0" * 64
PRODUCT = "/api/v1/products/Default"
JOB_FIELDS = {
    "token", "kind", "product", "run", "user", "summary", "status", "attempt", "node", "priority", "sequence",
    "created_at", "enqueued_at", "started_at", "finished_at", "last_seen_at", "progress", "position",
    "estimated_seconds", "reason",
    "cancel_requested", "consumed", "result", "comments",
}  # fmt: skip
REPORT_FIELDS = {
    "id", "run", "checker", "analyzer", "report_hash", "file", "message", "line", "column", "severity", "path_length",
    "detection_status", "detected_at", "fixed_at", "review_status", "review", "annotations",
}  # fmt: skip
RUN = f"{PRODUCT}/runs/zoo"
GETS = [
    "/livez",
    "/readyz",
    "/api/v1/products",
    PRODUCT,
    f"{PRODUCT}/runs",
    RUN,
    f"{PRODUCT}/runs/zoo/history",
    f"{PRODUCT}/reports",
    "/api/v1/jobs",
]
CHANGES = {RUN: {"DELETE"}, "/api/v1/products": {"POST"}, PRODUCT: {"PATCH", "DELETE"}}
POSTS = [f"{PRODUCT}/contents/missing", f"{PRODUCT}/stores", f"/api/v1/jobs/{NO_TOKEN}/cancel"]
CLANGSA = {
    "checkers": {"core.DivideZero": True, "core.NullDereference": True, "deadcode.DeadStores": True},
    "analyzer_statistics": {"version": "18.1.0", "successful": 2, "failed": 1, "failed_sources": ["/src/c.c"]},
}
CODECHECKER = {
    "name": "codechecker",
    "version": "6.29.1",
    "command": ["CodeChecker", "analyze"],
    "timestamps": {"begin": 10.0, "end": 12.5},
    "analyzers": {"clangsa": CLANGSA},
}
# Reports that differ in all that can be filtered.
ANIMALS = (
    report(1, check_name="core.DivideZero"),
    report(2, check_name="core.NullDereference", location=place(1, 1, 1), path=[event(1, 1, "bad 2", file=1)]),
    report(3, check_name="deadcode.DeadStores", path=[event(1, 1, "first"), event(2, 3, "then")]),
)


def zoo_with(*animals: dict[str, Any]) -> bytes:
    return upload(
        {
            "a.plist": plist(*animals, files=["/src/a.c", "/include/b_1.h"]),
            "metadata.json": json.dumps({"version": 2, "tools": [CODECHECKER]}).encode(),
        },
        {"/src/a.c": SOURCE, "/include/b_1.h": b"#pragma once\n"},
    )


@pytest.fixture(scope="module")
def zoo(shared_daemon: DaemonProcess) -> DaemonProcess:
    """The daemon with `zoo`, of which a second store took reports 2 and 3 away, and another run."""
    first, second = zoo_with(*ANIMALS), zoo_with(ANIMALS[0])
    for token in (
        store(shared_daemon, "zoo", first, {"tag": "v1", "description": "first"}),
        store(shared_daemon, "zoo", second, {"tag": "v2"}),
    ):
        assert until_ended(shared_daemon, token)["status"] == "completed"
    assert until_ended(shared_daemon, store(shared_daemon, "other", one_report(4)))["status"] == "completed"
    return shared_daemon


def problem_of(answer: Answer, status: int, kind: str) -> Any:
    """The problem document, which must be whole."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json
    assert document["type"] == f"urn:storaged:problem:{kind}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


def pointers(document: Any) -> set[str]:
    return {fault["pointer"] for fault in document["errors"]}


def messages(daemon: DaemonProcess, query: str) -> set[str]:
    return {found["message"] for found in get(daemon, f"{PRODUCT}/reports?{query}")["reports"]}


# Health


def test_livez_and_readyz_tell_of_the_process_the_database_and_the_queue(zoo: DaemonProcess) -> None:
    assert get(zoo, "/livez") == {"status": "alive"}
    ready = get(zoo, "/readyz")
    assert ready == {
        "status": "ready",
        "database": "available",
        "queue": "listening",
        "node": f"127.0.0.1:{zoo.port}",
    }


# Products


def test_products_are_listed_and_found_by_their_endpoint(zoo: DaemonProcess) -> None:
    (product,) = get(zoo, "/api/v1/products")["products"]
    assert product["endpoint"] == "Default"
    assert get(zoo, PRODUCT) == product


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/runs"),
        ("GET", "/runs/zoo"),
        ("DELETE", "/runs/zoo"),
        ("GET", "/runs/zoo/history"),
        ("GET", "/reports"),
        ("GET", "/reports/1"),
        ("POST", "/contents/missing"),
        ("POST", "/stores?run=zoo"),
    ],
)
def test_an_unknown_product_is_named_in_a_404(zoo: DaemonProcess, method: str, path: str) -> None:
    answer = call(zoo, method, f"/api/v1/products/Nowhere{path}", body=b"[]" if method == "POST" else None)
    assert "Nowhere" in problem_of(answer, 404, "product-not-found")["detail"]


# Contents


def test_contents_that_the_product_lacks_are_told_in_the_order_asked(zoo: DaemonProcess) -> None:
    known, first, second = hashlib.sha256(SOURCE).hexdigest(), "f" * 64, "0" * 64
    answer = post_json(zoo, f"{PRODUCT}/contents/missing", [first, known, second])
    assert answer.json == {"missing": [first, second]}
    assert post_json(zoo, f"{PRODUCT}/contents/missing", []).json == {"missing": []}
    assert call(zoo, "POST", f"{PRODUCT}/contents/missing").json == {"missing": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"not json", "body"),
        (b"\xff\xfe", "body"),
        (b'{"hashes": []}', "body"),
        (b'["abc"]', "body/0"),
        (json.dumps(["A" * 64]).encode(), "body/0"),
        (b"[1]", "body/0"),
    ],
)
def test_hashes_that_are_none_are_pointed_at(zoo: DaemonProcess, body: bytes, pointer: str) -> None:
    answer = call(zoo, "POST", f"{PRODUCT}/contents/missing", body=body)
    assert pointers(problem_of(answer, 422, "bad-request")) == {pointer}


def test_of_very_many_faults_an_answer_lists_some_and_counts_the_others(zoo: DaemonProcess) -> None:
    answer = post_json(zoo, f"{PRODUCT}/contents/missing", ["no hash"] * 5000)
    faults = problem_of(answer, 422, "bad-request")["errors"]
    assert len(faults) == 101
    assert "4900" in faults[-1]["detail"]


def test_a_json_body_beyond_its_limit_is_refused(zoo: DaemonProcess) -> None:
    answer = call(zoo, "POST", f"{PRODUCT}/contents/missing", body=b" " * (17 << 20))
    problem_of(answer, 413, "content-too-large")


# Stores


def test_a_store_is_accepted_with_its_job_and_where_to_find_it(zoo: DaemonProcess) -> None:
    answer = post_store(zoo, "accepted", one_report(1))
    assert answer.status == 202
    job = answer.json
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['token']}"
    assert job.keys() == JOB_FIELDS
    assert len(job["token"]) == 64
    assert (job["kind"], job["product"], job["run"], job["status"]) == ("store", "Default", "accepted", "enqueued")
    assert job["summary"] == "Store of results to 'Default' - 'accepted'"
    until_ended(zoo, job["token"])


def test_all_wrong_options_of_a_store_come_in_one_answer_with_pointers(zoo: DaemonProcess) -> None:
    before = [job["token"] for job in get(zoo, "/api/v1/jobs")["jobs"]]
    query = "tag=&force=perhaps&keep_going=2&description=a&description=b&colour=red&trim_path_prefix=%00"
    answer = call(
        zoo,
        "POST",
        f"{PRODUCT}/stores?{query}",
        body=one_report(),
        headers={"Idempotency-Key": "k" * 256, "Content-Encoding": "gzip"},
    )
    # Encoded bodies are refused for all endpoints, before the rest is looked at.
    assert pointers(problem_of(answer, 422, "bad-request")) == {"header/Content-Encoding"}
    answer = call(zoo, "POST", f"{PRODUCT}/stores?{query}", body=one_report(), headers={"Idempotency-Key": "k" * 256})
    document = problem_of(answer, 422, "bad-request")
    assert pointers(document) == {
        "query/run",
        "query/tag",
        "query/force",
        "query/keep_going",
        "query/description",
        "query/colour",
        "query/trim_path_prefix/0",
        "header/Idempotency-Key",
    }
    assert "trim_path_prefix" in next(f["detail"] for f in document["errors"] if f["pointer"] == "query/colour")
    assert [job["token"] for job in get(zoo, "/api/v1/jobs")["jobs"]] == before


def test_a_client_whose_name_is_no_text_is_served(zoo: DaemonProcess) -> None:
    answer = post_store(zoo, "odd client", one_report(1), headers={"User-Agent": "caf\xe9"})
    assert answer.status == 202, answer.body
    assert until_ended(zoo, answer.json["token"])["status"] == "completed"
    (entry,) = get(zoo, f"{PRODUCT}/runs/odd%20client/history")["stores"]
    assert entry["client_version"] == "caf?"


# Idempotency


def test_the_same_key_with_the_same_body_is_the_same_job(zoo: DaemonProcess) -> None:
    sent = [post_store(zoo, "once", one_report(1), headers={"Idempotency-Key": "same"}) for _ in range(3)]
    assert [answer.status for answer in sent] == [202, 202, 202]
    (token,) = {answer.json["token"] for answer in sent}
    assert until_ended(zoo, token)["status"] == "completed"
    again = post_store(zoo, "once", one_report(1), headers={"Idempotency-Key": "same"})
    assert (again.status, again.json["token"], again.json["status"]) == (202, token, "completed")
    assert len(get(zoo, f"{PRODUCT}/runs/once/history")["stores"]) == 1


@pytest.mark.parametrize(
    ("run", "number", "options"), [("keyed", 2, {}), ("another", 1, {}), ("keyed", 1, {"tag": "v1"})]
)
def test_a_key_that_stands_for_another_body_or_other_options_is_refused(
    zoo: DaemonProcess, run: str, number: int, options: dict[str, str]
) -> None:
    key = {"Idempotency-Key": f"key of {run}, {number}, {options}"}
    assert post_store(zoo, "keyed", one_report(1), headers=key).status == 202
    answer = post_store(zoo, run, one_report(number), headers=key, options=options)
    problem_of(answer, 422, "idempotency-conflict")


def test_a_key_stands_for_one_product_only(zoo: DaemonProcess, shared_database_url: str) -> None:
    run_sql(shared_database_url, "INSERT INTO product (endpoint, display_name) VALUES ('Keys', 'Keys')")
    key = {"Idempotency-Key": "of two products"}
    tokens = {
        post_store(zoo, "r", one_report(1), product=name, headers=key).json["token"] for name in ("Default", "Keys")
    }
    assert len(tokens) == 2
    assert {until_ended(zoo, token)["status"] for token in tokens} == {"completed"}
    run_sql(shared_database_url, "DELETE FROM product WHERE endpoint = 'Keys'")


# Runs and their history


def test_runs_show_their_last_store(zoo: DaemonProcess) -> None:
    run = get(zoo, f"{PRODUCT}/runs/zoo")
    assert run.keys() == {
        "name", "created_at", "stored_at", "tag", "user", "description", "client_version", "duration", "reports",
        "stores", "analyzers",
    }  # fmt: skip
    assert run.pop("stores") == 2
    assert run.pop("analyzers") == get(zoo, f"{PRODUCT}/runs/zoo/history")["stores"][0]["analyzers"] != []
    assert (run["name"], run["tag"], run["description"]) == ("zoo", "v2", None)
    assert run["reports"] == {"unresolved": 1, "resolved": 2}
    assert run["created_at"] <= run["stored_at"]
    assert run["stored_at"].endswith("Z")
    assert run in get(zoo, f"{PRODUCT}/runs")["runs"]


def test_runs_are_filtered_and_sorted(zoo: DaemonProcess) -> None:
    def names(query: str) -> list[str]:
        return [run["name"] for run in get(zoo, f"{PRODUCT}/runs?{query}")["runs"]]

    unfinished = "/api/v1/jobs?status=allocated&status=enqueued&status=running"
    # Stores of other tests, which would come in between.
    eventually(lambda: get(zoo, unfinished)["jobs"] == [])
    known = get(zoo, f"{PRODUCT}/runs")["runs"]
    assert names("name=z*&name=other") == ["other", "zoo"]
    assert names("name=Z*") == []
    zoo_at = quote(get(zoo, f"{PRODUCT}/runs/zoo")["stored_at"])
    assert names(f"stored_before={zoo_at}") == [run["name"] for run in known if quote(run["stored_at"]) <= zoo_at]
    assert names(f"stored_after={zoo_at}") == [run["name"] for run in known if quote(run["stored_at"]) >= zoo_at]
    assert names("sort=stored_at") == [
        run["name"] for run in sorted(known, key=lambda run: str(run["stored_at"]), reverse=True)
    ]

    def still_open(run: Any) -> int:
        return sum(run["reports"].get(status, 0) for status in ("new", "reopened", "unresolved"))

    assert names("sort=open") == [run["name"] for run in sorted(known, key=lambda run: (-still_open(run), run["name"]))]
    assert names("sort=open&reverse=true") == names("sort=open")[::-1]
    assert names("sort=duration") == [
        run["name"] for run in sorted(known, key=lambda run: (-(run["duration"] or -1), run["name"]))
    ]


def test_the_history_has_the_stores_newest_first_with_what_each_said_of_itself(zoo: DaemonProcess) -> None:
    newer, older = get(zoo, f"{PRODUCT}/runs/zoo/history")["stores"]
    assert (newer["tag"], older["tag"]) == ("v2", "v1")
    assert older["reports"] == {"new": 3}
    assert (older["command"], older["duration"], older["description"]) == ("CodeChecker analyze", 2.5, "first")
    assert older["analyzers"] == [
        {"name": "clangsa", "version": "18.1.0", "successful": 2, "failed": 1, "failed_sources": ["/src/c.c"]}
    ]
    assert get_job(zoo, older["job"])["run"] == "zoo"


def test_a_run_that_is_not_there_is_named_in_a_404(zoo: DaemonProcess) -> None:
    for path in ("/runs/nobody", "/runs/nobody/history", "/reports?run=nobody"):
        assert "nobody" in problem_of(call(zoo, "GET", PRODUCT + path), 404, "run-not-found")["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "/",
        "a b",
        "100%",
        "%2F",
        "a%2Fb",
        "?x=1#y",
        "Лес 🌲",
        "a+b",
        "x/history",
        "'; DROP TABLE run;--",
        "a\\b",
        "\t",
    ],
)
def test_a_run_of_any_name_is_found_by_its_quoted_name(zoo: DaemonProcess, name: str) -> None:
    assert until_ended(zoo, store(zoo, name, one_report(1)))["status"] == "completed"
    quoted = quote(name, safe="")
    assert get(zoo, f"{PRODUCT}/runs/{quoted}")["name"] == name
    assert len(get(zoo, f"{PRODUCT}/runs/{quoted}/history")["stores"]) == 1
    assert [found["run"] for found in get(zoo, f"{PRODUCT}/reports?run={quoted}")["reports"]] == [name]


# Reports


def test_a_report_in_a_list_has_these_fields_and_with_details_its_bug_path(zoo: DaemonProcess) -> None:
    (found,) = get(zoo, f"{PRODUCT}/reports?run=zoo&checker=core.DivideZero")["reports"]
    assert found.keys() == REPORT_FIELDS
    assert (found["file"], found["line"], found["column"]) == ("/src/a.c", 2, 3)
    (found,) = get(zoo, f"{PRODUCT}/reports?run=zoo&checker=core.DivideZero&details=true")["reports"]
    assert found.keys() == REPORT_FIELDS | {"events", "positions", "extended"}
    assert found["events"] == [["/src/a.c", 2, 3, 2, 3, "bad 1"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("run=zoo", {"bad 1", "bad 2", "bad 3"}),
        ("run=other", {"bad 4"}),
        ("run=zoo&run=other", {"bad 1", "bad 2", "bad 3", "bad 4"}),
        ("run=zoo&detection_status=resolved", {"bad 2", "bad 3"}),
        ("run=zoo&detection_status=unresolved", {"bad 1"}),
        ("run=zoo&detection_status=unresolved&detection_status=resolved", {"bad 1", "bad 2", "bad 3"}),
        ("run=zoo&detection_status=off", set()),
        ("run=zoo&severity=high", {"bad 1", "bad 2"}),
        ("run=zoo&severity=LOW", {"bad 3"}),
        ("run=zoo&severity=low&severity=HIGH", {"bad 1", "bad 2", "bad 3"}),
        ("run=zoo&checker=core.DivideZero", {"bad 1"}),
        ("run=zoo&checker=CORE.*", {"bad 1", "bad 2"}),
        ("run=zoo&checker=core._ivideZero", set()),
        ("run=zoo&file=/include/*", {"bad 2"}),
        ("run=zoo&file=*/b_1.h", {"bad 2"}),
        ("run=zoo&file=*/b%25.h", set()),
        ("run=zoo&file=*/a.c&file=*.h", {"bad 1", "bad 2", "bad 3"}),
        (f"run=zoo&report_hash={3:032x}", {"bad 3"}),
        (f"run=zoo&report_hash={3:032x}&report_hash={1:032x}", {"bad 1", "bad 3"}),
        ("run=zoo&report_hash=none", set()),
        ("run=zoo&checker=core.*&detection_status=resolved", {"bad 2"}),
    ],
)
def test_filters_narrow_each_other_and_their_values_are_alternatives(
    zoo: DaemonProcess, query: str, expected: set[str]
) -> None:
    assert messages(zoo, query) == expected


def test_one_report_comes_with_its_path_and_unless_declined_its_sources(zoo: DaemonProcess) -> None:
    (listed,) = get(zoo, f"{PRODUCT}/reports?run=zoo&checker=core.NullDereference")["reports"]
    found = get(zoo, f"{PRODUCT}/reports/{listed['id']}")
    assert found.keys() == REPORT_FIELDS | {"events", "positions", "extended", "sources", "omitted"}
    assert found["events"][0][0] == "/include/b_1.h"
    assert found["sources"]["/include/b_1.h"] == "#pragma once\n"
    assert found["omitted"] == []
    assert "sources" not in get(zoo, f"{PRODUCT}/reports/{listed['id']}?source=false")


def test_a_large_page_has_what_small_ones_have(zoo: DaemonProcess) -> None:
    until_ended(zoo, store(zoo, "large", many_reports(600)))
    path = f"{PRODUCT}/reports?run=large&details=true&sort=message&limit="
    pages = [get(zoo, path + "200")]
    while pages[-1]["next"] is not None:
        pages.append(get(zoo, f"{path}200&after={pages[-1]['next']}"))
    assert get(zoo, path + "20000") == {"reports": [found for page in pages for found in page["reports"]], "next": None}
    assert len(pages) == 4
    head = call(zoo, "HEAD", path + "20000")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(call(zoo, "GET", path + "20000").body)


def test_run_names_of_a_filter_take_globs_and_one_that_fits_nothing_is_told(zoo: DaemonProcess) -> None:
    assert {found["run"] for found in get(zoo, f"{PRODUCT}/reports?run=z*o&run=oth*")["reports"]} == {"zoo", "other"}
    for path in ("reports", "summary"):
        problem = problem_of(call(zoo, "GET", f"{PRODUCT}/{path}?run=zoo&run=zo_"), 404, "run-not-found")
        assert "'zo_'" in problem["detail"]


@pytest.mark.parametrize(
    ("report_id", "status"), [("999999999", 404), ("0", 404), ("x", 422), ("-1", 422), ("9" * 30, 422)]
)
def test_a_report_that_is_not_there_and_one_that_cannot_be(zoo: DaemonProcess, report_id: str, status: int) -> None:
    kind = {404: "report-not-found", 422: "bad-request"}[status]
    problem_of(call(zoo, "GET", f"{PRODUCT}/reports/{report_id}"), status, kind)


NEVER = "2100-01-01T00:00:00Z"
FIRST = "2000-01-01"
REPORT_FILTERS = {
    "run": ("report%20filters", None),
    "tag": ("v9", "v10"),
    "detection_status": ("new", "off"),
    "review_status": ("unreviewed", "intentional"),
    "open": ("true", "false"),
    "open_at": (NEVER, FIRST),
    "severity": ("high", "style"),
    "checker": ("core.*", "nothing*"),
    "analyzer": ("clang*", "cppcheck"),
    "file": ("/src/*", "/lib/*"),
    "anywhere": ("true&file=/src/*", "true&file=/lib/*"),
    "message": ("BAD*", "good*"),
    "report_hash": ("*", "0" * 32),
    "annotation": (None, "testcase"),
    "unique": ("true&run=report%20filters", None),
    "path_length_min": ("1", "100"),
    "path_length_max": ("100", "0"),
    "detected_after": (FIRST, NEVER),
    "detected_before": (NEVER, FIRST),
    "fixed_after": (None, NEVER),
    "fixed_before": (None, FIRST),
}


@pytest.fixture(scope="module")
def tagged(zoo: DaemonProcess) -> str:
    """The path of the reports of a run with one store, of the tag v9."""
    until_ended(zoo, store(zoo, "report filters", zoo_with(ANIMALS[0]), {"tag": "v9"}))
    until_ended(zoo, store(zoo, "another tag", zoo_with(ANIMALS[0]), {"tag": "v10"}))
    return f"{PRODUCT}/reports?limit=1000"


@pytest.mark.parametrize("name", REPORT_FILTERS)
def test_each_filter_of_reports_keeps_a_report_and_leaves_it_out(zoo: DaemonProcess, tagged: str, name: str) -> None:
    def kept(value: str) -> bool:
        found = get(zoo, f"{tagged}&{name}={value}")["reports"]
        return "report filters" in [report["run"] for report in found]

    keeping, excluding = REPORT_FILTERS[name]
    assert keeping is None or kept(keeping)
    assert excluding is None or not kept(excluding)


def test_no_filter_of_reports_is_left_untried() -> None:
    assert REPORT_FILTERS.keys() == ReportFilterQuery.model_fields.keys()


def test_a_tag_that_no_store_has_is_told(zoo: DaemonProcess, tagged: str) -> None:
    for path in (f"{tagged}&tag=v99", f"{PRODUCT}/summary?run=report%20filters&tag=v10"):
        problem_of(call(zoo, "GET", path), 404, "tag-not-found")


def test_reports_come_in_the_order_that_is_asked_for(zoo: DaemonProcess) -> None:
    def checkers(query: str) -> list[str]:
        return [report["checker"] for report in get(zoo, f"{PRODUCT}/reports?run=zoo&{query}")["reports"]]

    assert checkers("sort=checker") == sorted(checkers("sort=id"))
    assert checkers("sort=checker&reverse=true") == sorted(checkers("sort=id"), reverse=True)
    # A page goes on in the order of the one before, whatever else is asked for.
    following = get(zoo, f"{PRODUCT}/reports?run=zoo&sort=checker&reverse=true&limit=1")["next"]
    assert checkers(f"sort=id&after={following}") == sorted(checkers("sort=id"), reverse=True)[1:]


# Jobs


def test_a_job_is_read_by_its_token_and_listed_newest_first(zoo: DaemonProcess) -> None:
    tokens = [store(zoo, "listed", one_report(1)) for _ in range(2)]
    for token in tokens:
        until_ended(zoo, token)
    job = get_job(zoo, tokens[1])
    assert job.keys() == JOB_FIELDS
    assert (job["status"], job["attempt"], job["position"], job["comments"]) == ("completed", 1, None, [])
    assert job["created_at"] <= job["enqueued_at"] <= job["started_at"] <= job["last_seen_at"] <= job["finished_at"]
    assert job["result"]["reports"] == 1
    listed = [found["token"] for found in get(zoo, "/api/v1/jobs")["jobs"]]
    assert listed.index(tokens[1]) < listed.index(tokens[0])


# What keeps a store of now and leaves the other job out, and the other way round.
JOB_FILTERS: list[tuple[str, str]] = [
    ("token={token}", f"token={OTHER}"),
    ("token={TOKEN}", f"token={OTHER[:-3].upper()}*"),
    ("node={node}", "node=ELSEWHERE%3A1"),
    ("node=127*", "node=*where*"),
    ("kind=store", "kind=Delete_Run"),
    ("kind=St*", "kind=delete*&kind=dummy"),
    ("status=completed", "status=cancelled"),
    ("run=job%20filters", ""),
    ("no_user=true", "user=ann"),
    ("no_user=true", "user=bob&user=*N"),
    ("product=Default", "no_product=true"),
    ("cancelled=false", "cancelled=true"),
    ("consumed=true", "consumed=false"),
    *(
        (f"{moment}_after={{yesterday}}", f"{moment}_before={{yesterday}}")
        for moment in ("enqueued", "started", "finished", "last_seen")
    ),
]


@pytest.fixture(scope="module")
def filtered(zoo: DaemonProcess, shared_database_url: str) -> Any:
    """A completed job whose end was told, and noted as that; beside it the other job."""
    token = store(zoo, "job filters", one_report(1))
    until_ended(zoo, token)
    eventually(lambda: get_job(zoo, token)["consumed"])
    add_other_job(shared_database_url)
    return get_job(zoo, token)


def tokens_of(zoo: DaemonProcess, filtered: Any, *filters: str) -> set[str]:
    values = {
        "token": filtered["token"],
        "TOKEN": filtered["token"].upper(),
        "node": quote(filtered["node"]),
        "yesterday": quote((datetime.now(UTC) - timedelta(days=1)).isoformat()),
    }
    query = "&".join(["limit=1000", *filter(None, filters)]).format(**values)
    return {job["token"] for job in get(zoo, f"/api/v1/jobs?{query}")["jobs"]}


@pytest.mark.parametrize(("ours", "theirs"), JOB_FILTERS)
def test_each_filter_of_jobs_keeps_one_and_leaves_the_other_out(
    zoo: DaemonProcess, filtered: Any, ours: str, theirs: str
) -> None:
    both = {filtered["token"], OTHER}
    assert tokens_of(zoo, filtered, ours) & both == {filtered["token"]}
    assert not theirs or tokens_of(zoo, filtered, theirs) & both == {OTHER}


def test_filters_of_jobs_narrow_each_other(zoo: DaemonProcess, filtered: Any) -> None:
    ours = {one.partition("=")[0]: one for one, _ in JOB_FILTERS}
    assert tokens_of(zoo, filtered, *ours.values()) == {filtered["token"]}
    theirs = {other.partition("=")[0]: other for _, other in JOB_FILTERS}
    assert tokens_of(zoo, filtered, *theirs.values()) == {OTHER}
    for one, other in JOB_FILTERS:
        if other:
            kept = [way for name, way in ours.items() if name != one.partition("=")[0]]
            assert tokens_of(zoo, filtered, *kept, other) == set(), other


def test_no_user_and_no_product_widen_what_is_named_beside_them(zoo: DaemonProcess, filtered: Any) -> None:
    both = {filtered["token"], OTHER}
    assert tokens_of(zoo, filtered, "user=ann", "no_user=true") & both == both
    assert tokens_of(zoo, filtered, "product=Default", "no_product=true") & both == both


def test_no_filter_of_jobs_is_left_untried() -> None:
    tried = {part.partition("=")[0] for way in JOB_FILTERS for one in way for part in one.split("&") if part}
    assert tried == JobQuery.model_fields.keys() - {"after", "limit"}


def test_jobs_are_filtered_by_status_and_product(zoo: DaemonProcess) -> None:
    failed = store(zoo, "filtered", b"no zip")
    until_ended(zoo, failed)
    assert failed in [job["token"] for job in get(zoo, "/api/v1/jobs?status=failed&product=Default")["jobs"]]
    assert failed not in [job["token"] for job in get(zoo, "/api/v1/jobs?status=completed&status=dropped")["jobs"]]
    problem_of(call(zoo, "GET", "/api/v1/jobs?product=Nowhere"), 404, "product-not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "?wait=1"), ("POST", "/cancel"), ("POST", "/retry")],
)
@pytest.mark.parametrize("token", [NO_TOKEN, "x", "é" * 64, "%27"])
def test_a_job_that_is_not_there_is_a_404(zoo: DaemonProcess, method: str, path: str, token: str) -> None:
    answer = call(zoo, method, f"/api/v1/jobs/{quote(token)}{path}")
    problem_of(answer, 404, "job-not-found")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("?wait=soon", "query/wait"),
        ("?wait=-1", "query/wait"),
        ("?wait=nan", "query/wait"),
        ("?since=-1", "query/since"),
        ("?since=1.5", "query/since"),
        ("?until=1", "query/until"),
    ],
)
def test_a_wait_that_cannot_be_is_pointed_at(zoo: DaemonProcess, path: str, pointer: str) -> None:
    answer = call(zoo, "GET", f"/api/v1/jobs/{NO_TOKEN}{path}")
    assert pointers(problem_of(answer, 422, "bad-request")) == {pointer}


def test_an_ended_job_can_neither_be_cancelled_nor_a_completed_one_retried(zoo: DaemonProcess) -> None:
    token = store(zoo, "ended", one_report(1))
    until_ended(zoo, token)
    document = problem_of(call(zoo, "POST", f"/api/v1/jobs/{token}/cancel"), 409, "already-ended")
    assert "completed" in document["detail"]
    document = problem_of(call(zoo, "POST", f"/api/v1/jobs/{token}/retry"), 409, "not-retryable")
    assert "completed" in document["detail"]
    assert get_job(zoo, token)["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"[]", "body"),
        (b'{"why": "x"}', "body/why"),
        (b'{"comment": 1}', "body/comment"),
        (b'{"comment": "\\u0000"}', "body/comment"),
        (b'{"comment": "\\ud800"}', "body"),
    ],
)
def test_a_body_of_cancel_that_cannot_be_is_pointed_at(zoo: DaemonProcess, body: bytes, pointer: str) -> None:
    answer = call(zoo, "POST", f"/api/v1/jobs/{NO_TOKEN}/cancel", body=body)
    assert pointers(problem_of(answer, 422, "bad-request")) == {pointer}


def test_a_failed_job_is_retried_under_its_token_with_a_comment(zoo: DaemonProcess) -> None:
    token = store(zoo, "retried", b"no zip")
    until_ended(zoo, token)
    answer = call(zoo, "POST", f"/api/v1/jobs/{token}/retry")
    assert (answer.status, answer.json["token"], answer.json["status"]) == (200, token, "enqueued")
    job = until_ended(zoo, token)
    assert (job["status"], job["attempt"]) == ("failed", 2)
    assert "User requested a retry." in texts(job)


# What is the same everywhere


@pytest.mark.parametrize("path", GETS)
def test_head_answers_as_get_does_without_a_body(zoo: DaemonProcess, path: str) -> None:
    head = call(zoo, "HEAD", path)
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", path, {"GET", "HEAD"} | CHANGES.get(path, set())) for path in GETS]
    + [("GET", path, {"POST"}) for path in POSTS],
)
def test_a_method_that_a_path_does_not_take_is_a_405_which_names_those_it_takes(
    zoo: DaemonProcess, method: str, path: str, allowed: set[str]
) -> None:
    answer = call(zoo, method, path)
    problem_of(answer, 405, "method-not-allowed")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/nothing", f"{PRODUCT}/", f"{PRODUCT}/nothing", "/%ff"])
def test_a_path_where_nothing_is_is_a_404(zoo: DaemonProcess, path: str) -> None:
    problem_of(call(zoo, "GET", path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", path) for path in GETS if path.startswith("/api")]
    + [("POST", path) for path in [*POSTS, f"/api/v1/jobs/{NO_TOKEN}/retry"]]
    + [("GET", f"{PRODUCT}/reports/1")],
)
def test_a_parameter_that_an_endpoint_does_not_know_is_refused(zoo: DaemonProcess, method: str, path: str) -> None:
    answer = call(zoo, method, f"{path}?colour=red&run=x" if path.endswith("stores") else f"{path}?colour=red")
    assert pointers(problem_of(answer, 422, "bad-request")) == {"query/colour"}


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        (f"{PRODUCT}/runs?after=%00", "query/after"),
        (f"{PRODUCT}/runs/a%00b", "path/run"),
        ("/api/v1/products/a%00b", "path/product"),
        (f"{PRODUCT}/reports?run=%00", "query/run/0"),
        (f"{PRODUCT}/reports?checker=a&checker=%00", "query/checker/1"),
        (f"{PRODUCT}/reports?file=%00", "query/file/0"),
        (f"{PRODUCT}/reports?report_hash=%00", "query/report_hash/0"),
        (f"{PRODUCT}/reports?after={2**63}", "query/after"),
        (f"{PRODUCT}/reports?after=id.1-zz", "query/after"),
        (f"{PRODUCT}/reports?sort=size", "query/sort"),
        (f"{PRODUCT}/reports?after=-1", "query/after"),
        (f"{PRODUCT}/reports?limit=0", "query/limit"),
        (f"{PRODUCT}/reports?limit=20001", "query/limit"),
        (f"{PRODUCT}/reports?severity=awful", "query/severity/0"),
        (f"{PRODUCT}/reports?detection_status=gone", "query/detection_status/0"),
        (f"{PRODUCT}/reports?details=perhaps", "query/details"),
        (f"{PRODUCT}/reports?details=true&details=true", "query/details"),
        (f"{PRODUCT}/runs/zoo/history?after=x", "query/after"),
        (f"{PRODUCT}/runs/zoo/history?after={2**70}", "query/after"),
        ("/api/v1/jobs?product=%00", "query/product/0"),
        ("/api/v1/jobs?started_after=yesterday", "query/started_after"),
        ("/api/v1/jobs?started_after=1764000000", "query/started_after"),
        *(
            (f"/api/v1/jobs?{moment}_after=2026-11-24T08:00:01&{moment}_before=2026-11-24T10:00:00%2B02:00", pointer)
            for moment in ("enqueued", "started", "finished", "last_seen")
            for pointer in [f"query/{moment}_before"]
        ),
        ("/api/v1/jobs?started_after=0001-01-01T00:00:00%2B10:00", "query/started_after"),
        (f"/api/v1/jobs?after={2**63}", "query/after"),
        ("/api/v1/jobs?status=dead", "query/status/0"),
        ("/api/v1/jobs?kind=store&kind=stor", "query/kind/1"),
        ("/api/v1/jobs?limit=1001", "query/limit"),
    ],
)
def test_a_value_that_cannot_be_is_pointed_at(zoo: DaemonProcess, path: str, pointer: str) -> None:
    assert pointers(problem_of(call(zoo, "GET", path), 422, "bad-request")) == {pointer}


@pytest.mark.parametrize(
    ("path", "member", "key"),
    [
        (f"{PRODUCT}/runs", "runs", "name"),
        *((f"{PRODUCT}/runs?sort={sort}&reverse=true", "runs", "name") for sort in ("stored_at", "open", "duration")),
        (f"{PRODUCT}/runs/paged/history", "stores", "id"),
        (f"{PRODUCT}/reports?run=paged", "reports", "id"),
        ("/api/v1/jobs", "jobs", "token"),
    ],
)
def test_pages_follow_each_other_without_a_gap_or_a_repetition(
    zoo: DaemonProcess, path: str, member: str, key: str
) -> None:
    if "paged" not in [run["name"] for run in get(zoo, f"{PRODUCT}/runs")["runs"]]:
        for _ in range(3):
            until_ended(zoo, store(zoo, "paged", many_reports(5)))
    sign = "&" if "?" in path else "?"
    whole = get(zoo, path)
    assert whole["next"] is None
    found: list[Any] = []
    after = ""
    while True:
        page = get(zoo, f"{path}{sign}limit=2{after}")
        assert len(page[member]) <= 2
        found += page[member]
        if page["next"] is None:
            break
        after = f"&after={quote(str(page['next']), safe='')}"
    assert [entry[key] for entry in found] == [entry[key] for entry in whole[member]]
    assert len(found) >= 3


def test_a_result_file_of_a_binary_plist_is_not_taken_for_text(zoo: DaemonProcess) -> None:
    data = plistlib.dumps({"files": [], "diagnostics": []}, fmt=plistlib.FMT_BINARY)
    job = until_ended(zoo, store(zoo, "binary", upload({"a.plist": data})))
    assert job["status"] == "failed"
    assert "reports/0/a.plist" in texts(job)
