"""Reviews against a real daemon: set, listed and removed with `storectl`, and what lists make of them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.acceptance.calls import call, get
from tests.acceptance.daemons import DaemonProcess
from tests.archives import unpack_sample

FIRST = "/api/v1/products/Default/reports?run=pantry&limit=1"


@pytest.fixture
def pantry(daemon: DaemonProcess, tmp_path: Path) -> DaemonProcess:
    done = daemon.storectl("store", str(unpack_sample(tmp_path / "pantry") / "reports"), "-n", "pantry")
    assert done.returncode == 0, done.stderr
    return daemon


def storectl(daemon: DaemonProcess, *arguments: str, code: int = 0) -> CompletedProcess[str]:
    done = daemon.storectl(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def listed(daemon: DaemonProcess, *options: str) -> Sequence[Any]:
    found: list[Any] = json.loads(storectl(daemon, "results", "pantry", *options, "-o", "json").stdout)
    return found


def test_what_is_called_no_bug_is_left_out_until_the_review_goes(pantry: DaemonProcess) -> None:
    everything = listed(pantry)
    name = everything[0]["report_hash"]
    hit = [report["id"] for report in everything if report["report_hash"] == name]
    made = storectl(pantry, "review", name, "--status", "false_positive", "-m", "never\tso").stdout
    assert made.startswith(f"{name}\tfalse_positive\t")
    assert made.endswith("\tnever so\n")
    assert [one["id"] for one in listed(pantry)] == [one["id"] for one in everything if one["id"] not in hit]
    assert sorted(one["id"] for one in listed(pantry, "--review-status", "false_positive")) == sorted(hit)
    assert len(listed(pantry, "--review-status", "all")) == len(everything)
    assert (
        "new (false_positive)" in storectl(pantry, "results", "pantry", "--review-status", "all", "-o", "table").stdout
    )
    counted = json.loads(storectl(pantry, "sum", "-n", "pantry", "--by", "severity", "-o", "json").stdout)
    assert sum(row["open"] for row in counted) == len(everything) - len(hit)
    same = ["-b", "pantry", "-n", "pantry", "--unresolved", "-o", "json"]
    assert len(json.loads(storectl(pantry, "diff", *same, code=2).stdout)) == len(everything) - len(hit)
    assert storectl(pantry, "review").stdout == made
    storectl(pantry, "review", name, "--remove")
    assert storectl(pantry, "review").stdout == ""
    assert len(listed(pantry)) == len(everything)


def test_a_folder_is_compared_without_what_a_rule_closes(pantry: DaemonProcess, tmp_path: Path) -> None:
    folder = str(tmp_path / "pantry" / "reports")
    alone = storectl(pantry, "diff", "-b", "pantry", "-n", folder, "--unresolved", "-o", "json", code=2).stdout
    name = json.loads(alone)[0]["report_hash"]
    storectl(pantry, "review", name, "--status", "INTENTIONAL")
    rest = json.loads(
        storectl(pantry, "diff", "-b", "pantry", "-n", folder, "--unresolved", "-o", "json", code=2).stdout
    )
    assert rest == [one for one in json.loads(alone) if one["report_hash"] != name]
    assert storectl(pantry, "diff", "-b", "pantry", "-n", folder, "--new").stdout == ""
    assert storectl(pantry, "diff", "-b", folder, "-n", "pantry", "--new").stdout == ""


LEAK, LEAK_LINE = "cppcheck-memleak", 21


def comment(project: Path, *lines: str) -> None:
    """Put review comments above the sample's leak, in the place of other lines, so that nothing moves."""
    shelf = project / "src" / "shelf.cpp"
    before, text = shelf.stat(), shelf.read_text().splitlines()
    text[LEAK_LINE - 1 - len(lines) : LEAK_LINE - 1] = lines
    shelf.write_text("\n".join(text))
    os.utime(shelf, ns=(before.st_atime_ns, before.st_mtime_ns))


def leaks(daemon: DaemonProcess) -> list[tuple[str, str]]:
    found = listed(daemon, "--review-status", "all", "--checker", LEAK)
    return [(one["review_status"], (one["review"] or {}).get("message")) for one in found]


