"""The same runs, tags and folders in storaged and in a real CodeChecker: the sets of `diff` agree, and so does what
CodeChecker's client shows of either."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .codechecker import DETECTION_STATUSES
from .codechecker_client import Client
from .comparison import Comparison
from .sequences import (
    Project,
    all_of,
    restored,
    unpack,
    with_checker,
    with_lines,
    with_results,
    without_diagnostics,
    without_results,
)

SETS = ("new", "resolved", "unresolved")
FOLDER = "{folder}"
RUNS = [("left", "right"), ("right", "left"), ("left", "left"), ("other", "right")]
TAGS = [("left:v1", "left:v2"), ("left:v2", "left:v3"), ("left:v1", "right"), ("right", "left:v2"), ("left:v2", "left")]
FOLDERS = [("left", FOLDER), ("right", FOLDER), ("other", FOLDER)]


@pytest.fixture(scope="module")
def compared(comparison: Comparison) -> Project:
    """Runs of every detection status, and a folder that no run is of."""
    project = unpack(comparison.folder / "diffs")
    off = all_of(with_checker("deadcode.DeadStores", enabled=False), without_diagnostics("deadcode.DeadStores"))
    for run, tag, edit in (
        ("left", "v1", restored),
        ("left", "v2", without_results("main.cpp_*")),
        ("left", "v3", with_results("main.cpp_*")),
        ("right", "v1", restored),
        ("right", None, all_of(off, without_results("recipe.cpp_cppcheck*"))),
        ("other", None, all_of(restored, with_lines("shelf.cpp", 3), without_results("recipe*"))),
        ("left", None, all_of(restored, without_results("shelf.cpp_clang-tidy*"))),
    ):
        edit(project)
        for system in (comparison.storaged, comparison.codechecker):
            outcome = system.store(project.folders(), run, tag=tag)
            assert outcome["status"] == "completed", outcome
    all_of(restored, without_results("main.cpp_clangsa*"))(project)
    return project


CASES = [(*sides, which) for sides in [*RUNS, *TAGS, *FOLDERS] for which in SETS]
CASES += [("left:v2", FOLDER, "resolved")]
CASES += [(FOLDER, new, which) for new in ("left", "other") for which in ("new", "resolved")]


@pytest.mark.parametrize(("base", "new", "which"), CASES)
def test_storaged_and_codechecker_have_the_same_sets(
    comparison: Comparison, compared: Project, base: str, new: str, which: str
) -> None:
    sides = [[str(compared.reports) if side == FOLDER else side] for side in (base, new)]
    assert sorted(ours(comparison, *sides, which)) == sorted(theirs(comparison, *sides, which))


# Where storaged differs on purpose; docs/codechecker-behaviour.md says why.


def test_what_a_folder_and_a_run_have_in_common_is_shown_as_the_new_side_has_it(
    comparison: Comparison, compared: Project
) -> None:
    sides = [str(compared.reports)], ["other"]
    mine, its = (set(of(comparison, *sides, "unresolved")) for of in (ours, theirs))
    assert {one[0] for one in mine} == {one[0] for one in its}
    assert mine != its
    assert mine <= set(ours(comparison, ["other"], ["other"], "unresolved"))


def test_a_tag_is_the_run_as_it_was_beside_a_folder_too(comparison: Comparison, compared: Project) -> None:
    folder = [str(compared.reports)]
    assert list(ours(comparison, ["left:v2"], folder, "new")) == []
    closed_since = {one[0] for one in ours(comparison, ["left:v2"], ["left"], "resolved")}
    assert {one[0] for one in theirs(comparison, ["left:v2"], folder, "new")} == closed_since != set()


def test_an_unknown_tag_is_an_error_and_not_the_whole_run(comparison: Comparison, compared: Project) -> None:
    assert compared.reports.is_dir()
    whole = sorted(theirs(comparison, ["right"], ["left"], "new"))
    assert sorted(theirs(comparison, ["right:nowhere"], ["left"], "new")) == whole
    done = comparison.storaged.daemon.storectl("diff", "-b", "right:nowhere", "-n", "left", "--new")
    assert (done.returncode, done.stdout) == (1, "")


def test_a_run_beside_one_with_a_tag_is_not_left_out(comparison: Comparison, compared: Project) -> None:
    assert compared.reports.is_dir()
    alone, both = ["right:v1"], ["right:v1", "other"]
    assert sorted(theirs(comparison, ["left"], both, "unresolved")) == sorted(
        theirs(comparison, ["left"], alone, "unresolved")
    )
    mine = sorted(ours(comparison, ["left"], both, "unresolved"))
    parts = [*ours(comparison, ["left"], alone, "unresolved"), *ours(comparison, ["left"], ["other"], "unresolved")]
    assert mine == sorted(parts)


STATUSES = ("--detection-status", *DETECTION_STATUSES)
SHOWN = [
    # Other tests have runs of their own there.
    ("runs", "--sort", "name", "-n", "left", "right"),
    ("history", "-n", "left", "right"),
    ("results", "l*", "right", "--details"),
    ("results", "left", "--tag", "v2", "--file", "*SHELF*", "--anywhere-on-report-path", *STATUSES),
    ("sum", "-n", "left", "right", *STATUSES),
    ("diff", "-b", "left:v1", "-n", "left:v2", "--resolved"),
]
# Numbers and times are each server's own, and a duration is cut; to CodeChecker, who stored a report has reviewed it.
OWN = {"runId", "id", "reportId", "fileId", "time", "runDate", "detectedAt", "fixedAt", "duration", "date", "author"}


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command[0])
def test_codechecker_s_client_shows_of_storaged_what_it_shows_of_its_own_server(
    codechecker_client: Client, comparison: Comparison, compared: Project, command: tuple[str, ...]
) -> None:
    assert compared.reports.is_dir()
    mine = codechecker_client.cmd(comparison.storaged.daemon, *command, "-o", "json", product="Default")
    its = codechecker_client.cmd(comparison.codechecker, *command, "-o", "json")
    assert mine.code == its.code, mine.err
    assert without_own(mine.json) == without_own(its.json)
    assert len(mine.out) > len("[{}]")


def without_own(shown: Any) -> Any:
    """In one order: servers with several orders of equal entries are right as well."""
    if isinstance(shown, dict):
        return {name: without_own(value) for name, value in sorted(shown.items()) if name not in OWN}
    if isinstance(shown, list):
        return sorted(map(without_own, shown), key=repr)
    return shown


Sides = Sequence[str]


def ours(comparison: Comparison, base: Sides, new: Sides, which: str) -> Iterator[tuple[Any, ...]]:
    sides = [*(part for side in base for part in ("-b", side)), *(part for side in new for part in ("-n", side))]
    done = comparison.storaged.daemon.storectl("diff", *sides, f"--{which}", "-o", "json")
    found = json.loads(done.stdout)
    assert done.returncode == (2 if found else 0), done.stderr
    for one in found:
        yield one["report_hash"], one["checker"], Path(one["file"]).name, one["line"], one["column"], one["message"]


def theirs(comparison: Comparison, base: Sides, new: Sides, which: str) -> Iterator[tuple[Any, ...]]:
    done = comparison.codechecker.diff(base, new, which)
    found = json.loads(done.stdout)["reports"]
    assert done.returncode == (2 if found else 0), done.stderr
    for one in found:
        place = Path(one["file"]["path"]).name, one["line"], one["column"]
        yield one["report_hash"], one["checker_name"], *place, one["message"]
