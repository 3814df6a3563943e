"""Our interface files beside the package of CodeChecker: field by field, method by method."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from storaged.thrift.idl import Field, Type, load_interface
from tests import apache

# Run by the interpreter of the package: what its modules say of every enum, struct and method.
DUMP = """
import importlib, json
API = "codechecker_api"
MODULES = {
    "": "codechecker_api_shared.ttypes",
    "Authentication": f"{API}.Authentication_v6.codeCheckerAuthentication",
    "Configuration": f"{API}.Configuration_v6.configurationService",
    "Products": f"{API}.ProductManagement_v6.codeCheckerProductService",
    "ServerInfo": f"{API}.ServerInfo_v6.serverInfoService",
    "CodeCheckerService": f"{API}.codeCheckerDBAccess_v6.codeCheckerDBAccess",
    "Tasks": f"{API}.codeCheckerServersideTasks_v6.codeCheckerServersideTaskService",
}
enums, structs, services = {}, {}, {}

def kind(code, of):
    if code == 12:
        return of[0].__name__
    if code in (14, 15):
        return [code, kind(of[0], of[1])]
    if code == 13:
        return [code, kind(of[0], of[1]), kind(of[2], of[3])]
    return code

def spec(found):
    return [[row[0], row[2], kind(row[1], row[3])] for row in found.thrift_spec or () if row]

for service, name in MODULES.items():
    module = importlib.import_module(name)
    types = importlib.import_module(name.rpartition(".")[0] + ".ttypes")
    for found in vars(types).values():
        if isinstance(found, type) and hasattr(found, "_NAMES_TO_VALUES"):
            enums[found.__name__] = found._NAMES_TO_VALUES
        elif isinstance(found, type) and hasattr(found, "thrift_spec"):
            structs[found.__name__] = spec(found)
    methods = [one for one in vars(module.Iface) if not one.startswith("_")] if service else []
    if service:
        services[service] = {
            one: [spec(getattr(module, one + part)) for part in ("_args", "_result")] for one in methods
        }
print(json.dumps([enums, structs, services]))
"""


@pytest.fixture(scope="module")
def package(codechecker_executable: Path) -> list[Any]:
    command = [codechecker_executable.with_name("python"), "-c", DUMP]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def kind_of(kind: Type) -> Any:
    if kind.of:
        return [apache.type_of(kind), *map(kind_of, kind.of)]
    return kind.name if kind.name in apache.INTERFACE.structs else apache.type_of(kind)


def spec_of(fields: tuple[Field, ...]) -> list[list[Any]]:
    return [[field.id, field.name, kind_of(field.type)] for field in fields]


def test_the_enums_are_those_of_codechecker(package: list[Any]) -> None:
    assert load_interface().enums == package[0]


def test_the_structs_are_those_of_codechecker_field_by_field(package: list[Any]) -> None:
    assert {name: spec_of(fields) for name, fields in load_interface().structs.items()} == package[1]


def test_the_methods_are_those_of_codechecker_with_arguments_and_results(package: list[Any]) -> None:
    ours = {}
    for service, methods in load_interface().services.items():
        ours[service] = {
            method.name: [
                spec_of(method.arguments),
                spec_of(((Field(0, "success", method.returns),) if method.returns else ()) + method.throws),
            ]
            for method in methods.values()
        }
    assert ours == package[2]
