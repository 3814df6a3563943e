"""Apache's library for Thrift, which CodeChecker's clients use, for the types of our interface files."""

from typing import Any

from hypothesis import strategies as st
from thrift.protocol.TJSONProtocol import TJSONProtocol
from thrift.Thrift import TMessageType, TType
from thrift.transport.TTransport import TMemoryBuffer

from storaged.thrift.idl import Field, Interface, Method, Type, load_interface

INTERFACE: Interface = load_interface()
TYPES = {"bool": TType.BOOL, "i16": TType.I16, "i32": TType.I32, "i64": TType.I64, "string": TType.STRING}
CONTAINERS = {"list": TType.LIST, "set": TType.SET, "map": TType.MAP}
BITS = {"i16": 15, "i32": 31, "i64": 63}


class Struct:
    """An object as the generic reader and writer of Apache's library want it."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == getattr(other, "__dict__", None)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.__dict__)))


def spec_of(fields: tuple[Field, ...]) -> tuple[Any, ...]:
    """The specification of a struct: a row by field id."""
    rows: list[Any] = [None] * (max((field.id for field in fields), default=-1) + 1)
    for field in fields:
        rows[field.id] = (field.id, type_of(field.type), field.name, argument_of(field.type), None)
    return tuple(rows)


def type_of(kind: Type) -> int:
    if kind.name in INTERFACE.enums:
        return int(TType.I32)
    return int({**TYPES, **CONTAINERS}.get(kind.name, TType.STRUCT))


def argument_of(kind: Type) -> Any:
    """What a row says further of its type."""
    if kind.name == "string":
        return "UTF8"
    if kind.name in {"list", "set"}:
        return (type_of(kind.of[0]), argument_of(kind.of[0]), False)
    if kind.name == "map":
        key, value = kind.of
        return (type_of(key), argument_of(key), type_of(value), argument_of(value), False)
    if kind.name in INTERFACE.structs:
        return [class_of(kind.name), spec_of(INTERFACE.structs[kind.name])]
    return None


def class_of(name: str) -> type[Struct]:
    """A class whose objects begin with no field set."""
    spec = spec_of(INTERFACE.structs[name])
    names = [row[2] for row in spec if row]

    def make(self: Struct, **fields: Any) -> None:
        Struct.__init__(self, **dict.fromkeys(names))
        self.__dict__.update(fields)

    def read(self: Struct, protocol: Any) -> None:
        protocol.readStruct(self, spec)

    def write(self: Struct, protocol: Any) -> None:
        protocol.writeStruct(self, spec)

    return type(name, (Struct,), {"__init__": make, "read": read, "write": write, "thrift_spec": spec})


def objects(kind: Type, value: Any) -> Any:
    """Our value as Apache's library has it: structs as objects."""
    if kind.name in {"list", "set"}:
        return type(value)(objects(kind.of[0], item) for item in value)
    if kind.name == "map":
        return {objects(kind.of[0], key): objects(kind.of[1], item) for key, item in value.items()}
    if kind.name in INTERFACE.structs:
        kinds = {field.name: field.type for field in INTERFACE.structs[kind.name]}
        return class_of(kind.name)(**{name: objects(kinds[name], item) for name, item in value.items()})
    return value


def plain(value: Any) -> Any:
    """A value of Apache's library as ours: structs as dicts of what is set."""
    if isinstance(value, Struct):
        return {name: plain(item) for name, item in value.__dict__.items() if item is not None}
    if isinstance(value, list | set):
        return type(value)(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def call_bytes(method: Method, arguments: dict[str, Any], sequence: int = 0) -> bytes:
    """A call as Apache's library writes it."""
    transport = TMemoryBuffer()
    protocol = TJSONProtocol(transport)
    protocol.writeMessageBegin(method.name, TMessageType.CALL, sequence)
    kinds = {field.name: field.type for field in method.arguments}
    values = dict.fromkeys(kinds) | {name: objects(kinds[name], value) for name, value in arguments.items()}
    protocol.writeStruct(Struct(**values), spec_of(method.arguments))
    protocol.writeMessageEnd()
    return bytes(transport.getvalue())


def result_of(method: Method, body: bytes) -> tuple[str, int, int, dict[str, Any]]:
    """Name, kind, sequence and fields of an answer: `success`, an exception by its name, or `message` and `type`."""
    protocol = TJSONProtocol(TMemoryBuffer(body))
    name, kind, sequence = protocol.readMessageBegin()
    success = (Field(0, "success", method.returns),) if method.returns else ()
    fields = (*success, *method.throws)
    if kind == TMessageType.EXCEPTION:
        fields = (Field(1, "message", Type("string")), Field(2, "type", Type("i32")))
    found = Struct()
    protocol.readStruct(found, spec_of(fields))
    protocol.readMessageEnd()
    return name, kind, sequence, {name: plain(value) for name, value in found.__dict__.items()}


def values(kind: Type) -> st.SearchStrategy[Any]:
    """Values of a type, as our codec has them."""
    if kind.name in BITS:
        limit = 1 << BITS[kind.name]
        return st.integers(-limit, limit - 1)
    if kind.name == "bool":
        return st.booleans()
    if kind.name == "string":
        return st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
    if kind.name in INTERFACE.enums:
        return st.sampled_from(sorted(INTERFACE.enums[kind.name].values()))
    if kind.name == "list":
        return st.lists(values(kind.of[0]), max_size=3)
    if kind.name == "set":
        return st.sets(values(kind.of[0]), max_size=3)
    if kind.name == "map":
        return st.dictionaries(values(kind.of[0]), values(kind.of[1]), max_size=3)
    return fields(INTERFACE.structs[kind.name])


def fields(of: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Structs of which any fields may be missing."""
    return st.fixed_dictionaries({}, optional={field.name: values(field.type) for field in of})
