"""`storectl diff` as the gate on merge requests, and `storectl del`, against a real daemon."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.acceptance.calls import call, get, get_job, until_ended
from tests.acceptance.conftest import fresh_database
from tests.acceptance.daemons import DaemonProcess, clean_environment, running_daemon
from tests.acceptance.uploads import report
from tests.plists import event, plist

SOURCE = "int main() {\n\treturn 1 / 0;\n}\n"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text(SOURCE)
    return tmp_path


def analysis(folders: Path, name: str, *numbers: int) -> str:
    """A folder with the results of an analysis of a.c that found these reports."""
    folder = folders / name
    folder.mkdir()
    found = (report(number, path=[event(2, 9, f"bad {number}")]) for number in numbers)
    (folder / "a.plist").write_bytes(plist(*found, files=[str(folders / "a.c")]))
    os.utime(folders / "a.c", (0, 0))
    return str(folder)


@pytest.fixture(scope="module")
def runs(shared_daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> DaemonProcess:
    """`main` has the reports 1 and 2; `feature` has 2 and 3."""
    folders = tmp_path_factory.mktemp("stored")
    (folders / "a.c").write_text(SOURCE)
    for run, numbers in (("main", (1, 2)), ("feature", (2, 3))):
        done = shared_daemon.storectl("store", analysis(folders, run, *numbers), "-n", run, "--tag", "v1")
        assert done.returncode == 0, done.stderr
    return shared_daemon


def diff(daemon: DaemonProcess, *arguments: str) -> CompletedProcess[str]:
    return daemon.storectl("diff", *arguments)


def test_options_of_a_diff_take_several_values_at_once(runs: DaemonProcess) -> None:
    both = diff(runs, "-b", "main", "feature", "-n", "feature", "--new", "--severity", "high", "unspecified")
    assert (both.returncode, both.stdout) == (0, "")
    one = diff(runs, "-b", "main", "-n", "feature", "--new", "--severity", "high,unspecified")
    assert (one.returncode, one.stdout.count("\n")) == (2, 1)
    assert diff(runs, "-b", "main", "-n", "feature", "--new", "--severity", "high", "low").returncode == 0


@pytest.mark.parametrize(("which", "number"), [("new", 3), ("resolved", 1), ("unresolved", 2)])
def test_a_diff_of_runs_lists_its_set_and_exits_with_2(runs: DaemonProcess, which: str, number: int) -> None:
    done = diff(runs, "-b", "main", "-n", "feature", f"--{which}")
    assert done.returncode == 2
    assert done.stdout.endswith(f"/a.c:2:3: UNSPECIFIED core.Bad bad {number}\n")
    assert f"1 {which} report (1 " in done.stderr


def test_a_table_with_details_has_paths_whole(runs: DaemonProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = diff(runs, "-b", "main", "-n", "feature", "--new", "--details", "-o", "table")
    [found] = json.loads(diff(runs, "-b", "main", "-n", "feature", "--new", "-o", "json").stdout)
    assert f"{found['file']}:2:3" in done.stdout.split()


def test_an_empty_set_exits_with_0(runs: DaemonProcess) -> None:
    done = diff(runs, "-b", "main", "-n", "main:v1", "--new")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "No new reports in run 'main:v1' that are not in run 'main'.\n"


def test_a_folder_is_compared_with_a_run_and_shown_with_its_source(runs: DaemonProcess, folders: Path) -> None:
    done = diff(runs, "-b", "main", "-n", analysis(folders, "mine", 2, 9), "--new")
    assert done.returncode == 2
    first, code, mark = done.stdout.splitlines()
    assert first.startswith(f"{folders}/a.c:2:")
    assert first.endswith("bad 9")
    assert code == "\treturn 1 / 0;"
    assert mark.strip() == "^"
    assert "1 new report (1 " in done.stderr
    assert "that are not in run 'main'.\n" in done.stderr


def test_a_folder_without_anything_new_exits_with_0(runs: DaemonProcess, folders: Path) -> None:
    assert diff(runs, "-b", "main", "-n", analysis(folders, "mine", 2), "--new").returncode == 0


def test_a_folder_can_be_the_base(runs: DaemonProcess, folders: Path) -> None:
    done = diff(runs, "-b", analysis(folders, "mine", 2), "-n", "main", "--new", "-o", "json")
    assert done.returncode == 2
    assert [found["message"] for found in json.loads(done.stdout)] == ["bad 1"]


def test_json_of_an_empty_set_is_an_empty_list(runs: DaemonProcess) -> None:
    done = diff(runs, "-b", "main", "-n", "main", "--new", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_filters_decide_on_the_exit_code_too(runs: DaemonProcess) -> None:
    assert diff(runs, "-b", "main", "-n", "feature", "--new", "--file", "/nowhere/*").returncode == 0
    assert diff(runs, "-b", "main", "-n", "feature", "--new", "--checker", "*").returncode == 2


def test_an_empty_set_of_a_pattern_for_a_part_says_how_it_is_written(runs: DaemonProcess) -> None:
    done = diff(runs, "-b", "main", "-n", "feature", "--new", "--file", "a.c")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(" A pattern is for the whole value: try --file '*a.c*'.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-b", "main", "-n", "feature"), "Choose what to show"),
        (
            ("-b", "main", "-n", "feature", "--new", "--resolved"),
            "Choose one: --new and --resolved are different sets.",
        ),
        (("-b", "main", "--new"), "Missing option '-n'"),
        (("-b", "main", "-n", "feature", "--new", "--what"), "No such option"),
        (
            ("main", "my run", "--new"),
            "Missing option '-b' / '--basename'. Is this meant: storectl diff -b main -n 'my run' --new",
        ),
        (("-b", "main", "--resolved", "x"), "Is this meant: storectl diff -b main -n x --resolved"),
        (("main", "x"), "Is this meant: storectl diff -b main -n x --new"),
        (("-b", "main", "-n", "nobody", "--new"), "no run 'nobody'"),
        (("-b", "main", "-n", "main:v7", "--new"), "has no tag 'v7'"),
        (("-b", "main", "-n", "feature", "--new", "--url", "localhost:1/Default"), "No daemon answers"),
    ],
)
def test_every_error_exits_with_1_since_2_means_reports(
    runs: DaemonProcess, arguments: tuple[str, ...], words: str
) -> None:
    done = diff(runs, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("which", "messages"), [("--new", ["bad 3", "bad 4"]), ("--resolved", ["bad 1"]), ("--unresolved", ["bad 2"])]
)
def test_two_folders_are_compared(runs: DaemonProcess, folders: Path, which: str, messages: list[str]) -> None:
    one, two = analysis(folders, "one", 1, 2), analysis(folders, "two", 2, 3, 4)
    done = diff(runs, "-b", one, "-n", two, which, "-o", "json")
    assert (done.returncode, [found["message"] for found in json.loads(done.stdout)]) == (2, messages)


def test_filters_narrow_what_is_shown_of_folders_not_what_they_are_compared_with(
    runs: DaemonProcess, folders: Path
) -> None:
    one, two = analysis(folders, "one", 1, 2), analysis(folders, "two", 2, 3, 4)
    done = diff(runs, "-b", one, "-n", two, "--new", "--message", "bad [23]*", "--message", "bad 3", "-o", "json")
    assert [found["message"] for found in json.loads(done.stdout)] == ["bad 3"]
    assert diff(runs, "-b", one, "-n", two, "--new", "--message", "bad 2").returncode == 0


def test_mixed_sides_are_refused(runs: DaemonProcess, folders: Path) -> None:
    one = analysis(folders, "one", 1)
    assert "not of both" in diff(runs, "-b", one, "-b", "main", "-n", "feature", "--new").stderr


def in_folder(runs: DaemonProcess, folder: Path, *arguments: str) -> CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storaged_cli", "diff", *arguments],
        cwd=folder,
        env=clean_environment() | {"STORAGED_URL": f"{runs.url}/Default"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_with_results_goes_before_a_run_of_its_name_and_says_so(runs: DaemonProcess, folders: Path) -> None:
    analysis(folders, "main", 3)
    done = in_folder(runs, folders, "-b", "main", "-n", "feature", "--new")
    assert "note: 'main' is a folder here and a run there; the folder is taken." in done.stderr
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["2"]


def test_a_folder_without_results_is_the_name_of_a_run(runs: DaemonProcess, folders: Path) -> None:
    (folders / "main").mkdir()
    done = in_folder(runs, folders, "-b", "main", "-n", "feature", "--new")
    assert done.returncode == 2
    assert "Taken for the name of a run." in done.stderr


def test_a_broken_result_file_is_an_error(runs: DaemonProcess, folders: Path) -> None:
    folder = analysis(folders, "mine", 1)
    Path(folder, "b.plist").write_text("<plist")
    done = diff(runs, "-b", "main", "-n", folder, "--new")
    assert done.returncode == 1
    assert "1 of 2 result files cannot be read, so nothing was compared" in done.stderr
    assert f"{folder}/b.plist" in done.stderr


# del


@pytest.fixture(scope="module")
def other_daemon(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Not the one of `runs`: these tests delete all that is there."""
    with fresh_database(postgres_url) as url, running_daemon(url, tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture
def daemon(other_daemon: DaemonProcess) -> Iterator[DaemonProcess]:
    """A daemon without runs."""
    yield other_daemon
    for name in run_names(other_daemon):
        deletion = call(other_daemon, "DELETE", f"/api/v1/products/Default/runs/{name}").json["token"]
        assert until_ended(other_daemon, deletion)["status"] == "completed"


def store_runs(daemon: DaemonProcess, folders: Path, *names: str) -> None:
    for name in names:
        done = daemon.storectl("store", analysis(folders, f"of-{name}", 1), "-n", name)
        assert done.returncode == 0, done.stderr


def run_names(daemon: DaemonProcess) -> list[str]:
    return [run["name"] for run in get(daemon, "/api/v1/products/Default/runs")["runs"]]


def test_runs_are_deleted_by_name(daemon: DaemonProcess, folders: Path) -> None:
    store_runs(daemon, folders, "a", "b", "c")
    done = daemon.storectl("del", "-n", "a", "b")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Deleted run 'a': 1 report, 1 store." in done.stderr
    assert run_names(daemon) == ["c"]


def test_a_run_that_is_not_there_exits_with_1_and_does_not_keep_the_others(
    daemon: DaemonProcess, folders: Path
) -> None:
    store_runs(daemon, folders, "a")
    done = daemon.storectl("del", "-n", "nobody", "-n", "a")
    assert done.returncode == 1
    assert "no run 'nobody'" in done.stderr
    assert run_names(daemon) == []


def test_detached_deletions_print_their_tokens(daemon: DaemonProcess, folders: Path) -> None:
    store_runs(daemon, folders, "a", "b")
    done = daemon.storectl("del", "-n", "a", "-n", "b", "--detach")
    assert done.returncode == 0
    jobs = [until_ended(daemon, token) for token in done.stdout.split()]
    assert [(job["kind"], job["run"], job["status"]) for job in jobs] == [
        ("delete_run", "a", "completed"),
        ("delete_run", "b", "completed"),
    ]


def test_runs_are_deleted_by_when_they_were_stored(daemon: DaemonProcess, folders: Path) -> None:
    store_runs(daemon, folders, "a", "b", "c")
    assert daemon.storectl("del", "--all-before-run", "b", "--yes").returncode == 0
    assert run_names(daemon) == ["b", "c"]
    assert daemon.storectl("del", "--all-after-run", "b", "--yes").returncode == 0
    assert run_names(daemon) == ["b"]
    assert daemon.storectl("del", "--all-after-time", "2999-01-01", "--yes").returncode == 0
    assert run_names(daemon) == ["b"]
    assert daemon.storectl("del", "--all-before-time", "2999:1:1", "--yes").returncode == 0
    assert run_names(daemon) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("-n", "a", "--all-before-time", "2026-01-01"), 2),
        (("--all-before-time", "yesterday"), 2),
        (("--all-after-run", "x"), 1),
    ],
)
def test_what_is_unclear_deletes_nothing(
    daemon: DaemonProcess, folders: Path, arguments: tuple[str, ...], code: int
) -> None:
    store_runs(daemon, folders, "a")
    assert daemon.storectl("del", *arguments, "--yes").returncode == code
    assert run_names(daemon) == ["a"]


