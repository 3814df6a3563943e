"""Diffs over HTTP: runs with runs, runs with an archive that is not stored."""

import http.client
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.acceptance.calls import call, eventually, get, store, until_ended
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess
from tests.acceptance.uploads import bulky_result_file, report, upload
from tests.plists import plist

DIFF = "/api/v1/products/Default/diff"
SETS = ("new", "resolved", "unresolved")
TABLES = ("run", "store", "report", "report_path", "run_file", "file", "content", "checker", "job", "staged_report")


def archive(*numbers: int, **changes: Any) -> bytes:
    return upload({"a.plist": plist(*(report(number, **changes) for number in numbers), files=["/src/a.c"])})


def stored(daemon: DaemonProcess, run: str, *numbers: int, **options: str) -> None:
    job = until_ended(daemon, store(daemon, run, archive(*numbers), options))
    assert job["status"] == "completed", job


@pytest.fixture(scope="module")
def runs(shared_daemon: DaemonProcess) -> DaemonProcess:
    """`base` has the reports 1 and 2, `new` 2 and 3; in the store tagged v1 `tagged` had 1, now it has 4."""
    stored(shared_daemon, "base", 1, 2)
    stored(shared_daemon, "new", 2, 3)
    stored(shared_daemon, "tagged", 1, tag="v1")
    stored(shared_daemon, "tagged", 4)
    return shared_daemon


def numbers(reports: list[dict[str, Any]]) -> list[int]:
    return sorted(int(found["message"].split()[-1]) for found in reports)


def diff(daemon: DaemonProcess, which: str, **query: Any) -> list[int]:
    return numbers(get(daemon, f"{DIFF}?{urlencode({'set': which, **query}, doseq=True)}")["reports"])


def post(daemon: DaemonProcess, body: bytes, which: str, **query: Any) -> Any:
    answer = call(daemon, "POST", f"{DIFF}?{urlencode({'set': which, **query}, doseq=True)}", body=body)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_diff_of_runs_has_three_sets(runs: DaemonProcess) -> None:
    assert [diff(runs, which, base="base", new="new") for which in SETS] == [[3], [1], [2]]


def test_a_tag_is_the_run_at_that_store(runs: DaemonProcess) -> None:
    assert [diff(runs, which, base="tagged:v1", new="tagged") for which in SETS] == [[4], [1], []]


def test_runs_of_a_side_are_taken_together(runs: DaemonProcess) -> None:
    assert diff(runs, "new", base=["base", "tagged"], new=["new", "tagged:v1"]) == [3]


def test_pages_of_a_diff_go_on_where_the_last_one_ended(runs: DaemonProcess) -> None:
    query = {"set": "new", "base": "tagged:v1", "new": "new", "limit": 1}
    first = get(runs, f"{DIFF}?{urlencode(query)}")
    second = get(runs, f"{DIFF}?{urlencode({**query, 'after': first['next']})}")
    assert numbers(first["reports"] + second["reports"]) == [2, 3]


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("set=new&base=base", 422, "bad-request"),
        ("set=other&base=base&new=new", 422, "bad-request"),
        ("set=new&base=nobody&new=new", 404, "run-not-found"),
        ("set=new&base=tagged:v7&new=new", 404, "tag-not-found"),
    ],
)
def test_what_a_diff_cannot_have_is_told(runs: DaemonProcess, query: str, status: int, kind: str) -> None:
    answer = call(runs, "GET", f"{DIFF}?{query}")
    assert (answer.status, answer.json["type"].rpartition(":")[2]) == (status, kind)


def test_an_archive_can_be_the_new_side(runs: DaemonProcess) -> None:
    body = archive(2, 7)
    assert [numbers(post(runs, body, which, base="base")["reports"]) for which in SETS] == [[7], [1], [2]]


def test_an_archive_can_be_the_base(runs: DaemonProcess) -> None:
    body = archive(2, 7)
    assert [numbers(post(runs, body, which, new="base")["reports"]) for which in SETS] == [[1], [7], [2]]


def test_an_archive_is_compared_with_a_run_at_a_tag(runs: DaemonProcess) -> None:
    assert numbers(post(runs, archive(1, 4), "new", base="tagged:v1")["reports"]) == [4]


