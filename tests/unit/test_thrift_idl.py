"""The interface files, and the Python types that stand for what they define."""

from enum import IntEnum
from typing import get_args, get_origin, get_type_hints, is_typeddict

import pytest

from storaged.thrift import structs
from storaged.thrift.idl import IdlError, Interface, Type, load_interface, parse_into

SCALARS = {"bool": bool, "i16": int, "i32": int, "i64": int, "string": str}


def name_of(hint: object) -> Type:
    """The type of the interface that a hint stands for; all integers are i64."""
    if hint in SCALARS.values():
        return Type({bool: "bool", int: "i64", str: "string"}[hint])  # type: ignore[index]
    origin = get_origin(hint)
    if origin is not None:
        return Type({list: "list", set: "set", dict: "map"}[origin], tuple(map(name_of, get_args(hint))))
    return Type(hint.__name__)  # type: ignore[attr-defined]


def widened(kind: Type) -> Type:
    return Type("i64" if kind.name in {"i16", "i32"} else kind.name, tuple(map(widened, kind.of)))


def test_the_enums_of_python_are_those_of_the_interface() -> None:
    found = {
        name: {member.name: member.value for member in value}
        for name, value in vars(structs).items()
        if isinstance(value, type) and issubclass(value, IntEnum) and value is not IntEnum
    }
    assert found == load_interface().enums


def test_the_structs_of_python_are_those_of_the_interface() -> None:
    found = {
        name: {field: name_of(hint) for field, hint in get_type_hints(value).items()}
        for name, value in vars(structs).items()
        if is_typeddict(value)
    }
    expected = {
        name: {field.name: widened(field.type) for field in fields} for name, fields in load_interface().structs.items()
    }
    assert found == expected


def test_every_name_that_a_type_uses_is_defined_once() -> None:
    interface = load_interface()
    known = {*SCALARS, "list", "set", "map", *interface.enums, *interface.structs}

    def names(kind: Type) -> set[str]:
        return {kind.name}.union(*map(names, kind.of))

    fields = [field for struct in interface.structs.values() for field in struct]
    for service in interface.services.values():
        for method in service.values():
            fields += [*method.arguments, *method.throws]
            assert method.returns is None or names(method.returns) <= known
    assert set().union(*(names(field.type) for field in fields)) <= known
    assert not interface.enums.keys() & interface.structs.keys()


@pytest.mark.parametrize(
    "text",
    [
        "struct Run {",
        "struct Run { 1 string name }",
        "struct Run { 1: list<string name }",
        "union Run { }",
        "enum Order { ASC: 1 }",
        "struct Run { 1: string name = 'x' }",
        "service Runs { i64 count( }",
        "struct Run { one: string name }",
        "enum Order { ASC = one }",
        "enum Run { A = 1 } struct Run { 1: string name }",
        "struct Run { } struct Run { }",
        "service Run { } struct Run { }",
    ],
)
def test_a_file_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(IdlError):
        parse_into(Interface(), text)


def test_a_service_is_read_with_comments_line_breaks_and_nested_types() -> None:
    interface = Interface()
    parse_into(
        interface,
        """
        // A comment.
        include "shared.thrift"
        service Runs {
            map<string, list<shared.Run>> find(1: string name,
                3: set<i64> ids) throws (1: shared.Failed failed)   // of a name
            void stop()
        }
        """,
    )
    find = interface.services["Runs"]["find"]
    assert find.returns == Type("map", (Type("string"), Type("list", (Type("Run"),))))
    assert [(field.id, field.name) for field in (*find.arguments, *find.throws)] == [
        (1, "name"),
        (3, "ids"),
        (1, "failed"),
    ]
    assert interface.services["Runs"]["stop"].returns is None
