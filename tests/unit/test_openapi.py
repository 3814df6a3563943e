"""The OpenAPI document: it keeps the rules of OpenAPI 3.1, and has every endpoint and every problem."""

import json
from collections import Counter
from http import HTTPStatus
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field

from storaged import errors
from storaged.api.endpoints import Endpoint
from storaged.api.openapi import build_document, problems_of
from storaged.api.params import Query
from storaged.api.problems import STATUSES, TYPE_PREFIX
from storaged.api.routes import ENDPOINTS, openapi_json
from storaged.auth.permissions import Right

DOCUMENT: dict[str, Any] = json.loads(openapi_json())
EACH_ENDPOINT = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")


def operation(endpoint: Endpoint, document: dict[str, Any] = DOCUMENT) -> Any:
    return document["paths"][endpoint.path][endpoint.method.lower()]


def parameters(endpoint: Endpoint, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in operation(endpoint, document)["parameters"]}


def documented(model: type[Query]) -> dict[str, Any]:
    """The parameters that the document has for this model."""

    async def list_things(_request: Any) -> Any:
        """Things."""

    row = Endpoint("GET", "/things", list_things, Right.ANYBODY, query=model)
    return parameters(row, build_document([row]))


def test_the_document_keeps_the_rules_of_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_document_has_the_endpoints_and_no_others() -> None:
    listed = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert listed == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_no_two_operations_have_one_id() -> None:
    ids = Counter(operation(endpoint)["operationId"] for endpoint in ENDPOINTS)
    assert [name for name, count in ids.items() if count > 1] == []


@EACH_ENDPOINT
def test_every_endpoint_has_a_summary_of_one_line(endpoint: Endpoint) -> None:
    assert operation(endpoint)["summary"].endswith(".")


@EACH_ENDPOINT
def test_every_error_of_an_endpoint_has_a_row_and_its_type_is_in_the_document(endpoint: Endpoint) -> None:
    answers = operation(endpoint)["responses"]
    assert [error for error in endpoint.errors if error not in STATUSES] == []
    for row in problems_of(endpoint):
        schema = answers[str(int(row.status))]["content"]["application/problem+json"]["schema"]
        assert TYPE_PREFIX + row.kind in schema["properties"]["type"]["enum"]


def test_every_row_of_the_table_of_problems_is_named_by_an_endpoint() -> None:
    named = {error for endpoint in ENDPOINTS for error in endpoint.errors} | {errors.BadRequest}
    assert set(STATUSES) - named == set()


@EACH_ENDPOINT
def test_every_field_of_an_endpoints_query_is_a_parameter(endpoint: Endpoint) -> None:
    found = {name for name, parameter in parameters(endpoint).items() if parameter["in"] == "query"}
    assert found == set(endpoint.query.model_fields)


def test_a_list_in_a_query_is_a_repeated_parameter_and_null_is_one_that_is_not_there() -> None:
    class Things(Query):
        name: list[str] = Field(default_factory=list)
        after: int | None = None
        limit: int

    found = documented(Things)
    assert found["name"]["explode"] is True
    assert found["name"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert found["after"]["schema"] == {"type": "integer"}
    assert found["limit"]["required"] is True


def test_two_models_of_one_name_are_two_components() -> None:
    first = type("Thing", (Query,), {"__annotations__": {"one": int}, "__module__": "first"})
    second = type("Thing", (Query,), {"__annotations__": {"two": int}, "__module__": "second"})

    async def get_first(_request: Any) -> Any:
        """One."""

    async def get_second(_request: Any) -> Any:
        """Two."""

    rows = [
        Endpoint("GET", "/first", get_first, Right.ANYBODY, first),
        Endpoint("GET", "/second", get_second, Right.ANYBODY, second),
    ]
    document = build_document(rows)
    refs = [
        operation(row, document)["responses"][str(int(HTTPStatus.OK))]["content"]["application/json"]["schema"]["$ref"]
        for row in rows
    ]
    fields = [list(document["components"]["schemas"][ref.rpartition("/")[2]]["properties"]) for ref in refs]
    assert fields == [["one"], ["two"]]
