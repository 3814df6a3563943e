"""Query parameters, path parts and JSON bodies checked by pydantic models; all faults come in one answer."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar, get_origin

import orjson
from aiohttp import ClientPayloadError, web
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from storaged.api.problems import Handler
from storaged.errors import BadRequest, UploadIncomplete

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")
Fault = tuple[str, str]

# Faults that an answer lists; a list of a hundred thousand wrong hashes would help nobody.
FAULTS_LISTED: Final = 100
# An entry of a B-tree index has 2704 bytes at most.
INDEXED_BYTES: Final = 2000
TIME_FORM: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)


def check_storable(text: str) -> str:
    """Text that PostgreSQL can hold: raises ValueError for what is not."""
    if "\0" in text:
        raise ValueError("has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return text


def check_indexable(text: str) -> str:
    """Text that an index of PostgreSQL can hold beside another key."""
    size = len(text.encode())
    if size > INDEXED_BYTES:
        raise ValueError(f"has {size} bytes in UTF-8, {INDEXED_BYTES} are the most")
    return text


def check_time_form(text: str) -> str:
    """RFC 3339, of which the zone, the time of day, or its seconds may be left out."""
    if not TIME_FORM.fullmatch(text):
        raise ValueError("is no time as RFC 3339 writes it, such as 2026-11-24T08:30:00Z (a + in a URL is %2B)")
    return text


def in_utc(moment: datetime) -> datetime:
    """A time without a zone is in UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the range of years in UTC") from None


# Told to readers of the schema; `check_storable` says it in words.
NO_NUL: Final = r"^[^\u0000]*$"
STORABLE: Final = Field(json_schema_extra={"pattern": NO_NUL})

# A length is checked first: behind another check, pydantic speaks of items where it means characters.
AnyText = Annotated[str, AfterValidator(check_storable), STORABLE]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(check_storable), STORABLE]
Name = Annotated[Text, AfterValidator(check_indexable)]
LongText = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(check_storable), STORABLE]
Time = Annotated[datetime, BeforeValidator(check_time_form), AfterValidator(in_utc)]
# What the database's bigint holds.
Id = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Query(BaseModel):
    """Base of the models of query parameters: a parameter that the endpoint does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_query(request: web.Request, model: type[Model], *, faults: Sequence[Fault] = ()) -> Model:
    """The request's query as the model; a parameter may come more than once where the field is a list.

    Raises BadRequest with all that is wrong, `faults` that were found elsewhere among it.
    """
    values = {name: _value(request, model, name) for name in request.query}
    repeated = [name for name in values if not _is_list(model, name) and len(request.query.getall(name)) > 1]
    found = [*faults, *((f"query/{name}", "given more than once") for name in repeated)]
    try:
        query = model.model_validate(values)
    except ValidationError as error:
        raise BadRequest([*found, *_faults(error, "query", model.model_fields)]) from None
    if found:
        raise BadRequest(found)
    return query


async def read_json(request: web.Request, adapter: TypeAdapter[Value], *, empty: Any = None) -> Value:
    """The body as JSON of this type; no body at all reads as `empty`.

    Raises BadRequest, and UploadIncomplete when the client goes away before the body's end.
    """
    try:
        body = await request.read()
    except (ClientPayloadError, ConnectionResetError) as error:
        raise UploadIncomplete("The request ended before its body was whole.") from error
    try:
        document = orjson.loads(body) if body else empty
    except orjson.JSONDecodeError as error:
        raise BadRequest([("body", f"not JSON: {error}")]) from None
    return read_object(adapter, document, "body")


def read_object(adapter: TypeAdapter[Value], document: Any, place: str) -> Value:
    """The document as a value of the type; raises BadRequest, whose pointers begin with the place."""
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise BadRequest(_faults(error, place)) from None


@web.middleware
async def params_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what no endpoint takes: names that cannot be, and bodies that unpack to more than was measured."""
    faults = []
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        faults.append(("header/Content-Encoding", "must be absent: bodies are taken as they are"))
    for name, text in request.match_info.items():
        try:
            check_storable(text)
        except ValueError as error:
            faults.append((f"path/{name}", str(error)))
    if faults:
        raise BadRequest(faults)
    return await handler(request)


def _is_list(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is list


def _value(request: web.Request, model: type[BaseModel], name: str) -> Any:
    found = request.query.getall(name)
    return found if _is_list(model, name) else found[0]


def _faults(error: ValidationError, place: str, known: Iterable[str] = ()) -> list[Fault]:
    faults = error.errors()
    listed = [(_pointer(fault, place), _detail(fault, known)) for fault in faults[:FAULTS_LISTED]]
    more = [(place, f"and {len(faults) - FAULTS_LISTED} faults more")] if len(faults) > FAULTS_LISTED else []
    return [*listed, *more]


def _pointer(fault: ErrorDetails, place: str) -> str:
    return "/".join([place, *(str(part) for part in fault["loc"])])


def _detail(fault: ErrorDetails, known: Iterable[str]) -> str:
    if fault["type"] == "extra_forbidden":
        return "unknown" + (f"; there are {', '.join(known)}" if known else "")
    return fault["msg"].removeprefix("Value error, ")
