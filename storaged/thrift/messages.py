"""Thrift's messages in JSON: `[1, name, kind, sequence, struct]`."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import orjson

VERSION: Final = 1


class Kind(IntEnum):
    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


class BadMessage(Exception):
    """The body is no call of Thrift's JSON protocol."""


@dataclass(frozen=True, slots=True)
class Message:
    """A call; its arguments are plain JSON still."""

    name: str
    sequence: int
    arguments: Any


def read_message(body: bytes | bytearray) -> Message:
    """The call that a body holds; raises BadMessage."""
    match _parse(body):
        case [1, str(name), int(kind), int(sequence), arguments] if kind in (Kind.CALL, Kind.ONEWAY):
            return Message(name, sequence, arguments)
        case [version, *_] if version != VERSION:
            raise BadMessage("The message is not of version 1 of Thrift's JSON protocol.")
        case _:
            raise BadMessage('The message is no call: [1, "method", 1, sequence, arguments].')


def write_message(name: str, kind: Kind, sequence: int, content: bytes) -> bytes:
    """The body of an answer, of which the content is JSON already."""
    return b"[%d,%b,%d,%d,%b]" % (VERSION, orjson.dumps(name), kind, sequence, content)


def _parse(body: bytes | bytearray) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        # Apache's library for Python writes control characters as they are, which is not JSON.
        try:
            return json.loads(body.decode(), strict=False)
        except (ValueError, RecursionError):
            raise BadMessage(f"The body is not JSON: {fault}.") from None
