"""The OpenAPI 3.1 document, made of the rows of the endpoints and the table of problems."""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from itertools import chain
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from storaged.api.endpoints import JSON, Endpoint
from storaged.api.params import NO_NUL
from storaged.api.problems import HTTP_KINDS, PROBLEM, RETRY_AFTER, STATUSES, TYPE_PREFIX, Problem, kebab
from storaged.errors import BadRequest, StoragedError

Schema = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
ABOUT: Final = """\
Times are RFC 3339 in UTC. Errors are RFC 9457 problem details with a stable `type`. Every path that takes GET takes \
HEAD; another method than those listed is answered 405 with `Allow`, another path 404. Query parameters that an \
endpoint does not know, and bodies with a Content-Encoding, are refused. What is not HTTP is answered 400, and an \
Expect that is not 100-continue 417, in plain text."""

PATH_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "pattern": NO_NUL}
PATH_PARTS: Final[dict[str, Schema]] = {
    "product": {"description": "Endpoint of a product.", "example": "Default", "schema": PATH_TEXT},
    "run": {"description": "Name of a run; a `/` in it is `%2F`.", "example": "pantry", "schema": PATH_TEXT},
    "report": {
        "description": "Id of a report.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    },
    "report_hash": {"description": "A report hash; a `/` in it is `%2F`.", "schema": PATH_TEXT},
    "token": {"description": "Token of a job.", "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
}
HEADERS: Final[dict[str, Schema]] = {
    "Idempotency-Key": {
        "description": "The same key with the same request within 24 hours gets the same job.",
        "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "Last-Event-ID": {
        "description": "Id of the last event that came; goes before `since`.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Path of what was made.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}},
}


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """One type of problem that an endpoint may answer."""

    status: HTTPStatus
    kind: str
    detail: str
    retry_after: bool = False


class PlainSchemas(GenerateJsonSchema):
    """Without a title for every field, which would only be its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Schemas:
    """What the endpoints name (`query`, `body` or an answer's status, then the operation), and what that refers to."""

    found: dict[str, Schema]
    components: dict[str, Schema]


def build_document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document of these endpoints; a handler's name is the id of its operation."""
    schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "storaged", "version": version("storaged"), "description": ABOUT},
        "paths": dict(paths),
        "components": {"schemas": schemas.components},
    }


def problems_of(endpoint: Endpoint) -> list[ProblemRow]:
    """All problems that the endpoint may answer, those of the middlewares and of aiohttp among them."""
    rows = [_problem_row(BadRequest), *map(_problem_row, endpoint.errors)]
    if endpoint.body is not None and endpoint.body.type is not None:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        rows.append(ProblemRow(status, HTTP_KINDS[status], "The body is larger than a JSON body may be."))
    detail = "A fault of storaged; its log has more."
    return [*rows, ProblemRow(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail)]


def _problem_row(error: type[StoragedError]) -> ProblemRow:
    return ProblemRow(STATUSES[error], kebab(error.__name__), inspect.getdoc(error) or "", error in RETRY_AFTER)


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    name = _name(endpoint)
    summary, _, rest = (inspect.getdoc(endpoint.handler) or "").partition("\n")
    return {
        "operationId": name,
        "tags": [endpoint.handler.__module__.rpartition(".")[2]],
        "summary": summary,
        **({"description": rest.strip()} if rest else {}),
        "parameters": [*_path_parts(endpoint), *_query(schemas.found[f"query {name}"]), *_headers(endpoint)],
        **_request_body(endpoint, schemas),
        "responses": {**_answers(endpoint, schemas), **_problems(problems_of(endpoint))},
    }


# Parameters and bodies


def _path_parts(endpoint: Endpoint) -> list[Schema]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    return [{"name": name, "in": "path", "required": True, **PATH_PARTS[name]} for name in names]


def _headers(endpoint: Endpoint) -> list[Schema]:
    return [{"name": name, "in": "header", "required": False, **HEADERS[name]} for name in endpoint.takes]


def _query(model: Schema) -> list[Schema]:
    required = model.get("required", [])
    return [_parameter(name, field, name in required) for name, field in model.get("properties", {}).items()]


def _parameter(name: str, field: Schema, required: bool) -> Schema:
    schema = _without_null(field)
    description = schema.pop("description", None)
    return {
        "name": name,
        "in": "query",
        "required": required,
        **({"description": description} if description else {}),
        **({"style": "form", "explode": True} if schema.get("type") == "array" else {}),
        "schema": schema,
    }


def _without_null(field: Schema) -> Schema:
    """A query cannot say null: what is None in the model is a parameter that is not there."""
    schema = {key: value for key, value in field.items() if key != "anyOf" and (key, value) != ("default", None)}
    options = [option for option in field.get("anyOf", []) if option != {"type": "null"}]
    return schema | (options[0] if len(options) == 1 else {"anyOf": options} if options else {})


def _request_body(endpoint: Endpoint, schemas: Schemas) -> Schema:
    body = endpoint.body
    if body is None:
        return {}
    content = {} if body.type is None else {"schema": schemas.found[f"body {_name(endpoint)}"]}
    return {"requestBody": {"required": body.required, "content": {body.media: content}}}


# Answers


def _answers(endpoint: Endpoint, schemas: Schemas) -> dict[str, Schema]:
    answers = {}
    for status in (endpoint.status, *endpoint.other_answers):
        answers[str(int(status))] = {
            "description": status.phrase,
            **_answer_headers(endpoint.gives if status is endpoint.status else ()),
            **_answer_content(endpoint, status, schemas),
        }
    return answers


def _answer_content(endpoint: Endpoint, status: HTTPStatus, schemas: Schemas) -> Schema:
    schema = schemas.found.get(f"{status:d} {_name(endpoint)}")
    media = endpoint.media if status is endpoint.status else JSON
    return {} if schema is None else {"content": {media: {"schema": schema}}}


def _answer_headers(names: Iterable[str]) -> Schema:
    headers = {name: {"required": True, **HEADERS[name]} for name in names}
    return {"headers": headers} if headers else {}


def _problems(rows: Sequence[ProblemRow]) -> dict[str, Schema]:
    """By status, for an answer has one schema for each: the types of its problems are an enumeration."""
    by_status: dict[HTTPStatus, list[ProblemRow]] = defaultdict(list)
    for row in rows:
        by_status[row.status].append(row)
    return {str(int(status)): _problem_answer(found) for status, found in sorted(by_status.items())}


def _problem_answer(rows: Sequence[ProblemRow]) -> Schema:
    kinds = {"type": {"enum": [TYPE_PREFIX + row.kind for row in rows]}}
    schema = {"$ref": f"{SCHEMAS}{Problem.__name__}", "properties": kinds}
    return {
        "description": " ".join(row.detail for row in rows),
        **_answer_headers(["Retry-After"] if all(row.retry_after for row in rows) else []),
        "content": {PROBLEM: {"schema": schema}},
    }


# Schemas


def _schemas(endpoints: Sequence[Endpoint]) -> Schemas:
    """One call for all types, so that two types of one name become two components."""
    wanted = [("problem", "serialization", TypeAdapter(Problem)), *chain.from_iterable(map(_types, endpoints))]
    by_key, definitions = TypeAdapter.json_schemas(
        wanted, ref_template=SCHEMAS + "{model}", schema_generator=PlainSchemas
    )
    found = {name: schema for (name, _), schema in by_key.items()}
    components = definitions["$defs"]
    models = {name: schema["$ref"].removeprefix(SCHEMAS) for name, schema in found.items() if name.startswith("query ")}
    # A query's model is spread over parameters, so nothing refers to it.
    spread = {name: components[model] for name, model in models.items()}
    kept = {name: schema for name, schema in components.items() if name not in models.values()}
    return Schemas(found | spread, kept)


def _types(endpoint: Endpoint) -> Iterator[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]:
    name = _name(endpoint)
    yield f"query {name}", "validation", TypeAdapter(endpoint.query)
    if endpoint.body is not None and endpoint.body.type is not None:
        yield f"body {name}", "validation", endpoint.body.type
    for status, answer in {endpoint.status: endpoint.answer, **endpoint.other_answers}.items():
        if answer is not None:
            yield f"{status:d} {name}", "serialization", TypeAdapter(answer)


def _name(endpoint: Endpoint) -> str:
    return getattr(endpoint.handler, "__name__", "")
