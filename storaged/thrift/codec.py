"""Values of Thrift's JSON protocol: from plain JSON to what handlers take, and back.

A struct is a dict of its fields by name, without those that are not set; an enum is one of `structs`; a list, a set and
a map are Python's. In JSON (as Apache's libraries have it) a struct is `{"<field id>": {"<tag>": value}}`, a list or a
set `[tag, size, element...]`, a map `[tag of keys, tag of values, size, {"<key>": value}]`, a bool 0 or 1.

Unknown fields are skipped: a newer client may send them. A known field of another type is an error, not skipped as
Apache's libraries do: nothing good comes of a filter that is silently left out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import orjson

from storaged.model import storable
from storaged.thrift.idl import Field, Interface, Method, Type

Read = Callable[[Any], Any]
# To bytes of JSON, at once: plain JSON in between would be a million dicts for a long list of reports, and the garbage
# collector would look at them again and again.
Write = Callable[[Any], bytes]

INTEGERS: Final = {"i16": 1 << 15, "i32": 1 << 31, "i64": 1 << 63}
TAGS: Final = {"bool": "tf", "string": "str", "list": "lst", "set": "set", "map": "map"}
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)


class Mismatch(Exception):
    """A value is not of its type; `place` tells where it is, from the outside in."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.place = ""

    def within(self, place: str) -> "Mismatch":
        """The same, found one level further out."""
        self.place = place + self.place
        return self

    def __str__(self) -> str:
        return f"{self.place.lstrip('.')} {self.detail}"


@dataclass(frozen=True, slots=True)
class Shape:
    """How values of one type look in JSON; the tag tells the type."""

    tag: str
    read: Read
    write: Write


class Codec:
    """Reads and writes the types of an interface; `enums` are the Python classes of its enums."""

    def __init__(self, interface: Interface, enums: Mapping[str, type[IntEnum]]) -> None:
        self._interface = interface
        self._enums = enums
        self._structs: dict[str, Shape] = {}

    def shape(self, kind: Type) -> Shape:
        """How values of a type look."""
        if kind.name in INTEGERS:
            return _integer(kind.name)
        if kind.name == "bool":
            return Shape("tf", _read_bool, _write_integer)
        if kind.name == "string":
            return Shape("str", _read_string, orjson.dumps)
        if kind.name in {"list", "set"}:
            return _sequence(kind.name, self.shape(kind.of[0]))
        if kind.name == "map":
            return _map(self.shape(kind.of[0]), self.shape(kind.of[1]))
        if kind.name in self._enums:
            return _enum(self._enums[kind.name])
        return self.struct(kind.name)

    def struct(self, name: str) -> Shape:
        """How a struct or an exception looks."""
        if name not in self._structs:
            self._structs[name] = self._fields(self._interface.structs[name])
        return self._structs[name]

    def arguments(self, method: Method) -> Read:
        """What reads a call's arguments as a dict by name."""
        return self._fields(method.arguments).read

    def result(self, method: Method) -> Write:
        """What writes a method's good answer, the field 0 of its result; void has none."""
        if method.returns is None:
            return lambda _nothing: b"{}"
        shape = self.shape(method.returns)
        return lambda value: b"{%b%b}}" % (_head(0, shape), shape.write(value))

    def thrown(self, error: Field) -> Write:
        """What writes an answer that is an exception of a method's."""
        shape = self.shape(error.type)
        return lambda value: b"{%b%b}}" % (_head(error.id, shape), shape.write(value))

    def _fields(self, fields: tuple[Field, ...]) -> Shape:
        shapes = [(field, self.shape(field.type)) for field in fields]
        reading = {str(field.id): (field.name, shape.tag, shape.read) for field, shape in shapes}
        writing = [(field.name, _head(field.id, shape), shape.write) for field, shape in shapes]
        return Shape("rec", _struct_reader(reading), _struct_writer(writing))


# For bools and enums as well.
_write_integer: Final[Write] = b"%d".__mod__


def _integer(name: str) -> Shape:
    limit = INTEGERS[name]

    def read(value: Any) -> int:
        if type(value) is not int or not -limit <= value < limit:
            raise Mismatch(f"must be an integer ({name})")
        return value

    return Shape(name, read, _write_integer)


def _read_bool(value: Any) -> bool:
    if value not in (0, 1):
        raise Mismatch("must be 0 or 1 (a bool)")
    return bool(value)


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise Mismatch("must be a string")
    return storable(value)


