"""What CodeChecker's own server does with sequences of stores: the facts that storaged's statuses are built upon.

They are told in docs/codechecker-behaviour.md.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from . import sequences
from .comparison import Comparison
from .sequences import Row, Stage, expected, settle, unpack

DEAD_STORES = "deadcode.DeadStores"
DIVIDE_ZERO = "core.DivideZero"


def statuses(stage: Stage) -> Counter[str]:
    return Counter(report["detection_status"] for report in stage.reports)


def row(status: str, fixed: str | None = None, detected: str = "first") -> Row:
    return Row(status=status, detected=detected, fixed=fixed, review="unreviewed")


def test_the_sample_is_stored_as_its_expected_results_say(comparison: Comparison, tmp_path: Path) -> None:
    project = unpack(tmp_path)
    settle(project)
    codechecker = comparison.codechecker
    assert codechecker.store(project.folders(), "sample", description="tonight")["status"] == "completed"
    wanted = expected(project.root)
    assert [
        {key: value for key, value in one.items() if key in wanted[0]} for one in codechecker.reports("sample")
    ] == wanted
    (entry,) = codechecker.history("sample")
    assert entry["description"] == "tonight"
    assert entry["analyzers"] == {
        name: {"successful": 3, "failed": 0} for name in ("clangsa", "clang-tidy", "cppcheck")
    }


def test_what_comes_again_is_unresolved_and_keeps_its_detection_time(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.UNCHANGED)
    assert set(stages["first"].of(DEAD_STORES)) == {row("new")}
    for name in ("second", "third"):
        assert {each for rows in stages[name].rows().values() for each in rows} == {row("unresolved")}


def test_what_is_gone_is_resolved_and_reopened_when_it_comes_back(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.RESOLVED_AND_BACK)
    assert stages["gone"].of(DEAD_STORES) == [row("resolved", "gone")]
    assert stages["still gone"].of(DEAD_STORES) == [row("resolved", "gone")]
    assert stages["back"].of(DEAD_STORES) == [row("reopened")]
    assert stages["still there"].of(DEAD_STORES) == [row("unresolved")]
    assert stages["gone again"].of(DEAD_STORES) == [row("resolved", "gone again")]


def test_reports_of_a_disabled_checker_turn_off(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.OFF_AND_BACK)
    assert stages["off"].of(DEAD_STORES) == [row("off", "off")]
    assert stages["on without reports"].of(DEAD_STORES) == [row("resolved", "off")]
    assert stages["on with reports"].of(DEAD_STORES) == [row("reopened")]
    assert stages["straight back"].of(DEAD_STORES) == [row("unresolved")]


def test_resolved_reports_follow_their_checker_and_keep_the_time_they_were_fixed(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.RESOLVED_THEN_DISABLED)
    assert stages["disabled"].of(DEAD_STORES) == [row("off", "resolved")]
    assert stages["enabled"].of(DEAD_STORES) == [row("resolved", "resolved")]
    assert stages["unknown"].of(DEAD_STORES) == [row("unavailable", "resolved")]
    assert stages["back"].of(DEAD_STORES) == [row("unresolved")]


def test_warnings_of_clang_are_never_unavailable(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.DIAGNOSTICS_OF_CLANG)
    assert statuses(stages["unknown"]) == {"unresolved": 23, "resolved": 3}
    assert statuses(stages["disabled"]) == {"unresolved": 23, "off": 3}


def test_one_bug_path_of_a_hash_replaces_all_of_them(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.ONE_OF_TWO_PATHS)
    assert stages["one"].of(DIVIDE_ZERO) == [row("unresolved")]
    assert stages["both"].of(DIVIDE_ZERO) == [row("unresolved")] * 2
    assert stages["none"].of(DIVIDE_ZERO) == [row("resolved", "none")] * 2
    assert stages["one back"].of(DIVIDE_ZERO) == [row("reopened")]
    assert stages["both back"].of(DIVIDE_ZERO) == [row("unresolved")] * 2


def test_moved_lines_replace_the_rows_and_keep_the_detection_time(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.LINES_SHIFTED)
    shifted = stages["shifted"]
    assert {each for rows in shifted.rows().values() for each in rows} == {row("unresolved")}
    assert len(shifted.reports) == len(stages["first"].reports)
    assert shifted.rows().keys() != stages["first"].rows().keys()


def test_disabled_in_one_of_two_folders_is_disabled(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.TWO_FOLDERS)
    assert stages["disabled in one"].of(DEAD_STORES) == [row("off", "disabled in one")]
    assert stages["unknown in one"].of("cplusplus.NewDelete") == [row("resolved", "unknown in one")]
    assert stages["unknown in both"].of("cplusplus.NewDelete") == [row("unavailable", "unknown in one")]
    assert stages["disabled but reported"].of("cppcheck-memleak") == [row("unresolved")]


def test_without_metadata_the_checkers_of_the_reports_are_the_enabled_ones(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.NO_METADATA)
    assert stages["gone"].of(DEAD_STORES) == [row("unavailable", "gone")]
    assert stages["gone without"].of(DEAD_STORES) == [row("unavailable", "gone without")]


def test_a_tag_moves_to_the_latest_store_and_force_starts_anew(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.TAGS_AND_FORCE)
    assert [entry["tag"] for entry in stages["tag again"].history] == ["v1", "v2", None]
    assert [entry["tag"] for entry in stages["forced"].history] == ["v1"]
    assert set(stages["forced"].of(DEAD_STORES)) == {row("new", detected="forced")}


def test_skipped_files_are_gone_and_their_checkers_count_as_enabled(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.SKIPPED)
    assert statuses(stages["header skipped"]) == {"unresolved": 21, "resolved": 5}
    assert statuses(stages["first line decides"]) == {"unresolved": 9, "resolved": 17}
    assert stages["skipped and disabled"].of(DEAD_STORES) == [row("resolved", "first line decides")]


def test_reports_whose_source_is_missing_are_left_out(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.SOURCE_MISSING)
    assert stages["gone"].outcome["status"] == "refused"
    assert stages["known content"].of(DIVIDE_ZERO) == [row("unresolved")] * 2
    assert stages["without a hash"].of(DIVIDE_ZERO) == [row("resolved", "without a hash")] * 2
    assert stages["unknown content"].of(DIVIDE_ZERO) == [row("resolved", "unknown content")] * 2
    assert stages["disabled"].of("bugprone-incorrect-roundings") == [row("off", "unknown content")]


def test_a_wrong_annotation_fails_the_store_and_changes_nothing(comparison: Comparison) -> None:
    stages = comparison.theirs(sequences.ANNOTATED)
    for name in ("unknown key", "wrong type", "wrong date"):
        assert stages[name].outcome["status"] == "failed"
        assert stages[name].reports == stages["other value"].reports
