"""Rows for COPY, read back by a reader that knows only PostgreSQL's documentation."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from storaged.ingest.copy_text import bytea_field, json_field, row, text_field, uuids_field
from storaged.model import storable
from tests.copy_rows import read_rows

# Every character there is, lone surrogates and NUL included, and those often that COPY or JSON takes as its own.
TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\0\\\t\n\r\b\f\v\"'{},Nnux0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | TEXT, min_size=1, max_size=4), max_size=4))
def test_rows_of_any_text_are_read_back_as_they_were(rows: list[list[str | None]]) -> None:
    encoded = "".join(row([None if text is None else text_field(text) for text in fields]) for fields in rows)
    expected = [[None if text is None else storable(text) for text in fields] for fields in rows]
    assert read_rows(encoded.encode()) == expected


@settings(deadline=None)
@given(JSON)
def test_json_of_any_text_is_read_back_as_it_was(value: object) -> None:
    ((field,),) = read_rows(row([json_field(value)]).encode())
    assert field is not None
    assert json.loads(field) == without_unstorable(value)


def without_unstorable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [without_unstorable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): without_unstorable(item) for key, item in value.items()}
    return value


def test_what_postgresql_cannot_hold_becomes_the_replacement_character() -> None:
    assert storable("a\0b\ud800c") == "a\ufffdb\ufffdc"
    assert text_field("a\0b\udfffc") == "a\ufffdb\ufffdc"
    assert json_field(["a\0b", "\ud800", {"\0": 1}]) == '["a\ufffdb","\ufffd",{"\ufffd":1}]'


def test_a_written_out_escape_of_nul_stays_text() -> None:
    ((field,),) = read_rows(row([json_field(["\\u0000"])]).encode())
    assert json.loads(field or "") == ["\\u0000"]


def test_bytes_and_uuids_are_written_as_postgresql_reads_them() -> None:
    assert read_rows(row([bytea_field("00ff")]).encode()) == [["\\x00ff"]]
    assert uuids_field(["a" * 32, "b" * 32]) == "{" + "a" * 32 + "," + "b" * 32 + "}"


def test_null_and_the_text_of_its_sign_differ() -> None:
    assert read_rows(row([None, text_field("\\N")]).encode()) == [[None, "\\N"]]
