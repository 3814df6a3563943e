"""An upload taken out of a call and unpacked, whatever pieces it comes in."""

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storaged.errors import BadArchive, StoragedError, UploadTooLarge
from storaged.thrift.messages import BadMessage, Message
from storaged.thrift.uploads import PIECE, REST_BYTES, UploadCall, unpacked
from tests import apache

METHOD = apache.INTERFACE.services["CodeCheckerService"]["massStoreRun"]
UPLOAD = 4
CONTENT = bytes(range(256)) * 40
PLENTY = 1 << 30


def encoded(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def call(text: str, arguments: dict[str, Any] | None = None) -> bytes:
    """A call whose upload is this text, as it stands in JSON."""
    body = apache.call_bytes(METHOD, {"runName": "r", **(arguments or {}), "zipfile": "HERE"})
    return body.replace(b"HERE", text.encode())


def read(body: bytes, size: int = PLENTY, *, packed: int = PLENTY, limit: int = PLENTY) -> tuple[bytes, Message]:
    """The content and the rest of a call that comes in pieces of so many bytes."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    async def run() -> tuple[bytes, Message]:
        upload = UploadCall(pieces(), UPLOAD)
        content = [piece async for piece in unpacked(upload.text(), packed=packed, limit=limit)]
        assert all(len(piece) <= PIECE for piece in content)
        return b"".join(content), upload.message()

    return asyncio.run(run())


@given(
    content=st.binary(max_size=200).map(lambda some: some * 5),
    arguments=apache.fields(tuple(field for field in METHOD.arguments if field.id != UPLOAD)),
    order=st.randoms(use_true_random=False),
    size=st.integers(1, 300),
    escaped=st.booleans(),
)
@example(content=b"\xff" * 30, arguments={"runName": 'a","4":{"str":"b'}, order=None, size=1, escaped=True)
def test_an_upload_is_taken_out_of_its_call_wherever_it_stands(
    content: bytes, arguments: dict[str, Any], order: Any, size: int, escaped: bool
) -> None:
    written = json.loads(apache.call_bytes(METHOD, {**arguments, "zipfile": encoded(content)}), strict=False)
    fields = list(written[4].items())
    if order is not None:
        order.shuffle(fields)
    written[4] = dict(fields)
    body = json.dumps(written).encode()
    if escaped:
        body = body.replace(b"/", b"\\/").replace(b"+", b"\\u002B")
    found, message = read(body, size)
    assert found == content
    written[4][str(UPLOAD)] = {"str": ""}
    assert (message.name, message.arguments) == (METHOD.name, written[4])


@pytest.mark.parametrize("size", [1, 5, 1000, PLENTY])
def test_base64_may_be_broken_into_lines(size: int) -> None:
    lines = base64.encodebytes(zlib.compress(CONTENT)).decode()
    assert read(call(lines.replace("\n", "\\r\\n")), size)[0] == CONTENT
    assert read(call(lines), size)[0] == CONTENT


@pytest.mark.parametrize("size", [1, 7, 1000, PLENTY])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cut off"),
        ("%%%%", "no base64"),
        (encoded(CONTENT)[:-2], "no multiple of four"),
        (encoded(CONTENT)[:-4], "cut off"),
        (encoded(CONTENT)[:40], "cut off"),
        (encoded(CONTENT) + "AAAA", "goes on behind the end of its"),
        (base64.b64encode(zlib.compress(CONTENT) + b"more").decode(), "goes on behind the end of its zlib stream"),
        ("A===" + encoded(CONTENT), "base64"),
        ("QQ==" + encoded(CONTENT), "base64"),
        ('\\"' + encoded(CONTENT), "."),
        ("\\\\" + encoded(CONTENT), "no base64"),
        (base64.b64encode(b"PK\3\4" + bytes(100)).decode(), "no zlib stream"),
        ("\\u12", "."),
    ],
)
def test_an_upload_that_is_none_is_told(text: str, told: str, size: int) -> None:
    with pytest.raises((BadArchive, BadMessage), match=told):
        read(call(text), size)


def test_an_upload_that_is_too_large_is_told_before_it_is_unpacked() -> None:
    bomb = encoded(bytes(50 << 20))
    for size in (1000, PLENTY):
        with pytest.raises(UploadTooLarge, match="unpacks to more than 2000000 bytes"):
            read(call(bomb), size, limit=2_000_000)
        with pytest.raises(UploadTooLarge, match="more than 1000 bytes"):
            read(call(bomb), size, packed=1000)
    assert len(read(call(bomb))[0]) == 50 << 20


@pytest.mark.parametrize("size", [1, PLENTY])
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (call(encoded(CONTENT)).rpartition(b'"')[0], "cut off in the middle of its upload|cut off"),
        (call(encoded(CONTENT))[:-1], "not JSON"),
        (call(encoded(CONTENT)) + b"]", "not JSON"),
        (call(encoded(CONTENT)).replace(b'"4"', b'"5"'), "cut off|without an upload"),
        (call(encoded(CONTENT)).replace(b'"str"', b'"tf"'), "cut off|without an upload"),
        (call(encoded(CONTENT) + '"},"4":{"str":"'), "twice"),
        (b'[1,"massStoreRun",1,0,' + b"[" * 100, "levels deep"),
    ],
)
def test_a_call_around_its_upload_that_is_none_is_told(body: bytes, told: str, size: int) -> None:
    with pytest.raises((BadMessage, StoragedError), match=told):
        read(body, size)


def test_other_arguments_than_the_upload_are_held_only_so_far() -> None:
    long = "n" * (REST_BYTES - 200)
    assert read(call(encoded(CONTENT), {"tag": long}), 1 << 16)[1].arguments["2"] == {"str": long}
    with pytest.raises(BadMessage, match="beside the upload"):
        read(call(encoded(CONTENT), {"tag": "n" * (REST_BYTES + 1)}), 1 << 16)