def test_a_comment_counts_in_a_folder_and_in_a_store_also_when_only_the_daemon_has_the_source(
    pantry: DaemonProcess, tmp_path: Path
) -> None:
    project = tmp_path / "pantry"
    folder = str(project / "reports")
    comment(project, "// codechecker_intentional [cppcheck] a strong shelf")
    compared = json.loads(
        storectl(pantry, "diff", "-b", "pantry", "-n", folder, "--resolved", "-o", "json", code=2).stdout
    )
    assert [one["checker"] for one in compared] == [LEAK]
    for _ in range(2):
        storectl(pantry, "store", folder, "-n", "pantry")
        assert leaks(pantry) == [("intentional", "a strong shelf")]
    assert storectl(pantry, "diff", "-b", "pantry", "-n", folder, "--resolved").stdout == ""
    # The daemon has the source: its comments are read there.
    assert storectl(pantry, "diff", "-b", folder, "-n", "pantry", "--new").stdout == ""


def test_comments_that_contradict_fail_a_store_unless_it_keeps_going_and_malformed_ones_are_told(
    pantry: DaemonProcess, tmp_path: Path
) -> None:
    project = tmp_path / "pantry"
    folder = str(project / "reports")
    comment(project, "// codechecker_confirmed [all]", "// codechecker_intentional [all]")
    failed = storectl(pantry, "store", folder, "-n", "pantry", code=4).stderr
    assert "shelf.cpp:21: cppcheck-memleak: comments above it say both intentional (line 20) and confirmed" in failed
    assert len(get(pantry, "/api/v1/products/Default/runs/pantry/history")["stores"]) == 1
    kept = storectl(pantry, "store", folder, "-n", "pantry", "--keep-going").stderr
    assert "taken as unreviewed" in kept
    assert leaks(pantry) == [("unreviewed", None)]
    comment(project, "// codechecker_confirmed all")
    assert "it is ignored" in storectl(pantry, "store", folder, "-n", "pantry").stderr
    assert leaks(pantry) == [("unreviewed", None)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--status", "confirmed"], 2, "Name the hashes"),
        (["abc", "--remove", "--status", "confirmed"], 2, "either --status"),
        (["abc", "-m", "why"], 2, "--message needs --status"),
        (["abc", "--remove"], 1, "Product 'Default' has no review of report hash 'abc'."),
        (["abc*", "--status", "confirmed"], 2, "'abc*' is no report hash: a review names it whole, without *."),
        (["abc*", "--remove"], 2, "'abc*' is no report hash"),
        (["abc", "--status", "unreviewed"], 0, "No report has the hash abc now; the review is for those to come."),
        (["abcd"], 0, "No review of abcd."),
    ],
)
def test_what_is_wrong_with_a_review_is_told(
    shared_daemon: DaemonProcess, arguments: list[str], code: int, told: str
) -> None:
    assert told in storectl(shared_daemon, "review", *arguments, code=code).stderr


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({"status": "wrong"}, "body/status"),
        ({}, "body/status"),
        ({"status": "confirmed", "massage": ""}, "body/massage"),
        ({"status": "confirmed", "message": "x" * 10_001}, "body/message"),
        ({"status": "confirmed", "message": "\0"}, "body/message"),
    ],
)
def test_a_review_that_cannot_be_is_pointed_at(shared_daemon: DaemonProcess, content: Any, pointer: str) -> None:
    answer = call(shared_daemon, "PUT", "/api/v1/products/Default/reviews/abc", body=json.dumps(content).encode())
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_a_hash_may_be_any_text(shared_daemon: DaemonProcess) -> None:
    path = "/api/v1/products/Default/reviews/A%2Fb%25"
    assert call(shared_daemon, "PUT", path, body=b'{"status":"confirmed"}').json["report_hash"] == "A/b%"
    assert get(shared_daemon, path)["status"] == "confirmed"
    assert call(shared_daemon, "DELETE", path).status == 204
    assert call(shared_daemon, "DELETE", path).status == 404
