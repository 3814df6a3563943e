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
_TEXT: Final = (
    rb"<string>([^<>&\x00-\x08\x0b-\x1f]*+(?:&(?:lt|gt|amp|quot|apos);[^<>&\x00-\x08\x0b-\x1f]*+)*+)</string>"
)
_INTEGER: Final = rb"<integer>(\d{1,9})</integer>"
# The ampersand last: what it makes is no entity.
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
# Bytes of U+FFFE and U+FFFF, which XML has not, and of a few characters that it has.
_NO_CHARACTERS: Final = b"\xef\xbf"


def _key(name: bytes, value: bytes) -> bytes:
    return rb"\s*<key>" + name + rb"</key>\s*" + value


def _ignored(pattern: bytes) -> bytes:
    """The pattern without its group."""
    return pattern.replace(b"(", b"(?:", 1)


_PLACE: Final = (
    rb"\s*<dict>" + _key(b"col", _INTEGER) + _key(b"file", _INTEGER) + _key(b"line", _INTEGER) + rb"\s*</dict>"
)
_PAIR: Final = rb"<array>" + _PLACE + _PLACE + rb"\s*</array>"
_HEAD: Final = re.compile(
    rb"<dict>"
     rb"(?:" + _key(b"category", _ignored(_TEXT)) + rb")?"
    + _key(b"check_name", _TEXT)
    + _key(b"description", _TEXT)
    + _key(b"issue_hash_content_of_line_in_context", _TEXT)
    + _key(b"location", _PLACE)
    + _key(b"path", rb"<array>")
)  # fmt: skip
_EVENT: Final = re.compile(
    rb"\s*<dict>"
     rb"(?:" + _key(b"depth", _ignored(_INTEGER)) + rb")?"
    + _key(b"kind", rb"<string>event</string>")
    + _key(b"location", _PLACE)
    + _key(b"message", _TEXT)
    + rb"(?:" + _key(b"ranges", rb"<array>\s*" + _PAIR + rb"\s*</array>") + rb")?"
    + rb"\s*</dict>"
)  # fmt: skip
_CONTROL: Final = re.compile(
    rb"\s*<dict>"
    + _key(b"edges", rb"<array>\s*<dict>" + _key(b"end", _PAIR) + _key(b"start", _PAIR) + rb"\s*</dict>\s*</array>")
    + _key(b"kind", rb"<string>control</string>")
    + rb"\s*</dict>"
)
_END: Final = re.compile(rb"\s*</array>(?:" + _key(b"type", _ignored(_TEXT)) + rb")?\s*</dict>\s*")


def read_written(xml: bytes, files: int) -> Diagnostic | None:
    """The diagnostic, of a result file that has so many files; None when it deviates from the layout."""
    head = _HEAD.match(xml)
    if head is None or _NO_CHARACTERS in xml:
        return None
    try:
        found = _diagnostic(head)
    except UnicodeDecodeError:
        return None
    return None if found is None or highest_file(found) >= files else found


def _diagnostic(head: re.Match[bytes]) -> Diagnostic | None:
    checker, message, report_hash, *at = head.groups()
    steps = _steps(head.string, head.end())
    if steps is None:
        return None
    return Diagnostic(
        at=_location(at),
        checker=_text(checker) or NO_CHECKER,
        message=_text(message),
        report_hash=None if report_hash in {b"", b"0"} else _text(report_hash),
        annotations={},
        stored_annotations={},
        events=steps[0],
        positions=positions_along(steps[1]),
        extended=[],
    )


def _steps(xml: bytes, at: int) -> tuple[list[Event], list[Edge]] | None:
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


def _event(found: Sequence[bytes]) -> Event:
    at = _location(found[:3])
    message = _text(found[3])
    if len(found) == 4:
        return Event(at, Span(at.file, at.line, at.column, at.line, at.column), message)
    start_column, _, start_line, end_column, _, end_line = map(int, found[4:])
    return Event(at, Span(at.file, start_line, start_column, end_line, end_column), message)


def _edge(found: Sequence[bytes]) -> Edge:
    """The end of an edge stands before its start."""
    end, start = (_location(found[0:3]), _location(found[3:6])), (_location(found[6:9]), _location(found[9:12]))
    return start, end


def _location(found: Sequence[bytes]) -> Location:
    column, file, line = map(int, found)
    return Location(line, column, file)


def _text(found: bytes) -> str:
    text = found.decode()
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    return text