def test_reports_of_an_archive_have_the_fields_of_stored_ones_but_no_id_run_status_and_times(
    runs: DaemonProcess,
) -> None:
    (found,) = post(runs, archive(7), "new", base="base", details="true")["reports"]
    like_it = get(runs, f"{DIFF}?set=new&base=tagged&new=new&details=true")["reports"][0]
    assert found.keys() == like_it.keys()
    nothing = {name for name, value in found.items() if value is None}
    assert nothing == {"id", "run", "detection_status", "detected_at", "fixed_at", "review"}
    assert (found["file"], found["line"], found["severity"]) == (like_it["file"], 2, like_it["severity"])
    assert found["events"] == [["/src/a.c", 2, 3, 2, 3, "bad 7"]]


def test_filters_hold_for_reports_of_an_archive(runs: DaemonProcess) -> None:
    body = archive(*range(20, 30))
    assert post(runs, body, "new", base="base", file="/other/*") == {"reports": [], "next": None}
    assert len(post(runs, body, "new", base="base", file="/src/*")["reports"]) == 10


@pytest.mark.parametrize("which", SETS)
def test_all_reports_of_a_large_set_come_in_one_answer(runs: DaemonProcess, which: str) -> None:
    many = archive(*range(100, 1601))
    stored(runs, "many", *range(100, 1601))
    query = {"new": {"base": "base"}, "resolved": {"new": "base"}, "unresolved": {"base": "many"}}[which]
    found = post(runs, many, which, **query, details="true")
    assert numbers(found["reports"]) == list(range(100, 1601))


def test_prefixes_are_trimmed_from_the_paths_of_an_archive(runs: DaemonProcess) -> None:
    (found,) = post(runs, archive(7), "new", base="base", trim_path_prefix="/src")["reports"]
    assert found["file"] == "a.c"


def test_nothing_of_an_archive_is_stored_and_its_upload_is_gone(runs: DaemonProcess, shared_database_url: str) -> None:
    def rows() -> dict[str, int]:
        return {table: run_sql(shared_database_url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608

    before = rows()
    body = upload({"a.plist": plist(report(7, check_name="never.Seen"), files=["/src/never.c"])})
    for which in SETS:
        post(runs, body, which, base="base")
    assert rows() == before
    assert leftovers(runs) == []


def leftovers(daemon: DaemonProcess) -> list[Path]:
    """What diffs have in the spool and in the scratch folder."""
    scratch = [path for node in (daemon.data_dir / "scratch").iterdir() for path in node.iterdir()]
    return [*scratch, *(daemon.data_dir / "spool" / "incoming").iterdir(), *(daemon.data_dir / "spool").glob("*.zip")]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"no zip", "bad-archive", ""),
        (
            upload({"a.plist": b"<plist"}),
            "bad-result-files",
            "1 of 1 result files cannot be read, so nothing was compared",
        ),
    ],
)
def test_an_archive_that_cannot_be_read_is_refused_and_removed(
    runs: DaemonProcess, body: bytes, kind: str, words: str
) -> None:
    answer = call(runs, "POST", f"{DIFF}?set=new&base=base", body=body)
    assert (answer.status, answer.json["type"].rpartition(":")[2]) == (422, kind)
    assert words in answer.json["detail"]
    assert leftovers(runs) == []


@pytest.mark.parametrize("query", ["set=resolved", "set=unresolved", "set=new&base=base&new=new"])
def test_an_archive_is_one_side_and_the_query_names_the_other(runs: DaemonProcess, query: str) -> None:
    answer = call(runs, "POST", f"{DIFF}?{query}", body=archive(1))
    assert (answer.status, answer.json["type"].rpartition(":")[2]) == (422, "bad-request")


def test_an_archive_that_is_compared_with_nothing_is_all_new(runs: DaemonProcess) -> None:
    found = call(runs, "POST", f"{DIFF}?set=new", body=archive(1, 2)).json
    assert sorted(one["message"] for one in found["reports"]) == ["bad 1", "bad 2"]


def children(daemon: DaemonProcess) -> set[str]:
    assert daemon.process is not None
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    return {pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def test_a_client_that_goes_away_stops_the_parsing(runs: DaemonProcess) -> None:
    before = children(runs)
    # Long enough to parse that it is not done yet when the daemon notices.
    body = upload({"a.plist": bulky_result_file(160)})
    with closing(http.client.HTTPConnection("127.0.0.1", runs.port)) as connection:
        connection.request("POST", f"{DIFF}?set=new&base=base", body=body)
        eventually(lambda: any("scratch" in str(path) for path in leftovers(runs)))
    eventually(lambda: leftovers(runs) == [])
    # Nothing else stops a computation: the process that parsed was killed, and another one took its place.
    eventually(lambda: before - children(runs) != set())
    assert diff(runs, "new", base="base", new="new") == [3]
