"""Makes an analysis of any size out of a real one, and its next state, in which a share of the reports has changed.

    python -m benchmarks.generate FOLDER [--reports 20000] [--repeated 83%] [--seed 1] [--analyzers clang-tidy]
    python -m benchmarks.generate FOLDER --changed 1%

The first makes FOLDER/reports, as an analyzer leaves it, FOLDER/src, the sources, and FOLDER/generated.json, which says
what is there: result files, diagnostics, different reports, bytes. `--repeated` is the share of diagnostics that some
other result file has, too, as result files repeat what is found in headers. The second changes, in a few result files
and the sources that they are about, that share of the reports; the others stay as they are. Both give the same bytes
for the same folder and seed.

Without --base it multiplies xerces-c from shared/data beside the project, else the packaged sample. A report is told
again of other things (names in its message), in another copy of the sources, whose lines differ where reports end; its
report hash follows CodeChecker's rule from what is there then. Where it is told in several result files it is the same.
"""

import argparse
import hashlib
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.templates import Base, Template, read_base
from storaged.ingest.hashes import source_lines
from storaged.quickstart import unpack_sample
from tests.archives import REAL_DATA, unpack_xerces

FACTS: Final = "generated.json"
# As the large set has it (the issue that asks for speed names it): 348 result files for 197,000 reports.
REPORTS_PER_FILE: Final = 565
# Of so many of the reports there are repetitions.
HEADER_SHARE: Final = 0.1
# Times that the reports of the real analysis are told of one copy of its sources.
TIMES_PER_TREE: Final = 40
HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>diagnostics</key>
\t<array>
"""
TAIL: Final = """\t</array>
\t<key>files</key>
\t<array>
{files}\t</array>
\t<key>metadata</key>
\t<dict>
\t\t<key>generated_by</key>
\t\t<dict>
\t\t\t<key>name</key>
\t\t\t<string>benchmarks.generate</string>
\t\t</dict>
\t</dict>
</dict>
</plist>
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the analysis is, and what it is like; `changes` are the shares that changed, state by state."""

    reports: int
    repeated: float = 0.83
    seed: int = 1
    result_files: int | None = None
    trees: int | None = None
    analyzers: tuple[str, ...] = ("clang-tidy",)
    changes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """What a folder has: `diagnostics` with all repetitions, `reports` without; `changed` since the state before."""

    result_files: int
    diagnostics: int
    reports: int
    bytes: int
    sources: int
    source_bytes: int
    changed: int
    changed_result_files: int
    shape: Shape


def generate(folder: Path, shape: Shape, base: Base) -> Generated:
    """Make the analysis in a folder that is not there yet, or has an older one, whose files are replaced."""
    plan = Plan(str(folder.absolute()), shape, base)
    reports = folder / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    for old in reports.glob("*.plist"):
        old.unlink()
    _write_sources(plan, plan.sources)
    _write_results(plan, range(plan.result_files))
    metadata = _metadata(plan, base.metadata)
    (reports / "metadata.json").write_text(json.dumps(metadata))
    return _tell(plan, changed=0, rewritten=0)


def change(folder: Path, share: float, base: Base) -> Generated:
    """Change the analysis that `generate` made there of the same base to its next state."""
    shape = read_facts(folder).shape
    plan = Plan(str(folder.absolute()), replace(shape, changes=(*shape.changes, share)), base)
    changed = plan.change(len(shape.changes))
    _write_sources(plan, {plan.source_of(number) for number in changed})
    numbers = set(changed)
    rewritten = [file for file in range(plan.result_files) if not numbers.isdisjoint(plan.reports_in(file))]
    _write_results(plan, rewritten)
    return _tell(plan, changed=len(changed), rewritten=len(rewritten))


def read_facts(folder: Path) -> Generated:
    """What the folder's generated.json says."""
    facts = json.loads((folder / FACTS).read_text())
    shape = facts["shape"]
    lists = {name: tuple(shape[name]) for name in ("analyzers", "changes")}
    return Generated(**(facts | {"shape": Shape(**(shape | lists))}))


@contextmanager
def open_base(reports: Path | None, analyzers: Sequence[str]) -> Iterator[Base]:
    """The real analysis in the folder `reports`; None: xerces-c where it is there, else the packaged sample."""
    if reports is not None:
        yield read_base(reports, analyzers)
        return
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as scratch:
        root = unpack_xerces(Path(scratch)) if REAL_DATA.is_dir() else unpack_sample(Path(scratch) / "sample")
        yield read_base(root / "reports", analyzers)


