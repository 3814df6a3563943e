"""Sequences of stores of the sample analysis, as data: what is edited between stores, and with which options.

The same steps can be stored in CodeChecker and in storaged; `play` edits once and stores in every system it is given.
"""

from __future__ import annotations

import fnmatch
import json
import os
import plistlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from .codechecker import Outcome, Report, Store, pack

SAMPLE: Final = Path(__file__).parents[2] / "storaged" / "sample"
EXPECTED: Final = Path(__file__).parents[1] / "data" / "sample.expected.jsonl"
PLACEHOLDER: Final = "@ROOT@"
HASH_KEY: Final = "issue_hash_content_of_line_in_context"
REVIEW_FILE: Final = "review_status.yaml"
SOURCES_WRITTEN: Final = 1_700_000_000
"""The time that all sources get, in seconds: older than every result file."""

Diagnostic = dict[str, Any]
Edit = Callable[["Project"], None]


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of the sample that steps may change; `pristine` is another one that stays as it was."""

    root: Path
    pristine: Path

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def more(self) -> Path:
        """A second report folder; it exists once a step has made it."""
        return self.root / "more"

    def folders(self) -> list[Path]:
        return [self.reports, self.more] if self.more.is_dir() else [self.reports]

    def results(self, pattern: str = "*") -> list[Path]:
        return sorted(path for folder in self.folders() for path in folder.glob(f"{pattern}.plist"))


def unpack(folder: Path) -> Project:
    """Copy the sample to `folder`/project, with the placeholder in its reports replaced by that path."""
    project = Project(folder / "project", folder / "pristine")
    shutil.copytree(SAMPLE, project.root, ignore=shutil.ignore_patterns("__*"))
    for path in project.reports.iterdir():
        path.write_text(path.read_text("utf-8").replace(PLACEHOLDER, str(project.root)), "utf-8")
    shutil.copytree(project.root, project.pristine)
    return project


def expected(root: Path | str = PLACEHOLDER) -> list[dict[str, Any]]:
    """The reports that a store of the untouched sample has, with `root` in the place of the placeholder."""
    lines = EXPECTED.read_text("utf-8").replace(PLACEHOLDER, str(root)).splitlines()
    return [json.loads(line) for line in lines]


# What a step does to the project.


def unchanged(_: Project) -> None:
    """Store the same again."""


def restored(project: Project) -> None:
    """Put everything back as it was in the sample."""
    shutil.rmtree(project.root)
    shutil.copytree(project.pristine, project.root)


def all_of(*edits: Edit) -> Edit:
    def edit(project: Project) -> None:
        for one in edits:
            one(project)

    return edit


def without_results(pattern: str) -> Edit:
    """Remove the result files whose names match, such as `main.cpp_*`."""

    def edit(project: Project) -> None:
        for path in project.results(pattern):
            path.unlink()

    return edit


def with_results(pattern: str) -> Edit:
    """Give removed or changed result files back."""

    def edit(project: Project) -> None:
        for path in sorted((project.pristine / "reports").glob(f"{pattern}.plist")):
            shutil.copyfile(path, project.reports / path.name)

    return edit


def each_diagnostic(change: Callable[[Diagnostic], Diagnostic | None], results: str = "*") -> Edit:
    """Pass every diagnostic through `change`, which returns it, changed or not, or None to drop it."""

    def edit(project: Project) -> None:
        for path in project.results(results):
            plist = read_plist(path)
            changed = [change(diagnostic) for diagnostic in plist["diagnostics"]]
            plist["diagnostics"] = [diagnostic for diagnostic in changed if diagnostic is not None]
            write_plist(path, plist)

    return edit


def without_diagnostics(checker: str, results: str = "*") -> Edit:
    """Drop the diagnostics of checkers that match, and keep the result files."""
    return each_diagnostic(lambda one: None if fnmatch.fnmatch(one["check_name"], checker) else one, results)


def with_value(checker: str, key: str, value: Any, results: str = "*") -> Edit:
    """Set a key of a checker's diagnostics; None removes the key."""

    def change(diagnostic: Diagnostic) -> Diagnostic:
        if not fnmatch.fnmatch(diagnostic["check_name"], checker):
            return diagnostic
        rest = {name: old for name, old in diagnostic.items() if name != key}
        return rest if value is None else {**rest, key: value}

    return each_diagnostic(change, results)


def annotated(checker: str, results: str = "*", **annotations: str) -> Edit:
    return with_value(checker, "report-annotation", annotations, results)


