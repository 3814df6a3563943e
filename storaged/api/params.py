"""Query parameters and JSON bodies checked by pydantic models; all faults come in one answer."""

from typing import Any, TypeVar, get_origin

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from storaged.errors import BadRequest

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")


class Query(BaseModel):
    """Base of the models of query parameters: a parameter that the endpoint does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_query(request: web.Request, model: type[Model]) -> Model:
    """The request's query as the model; a parameter may come more than once where the field is a list."""
    try:
        return model.model_validate(_values(request, model))
    except ValidationError as error:
        raise BadRequest(_faults(error, "query")) from None


async def read_json(request: web.Request, adapter: TypeAdapter[Value], *, empty: Any = None) -> Value:
    """The body as JSON of this type; no body at all reads as `empty`."""
    body = await request.read()
    try:
        document = orjson.loads(body) if body else empty
    except orjson.JSONDecodeError as error:
        raise BadRequest([("body", f"not JSON: {error}")]) from None
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise BadRequest(_faults(error, "body")) from None


def _values(request: web.Request, model: type[BaseModel]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    repeated = []
    for name in request.query:
        field = model.model_fields.get(name)
        found = request.query.getall(name)
        if field is not None and get_origin(field.annotation) is list:
            values[name] = found
        else:
            values[name] = found[0]
            if len(found) > 1:
                repeated.append((f"query/{name}", "given more than once"))
    if repeated:
        raise BadRequest(repeated)
    return values


def _faults(error: ValidationError, place: str) -> list[tuple[str, str]]:
    return [("/".join([place, *(str(part) for part in fault["loc"])]), fault["msg"]) for fault in error.errors()]