def _enum(enum: type[IntEnum]) -> Shape:
    members = {int(member): member for member in enum}

    def read(value: Any) -> IntEnum:
        if type(value) is not int or value not in members:
            raise Mismatch(f"must be one of the numbers of {enum.__name__}: {', '.join(map(str, members))}")
        return members[value]

    return Shape("i32", read, _write_integer)


def _sequence(name: str, element: Shape) -> Shape:
    def read(value: Any) -> Any:
        items = _items(name, element, value)
        read_items = [_read_at(f"[{number}]", element.read, item) for number, item in enumerate(items)]
        return set(read_items) if name == "set" else read_items

    def write(items: Any) -> bytes:
        return b'["%b",%b]' % (element.tag.encode(), b",".join([b"%d" % len(items), *map(element.write, items)]))

    def write_strings(items: Any) -> bytes:
        # At once: each text by itself takes a kilobyte until the whole list is written.
        return orjson.dumps([element.tag, len(items), *items])

    return Shape(TAGS[name], read, write_strings if element.tag == "str" else write)


def _items(name: str, element: Shape, value: Any) -> list[Any]:
    """The raw elements of a list or a set, whose tag and size are as they should be."""
    if type(value) is not list or len(value) < 2 or value[1] != len(value) - 2:
        raise Mismatch(f"must be a {name}: the tag of its elements, their number, and the elements")
    if value[1] and value[0] != element.tag:
        raise Mismatch(f"must have elements of the tag {element.tag}")
    return value[2:]


def _map(key: Shape, value: Shape) -> Shape:
    read_key = _read_string if key.tag == "str" else _integer_key(key.read)

    def read(raw: Any) -> dict[Any, Any]:
        entries = _entries(key, value, raw)
        return {
            _read_at(f"[{name!r}]", read_key, name): _read_at(f"[{name!r}]", value.read, item)
            for name, item in entries.items()
        }

    tags = f'"{key.tag}","{value.tag}"'.encode()
    write_key: Write = key.write if key.tag == "str" else b'"%d"'.__mod__

    def write(entries: Mapping[Any, Any]) -> bytes:
        named = b",".join([b"%b:%b" % (write_key(name), value.write(item)) for name, item in entries.items()])
        return b"[%b,%d,{%b}]" % (tags, len(entries), named)

    return Shape("map", read, write)


def _integer_key(read: Read) -> Read:
    """JSON has strings as names: a number stands in quotes."""

    def read_key(name: str) -> Any:
        return read(int(name) if _INTEGER.fullmatch(name) else name)

    return read_key


def _entries(key: Shape, value: Shape, raw: Any) -> dict[str, Any]:
    """The raw entries of a map, whose tags and size are as they should be."""
    if type(raw) is not list or len(raw) != 4 or type(raw[3]) is not dict or raw[2] != len(raw[3]):
        raise Mismatch("must be a map: the tags of its keys and values, its size, and the entries")
    if raw[3] and raw[:2] != [key.tag, value.tag]:
        raise Mismatch(f"must have keys of the tag {key.tag} and values of the tag {value.tag}")
    return raw[3]


def _read_at(place: str, read: Read, value: Any) -> Any:
    try:
        return read(value)
    except Mismatch as mismatch:
        raise mismatch.within(place) from None


def _struct_reader(fields: Mapping[str, tuple[str, str, Read]]) -> Read:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Mismatch("must be a struct: its fields by number")
        return dict(_read_field(*fields[number], typed) for number, typed in value.items() if number in fields)

    return read


def _read_field(name: str, tag: str, read: Read, typed: Any) -> tuple[str, Any]:
    if type(typed) is not dict or typed.keys() != {tag}:
        raise Mismatch(f"must be a value of the tag {tag}").within(f".{name}")
    return name, _read_at(f".{name}", read, typed[tag])


def _head(number: int, shape: Shape) -> bytes:
    """What stands before a field's value; behind it stands a brace."""
    return f'"{number}":{{"{shape.tag}":'.encode()


def _struct_writer(fields: list[tuple[str, bytes, Write]]) -> Write:
    """None stands for a field that is not set; a name that is no field's is a TypeError: a fault of ours."""
    names = {name for name, *_ in fields}

    def write(value: Mapping[str, Any]) -> bytes:
        get = value.get
        set_fields = [head + write_item(item) for name, head, write_item in fields if (item := get(name)) is not None]
        if len(set_fields) != len(value) and not value.keys() <= names:
            raise TypeError(f"no fields: {sorted(value.keys() - names)}; known are {sorted(names)}")
        return b"{%b}}" % b"},".join(set_fields) if set_fields else b"{}"

    return write