def _moved_to_its_first_event(diagnostic: Diagnostic) -> Diagnostic:
    """The report's own place; the bug path stays."""
    events = [step for step in diagnostic["path"] if step["kind"] == "event"]
    return {**diagnostic, "location": events[0]["location"]}


def _unmarked(diagnostic: Diagnostic) -> Diagnostic:
    """Take away what events mark, and the control edges."""
    events = [step for step in diagnostic["path"] if step["kind"] == "event"]
    return {**diagnostic, "path": [{key: step[key] for key in step if key != "ranges"} for step in events]}


def with_plist_analyzer(name: str | None, results: str) -> Edit:
    """Set the analyzer that the result files name, or let them name none."""

    def edit(project: Project) -> None:
        for path in project.results(results):
            plist = read_plist(path)
            plist["metadata"] = {"analyzer": {"name": name}} if name else {}
            write_plist(path, plist)

    return edit


def each_analyzer(change: Callable[[str, dict[str, Any]], None], folder: str = "reports") -> Edit:
    """Change metadata.json's entry of each analyzer, given its name, in place."""

    def edit(project: Project) -> None:
        path = project.root / folder / "metadata.json"
        metadata = json.loads(path.read_text("utf-8"))
        for tool in metadata["tools"]:
            for name, analyzer in tool["analyzers"].items():
                change(name, analyzer)
        path.write_text(json.dumps(metadata), "utf-8")

    return edit


def with_checker(checker: str, enabled: bool, folder: str = "reports") -> Edit:
    """Switch checkers that match on or off in metadata.json."""

    def change(_: str, analyzer: dict[str, Any]) -> None:
        checkers = analyzer["checkers"]
        analyzer["checkers"] = {
            name: enabled if fnmatch.fnmatch(name, checker) else old for name, old in checkers.items()
        }

    return each_analyzer(change, folder)


def without_checker(checker: str, folder: str = "reports") -> Edit:
    """Remove checkers that match from metadata.json, as if the analyzer had never heard of them."""

    def change(_: str, analyzer: dict[str, Any]) -> None:
        checkers = analyzer["checkers"]
        analyzer["checkers"] = {name: old for name, old in checkers.items() if not fnmatch.fnmatch(name, checker)}

    return each_analyzer(change, folder)


def with_metadata(change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Edit:
    """Replace metadata.json by what `change` makes of it."""

    def edit(project: Project) -> None:
        path = project.reports / "metadata.json"
        path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")

    return edit


def without_metadata(project: Project) -> None:
    (project.reports / "metadata.json").unlink()


def metadata_version_1(as_lists: bool) -> Edit:
    """Write metadata.json as CodeChecker did before version 2; `as_lists` names only the enabled checkers."""

    def change(metadata: dict[str, Any]) -> Mapping[str, Any]:
        tool = metadata["tools"][0]
        analyzers = tool["analyzers"]
        maps = {name: analyzer["checkers"] for name, analyzer in analyzers.items()}
        lists = {name: [checker for checker, enabled in one.items() if enabled] for name, one in maps.items()}
        return {
            "name": tool["run_name"],
            "action_num": tool["action_num"],
            "command": tool["command"],
            "versions": {"codechecker": tool["version"]},
            "working_directory": tool["working_directory"],
            "output_path": tool["output_path"],
            "result_source_files": tool["result_source_files"],
            "checkers": lists if as_lists else maps,
            "analyzer_statistics": {name: one["analyzer_statistics"] for name, one in analyzers.items()},
            "skipped": 0,
            "timestamps": tool["timestamps"],
        }

    return with_metadata(change)


def with_lines(source: str, count: int, before: int = 1, text: str = "// one more line") -> Edit:
    """Insert lines into a source before line `before`, and move what the result files say of later lines.

    The report hashes stay as the analyzer gave them, so only the path hashes change.
    """

    def edit(project: Project) -> None:
        path = project.root / "src" / source
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join([*lines[: before - 1], *[f"{text}\n"] * count, *lines[before - 1 :]]), "utf-8")
        for result in project.results():
            plist = read_plist(result)
            moved = [number for number, file in enumerate(plist["files"]) if Path(file) == path]
            _shift(plist["diagnostics"], moved, before, count)
            write_plist(result, plist)

    return edit


def commented(source: str, before: int, *lines: str) -> Edit:
    """As `with_lines`, these lines."""
    return all_of(*(with_lines(source, 1, before, line) for line in reversed(lines)))


