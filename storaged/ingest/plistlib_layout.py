"""Reads diagnostics as plistlib lays them out, as CodeChecker's report converter does, without a parser.

What deviates in the least is left to `read_diagnostic`, which reads any layout and tells what is wrong; what is read
here is read as it would.
"""

import re
from collections.abc import Sequence
from typing import Final

from storaged.ingest.plist import (
    NO_CHECKER,
    Diagnostic,
    Edge,
    Event,
    Location,
    Span,
    highest_file,
    positions_along,
)

# Text as XML may have it, without what is no character there; entities are the five that need no declaration.
_PLAIN: Final = r"[^<>&\x00-\x08\x0b-\x1f\ufffe\uffff]*+"
_TEXT: Final = rf"<string>({_PLAIN}(?:&(?:lt|gt|amp|quot|apos);{_PLAIN})*+)</string>"
_INTEGER: Final = r"<integer>([0-9]{1,9})</integer>"
# White space as XML has it.
_GAP: Final = r"[ \t\n\r]*"
# The ampersand last: what it makes is no entity.
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


def _key(name: str, value: str) -> str:
    return rf"{_GAP}<key>{name}</key>{_GAP}{value}"


def _ignored(pattern: str) -> str:
    """The pattern without its group."""
    return pattern.replace("(", "(?:", 1)


_PLACE: Final = rf"{_GAP}<dict>{_key('col', _INTEGER)}{_key('file', _INTEGER)}{_key('line', _INTEGER)}{_GAP}</dict>"
_PAIR: Final = rf"<array>{_PLACE}{_PLACE}{_GAP}</array>"
_HEAD: Final = re.compile(
    "<dict>"
    f"(?:{_key('category', _ignored(_TEXT))})?"
    + _key("check_name", _TEXT)
    + _key("description", _TEXT)
    + _key("issue_hash_content_of_line_in_context", _TEXT)
    + _key("location", _PLACE)
    + _key("path", "<array>")
)
_EVENT: Final = re.compile(
    f"{_GAP}<dict>"
    f"(?:{_key('depth', _ignored(_INTEGER))})?"
    + _key("kind", "<string>event</string>")
    + _key("location", _PLACE)
    + _key("message", _TEXT)
    + f"(?:{_key('ranges', f'<array>{_GAP}{_PAIR}{_GAP}</array>')})?"
    + f"{_GAP}</dict>"
)
_EDGE: Final = f"<dict>{_key('end', _PAIR)}{_key('start', _PAIR)}{_GAP}</dict>"
_CONTROL: Final = re.compile(
    f"{_GAP}<dict>"
    + _key("edges", f"<array>{_GAP}{_EDGE}{_GAP}</array>")
    + _key("kind", "<string>control</string>")
    + f"{_GAP}</dict>"
)
_END: Final = re.compile(f"{_GAP}</array>(?:{_key('type', _ignored(_TEXT))})?{_GAP}</dict>{_GAP}")


def read_written(xml: bytes, files: int) -> Diagnostic | None:
    """The diagnostic, of a result file that has so many files; None when it deviates from the layout."""
    try:
        head = _HEAD.match(xml.decode())
    except UnicodeDecodeError:
        return None
    found = None if head is None else _diagnostic(head)
    return None if found is None or highest_file(found) >= files else found


def _diagnostic(head: re.Match[str]) -> Diagnostic | None:
    checker, message, report_hash, *at = head.groups()
    steps = _steps(head.string, head.end())
    if steps is None:
        return None
    return Diagnostic(
        at=_location(at),
        checker=_text(checker) or NO_CHECKER,
        message=_text(message),
        report_hash=None if report_hash in {"", "0"} else _text(report_hash),
        annotations={},
        stored_annotations={},
        events=steps[0],
        positions=positions_along(steps[1]),
        extended=[],
    )


def _steps(xml: str, at: int) -> tuple[list[Event], list[Edge]] | None:
    """The path that begins here, if it has events and the diagnostic ends behind it."""
    events: list[Event] = []
    edges: list[Edge] = []
    while True:
        if step := _EVENT.match(xml, at):
            events.append(_event([group for group in step.groups() if group is not None]))
        elif step := _CONTROL.match(xml, at):
            edges.append(_edge(step.groups()))
        else:
            break
        at = step.end()
    return (events, edges) if events and _END.fullmatch(xml, at) else None


def _event(found: Sequence[str]) -> Event:
    at = _location(found[:3])
    message = _text(found[3])
    if len(found) == 4:
        return Event(at, Span(at.file, at.line, at.column, at.line, at.column), message)
    start_column, _, start_line, end_column, _, end_line = map(int, found[4:])
    return Event(at, Span(at.file, start_line, start_column, end_line, end_column), message)


def _edge(found: Sequence[str]) -> Edge:
    """The end of an edge stands before its start."""
    end, start = (_location(found[0:3]), _location(found[3:6])), (_location(found[6:9]), _location(found[9:12]))
    return start, end


def _location(found: Sequence[str]) -> Location:
    column, file, line = map(int, found)
    return Location(line, column, file)


def _text(found: str) -> str:
    if "&" in found:
        for entity, character in _ENTITIES:
            found = found.replace(entity, character)
    return found
