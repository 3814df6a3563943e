"""The examples of docs/api.md: requests with their answers, as a reader sees them; CONTRIBUTING.md tells the form."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

CUT: Final = "..."
INDENT: Final = 4

REQUEST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S+)(?:\s+(\S.*))?")
STATUS: Final = re.compile(r"([1-5]\d\d)(?: (.*))?")
HEADER: Final = re.compile(r"([A-Z][A-Za-z-]+): (.+)")
# What a document is made of, as far as cuts are concerned: strings, cuts, brackets.
PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|[{}\[\]]')
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOKEN: Final = re.compile(r"[0-9a-f]{6,}\.\.\.")
HEX: Final = re.compile(r"[0-9a-f]{32,}")
# Whole numbers that are others on another day; an id may be named in the path of a later example.
ID: Final = "id"
COUNTERS: Final = frozenset({"next", "sequence"})


@dataclass(frozen=True, slots=True)
class Example:
    """One request and the answer that the document shows."""

    line: int
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: str
    status: int
    headers: dict[str, str]
    body: str

    def __str__(self) -> str:
        return f"{self.line}: {self.method} {self.path}"


@dataclass(slots=True)
class Meanings:
    """What stands in this daemon for what the document shows: `810b584c...` for a token, 2 for a report's id."""

    texts: dict[str, str] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)

    def in_text(self, text: str) -> str:
        """A text with what its parts stand for."""
        for shown, real in self.texts.items():
            text = text.replace(shown, real)
        return text

    def in_path(self, path: str) -> str:
        """A path with what its parts stand for, ids among them."""
        return re.sub(
            r"(?<=/)\d+(?=[/?]|$)", lambda found: str(self.ids.get(int(found[0]), found[0])), self.in_text(path)
        )


# Reading


def read_examples(document: str) -> list[Example]:
    """The examples in the order of the document; raises ValueError for a request without an answer."""
    return [parse_example(number, block) for number, block in _blocks(document.splitlines())]


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Each with the number of its first line: from an indented request as far as the indent goes."""
    starts = [
        number for number, line in enumerate(lines) if _indent(line) >= INDENT and REQUEST.fullmatch(line.strip())
    ]
    for start, following in zip_longest(starts, starts[1:], fillvalue=len(lines)):
        indent, block = _indent(lines[start]), []
        for line in lines[start:following]:
            if line.strip() and _indent(line) < indent:
                break
            block.append(line[indent:])
        yield start + 1, block


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def parse_example(line: int, block: list[str]) -> Example:
    """An example from its lines."""
    request = REQUEST.fullmatch(block[0])
    ends = [number for number, text in enumerate(block) if STATUS.fullmatch(text)]
    if request is None or not ends:
        raise ValueError(f"line {line}: a request without an answer: {block[0]}")
    status = STATUS.fullmatch(block[ends[0]])
    assert status is not None
    request_headers, request_body = _split([request[3] or "", *block[1 : ends[0]]])
    headers, body = _split([status[2] or "", *block[ends[0] + 1 :]])
    return Example(line, request[1], request[2], request_headers, request_body, int(status[1]), headers, body)


def _split(lines: list[str]) -> tuple[dict[str, str], str]:
    """Headers, and the body that stands between them."""
    headers = [found for line in lines if (found := HEADER.fullmatch(line))]
    rest = [line for line in lines if not HEADER.fullmatch(line)]
    return {found[1]: found[2] for found in headers}, "\n".join(rest).strip()


def read_cut_json(text: str) -> Any:
    """JSON in which `...` stands for more: for a last element, or for further members, and in strings as it is."""
    brackets: list[str] = []

    def rewritten(piece: re.Match[str]) -> str:
        match piece[0]:
            case "..." if brackets and brackets[-1] == "{":
                return f'"{CUT}": null'
            case "...":
                return f'"{CUT}"'
            case "{" | "[" as bracket:
                brackets.append(bracket)
            case "}" | "]":
                brackets.pop()
        return piece[0]

    return json.loads(PIECE.sub(rewritten, text))


# Comparing


def differences(shown: Any, real: Any, meanings: Meanings, where: str = "") -> Iterator[str]:
    """In what the real answer is another than the one that the document shows."""
    if isinstance(shown, dict) and isinstance(real, dict):
        yield from _in_members(shown, real, meanings, where)
    elif isinstance(shown, list) and isinstance(real, list):
        yield from _in_elements(shown, real, meanings, where)
    elif not _fits(shown, real, meanings, where):
        yield f"{where or 'body'}: shown {shown!r}, really {real!r}"


def _in_members(shown: dict[str, Any], real: dict[str, Any], meanings: Meanings, where: str) -> Iterator[str]:
    if missing := shown.keys() - real.keys() - {CUT}:
        yield f"{where}: shown, but not there: {', '.join(sorted(missing))}"
    if CUT not in shown and (more := real.keys() - shown.keys()):
        yield f"{where}: there, but not shown: {', '.join(sorted(more))}"
    for name in shown.keys() & real.keys():
        yield from differences(shown[name], real[name], meanings, f"{where}.{name}")


def _in_elements(shown: list[Any], real: list[Any], meanings: Meanings, where: str) -> Iterator[str]:
    cut = shown[-1:] == [CUT]
    kept = shown[:-1] if cut else shown
    if len(real) < len(kept) or (len(real) > len(kept) and not cut):
        yield f"{where}: {len(kept)} elements are shown, {len(real)} are there"
    for number, (one, other) in enumerate(zip(kept, real, strict=False)):
        yield from differences(one, other, meanings, f"{where}[{number}]")


def _fits(shown: Any, real: Any, meanings: Meanings, where: str) -> bool:
    if isinstance(shown, str) and isinstance(real, str):
        return text_fits(shown, real, meanings)
    if isinstance(shown, float):
        return isinstance(real, int | float) and not isinstance(real, bool)
    name = where.rpartition(".")[2]
    if type(shown) is int and type(real) is int:
        if name == ID:
            meanings.ids[shown] = real
            return True
        return shown == real or name in COUNTERS
    return type(shown) is type(real) and bool(shown == real)


def text_fits(shown: str, real: str, meanings: Meanings) -> bool:
    """Whether a text is as shown, but for its cuts; a token must be the one that was shown so before."""
    if TOKEN.fullmatch(shown):
        return HEX.fullmatch(real) is not None and meanings.texts.setdefault(shown, real) == real
    if TIME.fullmatch(shown):
        return TIME.fullmatch(real) is not None
    parts = map(re.escape, meanings.in_text(shown).split(CUT))
    return re.fullmatch(".*".join(parts), real, re.DOTALL) is not None
