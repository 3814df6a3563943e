"""Rows in PostgreSQL's COPY text format; whatever the text, a row is one that PostgreSQL accepts."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from storaged.model import storable


def text_field(text: str) -> str:
    """A field of text; what COPY takes as its own signs is escaped."""
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return escaped if escaped.isprintable() else storable(escaped)


def bytea_field(hex_digits: str) -> str:
    """A field of bytes, given as hex digits."""
    return "\\\\x" + hex_digits


def uuids_field(uuids: Iterable[str]) -> str:
    """A field of uuid[]."""
    return "{" + ",".join(uuids) + "}"


def json_field(value: Any) -> str:
    """A field of jsonb."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate
        text = orjson.dumps(_storable_within(value)).decode()
    if "\\u0000" in text:
        text = orjson.dumps(_storable_within(value)).decode()
    return text.replace("\\", "\\\\")  # JSON has no control characters outside its own escapes


def row(fields: Sequence[str | None]) -> str:
    """One line of COPY; None is NULL. The fields are encoded already."""
    return "\t".join("\\N" if field is None else field for field in fields) + "\n"


def _storable_within(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable_within(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_within(item) for item in value]
    return value
