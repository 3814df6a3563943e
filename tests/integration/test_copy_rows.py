"""PostgreSQL takes the rows that the workers encode, and reads in them what was meant."""

import json
from typing import Any
from uuid import UUID

from storaged.database.engine import Engine
from storaged.ingest.copy_text import bytea_field, json_field, row, text_field, uuids_field
from storaged.store.staging import stage

LEASE = "6b7a1a52-6d0f-4f6e-9a0e-0d3f8d3e5c11"
A32 = "a" * 32
# Each sign of COPY, JSON and arrays, and what PostgreSQL cannot hold.
NASTY = [
    "tab\tnewline\nreturn\rback\\slash \\N \\. \\x41 \\t",
    "\b\f\v\x01\x7f\x85\xa0\u2028\ufeff\U0001f600 é",
    '{"quoted",NULL} \\u0000 \\\\u0000',
    "nul \0 and surrogates \ud800 \udfff",
    "",
]
HELD = [*NASTY[:3], "nul \ufffd and surrogates \ufffd \ufffd", ""]


def report_row(ordinal: int, text: str) -> str:
    head = [LEASE, str(ordinal), A32, A32, A32, "-1", "2147483647", "1"]
    steps = json_field({text: [text, ordinal]})
    review = ["intentional", text_field(text), "t"]
    return row(
        [*head, *[text_field(text)] * 4, json_field({"testcase": text}), uuids_field([A32, "b" * 32]), steps, *review]
    )


async def test_text_of_any_kind_arrives_in_text_and_in_json(engine: Engine) -> None:
    rows = "".join(report_row(ordinal, text) for ordinal, text in enumerate(NASTY)).encode()
    async with engine.connect() as conn:
        await stage(conn, rows, b"")
        stored = await conn.fetch("SELECT * FROM staged_report ORDER BY ordinal")
    assert [report["message"] for report in stored] == HELD
    assert [report["foreign_hash"] for report in stored] == HELD
    assert [report["review_message"] for report in stored] == HELD
    assert [decoded(report["annotations"]) for report in stored] == [{"testcase": text} for text in HELD]
    assert [decoded(report["steps"]) for report in stored] == [{text: [text, n]} for n, text in enumerate(HELD)]
    assert {tuple(report["files"]) for report in stored} == {(UUID(A32), UUID("b" * 32))}


async def test_a_content_hash_arrives_as_bytes_and_its_absence_as_null(engine: Engine) -> None:
    digests = ["00ff" * 16, None]
    fields = [[LEASE, A32, text_field("/a"), None if digest is None else bytea_field(digest)] for digest in digests]
    async with engine.connect() as conn:
        await stage(conn, b"", "".join(map(row, fields)).encode())
        stored = await conn.fetch("SELECT content_hash FROM staged_file")
    assert [file["content_hash"] for file in stored] == [bytes.fromhex("00ff" * 16), None]


def decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
