"""CodeChecker's own clients, unmodified, on the real analysis: what they show is what is stored."""

import csv
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.acceptance.codechecker_client import Client
from tests.acceptance.conftest import Analysis, fresh_database, results_of
from tests.acceptance.daemons import DaemonProcess, running_daemon

GRADES = {0: "UNSPECIFIED", 10: "STYLE", 20: "LOW", 30: "MEDIUM", 40: "HIGH", 50: "CRITICAL"}
SETS = ("--new", "--resolved", "--unresolved")


@pytest.fixture(scope="module")
def stored(postgres_url: str, xerces: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """The analysis as the run `xerces`, and without its ten largest result files as `fewer`."""
    with fresh_database(postgres_url) as url, running_daemon(url, tmp_path_factory.mktemp("stored")) as daemon:
        for folder, run in ((xerces.reports, "xerces"), (smaller(xerces), "fewer")):
            done = daemon.storectl("store", str(folder), "-n", run, "--tag", f"{run}-1")
            assert done.returncode == 0, done.stderr
        yield daemon


def smaller(xerces: Analysis) -> Path:
    """A folder of results without ten result files; made once."""
    folder = xerces.root / "smaller"
    if not folder.exists():
        shutil.copytree(xerces.reports, folder)
        for path in sorted(folder.glob("*.plist"), key=lambda path: (-path.stat().st_size, path.name))[:10]:
            path.unlink()
    return folder


def shown(client: Client, daemon: DaemonProcess, *command: str, code: int = 0) -> str:
    done = client.cmd(daemon, *command, product="Default")
    assert done.code == code, done.err
    return done.out


def options(given: Mapping[str, str]) -> list[str]:
    return [part for option in given.items() for part in option]


def report_of(raw: dict[str, Any]) -> bytes:
    """A report that the client prints, in the form of the expected ones."""
    details = raw["details"]
    return orjson.dumps(
        {
            "checker": raw["checkerId"],
            "analyzer": raw["analyzerName"],
            "report_hash": raw["bugHash"],
            "file": raw["checkedFile"],
            "message": raw["checkerMsg"],
            "line": raw["line"],
            "column": raw["column"],
            "severity": raw["severity"],
            "path_length": raw["bugPathLength"],
            "events": [[*place(event), event["msg"]] for event in details["pathEvents"]],
            "positions": [place(position) for position in details["executionPath"]],
            "extended": [[note["type"], *place(note), note["message"]] for note in details["extendedData"]],
        }
    )


def place(raw: dict[str, Any]) -> list[Any]:
    return [raw[name] for name in ("filePath", "startLine", "startCol", "endLine", "endCol")]


def test_results_with_details_are_the_reports_of_codechecker_field_by_field(
    each_client: Client, stored: DaemonProcess, xerces: Analysis
) -> None:
    found = orjson.loads(shown(each_client, stored, "results", "xerces", "--details", "-o", "json"))
    fields = list(orjson.loads(report_of(found[0])))
    expected = [orjson.dumps({name: report[name] for name in fields}) for report in xerces.expected]
    assert len(found) == len({one["reportId"] for one in found}) == 1253
    assert sorted(map(report_of, found)) == sorted(expected)
    assert {one["runName"] for one in found} == {"xerces"}


def test_results_are_filtered_as_by_storectl(each_client: Client, stored: DaemonProcess) -> None:
    filters = {"--severity": "high", "--checker-name": "core.*", "--uniqueing": "on"}
    theirs, ours = {"--tag": "xerces-1"}, {}
    # That of 6.24.1 fails with it before it has sent anything.
    if each_client.version != "6.24.1":
        theirs["--bug-path-length"] = ours["--bug-path-length"] = "2:9"
    table = shown(each_client, stored, "results", "XERC*", *options(filters | theirs), "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(table)))
    found = results_of(stored, "xerces", *options(filters | ours))
    assert Counter(row["File"] for row in rows) == Counter(f"{one['file']} @ {one['line']}" for one in found)
    assert {row["Severity"] for row in rows} == {"HIGH"}


def test_the_sum_has_the_reports_of_each_checker(each_client: Client, stored: DaemonProcess, xerces: Analysis) -> None:
    table = shown(each_client, stored, "sum", "-n", "xerces", "-o", "csv")
    found = re.findall(r"^([^,\n]+),([A-Z]+),(\d+),0,0,0,\2?(\d+)$", table, re.MULTILINE)
    # Its default is to count each hash once.
    hashes = {(report["checker"], GRADES[report["severity"]], report["report_hash"]) for report in xerces.expected}
    counts = Counter((checker, grade) for checker, grade, _hash in hashes)
    assert {(checker, grade): int(count) for checker, grade, count, _all in found} == counts
    # The old client has no list of checkers without reports.
    assert ("core.StackAddressEscape" in table) is (each_client.version != "6.24.1")


def test_runs_and_history_list_what_was_stored(each_client: Client, stored: DaemonProcess) -> None:
    (newest, oldest) = orjson.loads(shown(each_client, stored, "runs", "-o", "json"))
    assert (*newest, *oldest) == ("fewer", "xerces")
    assert (oldest["xerces"]["resultCount"], oldest["xerces"]["versionTag"]) == (1253, "xerces-1")
    entries = orjson.loads(shown(each_client, stored, "history", "-n", "xer*", "-o", "json"))
    assert [(entry["runName"], entry["versionTag"], entry["user"]) for entry in entries] == [
        ("xerces", "xerces-1", "Anonymous")
    ]


def of_client(client: Client, daemon: DaemonProcess, base: str, new: str, which: str) -> Counter[Any]:
    done = client.cmd(daemon, "diff", "-b", base, "-n", new, which, "-o", "json", product="Default")
    found = orjson.loads(done.out)["reports"]
    assert done.code == (2 if found else 0), done.err
    return Counter(
        (one["report_hash"], one["checker_name"], one["file"]["path"], one["line"], one["column"]) for one in found
    )


@pytest.fixture(scope="module")
def of_storectl(stored: DaemonProcess) -> Callable[[str, str, str], Counter[Any]]:
    """What storectl finds between two sides; asked once for both clients."""

    @cache
    def find(base: str, new: str, which: str) -> Counter[Any]:
        done = stored.storectl("diff", "-b", base, "-n", new, which, "-o", "json")
        found = orjson.loads(done.stdout)
        assert done.returncode == (2 if found else 0), done.stderr
        fields = ("report_hash", "checker", "file", "line", "column")
        return Counter(tuple(one[name] for name in fields) for one in found)

    return find


@pytest.mark.parametrize("which", SETS)
def test_a_diff_of_runs_is_that_of_storectl(
    each_client: Client, stored: DaemonProcess, of_storectl: Callable[[str, str, str], Counter[Any]], which: str
) -> None:
    sides = ("fewer:fewer-1", "xerces") if which == "--new" else ("xerces", "fewer")
    found = of_client(each_client, stored, *sides, which)
    assert found == of_storectl(*sides, which)
    assert found


@pytest.mark.parametrize("which", SETS)
def test_a_diff_with_a_folder_is_that_of_storectl(
    each_client: Client,
    stored: DaemonProcess,
    of_storectl: Callable[[str, str, str], Counter[Any]],
    xerces: Analysis,
    which: str,
) -> None:
    sides = ("fewer", str(xerces.reports)) if which == "--new" else ("xerces", str(smaller(xerces)))
    found = of_client(each_client, stored, *sides, which)
    # Of what both have, storectl shows the run's reports, and there once what a folder may have several times.
    assert {one[0] for one in found} == {one[0] for one in of_storectl(*sides, which)} != set()
    assert which == "--unresolved" or found == of_storectl(*sides, which)


def test_a_diff_is_shown_in_every_form(
    codechecker_client: Client, stored: DaemonProcess, xerces: Analysis, tmp_path: Path
) -> None:
    formats = ("plaintext", "html", "codeclimate", "rows", "json")
    command = (
        "diff",
        "-b",
        "fewer",
        "-n",
        "xerces",
        "--new",
        "--severity",
        "high",
        "-o",
        *formats,
        "-e",
        str(tmp_path),
    )
    text = shown(codechecker_client, stored, *command, code=2)
    found = stored.storectl("diff", "-b", "fewer", "-n", "xerces", "--new", "--severity", "high", "-o", "json")
    for report in orjson.loads(found.stdout):
        line = Path(report["file"]).read_text(encoding="utf-8", errors="replace").split("\n")[report["line"] - 1]
        assert line.strip() in text
    assert list(tmp_path.glob("*.html"))
    assert (tmp_path / "codeclimate_issues.json").is_file()


def test_a_run_is_renamed_and_deleted(each_client: Client, stored: DaemonProcess, xerces: Analysis) -> None:
    done = stored.storectl("store", str(smaller(xerces)), "-n", "passing")
    assert done.returncode == 0, done.stderr
    taken = each_client.cmd(stored, "update", "-n", "xerces", "passing", product="Default")
    assert (taken.code, "has a run 'xerces' already" in taken.out + taken.err) == (1, True)
    shown(each_client, stored, "update", "-n", "passed", "passing")
    shown(each_client, stored, "del", "-n", "passed")
    assert stored.get("/api/v1/products/Default/runs?name=pass*")["runs"] == []
