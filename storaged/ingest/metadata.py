"""Reads metadata.json, in which an analysis describes itself: CodeChecker's versions 1 and 2 of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storaged.ingest.documents import Node, read_document
from storaged.ingest.values import StoreMetadata
from storaged.model import AnalyzerInfo, storable

# What stands between the versions, and between the commands, of several analyses.
SEPARATOR: Final = "; "


@dataclass(frozen=True, slots=True)
class AnalyzerRun:
    """One analyzer in one analysis.

    `checkers` tells which ones were enabled. Where the sources are not listed, only their number is known.
    """

    name: str
    version: str | None
    checkers: Mapping[str, bool]
    successful: int | None
    successful_sources: tuple[str, ...]
    failed: int | None
    failed_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderMetadata:
    """The metadata of one report folder.

    `partial`: it was merged from those of several report folders, and so cannot tell which checkers ran on what.
    """

    run_names: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    durations: tuple[float, ...] = ()
    runs: tuple[AnalyzerRun, ...] = ()
    partial: bool = False

    def checkers(self) -> dict[str, dict[str, bool]]:
        """For each analyzer, which checkers it had enabled; the last word counts. Empty when that cannot be told."""
        together: dict[str, dict[str, bool]] = {}
        for run in () if self.partial else self.runs:
            together.setdefault(run.name, {}).update(run.checkers)
        return together

    def checker_to_analyzer(self) -> dict[str, str]:
        """Whose checker each one is, in this folder."""
        return {checker: analyzer for analyzer, checkers in self.checkers().items() for checker in checkers}


def read_metadata(entry: str, data: bytes) -> FolderMetadata:
    """Read one metadata.json; `entry` is its name. Raises BadArchive, which says what is wrong in it."""
    root = read_document(entry, data)
    version = root.count("version")
    return _version1(root) if version in {None, 1} else _version2(root)


def merge_metadata(folders: Sequence[FolderMetadata]) -> StoreMetadata:
    """What the folders of a store say together."""
    names = [name for folder in folders for name in folder.run_names]
    durations = [duration for folder in folders for duration in folder.durations]
    enabled, disabled = _enabled_and_disabled(named for folder in folders for named in folder.checkers().values())
    return StoreMetadata(
        run_name=names[0] if names else None,
        client_version=_joined(version for folder in folders for version in folder.versions),
        command=_joined(command for folder in folders for command in folder.commands),
        duration=sum(durations) if durations else None,
        analyzers=tuple(_analyzer_info(name, folders) for name in _analyzer_names(folders)),
        enabled=enabled,
        disabled=disabled,
    )


def _version1(root: Node) -> FolderMetadata:
    checkers, statistics = root.at("checkers"), root.at("analyzer_statistics")
    names = dict.fromkeys([*checkers.names(), *statistics.names()])
    return FolderMetadata(
        run_names=_present(root.maybe("name", str)),
        versions=_present(root.at("versions").maybe("codechecker", str)),
        commands=_command(root),
        durations=_duration(root),
        runs=tuple(_analyzer_run(name, checkers.at(name), statistics.at(name)) for name in names),
    )


def _version2(root: Node) -> FolderMetadata:
    tools = root.at("tools").elements()
    return FolderMetadata(
        run_names=tuple(name for tool in tools for name in _present(tool.maybe("run_name", str))),
        versions=tuple(version for tool in tools if _is_codechecker(tool) for version in _version(tool)),
        commands=tuple(command for tool in tools for command in _command(tool)),
        durations=tuple(duration for tool in tools for duration in _duration(tool)),
        runs=tuple(run for tool in tools for run in _tool_runs(tool)),
        partial=(root.count("num_of_report_dir") or 1) > 1,
    )


def _is_codechecker(tool: Node) -> bool:
    return tool.maybe("name", str) == "codechecker"


def _version(node: Node) -> tuple[str, ...]:
    return _present(node.maybe("version", str))


def _present(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _command(node: Node) -> tuple[str, ...]:
    """A list of arguments; a single text is taken as it is."""
    command = node.at("command")
    return _present(command.typed(str) if isinstance(command.value, str) else " ".join(command.texts()))


def _duration(node: Node) -> tuple[float, ...]:
    """Seconds; an analysis that was broken off has no end."""
    begin, end = (node.at("timestamps").maybe(key, float, int) for key in ("begin", "end"))
    return () if begin is None or end is None else (end - begin,)


def _tool_runs(tool: Node) -> list[AnalyzerRun]:
    """The analyzers of CodeChecker; another tool is an analyzer itself."""
    analyzers = tool.at("analyzers")
    if analyzers.value is None and not _is_codechecker(tool):
        return [_analyzer_run(tool.at("name").typed(str), tool.at("checkers"), tool.at("analyzer_statistics"))]
    described = [(name, analyzers.at(name)) for name in analyzers.names()]
    return [_analyzer_run(name, node.at("checkers"), node.at("analyzer_statistics")) for name, node in described]


def _analyzer_run(name: str, checkers: Node, statistics: Node) -> AnalyzerRun:
    return AnalyzerRun(
        name=storable(name),
        version=statistics.maybe("version", str),
        checkers=_checkers(checkers),
        successful=statistics.count("successful"),
        successful_sources=statistics.at("successful_sources").texts(),
        failed=statistics.count("failed"),
        failed_sources=statistics.at("failed_sources").texts(),
    )


def _checkers(node: Node) -> dict[str, bool]:
    """Enabled or not, for each; a plain list has the enabled ones."""
    if isinstance(node.value, list):
        return dict.fromkeys(node.texts(), True)
    return {storable(name): node.at(name).typed(bool) for name in node.names()}


# Merging


def _joined(texts: Iterable[str]) -> str | None:
    """The different texts, in their order; None when there are none."""
    return SEPARATOR.join(dict.fromkeys(texts)) or None


def _enabled_and_disabled(checkers: Iterable[Mapping[str, bool]]) -> tuple[frozenset[str], frozenset[str]]:
    """A checker that one analysis has enabled and another disabled is in both."""
    said = [item for named in checkers for item in named.items()]
    return frozenset(name for name, on in said if on), frozenset(name for name, on in said if not on)


def _analyzer_names(folders: Iterable[FolderMetadata]) -> list[str]:
    return list(dict.fromkeys(run.name for folder in folders for run in folder.runs))


def _analyzer_info(name: str, folders: Sequence[FolderMetadata]) -> AnalyzerInfo:
    runs = [run for folder in folders for run in folder.runs if run.name == name]
    enabled, disabled = _enabled_and_disabled(folder.checkers().get(name, {}) for folder in folders)
    return AnalyzerInfo(
        name=name,
        version=_joined(run.version for run in runs if run.version),
        successful=_sources((run.successful, run.successful_sources) for run in runs),
        failed=_sources((run.failed, run.failed_sources) for run in runs),
        failed_sources=tuple(sorted({source for run in runs for source in run.failed_sources})),
        enabled=enabled,
        disabled=disabled,
    )


def _sources(counts: Iterable[tuple[int | None, tuple[str, ...]]]) -> int | None:
    """How many there are: each that is listed once, whoever lists it, and the numbers where none is listed."""
    known = [(count, listed) for count, listed in counts if count is not None or listed]
    listed_once = {source for _, listed in known for source in listed}
    return len(listed_once) + sum(count or 0 for count, listed in known if not listed) if known else None
