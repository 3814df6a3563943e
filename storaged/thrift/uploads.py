"""An upload inside a call, too large to be held: unpacked from zlib, base64 and JSON while it comes in."""

import asyncio
import binascii
import re
import zlib
from collections.abc import AsyncIterator
from typing import Final

from storaged.errors import BadArchive, UploadTooLarge
from storaged.thrift.messages import BadMessage, Message, read_message

# Of all that a message holds beside its upload: names, tags, prefixes.
REST_BYTES: Final = 1 << 20
# Text is taken, and bytes come out, in pieces of about so many.
PIECE: Final = 1 << 18

# What the scan stops at: brackets, commas, and where strings begin.
STOPS: Final = re.compile(rb'[\[\]{},"]')
# Apache's library for Python writes control characters as they are.
STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# A level of the scan that is an array; that of an object is the key it is at, None before the key.
ARRAY: Final = b"["
MOST_LEVELS: Final = 50

ESCAPE: Final = re.compile(rb"\\(?:([/nrt])|u00([0-7][0-9a-fA-F]))")
# An escape of which the rest may come with the next piece.
ESCAPE_BEGUN: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
UNESCAPED: Final = {b"/": b"/", b"n": b"", b"r": b"", b"t": b""}
WHITESPACE: Final = b" \t\r\n"


class UploadCall:
    """A message while it comes in, of which one argument (its field's id) is taken out.

    Give it large pieces: a string that is not whole is scanned again with each.
    """

    def __init__(self, body: AsyncIterator[bytes], field: int) -> None:
        self._body = body
        self._path = [ARRAY, b'"%d"' % field, b'"str"']
        # The message, with an empty string where the upload was, and how far it was scanned.
        self._rest = bytearray()
        self._scanned = 0
        self._levels: list[bytes | None] = []
        self._within = False
        self._found = False

    async def text(self) -> AsyncIterator[bytes]:
        """The upload's text as it stands in the message, in pieces; read to its end it has read the whole body.

        Raises BadMessage, and whatever the body raises.
        """
        async for piece in self._body:
            text = self._take(piece)
            if text:
                yield text

    def message(self) -> Message:
        """The call without its upload, once the text was read to its end; raises BadMessage."""
        if self._within:
            raise BadMessage("The message is cut off in the middle of its upload.")
        message = read_message(self._rest)
        if not self._found:
            raise BadMessage(f"{message.name} came without an upload.")
        return message

    def _take(self, piece: bytes) -> bytes:
        """What of the piece is of the upload; the rest is kept."""
        if not self._within:
            piece = self._keep(piece)
        if not self._within:
            return b""
        text, quote, after = piece.partition(b'"')
        if quote:
            self._within = False
            self._scanned = len(self._rest) + len(quote)
            self._take(quote + after)
        return text

    def _keep(self, piece: bytes) -> bytes:
        """Add the piece to the rest; returns what of it comes behind the quote that begins the upload."""
        self._rest += piece
        begin = self._scan()
        taken = b""
        if begin is not None:
            if self._found:
                raise BadMessage("The message has its upload twice.")
            self._found = self._within = True
            taken = bytes(self._rest[begin + 1 :])
            del self._rest[begin + 1 :]
        if len(self._rest) > REST_BYTES:
            raise BadMessage(f"The arguments beside the upload have more than {REST_BYTES} bytes.")
        return taken

    def _scan(self) -> int | None:
        """Go on to where the upload begins, and return that, or to the end of what is there."""
        while stop := STOPS.search(self._rest, self._scanned):
            mark = stop[0]
            if mark == b'"' and self._levels == self._path:
                return stop.start()
            end = stop.end() if mark != b'"' else self._string(stop.start())
            if end is None:
                return None
            self._scanned = end
            self._step(mark)
        self._scanned = len(self._rest)
        return None

    def _string(self, start: int) -> int | None:
        """Where a string ends, None while it is not whole; the first one in an object is a key."""
        string = STRING.match(self._rest, start)
        if string is None:
            self._scanned = start
            return None
        if self._levels and self._levels[-1] is None:
            self._levels[-1] = string[0]
        return string.end()

    def _step(self, mark: bytes) -> None:
        if mark in (b"[", b"{"):
            if len(self._levels) == MOST_LEVELS:
                raise BadMessage(f"The message is nested more than {MOST_LEVELS} levels deep.")
            self._levels.append(ARRAY if mark == b"[" else None)
        elif mark in (b"]", b"}"):
            del self._levels[-1:]
        elif mark == b"," and self._levels and self._levels[-1] != ARRAY:
            self._levels[-1] = None


