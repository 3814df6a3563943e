"""The same sequences of stores in storaged and in a real CodeChecker server: they agree after every step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import sequences
from .comparison import Comparison, differences
from .sequences import DEVIATIONS, SEQUENCES, Row, Stage, StoreSequence
from .walks import random_walk

DOCUMENT = Path(__file__).parents[2] / "docs" / "codechecker-behaviour.md"
WALK_SEED = int(os.environ.get("STORAGED_WALK_SEED", "20"))
WALK_STEPS = int(os.environ.get("STORAGED_WALK_STEPS", "8"))


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.name)
def test_storaged_agrees_with_codechecker_after_every_step(comparison: Comparison, sequence: StoreSequence) -> None:
    """But for the steps where it differs on purpose; there it must differ, else the sequence says so in vain."""
    found = {pair.ours.step.name: differences(pair) for pair in comparison.play(sequence)}
    wrong = [f"{step}: {told}" for step in found if step not in sequence.deviations for told in found[step]]
    assert not wrong, "\n".join(wrong)
    assert [step for step in sequence.deviations if not found[step]] == []


@pytest.mark.timeout(60 + 10 * WALK_STEPS)
def test_storaged_agrees_with_codechecker_on_a_random_walk(comparison: Comparison) -> None:
    """STORAGED_WALK_SEED and STORAGED_WALK_STEPS make it another or a longer one."""
    walked: list[str] = []
    for pair in comparison.steps(random_walk(WALK_SEED, WALK_STEPS)):
        walked.append(pair.ours.step.name)
        found = differences(pair)
        assert not found, "\n".join([f"seed {WALK_SEED}:", *walked, *found])


# What storaged does where it differs on purpose; docs/codechecker-behaviour.md says why.


def test_each_rule_by_which_storaged_differs_is_told_in_the_documentation() -> None:
    told = DOCUMENT.read_text("utf-8").partition("\n## Where storaged differs on purpose\n")[2]
    used = {rule for sequence in SEQUENCES for rule in sequence.deviations.values()}
    assert used == set(DEVIATIONS)
    assert [rule for rule in DEVIATIONS if f"\n### {rule}\n" not in told] == []


def test_a_store_whose_sources_are_missing_keeps_its_reports_and_says_what_is_missing(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.SOURCE_MISSING)
    gone = stages["gone"]
    assert gone.outcome["status"] == "completed"
    assert "recipe.cpp" in gone.outcome["log"]
    assert sourceless(gone) == {"recipe.cpp"}
    for name in ("without a hash", "unknown content", "disabled"):
        assert sourceless(stages[name]) == {"units.h"}
    for name in ("known content", "back", "back again"):
        assert sourceless(stages[name]) == set()
    for name in set(stages) - {"first"}:
        assert {row.status for rows in stages[name].rows().values() for row in rows} == {"unresolved"}


def test_reports_without_source_are_new_when_they_first_come(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.SOURCE_MISSING_FROM_THE_START)
    assert {row for rows in stages["gone"].rows().values() for row in rows} == {seen("new", detected="gone")}
    assert {row for rows in stages["back"].rows().values() for row in rows} == {seen("unresolved", detected="gone")}


def test_without_metadata_what_is_gone_is_resolved(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.NO_METADATA)
    assert stages["gone"].of("deadcode.DeadStores") == [seen("resolved", fixed="gone")]
    assert stages["back"].of("deadcode.DeadStores") == [seen("reopened")]
    assert stages["gone without"].of("deadcode.DeadStores") == [seen("resolved", fixed="gone without")]


def test_without_metadata_the_history_names_the_client_and_knows_no_duration(comparison: Comparison) -> None:
    first = comparison.ours(sequences.NO_METADATA)["first"]
    assert str(first.history[0]["version"]).startswith("storectl/")
    assert first.duration is None


def test_what_is_gone_from_several_report_directories_is_resolved(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.SEVERAL_DIRECTORIES_IN_METADATA)
    assert stages["disabled"].of("deadcode.DeadStores") == [seen("resolved", fixed="disabled")]
    assert stages["unknown"].of("cplusplus.NewDelete") == [seen("resolved", fixed="unknown")]


def test_a_report_hash_of_zero_is_computed_as_if_it_was_absent(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.HASHES)
    checker = "cplusplus.NewDelete"
    assert hashes(stages["one zero"], checker) == hashes(stages["absent"], checker) != set()
    assert stages["one zero"].of(checker) == [seen("unresolved", detected="absent")]
    assert stages["all zero"].outcome["status"] == "completed"
    open_ones = {one["report_hash"] for one in stages["all zero"].reports if one["fixed_at"] is None}
    assert open_ones == hashes(stages["absent"])


def test_a_report_without_bug_path_has_one_event_at_its_place_with_its_message(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.NO_BUG_PATH)
    for name in ("empty", "absent"):
        (report,) = [one for one in stages[name].reports if one["checker"] == "core.NullDereference"]
        place = [report["line"], report["column"]]
        assert report["events"] == [[report["file"], *place, *place, report["message"]]]
        assert report["path_length"] == 1


def test_review_comments_that_contradict_each_other_fail_the_store_and_change_nothing(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.CONTRADICTING_COMMENTS)
    failed = stages["two comments"]
    assert failed.outcome["status"] == "failed"
    assert "shelf.cpp:23: cppcheck-memleak: comments above it say both" in failed.outcome["comments"]
    assert failed.reports == stages["first"].reports
    assert stages["back"].of("deadcode.DeadStores") == [seen("unresolved")]


def test_a_store_that_changes_nothing_keeps_the_rows(comparison: Comparison) -> None:
    stages = comparison.ours(sequences.UNCHANGED)
    first, *others = ([report["id"] for report in stage.reports] for stage in stages.values())
    assert others == [first, first]


def sourceless(stage: Stage) -> set[str]:
    """Names of the files whose content some report lacks."""
    contents = [item for report in stage.reports for item in report["contents"].items()]
    return {Path(path).name for path, digest in contents if digest is None}


def hashes(stage: Stage, checker: str | None = None) -> set[str]:
    return {report["report_hash"] for report in stage.reports if checker in {None, report["checker"]}}


def seen(status: str, *, fixed: str | None = None, detected: str = "first") -> Row:
    return Row(status=status, detected=detected, fixed=fixed, review="unreviewed")
