"""Reads PostgreSQL's COPY text format back, by the rules of its documentation; knows nothing of how it was written."""

import json
import re
from typing import Any, Final
from uuid import UUID

REPORT_COLUMNS: Final = (
    "lease_id", "ordinal", "report_hash", "path_hash", "file_id", "line", "column", "path_length",
    "analyzer", "checker", "message", "foreign_hash", "annotations", "files", "steps",
    "review_status", "review_message", "review_in_source",
)  # fmt: skip
FILE_COLUMNS: Final = ("lease_id", "file_id", "path", "content_hash")

_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def read_rows(data: bytes) -> list[list[str | None]]:
    """The fields of each row; None is NULL."""
    text = data.decode("utf-8")
    assert not text or text.endswith("\n")
    return [[_field(field) for field in line.split("\t")] for line in text.split("\n")[:-1]]


def read_reports(data: bytes) -> list[dict[str, Any]]:
    """Rows of staged_report."""
    return [_report(dict(zip(REPORT_COLUMNS, row, strict=True))) for row in read_rows(data)]


def read_files(data: bytes) -> dict[UUID, tuple[str, str | None]]:
    """Rows of staged_file: path and SHA-256 in hex, by id."""
    rows = [dict(zip(FILE_COLUMNS, row, strict=True)) for row in read_rows(data)]
    return {UUID(row["file_id"]): (row["path"] or "", _hex(row["content_hash"])) for row in rows}


def _field(raw: str) -> str | None:
    if raw == r"\N":
        return None
    assert "\r" not in raw
    return re.sub(r"\\(.)", lambda match: _ESCAPED.get(match[1], match[1]), raw)


def _report(row: dict[str, str | None]) -> dict[str, Any]:
    read: dict[str, Any] = {name: _COLUMNS.get(name, str)(value) for name, value in row.items() if value is not None}
    return {**dict.fromkeys(REPORT_COLUMNS), **read}


def _uuids(text: str) -> list[UUID]:
    assert text[0] + text[-1] == "{}"
    return [UUID(item) for item in text[1:-1].split(",")]


def _hex(text: str | None) -> str | None:
    if text is None:
        return None
    assert text.startswith(r"\x")
    return text[2:]


_COLUMNS: Final[dict[str, Any]] = {
    **dict.fromkeys(("lease_id", "report_hash", "path_hash", "file_id"), UUID),
    **dict.fromkeys(("ordinal", "line", "column", "path_length"), int),
    **dict.fromkeys(("annotations", "steps"), json.loads),
    "files": _uuids,
    "review_in_source": {"t": True, "f": False}.__getitem__,
}
