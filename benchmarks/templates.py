"""The reports of a real analysis as templates, from which `benchmarks.generate` makes as many others as are wanted."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson

from storaged.ingest.hashes import path_hash, report_hash
from storaged.ingest.metadata import read_metadata
from storaged.ingest.plist import Diagnostic, ResultFile, read_plist

# One diagnostic in the layout that plistlib writes, and the places in it that a template fills in.
DIAGNOSTIC: Final = re.compile(r"^\t\t<dict>\n.*?^\t\t</dict>\n", re.DOTALL | re.MULTILINE)
END: Final = "\n\t</array>\n"
DESCRIPTION: Final = re.compile(r"<key>description</key>\s*(<string>.*?</string>)", re.DOTALL)
HASH: Final = re.compile(r"(<key>issue_hash_content_of_line_in_context</key>\s*<string>)[^<]*")
FILE: Final = re.compile(r"(<key>file</key>\s*<integer>)(\d+)")
QUOTED: Final = re.compile(r"'[^']+(?=')")
HEADERS: Final = (".hpp", ".h", ".hxx", ".hh", ".inl")
# What stands for the three kinds of places while a text is searched: characters that no XML has.
MESSAGE_SIGN, HASH_SIGN, FILE_SIGN = "\x01", "\x02", "\x03"


@dataclass(frozen=True, slots=True)
class Template:
    """A report whose message, hash and files are to be filled in; `files` are relative to the sources."""

    diagnostic: Diagnostic
    files: tuple[str, ...]
    at: str
    analyzer: str
    text: str
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]

    @property
    def in_header(self) -> bool:
        return self.at.endswith(HEADERS)

    def message(self, tag: str) -> str:
        """The message, of other things: names in quotes bear the tag, or else it stands at the end."""
        message = self.diagnostic.message
        if not tag:
            return message
        tagged, count = QUOTED.subn(lambda name: f"{name[0]}_{tag}", message)
        return tagged if count else f"{message} [{tag}]"

    def last_line(self) -> tuple[str, int]:
        """The file and the line of the last event, which the report hash is made of."""
        at = self.diagnostic.events[-1].at
        return self.files[self._used.index(at.file)], at.line

    @property
    def _used(self) -> list[int]:
        return used_files(self.diagnostic)

    def report_hash(self, message: str, source_line: str) -> str:
        """The hash that the result file must have: CodeChecker's rule for a report without one."""
        last = self.diagnostic.events[-1].at
        columns = chain.from_iterable((span.column, span.end_column) for span in self.diagnostic.positions)
        return report_hash(
            self.at,
            self.diagnostic.checker,
            message,
            source_line=source_line,
            column=last.column,
            position_columns=columns,
        )

    def fill(self, message: str, of_report: str, numbers: Sequence[int]) -> str:
        """The diagnostic as it stands in a result file; `numbers` are those of `files` there."""
        return self.text % self.pick((escape(message), of_report, *numbers))


@dataclass(frozen=True, slots=True)
class Base:
    """A real analysis: different reports, those in headers first, its sources by relative path, its metadata."""

    templates: tuple[Template, ...]
    sources: Mapping[str, bytes]
    metadata: Mapping[str, Any]


def read_base(reports: Path, analyzers: Sequence[str] = ()) -> Base:
    """Read a folder of result files in plistlib's layout, and the sources that they name.

    `analyzers`: take the reports of these only.
    """
    metadata = orjson.loads((reports / "metadata.json").read_bytes())
    known = read_metadata("metadata.json", (reports / "metadata.json").read_bytes()).checker_to_analyzer()
    found = list(_read_all(reports))
    root = os.path.commonpath([path for _, result in found for path in result.files])
    templates: dict[str, Template] = {}
    for text, result in found:
        for template in _templates(text, result, root, known):
            if not analyzers or template.analyzer in analyzers:
                templates.setdefault(_identity(template), template)
    ordered = sorted(templates.values(), key=lambda template: not template.in_header)
    names = sorted({name for template in ordered for name in template.files})
    sources = {name: _whole_lines(Path(root, name).read_bytes()) for name in names if Path(root, name).is_file()}
    return Base(tuple(ordered), sources, metadata)


def used_files(diagnostic: Diagnostic) -> list[int]:
    """The numbers of the files that a diagnostic names, in the order in which it does."""
    spans = chain(
        (event.span.file for event in diagnostic.events),
        (event.at.file for event in diagnostic.events),
        (span.file for span in diagnostic.positions),
        (extra.span.file for extra in diagnostic.extended),
    )
    return list(dict.fromkeys([diagnostic.at.file, *spans]))


def _read_all(reports: Path) -> Iterator[tuple[str, ResultFile]]:
    for path in sorted(reports.glob("*.plist")):
        data = path.read_bytes()
        yield data.decode(), read_plist(path.name, data)


def _templates(text: str, result: ResultFile, root: str, known: Mapping[str, str]) -> Iterator[Template]:
    blocks = DIAGNOSTIC.findall(text[: text.find(END) + len(END)])
    if len(blocks) != len(result.diagnostics):
        raise ValueError(f"{len(blocks)} diagnostics are seen of {len(result.diagnostics)}: not plistlib's layout")
    for block, diagnostic in zip(blocks, result.diagnostics, strict=True):
        used = used_files(diagnostic)
        names = tuple(os.path.relpath(result.files[number], root) for number in used)
        analyzer = known.get(diagnostic.checker) or result.analyzer or "clang-tidy"
        yield Template(diagnostic, names, names[0], analyzer, *_format(block, used))


def _format(block: str, used: Sequence[int]) -> tuple[str, Callable[[Sequence[Any]], tuple[Any, ...]]]:
    """A %-format, and what picks its values out of message, hash, and the numbers of the used files."""
    described = DESCRIPTION.search(block)
    if described is None:
        raise ValueError(f"a diagnostic without description:\n{block}")
    signed = HASH.sub(rf"\1{HASH_SIGN}", block.replace("%", "%%"))
    message = described[1].replace("%", "%%")
    signed = signed.replace(message, f"<string>{MESSAGE_SIGN}</string>")
    slots: list[int] = []

    def slot(match: "re.Match[str]") -> str:
        if match[0] in (MESSAGE_SIGN, HASH_SIGN):
            slots.append((MESSAGE_SIGN, HASH_SIGN).index(match[0]))
            return "%s"
        slots.append(2 + used.index(int(match[3])))
        return f"{match[2]}%s"

    text = re.sub(f"[{MESSAGE_SIGN}{HASH_SIGN}]|({FILE.pattern})", slot, signed)
    return text, itemgetter(*slots)


def _identity(template: Template) -> str:
    """Its path hash, as if its source line were empty: those that differ here differ in every copy."""
    diagnostic, used = template.diagnostic, used_files(template.diagnostic)
    events = (
        (event.at.line, event.at.column, event.message, template.files[used.index(event.at.file)])
        for event in diagnostic.events
    )
    of_report = template.report_hash(diagnostic.message, "")
    return path_hash(events, diagnostic.annotations, diagnostic.checker, of_report)


def _whole_lines(content: bytes) -> bytes:
    """With an end of the last line, so that what is added at the end changes no line."""
    return content if content.endswith(b"\n") else content + b"\n"
