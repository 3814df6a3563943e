"""Reads the interface files in `idl/`: the part of Thrift's language that they use.

Includes, enums, structs, exceptions and services; types are bool, i16, i32, i64, string, list, set, map and names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "idl"
SCALARS: Final = frozenset({"bool", "i16", "i32", "i64", "string"})
VOID: Final = "void"
_NUMBER: Final = re.compile(r"-?[0-9]+")
_TOKEN: Final = re.compile(r'//[^\n]*|\s+|("[^"\n]*"|-?\d+|[\w.]+|[{}()<>,:=])')


class IdlError(Exception):
    """An interface file is not as it should be."""


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar, `list`, `set` or `map` of other types, or the name of an enum or a struct."""

    name: str
    of: tuple["Type", ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct, one argument of a method, or one exception that it throws."""

    id: int
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service; `returns` is None for void."""

    name: str
    returns: Type | None
    arguments: tuple[Field, ...]
    throws: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """What the files define; names are unique among all of them."""

    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    structs: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    services: dict[str, dict[str, Method]] = field(default_factory=dict)


@cache
def load_interface() -> Interface:
    """All interface files; raises IdlError."""
    interface = Interface()
    for path in sorted(FOLDER.glob("*.thrift")):
        parse_into(interface, path.read_text(encoding="utf-8"))
    return interface


def parse_into(interface: Interface, text: str) -> None:
    """Add what one file's text defines; raises IdlError."""
    tokens = _Tokens(text)
    while (word := tokens.take_any()) is not None:
        if word == "include":
            tokens.take()
            continue
        name = tokens.take()
        if name in interface.enums or name in interface.structs or name in interface.services:
            raise IdlError(f"{name!r} is defined twice")
        tokens.expect("{")
        if word == "enum":
            interface.enums[name] = dict(_enum(tokens))
        elif word in {"struct", "exception"}:
            interface.structs[name] = tuple(_fields(tokens, "}"))
        elif word == "service":
            interface.services[name] = _service(tokens)
        else:
            raise IdlError(f"{word!r} where a definition should begin")


class _Tokens:
    def __init__(self, text: str) -> None:
        self._left = list(_tokens(text))[::-1]

    def take_any(self) -> str | None:
        return self._left.pop() if self._left else None

    def take(self) -> str:
        token = self.take_any()
        if token is None:
            raise IdlError("the file ends too early")
        return token

    def expect(self, wanted: str) -> None:
        token = self.take()
        if token != wanted:
            raise IdlError(f"{token!r} where {wanted!r} should be")

    def number(self) -> int:
        token = self.take()
        if not _NUMBER.fullmatch(token):
            raise IdlError(f"{token!r} where a number should be")
        return int(token)

    def skip(self, token: str) -> bool:
        """Take the token if it is the next."""
        if self._left and self._left[-1] == token:
            self._left.pop()
            return True
        return False


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise IdlError(f"{text[at : at + 20]!r} is not understood")
        if match[1] is not None:
            yield match[1]
        at = match.end()


def _enum(tokens: _Tokens) -> Iterator[tuple[str, int]]:
    while not tokens.skip("}"):
        name = tokens.take()
        tokens.expect("=")
        yield name, tokens.number()
        tokens.skip(",")


def _fields(tokens: _Tokens, end: str) -> Iterator[Field]:
    while not tokens.skip(end):
        number = tokens.number()
        tokens.expect(":")
        kind = _type(tokens)
        yield Field(number, tokens.take(), kind)
        tokens.skip(",")


def _type(tokens: _Tokens) -> Type:
    # Names are unique among all files: what file a name is from needs not be known.
    name = tokens.take().rpartition(".")[2]
    if name not in {"list", "set", "map"}:
        return Type(name)
    tokens.expect("<")
    parts = [_type(tokens)]
    while tokens.skip(","):
        parts.append(_type(tokens))
    tokens.expect(">")
    return Type(name, tuple(parts))


def _service(tokens: _Tokens) -> dict[str, Method]:
    methods = {}
    while not tokens.skip("}"):
        returns = _type(tokens)
        name = tokens.take()
        tokens.expect("(")
        arguments = tuple(_fields(tokens, ")"))
        throws: tuple[Field, ...] = ()
        if tokens.skip("throws"):
            tokens.expect("(")
            throws = tuple(_fields(tokens, ")"))
        methods[name] = Method(name, None if returns.name == VOID else returns, arguments, throws)
    return methods
