"""What an endpoint is: the row that routes it, and that its part of the OpenAPI document is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter

from storaged.api.params import Query
from storaged.api.problems import Handler
from storaged.auth.permissions import Right
from storaged.errors import StoragedError

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries: JSON of a type, or, where there is no type, the bytes of a media type."""

    type: TypeAdapter[Any] | None = None
    media: str = JSON
    # Without a body the handler goes on as if an empty one had come.
    required: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path; the first line of the handler's docstring is its summary, the rest its description.

    `query` is what the handler gives to `read_query`. `answer` is the type of the good answer's content (a TypedDict,
    or what pydantic makes a schema of; None: no content), `other_answers` has those of further statuses that are no
    problems. `errors` are all that the handler may raise itself; BadRequest goes without saying. The names of request
    headers (`takes`) and answer headers (`gives`) have rows in `openapi.HEADERS`, those of path parts in
    `openapi.PATH_PARTS`.
    """

    method: str
    path: str
    handler: Handler
    right: Right
    answer: Any = None
    query: type[BaseModel] = Query
    body: Body | None = None
    status: HTTPStatus = HTTPStatus.OK
    media: str = JSON
    other_answers: Mapping[HTTPStatus, Any] = field(default_factory=dict)
    errors: tuple[type[StoragedError], ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
