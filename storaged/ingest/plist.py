"""Reads the plist files of Clang's analyzers and of CodeChecker's report converter."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

from lxml import etree

from storaged.errors import BadResultFile

NOTE: Final = 0
MACRO: Final = 10
# What the database's integers hold.
INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1
# What CodeChecker calls the checker of a diagnostic that names none.
NO_CHECKER: Final = "NOT FOUND"

# How much of a result file is parsed before its diagnostics are taken.
BLOCK_BYTES: Final = 1 << 18

T = TypeVar("T")


class Location(NamedTuple):
    """A place in a source; `file` counts in the result file's list of files."""

    line: int
    column: int
    file: int


class Span(NamedTuple):
    """A piece of a source."""

    file: int
    line: int
    column: int
    end_line: int
    end_column: int


class Event(NamedTuple):
    """A step of the bug path: where the path is, what of the source is marked there, and what is said of it."""

    at: Location
    span: Span
    message: str


class Extended(NamedTuple):
    """A note or a macro expansion: `kind` is NOTE or MACRO."""

    kind: int
    span: Span
    message: str


Pair = tuple[Location, Location]
Edge = tuple[Pair, Pair]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A report as its result file tells it.

    `report_hash` is None when the file has none; `annotations` are verbatim, `stored_annotations` normalised.
    """

    at: Location
    checker: str
    message: str
    report_hash: str | None
    annotations: Mapping[str, str]
    stored_annotations: Mapping[str, str]
    events: list[Event]
    positions: list[Span]
    extended: list[Extended]


@dataclass(frozen=True, slots=True)
class ResultFile:
    """What a result file has. `files` are as they stand in it; `analyzer` is None when it does not say."""

    files: list[str]
    analyzer: str | None
    diagnostics: list[Diagnostic]


class Malformed(Exception):
    """What is wrong; on the way up, the places that it is in are put in front."""

    def within(self, place: str) -> "Malformed":
        return Malformed(f"{place}: {self}")


def read_plist(entry: str, data: bytes) -> ResultFile:
    """Read a result file; `entry` is its name, for BadResultFile, which tells what is wrong where."""
    try:
        return _result_file(data)
    except Malformed as error:
        raise BadResultFile(entry, str(error)) from error


def read_diagnostic(xml: bytes, files: int) -> Diagnostic:
    """Read the `<dict>` of one diagnostic of a result file that has so many files; raises Malformed."""
    with _malformed_when_not_xml():
        element = etree.fromstring(xml, _PIECES)
    diagnostic = _diagnostic(_typed(_value(element), "it", dict))
    _check_files(diagnostic, 1, files)
    return diagnostic


def read_frame(data: bytes) -> tuple[list[Any], ResultFile]:
    """The diagnostics of a result file as plain values, and what it has beside them; raises Malformed."""
    tree = _Tree()
    values = [_value(element) for element in tree.diagnostics(data)]
    files, analyzer = _frame(tree.rest())
    return values, ResultFile(files, analyzer, [])


# From XML to plain values

_SAFELY: Final[Mapping[str, Any]] = {
    "resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False,
    "remove_comments": True, "remove_pis": True,
}  # fmt: skip
_PIECES: Final = etree.XMLParser(**_SAFELY)


class _Tree:
    """The tree of a result file, which grows by blocks while its diagnostics are taken off it.

    As a whole it would take twelve times the memory of the file.
    """

    def __init__(self) -> None:
        self._parser = etree.XMLPullParser(("start",), tag="plist", **_SAFELY)
        self._root: Any = None

    def diagnostics(self, data: bytes) -> Iterator[Any]:
        """The element of each diagnostic, valid until the next one is asked for."""
        with _malformed_when_not_xml():
            for at in range(0, len(data), BLOCK_BYTES):
                self._parser.feed(data[at : at + BLOCK_BYTES])
                self._look_at_root()
                yield from self._take(finished=False)
            self._parser.close()
        yield from self._take(finished=True)

    def rest(self) -> Any:
        """The value of the plist, in which the list of diagnostics is empty now."""
        if self._root is None or len(self._root) != 1:
            raise Malformed("not a plist: its root is not a <plist> with one value")
        return _value(self._root[0])

    def _look_at_root(self) -> None:
        if self._root is not None:
            return
        found: Any = next(iter(self._parser.read_events()), None)
        if found is not None:
            _, element = found
            if element.getparent() is not None:
                raise Malformed("not a plist: its root is not a <plist> with one value")
            dtd = element.getroottree().docinfo.internalDTD
            if dtd is not None and next(dtd.iterentities(), None) is not None:
                raise Malformed("its document type declares entities, which are not accepted")
            self._root = element

    def _take(self, *, finished: bool) -> Iterator[Any]:
        """Only what has a sibling behind it is complete while the tree grows."""
        array = self._array()
        first = None if array is None else next(iter(array), None)
        while first is not None and (finished or first.getnext() is not None):
            yield first
            array.remove(first)
            first = next(iter(array), None)

    def _array(self) -> Any:
        """The list of diagnostics, if it has begun."""
        top = () if self._root is None else next(iter(self._root), ())
        values = (key.getnext() for key in top if key.tag == "key" and key.text == "diagnostics")
        return next((value for value in values if value is not None and value.tag == "array"), None)


@contextmanager
def _malformed_when_not_xml() -> Iterator[None]:
    try:
        yield
    except (etree.XMLSyntaxError, ValueError) as error:  # ValueError: an encoding that it does not know
        told = error.msg if isinstance(error, etree.XMLSyntaxError) else error
        raise Malformed(f"not well-formed XML, or cut off: {told}") from error


def _value(element: Any) -> Any:
    try:
        return _READERS[element.tag](element)
    except KeyError as error:
        raise Malformed(f"line {element.sourceline}: {element.tag!s:.40} is no element of a plist") from error


def _dict(element: Any) -> dict[str, Any]:
    children = iter(element)
    values = {}
    for key in children:
        value = next(children, None)
        if key.tag != "key" or value is None:
            raise Malformed(f"line {key.sourceline}: a <dict> is pairs of a <key> and a value")
        read = _READERS.get(value.tag, _value)  # _value says that it knows no such element
        values[key.text] = read(value)
    return values


def _array(element: Any) -> list[Any]:
    return [_value(child) for child in element]


def _string(element: Any) -> str:
    if len(element):
        raise Malformed(f"line {element.sourceline}: a <string> has text, not elements")
    return element.text or ""


def _integer(element: Any) -> int:
    try:
        return int(element.text)
    except (TypeError, ValueError) as error:
        raise Malformed(f"line {element.sourceline}: <integer> has {element.text!r:.40}") from error


class _Other:
    """A value of a kind that no report needs."""


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "dict": _dict,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "true": lambda _: True,
    "false": lambda _: False,
    "real": lambda _: _Other(),
    "date": lambda _: _Other(),
    "data": lambda _: _Other(),
}
_KINDS: Final[Mapping[type, str]] = {
    dict: "a dict",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "true or false",
    _Other: "a real, a date or data",
}


# From plain values to diagnostics


def _typed(value: Any, what: str, kind: type[T]) -> T:
    if type(value) is not kind:
        raise Malformed(f"{what} is {_KINDS[type(value)]}, not {_KINDS[kind]}")
    return value


def _need(holder: dict[str, Any], key: str, kind: type[T]) -> T:
    if key not in holder:
        raise Malformed(f"{key} is missing")
    return _typed(holder[key], key, kind)


def _maybe(holder: dict[str, Any], key: str, default: T) -> T:
    """The value, which must have the type of the default; what is empty counts as absent."""
    value = holder.get(key)
    return default if value is None else _typed(value, key, type(default)) or default


def _each(values: Iterable[Any], what: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """Read each of the dicts; a fault names its number, counted from 1."""
    results = []
    for number, value in enumerate(values, 1):
        try:
            results.append(read(_typed(value, "it", dict)))
        except Malformed as error:
            raise error.within(f"{what} {number}") from error
    return results


def _result_file(data: bytes) -> ResultFile:
    if not data.strip():
        raise Malformed("the file is empty")
    tree = _Tree()
    diagnostics = _each(map(_value, tree.diagnostics(data)), "diagnostic", _diagnostic)
    files, analyzer = _frame(tree.rest())
    for number, diagnostic in enumerate(diagnostics, 1):
        _check_files(diagnostic, number, len(files))
    return ResultFile(files, analyzer, diagnostics)


def _frame(value: Any) -> tuple[list[str], str | None]:
    """The files and the analyzer."""
    content = _typed(value, "the plist's value", dict)
    files = [_typed(path, "one of files", str) for path in _need(content, "files", list)]
    _need(content, "diagnostics", list)
    return files, _analyzer(content)


def highest_file(diagnostic: Diagnostic) -> int:
    """The highest number of a file that it names."""
    spans = [event.span for event in diagnostic.events]
    spans += diagnostic.positions
    spans += [extra.span for extra in diagnostic.extended]
    return max(diagnostic.at.file, *(span.file for span in spans))


def _check_files(diagnostic: Diagnostic, number: int, count: int) -> None:
    highest = highest_file(diagnostic)
    if highest >= count:
        raise Malformed(f"diagnostic {number}: names file {highest}, but there are {count} files")


def _analyzer(content: dict[str, Any]) -> str | None:
    """`metadata.analyzer.name`, where the report converter says whose file it is."""
    metadata: dict[str, Any] = _maybe(content, "metadata", {})
    analyzer: dict[str, Any] = _maybe(metadata, "analyzer", {})
    return _maybe(analyzer, "name", "") or None


def _diagnostic(raw: dict[str, Any]) -> Diagnostic:
    at = _location(raw)
    message = _maybe(raw, "description", "")
    report_hash = _maybe(raw, "issue_hash_content_of_line_in_context", "")
    events, edges = _path(_list(raw, "path"))
    annotations = _annotations(raw)
    return Diagnostic(
        at=at,
        checker=_maybe(raw, "check_name", NO_CHECKER),
        message=message,
        report_hash=None if report_hash in {"", "0"} else report_hash,
        annotations=annotations,
        stored_annotations={key: _normalised(key, value) for key, value in annotations.items()},
        events=events or [Event(at, _span((at, at)), message)],
        positions=positions_along(edges),
        extended=[
            *_each(_list(raw, "notes"), "note", _note),
            *_each(_list(raw, "macro_expansions"), "macro", _macro),
        ],
    )


def _list(raw: dict[str, Any], key: str) -> list[Any]:
    values: list[Any] = _maybe(raw, key, [])
    return values


def _path(steps: list[Any]) -> tuple[list[Event], list[Edge]]:
    """Events and edges, each in order; steps of other kinds (Clang's `pop-up`) are not part of a bug path."""
    events: list[Event] = []
    edges: list[Edge] = []

    def read(step: dict[str, Any]) -> None:
        kind = step.get("kind")
        if kind == "event":
            events.append(_event(step))
        elif kind == "control":
            edges.extend(_first_edge(step))

    _each(steps, "step", read)
    return events, edges


def _event(step: dict[str, Any]) -> Event:
    at = _location(step)
    return Event(at, _marked(step, at), _need(step, "message", str))


def _note(note: dict[str, Any]) -> Extended:
    return Extended(NOTE, _marked(note, _location(note)), _need(note, "message", str))


def _macro(macro: dict[str, Any]) -> Extended:
    """Only its location: CodeChecker's client keeps no ranges of macro expansions."""
    at = _location(macro)
    return Extended(MACRO, _span((at, at)), _need(macro, "expansion", str))


def _marked(step: dict[str, Any], at: Location) -> Span:
    """The first of the step's ranges, in the file of its location; its location when it has none."""
    ranges = _list(step, "ranges")
    if not ranges:
        return _span((at, at))
    start, end = _pair(ranges[0], "ranges")
    return Span(at.file, start.line, start.column, end.line, end.column)


def _first_edge(step: dict[str, Any]) -> list[Edge]:
    """A control step has a list of edges, of which the first one counts."""
    edges = [_typed(edge, "one of edges", dict) for edge in _need(step, "edges", list)[:1]]
    return [(_pair(edge.get("start"), "start"), _pair(edge.get("end"), "end")) for edge in edges]


def positions_along(edges: Iterable[Edge]) -> list[Span]:
    """The ends of the edges, and the starts of those that do not continue the last one."""
    positions: list[Span] = []
    last: Pair | None = None
    for start, end in edges:
        if start != last:
            positions.append(_span(start))
        positions.append(_span(end))
        last = end
    return positions


def positions_between(events: Iterable[Event]) -> list[Span]:
    """The positions of a path that has events only: CodeChecker draws an edge between each two that differ.

    Whether they are in one file is not looked at.
    """
    pairs = [_ends(event.span) for event in events]
    return positions_along(edge for edge in pairwise(pairs) if _span(edge[0])[1:] != _span(edge[1])[1:])


def _ends(span: Span) -> Pair:
    return Location(span.line, span.column, span.file), Location(span.end_line, span.end_column, span.file)


def _span(pair: Pair) -> Span:
    start, end = pair
    return Span(end.file, start.line, start.column, end.line, end.column)


def _pair(value: Any, what: str) -> Pair:
    if not isinstance(value, list) or len(value) < 2:
        raise Malformed(f"{what} is not an array of two locations")
    return _place(value[0], what), _place(value[1], what)


def _location(holder: dict[str, Any]) -> Location:
    return _place(holder.get("location"), "location")


def _place(raw: Any, what: str) -> Location:
    try:
        line, column, file = raw["line"], raw["col"], raw["file"]
    except (KeyError, TypeError) as error:
        raise Malformed(f"{what} is not a dict with line, col and file") from error
    for value in (line, column, file):
        if type(value) is not int or not INT_MIN <= value <= INT_MAX:
            raise Malformed(f"{what} has {value!r:.40}, where a 32 bit integer belongs")
    if file < 0:
        raise Malformed(f"{what} has file {file}; files are counted from 0")
    return Location(line, column, file)


# Annotations


def _annotations(raw: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, Any] = _maybe(raw, "report-annotation", {})
    for key, value in annotations.items():
        if type(value) not in {str, int}:
            raise Malformed(f"report-annotation {key} is {_KINDS[type(value)]}, not a string or an integer")
    return {key: str(value) for key, value in annotations.items()}


def _normalised(key: str, value: str) -> str:
    try:
        return _ANNOTATIONS[key](value)
    except KeyError as error:
        known = ", ".join(_ANNOTATIONS)
        raise Malformed(f"report-annotation {key!r:.40} is not one of {known}") from error
    except ValueError as error:
        raise Malformed(f"report-annotation {key} cannot be {value!r:.40}") from error


_ANNOTATIONS: Final[Mapping[str, Callable[[str], str]]] = {
    "timestamp": lambda value: str(datetime.fromisoformat(value)),
    "testcase": str,
    "chronological_order": lambda value: str(int(value)),
}