class Plan:
    """Which report is where. A report is a number: a template, told for the so-many-th time of a copy of the sources.

    Some templates are those of headers: their reports go, one window after the other, over all result files, as often
    as the share of repetitions asks for. Each of the others is in one result file.
    """

    def __init__(self, folder: str, shape: Shape, base: Base) -> None:
        if not base.templates or shape.reports < 1 or not 0 <= shape.repeated < 1:
            raise ValueError(f"no analysis can be made of {len(base.templates)} reports as {shape} says")
        self.folder = folder
        self.shape = shape
        self._contents = base.sources
        self._lines: dict[tuple[int, str], list[str]] = {}
        self.templates = _ordered(base.templates, shape)
        self._repeated = max(1, round(len(self.templates) * HEADER_SHARE)) if shape.repeated else 0
        self.trees = shape.trees or max(1, shape.reports // len(self.templates) // TIMES_PER_TREE)

    @cached_property
    def diagnostics(self) -> int:
        return round(self.shape.reports / (1 - self.shape.repeated))

    @cached_property
    def result_files(self) -> int:
        """As many as are asked for, but enough for no file to have a report twice."""
        usual = self.shape.result_files or max(1, self.shape.reports // REPORTS_PER_FILE)
        in_windows = self.diagnostics - len(self._own)
        return max(usual, -(-in_windows // len(self._shared)) if self._shared else 0)

    @cached_property
    def sources(self) -> list[tuple[int, str]]:
        """Those that some report may name: the copy, and the path in it."""
        return [(tree, name) for tree in range(self.trees) for name in self._contents]

    @cached_property
    def _shared(self) -> list[int]:
        return [number for number in range(self.shape.reports) if self._is_shared(number)]

    @cached_property
    def _own(self) -> list[int]:
        return [number for number in range(self.shape.reports) if not self._is_shared(number)]

    def _is_shared(self, number: int) -> bool:
        return number % len(self.templates) < self._repeated

    def reports_in(self, file: int) -> list[int]:
        """The reports of a result file: its own, and its window of those that are in others, too."""
        window = self._window(file)
        return [*self._own_of(file), *(self._shared[place % len(self._shared)] for place in window)]

    def _own_of(self, file: int) -> list[int]:
        count = len(self._own)
        return self._own[count * file // self.result_files : count * (file + 1) // self.result_files]

    def _window(self, file: int) -> range:
        total = self.diagnostics - len(self._own)
        return range(total * file // self.result_files, total * (file + 1) // self.result_files)

    # States

    def change(self, state: int) -> list[int]:
        """The reports that changed when this state, counted from 0, gave way to the next."""
        files = list(range(self.result_files))
        random.Random(f"{self.shape.seed} {state}").shuffle(files)
        candidates = chain(chain.from_iterable(map(self._own_of, files)), self._shared)
        return list(islice(candidates, round(self.shape.reports * self.shape.changes[state])))

    @cached_property
    def versions(self) -> Mapping[int, int]:
        """How often each report has changed so far; those that are not here have not."""
        return Counter(chain.from_iterable(map(self.change, range(len(self.shape.changes)))))

    @cached_property
    def _edits(self) -> Mapping[tuple[int, str], int]:
        """How often each source has changed."""
        states = ({self.source_of(number) for number in self.change(at)} for at in range(len(self.shape.changes)))
        return Counter(chain.from_iterable(states))

    # Reports and sources

    def template(self, number: int) -> Template:
        return self.templates[number % len(self.templates)]

    def tree(self, number: int) -> int:
        return number // len(self.templates) % self.trees

    def source_of(self, number: int) -> tuple[int, str]:
        """The source in which the report is."""
        return self.tree(number), self.template(number).at

    def message(self, number: int) -> str:
        time, version = number // len(self.templates), self.versions.get(number, 0)
        return self.template(number).message(f"{time}v{version}" if version else str(time or ""))

    def path(self, tree: int, name: str) -> str:
        return f"{self.folder}/src/{tree}/{name}"

    def content(self, tree: int, name: str) -> bytes:
        """A source as it is in a copy, in this state."""
        edits = "".join(f"// edited {time + 1}\n" for time in range(self._edits[tree, name]))
        return self._unedited(tree, name) + edits.encode()

    def _unedited(self, tree: int, name: str) -> bytes:
        """The copies differ, the first one from none, in the lines that report hashes are made of, and at the end."""
        content = self._contents[name]
        if not tree:
            return content
        lines = content.split(b"\n")
        for number in self._last_lines.get(name, ()):
            if 0 < number < len(lines):
                lines[number - 1] += f" // copy {tree}".encode()
        return b"\n".join(lines) + f"// copy {tree}\n".encode()

    @cached_property
    def _last_lines(self) -> Mapping[str, set[int]]:
        found: dict[str, set[int]] = {}
        for name, number in (template.last_line() for template in self.templates):
            found.setdefault(name, set()).add(number)
        return found

    def source_line(self, number: int) -> str:
        """The line that the report's hash is made of."""
        name, line = self.template(number).last_line()
        lines = self._lines_of(self.tree(number), name)
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def _lines_of(self, tree: int, name: str) -> list[str]:
        if (tree, name) not in self._lines:
            known = name in self._contents
            self._lines[tree, name] = source_lines(self._unedited(tree, name)) if known else []
        return self._lines[tree, name]


def _ordered(templates: Sequence[Template], shape: Shape) -> list[Template]:
    """No more than there are reports, those in headers first, and behind them some that are told as if they were."""
    ordered = list(templates)
    random.Random(shape.seed).shuffle(ordered)
    ordered = ordered[: shape.reports]
    ordered.sort(key=lambda template: not template.in_header)
    count = max(1, round(len(ordered) * HEADER_SHARE))
    return [*ordered[:count], *sorted(ordered[count:], key=lambda template: template.files)]


# Writing


def _write_sources(plan: Plan, sources: Iterable[tuple[int, str]]) -> None:
    for tree, name in sources:
        path = Path(plan.path(tree, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plan.content(tree, name))


def _write_results(plan: Plan, files: Sequence[int]) -> None:
    """Write them on all cores; each process has the plan."""
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(files) or 1), initializer=_take, initargs=(plan,)) as pool:
        for _ in pool.map(_write_result, files, chunksize=4):
            pass


_taken: list[Plan] = []


def _take(plan: Plan) -> None:
    _taken[:] = [plan]


def _write_result(file: int) -> None:
    (plan,) = _taken
    numbers = plan.reports_in(file)
    named: dict[tuple[int, str], int] = {}
    diagnostics = [_diagnostic(plan, number, named) for number in numbers]
    files = "".join(f"\t\t<string>{escape(plan.path(tree, name))}</string>\n" for tree, name in named)
    path = Path(plan.folder, "reports", _result_name(plan, file, numbers))
    path.write_text("".join([HEAD, *diagnostics, TAIL.format(files=files)]))


def _diagnostic(plan: Plan, number: int, named: dict[tuple[int, str], int]) -> str:
    """The report's text; the files that it names are added to those of its result file."""
    template, tree, message = plan.template(number), plan.tree(number), plan.message(number)
    numbers = [named.setdefault((tree, name), len(named)) for name in template.files]
    return template.fill(message, template.report_hash(message, plan.source_line(number)), numbers)


def _result_name(plan: Plan, file: int, numbers: Sequence[int]) -> str:
    of_file = hashlib.md5(f"{plan.shape.seed} {file}".encode(), usedforsecurity=False).hexdigest()
    template = plan.template(numbers[0])
    return f"{Path(template.at).name}_{template.analyzer}_{of_file}.plist"


def _metadata(plan: Plan, base: Mapping[str, Any]) -> dict[str, Any]:
    """What the real analysis says of its analyzers, said of this one."""
    (tool,) = base["tools"]
    names = {template.analyzer for template in plan.templates}
    analyzers = {
        name: {**said, "analyzer_statistics": _statistics(plan, said["analyzer_statistics"])}
        for name, said in tool["analyzers"].items()
        if name in names
    }
    own = {"run_name": "generated", "output_path": f"{plan.folder}/reports", "action_num": plan.result_files}
    left_out = {"result_source_files", "command", "working_directory"}
    kept = {key: value for key, value in tool.items() if key not in left_out}
    return {**base, "tools": [{**kept, **own, "analyzers": analyzers}]}


def _statistics(plan: Plan, real: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": real.get("version"), "successful": plan.result_files, "failed": 0, "failed_sources": []}


def _tell(plan: Plan, *, changed: int, rewritten: int) -> Generated:
    folder = Path(plan.folder)
    sizes = [path.stat().st_size for path in (folder / "reports").glob("*.plist")]
    sources = [path.stat().st_size for path in (folder / "src").rglob("*") if path.is_file()]
    generated = Generated(
        result_files=len(sizes),
        diagnostics=plan.diagnostics,
        reports=plan.shape.reports,
        bytes=sum(sizes),
        sources=len(sources),
        source_bytes=sum(sources),
        changed=changed,
        changed_result_files=rewritten,
        shape=plan.shape,
    )
    (folder / FACTS).write_text(json.dumps(asdict(generated), indent=2) + "\n")
    return generated


def share(text: str) -> float:
    """`1%` or `0.01`."""
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--reports", type=int, default=20_000, help="different ones")
    arguments.add_argument("--repeated", type=share, default=0.83, help="share of the diagnostics")
    arguments.add_argument("--result-files", type=int, help="default: as the large set has them")
    arguments.add_argument("--trees", type=int, help="copies of the sources")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--analyzers", default="clang-tidy", help="whose reports are multiplied; empty: all")
    arguments.add_argument("--base", type=Path, help="folder of result files")
    arguments.add_argument("--changed", type=share, help="make the next state of what is there")
    options = arguments.parse_args()
    analyzers = tuple(filter(None, options.analyzers.split(",")))
    if options.changed is not None:
        analyzers = read_facts(options.folder).shape.analyzers
    with open_base(options.base, analyzers) as base:
        print(json.dumps(asdict(_made(options, base, analyzers)), indent=2))


def _made(options: argparse.Namespace, base: Base, analyzers: tuple[str, ...]) -> Generated:
    if options.changed is not None:
        return change(options.folder, options.changed, base)
    names = ("reports", "repeated", "seed", "result_files", "trees")
    shape = Shape(**{name: getattr(options, name) for name in names}, analyzers=analyzers)
    return generate(options.folder, shape, base)


if __name__ == "__main__":
    main()
