"""Errors as CodeChecker's clients are told them, and which method has a handler."""

import re
from pathlib import Path

import pytest

from storaged import errors
from storaged.thrift.dispatch import Dispatcher
from storaged.thrift.faults import CODES, refusal
from storaged.thrift.idl import load_interface
from storaged.thrift.structs import ErrorCode
from storaged.thrift.tables import TABLES
from tests.unit.test_problems import NOT_AT_THE_EDGE, all_errors

DOCUMENT = Path(__file__).parents[2] / "docs" / "codechecker.md"
# Ends jobs; the blocking store tells how its job has ended.
OF_JOBS = {errors.RunLimitReached}


@pytest.mark.parametrize("error", list(all_errors()), ids=lambda error: error.__name__)
def test_every_error_has_a_code_or_cannot_reach_a_call(error: type[errors.StoragedError]) -> None:
    assert (error in CODES) != (error in NOT_AT_THE_EDGE - OF_JOBS)


def test_an_error_is_refused_with_its_text_and_code() -> None:
    refused = refusal(errors.DatabaseUnavailable("The database is away."))
    assert refused is not None
    expected = {"errorCode": ErrorCode.DATABASE, "message": "The database is away.", "extraInfo": []}
    assert refused.struct() == expected
    assert refusal(errors.LeaseLost("gone")) is None


def test_every_handler_is_of_a_method_and_takes_its_arguments() -> None:
    interface = load_interface()
    for service, methods in TABLES.items():
        assert methods.keys() <= interface.services[service].keys()
    # It raises TypeError for a handler that takes other arguments.
    operations = Dispatcher(interface, TABLES).operations
    assert operations["Authentication"]["getPermissionsForUser"].required == ("scope",)


def test_a_handler_that_takes_other_arguments_than_its_method_is_found_at_the_start() -> None:
    entry = TABLES["Authentication"]["getPermissions"]
    with pytest.raises(TypeError, match="get_permissions takes"):
        Dispatcher(load_interface(), {"Authentication": {"getPermissionsForUser": entry}})


def test_the_documentation_lists_what_is_supported() -> None:
    services = re.split(r"^### ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {part.split("\n", 1)[0]: set(re.findall(r"^- `(\w+)`", part, re.MULTILINE)) for part in services}
    assert found == {service: set(methods) for service, methods in TABLES.items()}
