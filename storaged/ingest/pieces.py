"""Result files cut into their diagnostics, as bytes: one that others repeat need not be read again.

Translation units repeat what was found in the headers that they share: of a large analysis that is most. Only files as
Clang and plistlib lay them out are cut; whatever deviates is for the parser that reads files whole. Where the pieces
and what is left without them are well-formed, each by itself, so is the file, and has the same content.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from storaged.ingest.plist import Malformed, ResultFile, read_frame

# UTF-8, and a document type that declares nothing.
_HEAD: Final = re.compile(
    rb'(<\?xml version="1\.0"( encoding="UTF-8")?\?>\s*)?(<!DOCTYPE plist [^\[\]<>]*>\s*)?<plist[ >]'
)
_KEY: Final = b"<key>diagnostics</key>"
# The white space before the first diagnostic, which must come again before the others.
_BEGIN: Final = re.compile(rb"\s*<array>(\s+)<dict>")
# Comments, CDATA and processing instructions.
_DECEITFUL: Final = re.compile(rb"<[!?]")
_FILE: Final = re.compile(rb"<key>file</key>\s*<integer>(\d{1,9})</integer>")


@dataclass(frozen=True, slots=True)
class CutFile:
    """A result file without its diagnostics, and each of them as XML."""

    frame: ResultFile
    diagnostics: list[bytes]


def cut(data: bytes) -> CutFile | None:
    """Cut a result file into pieces; None when it is not laid out as it must be, or not well-formed around them."""
    begin = _begin(data)
    if begin is None:
        return None
    gap = begin[1]
    pieces = data[begin.end() :].split(gap + b"</dict>" + gap + b"<dict>")
    pieces[-1], found, tail = pieces[-1].partition(gap + b"</dict>")
    if not found or _KEY in tail:
        return None
    try:
        values, frame = read_frame(data[: begin.start(1)] + b"<dict/>" + tail)
    except Malformed:
        return None
    # Nothing but what was put in their place, or there are more behind it.
    return CutFile(frame, [b"<dict>" + piece + b"</dict>" for piece in pieces]) if values == [{}] else None


def _begin(data: bytes) -> re.Match[bytes] | None:
    """Where the first diagnostic begins; None where the list of them may stand in a comment, or the like."""
    head, at = _HEAD.match(data), data.find(_KEY)
    if head is None or at < 0 or _DECEITFUL.search(data, head.end(), at):
        return None
    return _BEGIN.match(data, at + len(_KEY))


def fingerprint(about: bytes, piece: bytes, file: Callable[[bytes], bytes]) -> bytes:
    """Equal for pieces that differ only in the numbers of their files; `file` tells what a number stands for."""
    parts = _FILE.split(piece)
    # Neither XML nor a path has the byte 0.
    return sha256(b"\0".join([about, *parts[::2], *map(file, parts[1::2])])).digest()
