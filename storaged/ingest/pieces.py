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
_BEGIN: Final = re.compile(rb"[ \t\n\r]*<array>([ \t\n\r]+)<dict>")
# With which comments, CDATA, processing instructions and characters by number begin: text may be other than it looks.
_DECEITFUL: Final = (b"<!", b"<?", b"&#")
_FILE: Final = re.compile(rb"<key>file</key>[ \t\n\r]*<integer>([0-9]{1,9})</integer>")


@dataclass(frozen=True, slots=True)
class CutFile:
    """A result file without its diagnostics, and each of them as XML."""

    frame: ResultFile
    diagnostics: list[bytes]


def cut(data: bytes) -> CutFile | None:
    """Cut a result file into pieces; None when it is not laid out as it must be, or not well-formed around them."""
    head, at = _HEAD.match(data), data.find(_KEY)
    begin = _BEGIN.match(data, at + len(_KEY)) if at >= 0 else None
    # The byte 0 stands between what `fingerprint` tells apart.
    if head is None or begin is None or b"\0" in data:
        return None
    gap = begin[1]
    pieces = data[begin.end() :].split(gap + b"</dict>" + gap + b"<dict>")
    pieces[-1], found, tail = pieces[-1].partition(gap + b"</dict>")
    rest = data[head.end() : begin.start(1)] + b"<dict/>" + tail
    if not found or rest.count(b">diagnostics<") != 1 or _is_deceitful(rest):
        return None
    try:
        values, frame = read_frame(head[0] + rest)
    except Malformed:
        return None
    # Nothing but what was put in their place, or there are more behind it.
    return CutFile(frame, [b"<dict>" + piece + b"</dict>" for piece in pieces]) if values == [{}] else None


def fingerprint(about: bytes, piece: bytes, file: Callable[[bytes], bytes]) -> bytes:
    """Equal for pieces that differ only in the numbers of their files; `file` tells what a number stands for.

    Only to be kept of pieces whose numbers are plain.
    """
    parts = _FILE.split(piece)
    # Neither a piece nor a path has the byte 0.
    return sha256(b"\0".join([about, *parts[::2], *map(file, parts[1::2])])).digest()


def numbers_are_plain(piece: bytes) -> bool:
    """Whether `fingerprint` sees each number of a file that a well-formed piece has, and nothing that only looks so.

    What has an equal fingerprint is as plain then, for it has the same text around its numbers.
    """
    return piece.count(b">file<") == len(_FILE.findall(piece)) and not _is_deceitful(piece)


def _is_deceitful(xml: bytes) -> bool:
    return any(sign in xml for sign in _DECEITFUL)