def test_runs_that_were_not_named_are_not_deleted_unasked(daemon: DaemonProcess, folders: Path) -> None:
    store_runs(daemon, folders, "a")
    done = daemon.storectl("del", "--all-before-time", "2999-01-01")
    assert done.returncode == 2
    assert "Say --yes" in done.stderr
    assert run_names(daemon) == ["a"]


@pytest.mark.parametrize(("answer", "left"), [("y\n", []), ("n\n", ["a"])])
def test_on_a_terminal_it_asks(daemon: DaemonProcess, folders: Path, answer: str, left: list[str]) -> None:
    store_runs(daemon, folders, "a")
    with answering_terminal(daemon, "a") as (process, ours):
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(ours, 1000)
        assert b"Delete run 'a' of product 'Default' for ever?" in asked
        os.write(ours, answer.encode())
        drain(ours)
        assert process.wait() == (1 if left else 0)
    assert run_names(daemon) == left


def test_on_a_terminal_it_asks_only_about_runs_that_are_there(daemon: DaemonProcess, folders: Path) -> None:
    with answering_terminal(daemon, "gone") as (process, ours):
        shown = drain(ours).replace(b"\r\n", b" ")
        assert process.wait() == 1
    assert b"Product 'Default' has no run 'gone'." in shown
    assert b"[y/N]" not in shown
    store_runs(daemon, folders, "a")
    with answering_terminal(daemon, "gone", "a") as (process, ours):
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(ours, 1000)
        assert b"has no run 'gone'" in asked
        assert b"Delete run 'a' of product 'Default' for ever?" in asked
        os.write(ours, b"y\n")
        drain(ours)
        # Not all that was asked for was there.
        assert process.wait() == 1
    assert run_names(daemon) == []


