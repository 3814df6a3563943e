"""A zip's directory and entries, read within limits (APPNOTE.TXT 6.3.10; sections are named beside the code).

The standard library's reader loads a directory of any size before it can be asked how large it is, and keeps the file
open as long as the directory; here the limit holds while reading, and what is kept between calls is small.
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from storaged.errors import BadArchive

STORED: Final = 0
DEFLATED: Final = 8

# 4.3.16: signature, disk, directory's disk, entries here, entries, directory's size and offset, comment's length
END: Final = struct.Struct("<4s4H2LH")
# 4.3.15: signature, disk, offset of the ZIP64 end record, disks
END64_LOCATOR: Final = struct.Struct("<4sLQL")
# 4.3.14: signature, record's size, made by, needed, disk, directory's disk, entries here, entries, size, offset
END64: Final = struct.Struct("<4sQ2H2L4Q")
# 4.3.12: signature, made by (version, system), needed, flags, method, time, date, CRC, packed size, size, lengths of
# name, extra and comment, disk, internal and external attributes, offset of the local header
CENTRAL: Final = struct.Struct("<4s2B5H3L5H2L")
# 4.3.7: signature, needed, flags, method, time, date, CRC, packed size, size, lengths of name and extra
LOCAL: Final = struct.Struct("<4s5H3L2H")

UNIX: Final = 3
ENCRYPTED: Final = 0x0001
UTF8_NAME: Final = 0x0800
IN_ZIP64_EXTRA: Final = 0xFFFF_FFFF
ZIP64_EXTRA: Final = 0x0001
COMMENT_MAX: Final = 0xFFFF


class ZipEntry(NamedTuple):
    """One entry of the directory, as the directory describes it; `offset` is where its local header starts."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def read_directory(file: BinaryIO, max_entries: int) -> Iterator[ZipEntry]:
    """The entries in the directory's order; raises BadArchive where it is damaged, or lists what is never stored."""
    offset, size = _find_directory(file)
    file.seek(offset)
    remaining = size
    count = 0
    while remaining > 0:
        count += 1
        if count > max_entries:
            raise BadArchive(f"The archive has more than {max_entries} entries, the limit. Store in several parts.")
        head = CENTRAL.unpack(_take(file, CENTRAL.size, "directory"))
        variable = _take(file, sum(head[11:14]), "directory")
        remaining -= CENTRAL.size + len(variable)
        entry = _entry(head, variable)
        if entry.offset + LOCAL.size + entry.packed > offset:
            raise BadArchive(f"{entry.name!r}: damaged, it goes past the end of the archive.")
        yield entry


def read_entry(file: BinaryIO, entry: ZipEntry, max_bytes: int) -> bytes:
    """All bytes of the entry; raises BadArchive when they are more than `max_bytes`, or not what was declared."""
    if max(entry.size, entry.packed) > max_bytes:
        raise BadArchive(f"{entry.name}: {entry.size} bytes, which is over the limit of {max_bytes}.")
    data = _unpack(entry, _packed(file, entry))
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise BadArchive(f"{entry.name}: damaged, size or checksum differ from the archive's directory.")
    return data


def _find_directory(file: BinaryIO) -> tuple[int, int]:
    """Offset and size of the directory; raises BadArchive when the file does not end as a zip does."""
    length = file.seek(0, 2)
    tail_length = min(length, END.size + COMMENT_MAX)
    file.seek(length - tail_length)
    tail = file.read(tail_length)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + END.size > tail_length:
        raise BadArchive(_without_end(file))
    end = length - tail_length + at
    *_, size, offset, _comment = END.unpack_from(tail, at)
    if at >= END64_LOCATOR.size and tail[at - END64_LOCATOR.size :].startswith(b"PK\6\7"):
        size, offset, end = _end64(file, END64_LOCATOR.unpack_from(tail, at - END64_LOCATOR.size)[2])
    if offset + size != end:
        raise BadArchive("The archive is damaged: its directory is not where its end record says.")
    return offset, size


