"""Holds what a daemon answers against the OpenAPI document, in every acceptance test."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from storaged.api.routes import openapi_json


@cache
def document() -> dict[str, Any]:
    """The document, with schemas that take no members but their own: what is answered, is to be told."""
    found: dict[str, Any] = json.loads(openapi_json())
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return found


def check_answer(method: str, target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail where the document does not tell of this answer; paths and methods that it has not are passed over."""
    operation = find_operation("GET" if method == "HEAD" else method, target.partition("?")[0])
    if operation is None:
        return
    told = operation["responses"].get(str(status))
    place = f"{method} {target}: {status}"
    assert told is not None, f"{place} is not in the OpenAPI document: {body[:500]!r}"
    assert [name for name in told.get("headers", {}) if name not in headers] == [], place
    if "content" not in told:
        assert body == b"", f"{place} has a body: {body[:500]!r}"
        return
    media = headers.get("Content-Type", "").partition(";")[0]
    assert media in told["content"], f"{place} comes as {media!r}"
    if method != "HEAD" and media.endswith("json"):
        faults = [
            error.message for error in validator(operation["operationId"], status, media).iter_errors(json.loads(body))
        ]
        assert faults == [], f"{place} is not as the OpenAPI document tells: {body[:500]!r}"


@cache
def find_operation(method: str, path: str) -> Any:
    """What the document has for the request; of two paths that fit, the one with fewer names in it."""
    for pattern in sorted(document()["paths"], key=lambda pattern: pattern.count("{")):
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path):
            return document()["paths"][pattern].get(method.lower())
    return None


@cache
def validator(operation_id: str, status: int, media: str) -> Draft202012Validator:
    operations = (found for item in document()["paths"].values() for found in item.values())
    (operation,) = (found for found in operations if found["operationId"] == operation_id)
    schema = operation["responses"][str(status)]["content"][media]["schema"]
    return Draft202012Validator({**schema, "components": document()["components"]}, validate_formats=True)