def with_review_file(*rules: tuple[Mapping[str, str], str]) -> Edit:
    """Write a review file: filters, and the status that they give."""
    document = {
        "$version": 1,
        "rules": [{"filters": dict(filters), "actions": {"review_status": status}} for filters, status in rules],
    }

    def edit(project: Project) -> None:
        (project.reports / REVIEW_FILE).write_text(json.dumps(document), "utf-8")

    return edit


def without_review_file(project: Project) -> None:
    (project.reports / REVIEW_FILE).unlink()


def with_source_text(source: str, text: str) -> Edit:
    """Append text to a source; no result file changes."""

    def edit(project: Project) -> None:
        path = project.root / "src" / source
        path.write_text(path.read_text("utf-8") + text, "utf-8")

    return edit


def renamed(source: str, new: str) -> Edit:
    """Move a source, in the result files as well."""

    def edit(project: Project) -> None:
        old_path, new_path = project.root / "src" / source, project.root / "src" / new
        new_path.parent.mkdir(parents=True, exist_ok=True)
        old_path.rename(new_path)
        for result in project.results():
            plist = read_plist(result)
            plist["files"] = [str(new_path) if file == str(old_path) else file for file in plist["files"]]
            write_plist(result, plist)

    return edit


def without_source(source: str) -> Edit:
    return lambda project: (project.root / "src" / source).unlink()


def skipping(*lines: str) -> Edit:
    """Put a skip file beside the result files; `{root}` in a line is the project's path."""

    def edit(project: Project) -> None:
        text = "".join(f"{line.format(root=project.root)}\n" for line in lines)
        (project.reports / "skip_file").write_text(text, "utf-8")

    return edit


def with_second_folder(results: str) -> Edit:
    """Move result files that match to a second report folder, with a copy of metadata.json."""

    def edit(project: Project) -> None:
        moved = project.results(results)
        project.more.mkdir(exist_ok=True)
        shutil.copyfile(project.reports / "metadata.json", project.more / "metadata.json")
        for path in moved:
            path.rename(project.more / path.name)

    return edit


def with_results_below(results: str) -> Edit:
    """Move result files that match to a folder in the report folder."""

    def edit(project: Project) -> None:
        moved = project.results(results)
        (project.reports / "below").mkdir()
        for path in moved:
            path.rename(project.reports / "below" / path.name)

    return edit


def with_relative_paths(project: Project) -> None:
    """Name the sources by paths that start at the result file, and lead to the project from copies of it as well."""
    for path in project.results():
        plist = read_plist(path)
        plist["files"] = [f"../../{Path(file).relative_to(project.root.parent)}" for file in plist["files"]]
        write_plist(path, plist)


def with_copied_folder(project: Project) -> None:
    """Make a second report folder that is a copy of the first."""
    shutil.copytree(project.reports, project.more)