@contextmanager
def answering_terminal(daemon: DaemonProcess, *runs: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`storectl del` of these runs on a terminal, and our side of that."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "storaged_cli", "del", *(part for run in runs for part in ("-n", run))],
        env=clean_environment() | {"STORAGED_URL": f"{daemon.url}/Default", "COLUMNS": "100"},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()


def drain(terminal: int) -> bytes:
    """Read until the other side is closed, so that it never waits for room."""
    shown = b""
    try:
        while part := os.read(terminal, 1000):
            shown += part
    except OSError:
        os.close(terminal)
    return shown


def test_a_deletion_goes_in_order_with_the_stores_of_its_run(daemon: DaemonProcess, folders: Path) -> None:
    folder = analysis(folders, "mine", 1)
    first = daemon.storectl("store", folder, "-n", "a", "--detach").stdout.strip()
    gone = daemon.storectl("del", "-n", "a", "--detach").stdout.strip()
    last = daemon.storectl("store", folder, "-n", "a", "--detach").stdout.strip()
    done: list[Any] = [until_ended(daemon, token) for token in (first, gone, last)]
    assert [job["status"] for job in done] == ["completed"] * 3
    assert done[1]["result"] == {"reports": 1, "stores": 1}
    assert get_job(daemon, last)["result"]["new"] == 1