async def unpacked(text: AsyncIterator[bytes], *, packed: int, limit: int) -> AsyncIterator[bytes]:
    """The bytes that the text stands for, in pieces, of which each takes a thread.

    Raises BadArchive, UploadTooLarge for more than `packed` bytes before inflating or `limit` after, and whatever
    `text` raises.
    """
    unpacking = Unpacking(packed, limit)
    async for piece in text:
        data = await asyncio.to_thread(unpacking.take, piece)
        while data:
            yield data
            data = await asyncio.to_thread(unpacking.more)
    unpacking.finish()


class Unpacking:
    """Text that comes in pieces, as bytes."""

    def __init__(self, packed: int, limit: int) -> None:
        self._most_packed = packed
        self._most = limit
        self._packed = 0
        self._size = 0
        self._text = b""
        self._padded = False
        self._inflating = zlib.decompressobj()

    def take(self, text: bytes) -> bytes:
        """The bytes of a further piece of text; when there are any, ask for `more`, until there are none."""
        return self._inflate(self._decode(text))

    def more(self) -> bytes:
        """What the text so far stands for beyond what was returned."""
        return self._inflate(self._inflating.unconsumed_tail)

    def finish(self) -> None:
        """Raises BadArchive when the upload is not whole."""
        if self._text:
            raise BadArchive("The upload is cut off, or no base64: its length is no multiple of four.")
        if not self._inflating.eof:
            raise BadArchive("The upload is cut off: its zlib stream has no end. Store again.")

    def _decode(self, text: bytes) -> bytes:
        text = self._plain(self._text + text)
        begun = ESCAPE_BEGUN.search(text)
        whole = (begun.start() if begun else len(text)) // 4 * 4
        self._text = text[whole:]
        data = self._base64(text[:whole])
        self._packed += len(data)
        if self._packed > self._most_packed:
            raise UploadTooLarge(f"The upload has more than {self._most_packed} bytes, the limit of this server.")
        return data

    def _plain(self, text: bytes) -> bytes:
        """Without the escapes of JSON strings that base64 may come with, and without whitespace."""
        if b"\\" in text:
            text = ESCAPE.sub(_unescaped, text)
        return text.translate(None, WHITESPACE)

    def _base64(self, text: bytes) -> bytes:
        """Bytes of whole groups of four letters."""
        if not text:
            return b""
        if self._padded:
            raise BadArchive("The upload goes on behind the end of its base64.")
        self._padded = text.endswith(b"=")
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            raise BadArchive(f"The upload is no base64: {error}.") from error

    def _inflate(self, data: bytes) -> bytes:
        if self._inflating.eof:
            if data:
                raise BadArchive("The upload goes on behind the end of its zlib stream.")
            return b""
        try:
            inflated = self._inflating.decompress(data, PIECE)
        except zlib.error as error:
            raise BadArchive(f"The upload is damaged: it is no zlib stream ({error}). Store again.") from error
        if self._inflating.unused_data:
            raise BadArchive("The upload goes on behind the end of its zlib stream.")
        self._size += len(inflated)
        if self._size > self._most:
            raise UploadTooLarge(f"The upload unpacks to more than {self._most} bytes, the limit of this server.")
        return inflated


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return UNESCAPED[escape[1]] if escape[1] else bytes([int(escape[2], 16)])