def read_plist(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        plist: dict[str, Any] = plistlib.load(file)
    return plist


def write_plist(path: Path, plist: dict[str, Any]) -> None:
    with path.open("wb") as file:
        plistlib.dump(plist, file, sort_keys=False)


def _shift(node: Any, files: Sequence[int], before: int, count: int) -> None:
    """Move every location (`line`, `col`, `file`) below `node` that lies in one of `files`."""
    if isinstance(node, list):
        for child in node:
            _shift(child, files, before, count)
    elif isinstance(node, dict):
        if node.get("file") in files and node.get("line", 0) >= before:
            node["line"] += count
        for child in node.values():
            _shift(child, files, before, count)


# Steps and sequences.


@dataclass(frozen=True, slots=True)
class Step:
    """An edit of the project, and the store that follows; `{root}` in `trim` is the project's path.

    With `packed`, the archive is made by `pack`, not by the system's client: contents of sources whose paths end with
    one of `omitted` are left out of it, and those of `unlisted` together with their hashes.
    """

    name: str
    edit: Edit
    tag: str | None = None
    force: bool = False
    trim: tuple[str, ...] = ()
    packed: bool = False
    omitted: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSequence:
    """Stores into one run, one after the other; its name is the run's.

    `deviations` has the steps after which storaged differs from CodeChecker on purpose, and by which rule: one of
    DEVIATIONS.
    """

    name: str
    steps: tuple[Step, ...]
    deviations: Mapping[str, str] = field(default_factory=dict)


class System(Protocol):
    """What reports are stored in: CodeChecker or storaged."""

    def store(
        self,
        folders: Sequence[Path],
        run: str,
        *,
        tag: str | None = None,
        force: bool = False,
        trim: Sequence[str] = (),
    ) -> Outcome: ...

    def store_archive(self, archive: bytes, run: str) -> Outcome: ...

    def reports(self, run: str) -> list[Report]: ...

    def history(self, run: str) -> list[Store]: ...

    def duration(self, run: str) -> float | None: ...


Key = tuple[str, str, str, int, int]
"""Report hash, checker, file, line and column: what a person would call one report."""


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """What a report is after a step. `detected` and `fixed` are names of steps, the same in every system."""

    status: str
    detected: str
    fixed: str | None
    review: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What a system has after a step."""

    step: Step
    outcome: Outcome
    reports: list[Report]
    history: list[Store]
    duration: float | None
    moments: Mapping[str, str]
    """The step of each store's time."""

    def rows(self) -> dict[Key, list[Row]]:
        grouped: dict[Key, list[Row]] = defaultdict(list)
        for report in self.reports:
            grouped[key_of(report)].append(self.row(report))
        return {key: sorted(rows) for key, rows in grouped.items()}

    def of(self, checker: str) -> list[Row]:
        """The rows of a checker, sorted."""
        return sorted(self.row(report) for report in self.reports if report["checker"] == checker)

    def stores(self) -> list[tuple[str, Store]]:
        """The history, newest first, with the step of each store."""
        return [(self.moments[store["time"]], store) for store in self.history if store["time"] in self.moments]

    def row(self, report: Report) -> Row:
        fixed = report["fixed_at"]
        return Row(
            status=report["detection_status"],
            detected=self.moments.get(report["detected_at"], report["detected_at"]),
            fixed=None if fixed is None else self.moments.get(fixed, fixed),
            review=report["review_status"],
        )


def key_of(report: Report) -> Key:
    return report["report_hash"], report["checker"], report["file"], report["line"], report["column"]


def play(sequence: StoreSequence, project: Project, systems: Sequence[System]) -> Iterator[list[Stage]]:
    """Edit and store, step by step; yields what each system has after each step. The systems work side by side."""
    moments: list[dict[str, str]] = [{} for _ in systems]
    with ThreadPoolExecutor(len(systems)) as threads:
        for step in sequence.steps:
            step.edit(project)
            settle(project)
            copies = [_copied(project, number) for number in range(len(systems))]
            stores = [partial(_store, sequence.name, step, project.root, folders) for folders in copies]
            yield list(threads.map(partial(_stage, sequence.name, step), stores, systems, moments))


def _copied(project: Project, number: int) -> list[Path]:
    """The report folders for one system: CodeChecker's client writes into them while it stores."""
    place = project.root.with_name(f"reports-{number}")
    shutil.rmtree(place, ignore_errors=True)
    return [Path(shutil.copytree(folder, place / folder.name)) for folder in project.folders()]


def settle(project: Project) -> None:
    """Make the sources older than the result files: CodeChecker's client refuses results older than their sources."""
    for path in (project.root / "src").rglob("*"):
        os.utime(path, (SOURCES_WRITTEN, SOURCES_WRITTEN))


def _stage(run: str, step: Step, store: Callable[[System], Outcome], system: System, moments: dict[str, str]) -> Stage:
    outcome = store(system)
    history = system.history(run)
    if outcome["status"] == "completed":
        moments[history[0]["time"]] = step.name
    return Stage(step, outcome, system.reports(run), history, system.duration(run), dict(moments))


def _store(run: str, step: Step, root: Path, folders: Sequence[Path], system: System) -> Outcome:
    if step.packed:
        return system.store_archive(pack(folders, step.omitted, step.unlisted), run)
    trim = [prefix.format(root=root) for prefix in step.trim]
    return system.store(folders, run, tag=step.tag, force=step.force, trim=trim)


# Where storaged differs on purpose: the headings that docs/codechecker-behaviour.md gives to these rules.
SOURCELESS: Final = "Reports without source are kept"
UNLISTED: Final = "Without lists of checkers, what is gone is resolved"
ZERO: Final = "A report hash of 0 is computed"
PATHLESS: Final = "A report without bug path has one event"
CONTRADICTING: Final = "Contradicting review comments store nothing"
DEVIATIONS: Final = (SOURCELESS, UNLISTED, ZERO, PATHLESS, CONTRADICTING)


def _deviating(rule: str, *steps: str) -> Mapping[str, str]:
    return dict.fromkeys(steps, rule)


def _steps(**edits: Edit) -> tuple[Step, ...]:
    return tuple(Step(name.replace("_", " "), edit) for name, edit in edits.items())


UNCHANGED: Final = StoreSequence(
    "unchanged",
    _steps(first=unchanged, second=unchanged, third=unchanged),
)
RESOLVED_AND_BACK: Final = StoreSequence(
    "resolved and back",
    _steps(
        first=unchanged,
        gone=without_results("main.cpp_*"),
        still_gone=unchanged,
        back=with_results("main.cpp_*"),
        still_there=unchanged,
        gone_again=without_results("main.cpp_*"),
    ),
)
OFF_AND_BACK: Final = StoreSequence(
    "off and back",
    _steps(
        first=unchanged,
        off=all_of(with_checker("deadcode.DeadStores", False), without_diagnostics("deadcode.DeadStores")),
        still_off=unchanged,
        on_without_reports=with_checker("deadcode.DeadStores", True),
        on_with_reports=restored,
        off_again=all_of(with_checker("deadcode.DeadStores", False), without_diagnostics("deadcode.DeadStores")),
        straight_back=restored,
    ),
)
DISABLED_BUT_REPORTED: Final = StoreSequence(
    "disabled but reported",
    _steps(
        first=unchanged,
        one_of_two=all_of(with_checker("cplusplus.Move", False), without_diagnostics("cplusplus.Move", "shelf*")),
        none_of_two=without_diagnostics("cplusplus.Move"),
    ),
)
UNAVAILABLE_AND_BACK: Final = StoreSequence(
    "unavailable and back",
    _steps(
        first=unchanged,
        unknown=all_of(without_checker("deadcode.DeadStores"), without_diagnostics("deadcode.DeadStores")),
        still_unknown=unchanged,
        known_without_reports=all_of(restored, without_diagnostics("deadcode.DeadStores")),
        back=restored,
        unknown_again=all_of(without_checker("deadcode.DeadStores"), without_diagnostics("deadcode.DeadStores")),
        straight_back=restored,
        unknown_but_reported=without_checker("deadcode.DeadStores"),
    ),
)
DIAGNOSTICS_OF_CLANG: Final = StoreSequence(
    "diagnostics of clang",
    _steps(
        first=unchanged,
        unknown=all_of(without_checker("clang-diagnostic-*"), without_diagnostics("clang-diagnostic-*")),
        back=restored,
        disabled=all_of(with_checker("clang-diagnostic-*", False), without_diagnostics("clang-diagnostic-*")),
    ),
)
NO_CHECKER_ENABLED: Final = StoreSequence(
    "no checker enabled",
    _steps(
        first=unchanged,
        none_known=all_of(without_checker("*"), without_diagnostics("*")),
        all_disabled=all_of(restored, with_checker("*", False), without_diagnostics("*")),
    ),
)
RESOLVED_THEN_DISABLED: Final = StoreSequence(
    "resolved then disabled",
    _steps(
        first=unchanged,
        resolved=without_diagnostics("deadcode.DeadStores"),
        disabled=with_checker("deadcode.DeadStores", False),
        enabled=with_checker("deadcode.DeadStores", True),
        unknown=without_checker("deadcode.DeadStores"),
        back=restored,
    ),
)
LINES_SHIFTED: Final = StoreSequence(
    "lines shifted",
    _steps(first=unchanged, shifted=with_lines("shelf.cpp", 3), shifted_more=with_lines("units.h", 2, before=9)),
)
FILE_MOVED: Final = StoreSequence(
    "file moved",
    _steps(first=unchanged, moved=renamed("shelf.cpp", "wood/shelf.cpp"), back=restored),
)
ONE_OF_TWO_PATHS: Final = StoreSequence(
    "one of two paths",
    _steps(
        first=unchanged,
        one=without_diagnostics("core.DivideZero", "main.cpp_*"),
        both=restored,
        none=without_diagnostics("core.DivideZero"),
        one_back=all_of(restored, without_diagnostics("core.DivideZero", "recipe.cpp_*")),
        both_back=restored,
    ),
)
TEXT_ELSEWHERE: Final = StoreSequence(
    "text elsewhere",
    _steps(first=unchanged, changed=with_source_text("units.h", "// the end\n"), back=restored),
)
TWO_FOLDERS: Final = StoreSequence(
    "two folders",
    _steps(
        first=with_second_folder("*_cppcheck_*"),
        disabled_in_one=all_of(
            with_checker("deadcode.DeadStores", False, "more"), without_diagnostics("deadcode.DeadStores")
        ),
        disabled_in_both=with_checker("deadcode.DeadStores", False),
        unknown_in_one=all_of(
            without_checker("cplusplus.NewDelete", "more"), without_diagnostics("cplusplus.NewDelete")
        ),
        unknown_in_both=without_checker("cplusplus.NewDelete"),
        disabled_but_reported=all_of(
            with_checker("cppcheck-memleak", False, "more"), with_checker("cppcheck-memleak", False)
        ),
        one_folder=restored,
    ),
)
SAME_REPORTS_IN_BOTH_FOLDERS: Final = StoreSequence(
    "same reports in both folders",
    _steps(
        first=with_copied_folder,
        gone_from_one=all_of(
            restored, without_diagnostics("deadcode.DeadStores"), with_copied_folder, with_results("*")
        ),
        annotated_in_one=all_of(
            restored, annotated("deadcode.DeadStores", testcase="dinner"), with_copied_folder, with_results("*")
        ),
    ),
)
SEVERAL_DIRECTORIES_IN_METADATA: Final = StoreSequence(
    "several directories in metadata",
    _steps(
        first=with_metadata(lambda metadata: {**metadata, "num_of_report_dir": 2}),
        disabled=all_of(with_checker("deadcode.DeadStores", False), without_diagnostics("deadcode.DeadStores")),
        unknown=all_of(without_checker("cplusplus.NewDelete"), without_diagnostics("cplusplus.NewDelete")),
    ),
    deviations=_deviating(UNLISTED, "disabled", "unknown"),
)
TAGS_AND_FORCE: Final = StoreSequence(
    "tags and force",
    (
        Step("first", unchanged, tag="v1"),
        Step("second", unchanged, tag="v2"),
        Step("tag again", without_results("main.cpp_*"), tag="v1"),
        Step("forced", restored, tag="v1", force=True),
    ),
)
TRIMMED: Final = StoreSequence(
    "trimmed",
    (
        Step("first", unchanged),
        Step("folder", unchanged, trim=("{root}",)),
        Step("longest", unchanged, trim=("{root}", "{root}/src/")),
        Step("wildcard", unchanged, trim=("/*/src",)),
        Step("file name", unchanged, trim=("{root}/src/shelf.c",)),
        Step("slash", unchanged, trim=("/",)),
        Step("untrimmed", unchanged),
    ),
)
SKIPPED: Final = StoreSequence(
    "skipped",
    _steps(
        first=unchanged,
        header_skipped=skipping("-*/units.h"),
        first_line_decides=skipping("# sources", "+*/src/shelf.cpp", "-{root}/src", "nonsense"),
        skipped_and_disabled=with_checker("deadcode.DeadStores", False),
        back=restored,
    ),
)
SOURCE_MISSING: Final = StoreSequence(
    "source missing",
    (
        Step("first", unchanged),
        Step("gone", without_source("recipe.cpp")),
        Step("known content", restored, packed=True, omitted=("units.h",)),
        Step("without a hash", unchanged, packed=True, unlisted=("units.h",)),
        Step("back", unchanged),
        Step("unknown content", with_source_text("units.h", "// nobody has this\n"), packed=True, omitted=("units.h",)),
        Step("disabled", with_checker("bugprone-*", False), packed=True, omitted=("units.h",)),
        Step("back again", restored),
    ),
    deviations=_deviating(SOURCELESS, "gone", "without a hash", "back", "unknown content", "disabled", "back again"),
)
SOURCE_MISSING_FROM_THE_START: Final = StoreSequence(
    "source missing from the start",
    (
        Step("gone", without_source("units.h")),
        Step(
            "left out",  # with a content that no other run has brought
            all_of(restored, with_source_text("units.h", "// the start\n")),
            packed=True,
            omitted=("units.h",),
        ),
        Step("back", unchanged),
    ),
    deviations=_deviating(SOURCELESS, "gone", "left out", "back"),
)
OLD_METADATA: Final = StoreSequence(
    "old metadata",
    _steps(
        first=metadata_version_1(as_lists=False),
        disabled=all_of(
            restored,
            with_checker("deadcode.DeadStores", False),
            metadata_version_1(as_lists=False),
            without_diagnostics("deadcode.DeadStores"),
        ),
        lists=all_of(restored, metadata_version_1(as_lists=True)),
        not_in_the_list=all_of(
            restored,
            with_checker("deadcode.DeadStores", False),
            metadata_version_1(as_lists=True),
            without_diagnostics("deadcode.DeadStores"),
        ),
    ),
)
NO_METADATA: Final = StoreSequence(
    "no metadata",
    _steps(
        first=without_metadata,
        gone=without_diagnostics("deadcode.DeadStores"),
        back=restored,
        gone_without=all_of(without_diagnostics("deadcode.DeadStores"), without_metadata),
    ),
    deviations=_deviating(UNLISTED, "gone", "back", "gone without"),
)
NO_REPORTS: Final = StoreSequence(
    "no reports",
    (
        Step("first", unchanged),
        Step("result files without reports", without_diagnostics("*")),
        Step("back", restored),
        Step("no result files", without_results("*")),
        Step("back again", restored),
        Step("empty folder", all_of(without_results("*"), without_metadata), packed=True),  # storectl refuses it
    ),
)
EMPTY_FROM_THE_START: Final = StoreSequence(
    "empty from the start",
    _steps(first=without_diagnostics("*"), second=restored),
)
SAME_PATH_OTHER_CONTENT: Final = StoreSequence(
    "same path, other content",
    _steps(
        first=unchanged,
        message=with_value("cplusplus.NewDelete", "description", "Freed twice over"),
        notes=all_of(restored, with_value("*", "notes", None), with_value("*", "macro_expansions", None)),
        place=all_of(restored, each_diagnostic(_moved_to_its_first_event)),
        marks=all_of(restored, each_diagnostic(_unmarked)),
        back=restored,
        gone=without_diagnostics("cplusplus.NewDelete"),
        back_with_another_message=all_of(
            restored, with_value("cplusplus.NewDelete", "description", "Freed twice over")
        ),
    ),
)
UNKNOWN_CHECKERS: Final = StoreSequence(
    "unknown checkers",
    _steps(
        first=all_of(
            with_value("core.DivideZero", "check_name", "no.such.Checker"),
            with_value("cplusplus.Move", "check_name", "core.DivideZeroAgain"),
            with_value("deadcode.DeadStores", "check_name", "clang-diagnostic-of-tomorrow"),
            with_value("cppcheck-memleak", "check_name", "cppcheck-memleakOfTomorrow"),
        ),
        gone=all_of(restored, without_diagnostics("core.DivideZero")),
    ),
)
FOREIGN_HASHES: Final = StoreSequence(
    "foreign hashes",
    _steps(
        first=all_of(
            with_value("cplusplus.NewDelete", HASH_KEY, "No MD5 at all"),
            with_value("core.DivideZero", HASH_KEY, "0123456789ABCDEF0123456789ABCDEF"),
            with_value("deadcode.DeadStores", HASH_KEY, "f" * 64),
        ),
        again=unchanged,
        gone=without_diagnostics("cplusplus.NewDelete"),
        other_case=with_value("core.DivideZero", HASH_KEY, "0123456789abcdef0123456789abcdef"),
    ),
)
ONE_HASH_OF_SEVERAL_CHECKERS: Final = StoreSequence(
    "one hash of several checkers",
    _steps(
        first=with_value("core.*", HASH_KEY, "0123456789abcdef" * 2),
        one_checker_gone=without_diagnostics("core.DivideZero"),
        all_gone=all_of(
            without_diagnostics("core.*"),
            with_checker("core.NullDereference", False),
            without_checker("core.uninitialized.*"),
        ),
        all_back=all_of(restored, with_value("core.*", HASH_KEY, "0123456789abcdef" * 2)),
        own_hashes=restored,
    ),
)
ODD_RESULTS: Final = StoreSequence(
    "odd results",
    _steps(
        first=unchanged,
        relative_paths=with_relative_paths,
        in_a_folder_below=all_of(restored, with_results_below("main.cpp_*")),
        nameless=all_of(
            restored,
            with_value("core.DivideZero", "description", None),
            with_value("core.DivideZero", "check_name", None),
        ),
        back=restored,
    ),
)
NO_BUG_PATH: Final = StoreSequence(
    "no bug path",
    _steps(
        empty=with_value("core.NullDereference", "path", []),
        absent=with_value("core.NullDereference", "path", None),
        back=restored,
    ),
    deviations=_deviating(PATHLESS, "empty", "absent"),
)
CLOSED_THEN_CHANGED: Final = StoreSequence(
    "closed then changed",
    _steps(
        first=unchanged,
        gone=without_diagnostics("cplusplus.Move"),
        text_changed=with_source_text("shelf.cpp", "// first change\n"),
        disabled=with_checker("cplusplus.Move", False),
        text_changed_again=with_source_text("shelf.cpp", "// second change\n"),
        enabled=with_checker("cplusplus.Move", True),
        back=with_results("*"),
    ),
)
ANNOTATED: Final = StoreSequence(
    "annotated",
    _steps(
        first=annotated(
            "core.NullDereference", testcase="dinner", timestamp="2024-05-01T10:20", chronological_order="3"
        ),
        other_value=annotated("core.NullDereference", testcase="breakfast"),
        unknown_key=annotated("core.NullDereference", colour="red"),
        wrong_type=annotated("core.NullDereference", chronological_order="first"),
        wrong_date=annotated("core.NullDereference", timestamp="yesterday"),
        none=restored,
    ),
)
ANNOTATED_DUPLICATES: Final = StoreSequence(
    "annotated duplicates",
    _steps(
        first=all_of(
            annotated("bugprone-incorrect-roundings", "main.cpp_*", testcase="dinner"),
            annotated("bugprone-incorrect-roundings", "recipe.cpp_*", testcase="breakfast"),
            annotated("bugprone-incorrect-roundings", "shelf.cpp_*", testcase="dinner"),
        ),
    ),
)
ANALYZERS: Final = StoreSequence(
    "analyzers",
    _steps(
        plist_says_another=with_plist_analyzer("spotter", "shelf.cpp_*"),
        unknown_to_metadata=all_of(
            restored,
            with_plist_analyzer("spotter", "shelf.cpp_*"),
            without_checker("cppcheck-*"),
            without_checker("clang-diagnostic-*"),
        ),
        named_nowhere=all_of(
            restored,
            with_plist_analyzer(None, "shelf.cpp_*"),
            without_checker("cppcheck-*"),
            without_checker("clang-diagnostic-*"),
        ),
        no_metadata=all_of(
            restored,
            with_plist_analyzer(None, "shelf.cpp_*"),
            without_diagnostics("bugprone-incorrect-roundings", "shelf.cpp_*"),  # of duplicates, CodeChecker keeps any
            without_metadata,
        ),
    ),
)
HASHES: Final = StoreSequence(
    "hashes",
    _steps(
        absent=with_value("*", HASH_KEY, None),
        one_zero=all_of(restored, with_value("cplusplus.NewDelete", HASH_KEY, "0")),
        all_zero=all_of(restored, with_value("*", HASH_KEY, "0")),
    ),
    deviations=_deviating(ZERO, "one zero", "all zero"),
)
REVIEWED_IN_THE_SOURCE: Final = StoreSequence(
    "reviewed in the source",
    _steps(
        first=unchanged,
        false_positive=with_lines("shelf.cpp", 1, 21, "// codechecker_false_positive [all] the shelf holds"),
        unchanged=unchanged,
        intentional=all_of(restored, with_lines("shelf.cpp", 1, 21, "// codechecker_intentional [all] a strong shelf")),
        gone=without_diagnostics("cppcheck-memleak"),
        back=all_of(restored, with_lines("shelf.cpp", 1, 21, "// codechecker_intentional [all] a strong shelf")),
        comment_removed=restored,
        confirmed=with_lines("shelf.cpp", 1, 21, "// codechecker_confirmed [all] buy a stronger shelf"),
        misspelt=all_of(restored, with_lines("shelf.cpp", 1, 21, "// codechecker_false_positive [all")),
    ),
)
REVIEWED_BY_A_FILE: Final = StoreSequence(
    "reviewed by a file",
    _steps(
        first=unchanged,
        several=with_review_file(
            ({"filepath": "*/shelf.cpp", "checker_name": "cppcheck-memleak"}, "intentional"),
            ({"filepath": "*/shelf.cpp"}, "suppress"),
            ({"report_hash": "ff3bdeda"}, "confirmed"),
        ),
        comment_before=commented("shelf.cpp", 21, "/* codechecker_confirmed [memleak]", " * see the shelf", " */"),
        comment_alone=without_review_file,
        again=restored,
    ),
)
CONTRADICTING_COMMENTS: Final = StoreSequence(
    "contradicting comments",
    _steps(
        first=unchanged,
        two_comments=all_of(
            with_lines("shelf.cpp", 1, 21, "// codechecker_intentional [all] a strong shelf"),
            with_lines("shelf.cpp", 1, 21, "// codechecker_false_positive [all] the shelf holds"),
            without_diagnostics("deadcode.DeadStores"),
        ),
        back=restored,
    ),
    deviations=_deviating(CONTRADICTING, "two comments", "back"),
)
SEQUENCES: Final = tuple(value for value in list(globals().values()) if isinstance(value, StoreSequence))