def _without_end(file: BinaryIO) -> str:
    file.seek(0)
    if file.read(4) == b"PK\3\4":
        return "The archive is cut off: it starts as a zip, but its end is missing. Upload it again."
    return "The upload is not a zip archive."


def _end64(file: BinaryIO, at: int) -> tuple[int, int, int]:
    """Size and offset of the directory, and where the ZIP64 end record is."""
    file.seek(min(at, file.seek(0, 2)))
    record = END64.unpack(_take(file, END64.size, "ZIP64 end record"))
    if record[0] != b"PK\6\6":
        raise BadArchive("The archive is damaged: there is no ZIP64 end record where its locator says.")
    return record[8], record[9], at


def _entry(head: tuple[Any, ...], variable: bytes) -> ZipEntry:
    signature, _version, system, _needed, flags, method, _time, _date, crc, packed, size = head[:11]
    name_length, extra_length, _comment, _disk, _internal, attributes, offset = head[11:]
    if signature != b"PK\1\2":
        raise BadArchive("The archive is damaged: its directory has something else between its entries.")
    name = _name(variable[:name_length], flags)
    sizes = _sizes64(name, variable[name_length : name_length + extra_length], (size, packed, offset))
    if flags & ENCRYPTED:
        raise BadArchive(f"{name!r}: encrypted entries cannot be read.")
    if system == UNIX and stat.S_ISLNK(attributes >> 16):
        raise BadArchive(f"{name!r}: symbolic links are not accepted; store the file it points at.")
    if method not in (STORED, DEFLATED):
        raise BadArchive(f"{name!r}: compression method {method} is not supported; use deflate or none.")
    return ZipEntry(name, method, crc, sizes[1], sizes[0], sizes[2])


def _name(raw: bytes, flags: int) -> str:
    """4.4.17 and appendix D: UTF-8 when the flag says so, else code page 437."""
    try:
        return raw.decode("utf-8" if flags & UTF8_NAME else "cp437")
    except UnicodeDecodeError as error:
        raise BadArchive(f"The archive has an entry whose name is not UTF-8: {raw!r}.") from error


def _sizes64(name: str, extra: bytes, values: tuple[int, int, int]) -> list[int]:
    """Size, packed size and offset, each from the ZIP64 field where the 32 bits do not hold it (4.5.3)."""
    sizes = list(values)
    if IN_ZIP64_EXTRA not in sizes:
        return sizes
    field = _extra_field(extra, ZIP64_EXTRA)
    for index, value in enumerate(sizes):
        if value == IN_ZIP64_EXTRA:
            if len(field) < 8:
                raise BadArchive(f"{name!r}: its ZIP64 sizes are missing from the archive's directory.")
            sizes[index] = int.from_bytes(field[:8], "little")
            field = field[8:]
    return sizes


def _extra_field(extra: bytes, wanted: int) -> bytes:
    """4.5.1: fields of kind (2 bytes), length (2 bytes) and data follow each other."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _packed(file: BinaryIO, entry: ZipEntry) -> bytes:
    """What lies behind the local header, whose name and extra may be longer than the directory's."""
    file.seek(entry.offset)
    head = LOCAL.unpack(_take(file, LOCAL.size, entry.name))
    if head[0] != b"PK\3\4":
        raise BadArchive(f"{entry.name}: damaged, the archive's directory points at something else.")
    file.seek(head[9] + head[10], 1)
    return _take(file, entry.packed, entry.name)


def _unpack(entry: ZipEntry, packed: bytes) -> bytes:
    if entry.method == STORED:
        return packed
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.size + 1)
    except zlib.error as error:
        raise BadArchive(f"{entry.name}: damaged, cannot be unpacked ({error}).") from error


def _take(file: BinaryIO, count: int, what: str) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise BadArchive(f"The archive is damaged: its {what} goes past its end.")
    return data
