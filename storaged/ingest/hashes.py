"""The hashes that tell reports and files apart; the rules of the first two are CodeChecker's (docs/archive.md)."""

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping
from io import StringIO

# What a uuid column can hold as it is.
MD5_HEX = re.compile(r"[0-9a-f]{32}")


def md5_hex(text: str) -> str:
    """MD5 as 32 hex digits, which PostgreSQL takes as a uuid; a lone surrogate becomes `?`."""
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def report_hash(
    path: str, checker: str, message: str, *, source_line: str, column: int, position_columns: Iterable[int]
) -> str:
    """The report hash of a diagnostic that came without one.

    `path` is the report's; `source_line`, with its line end, and `column` are those of the last bug path event;
    `position_columns` are start and end column of each bug path position.
    """
    parts = (posixpath.basename(path), checker, message, source_line, column, column, *position_columns)
    return md5_hex("|||".join(map(str, parts)))


def path_hash(
    events: Iterable[tuple[int, int, str, str]], annotations: Mapping[str, str], checker: str, report_hash: str
) -> str:
    """The identity of a report within a run.

    An event is its line, column, message and (trimmed) path; annotations are as the result file has them, in its order.
    """
    steps = [f"{line}|{column}|{message}|{path}" for line, column, message, path in events]
    notes = [f"|{key}|{value}" for key, value in annotations.items()]
    return md5_hex("".join((*steps, *notes, checker, report_hash)))


def stored_hash(report_hash: str) -> tuple[str, str | None]:
    """How a report hash is stored: as a uuid's hex digits, and its own text when those are not the same."""
    if MD5_HEX.fullmatch(report_hash):
        return report_hash, None
    return md5_hex(report_hash), report_hash


def source_lines(content: bytes) -> list[str]:
    """The lines of a source as the report hash sees them: UTF-8 without what is none, each line end a newline."""
    return StringIO(content.decode("utf-8", "ignore"), newline=None).readlines()
