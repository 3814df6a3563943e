"""Errors as RFC 9457 problem details: one table from what happened to an HTTP status and a stable type."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, NotRequired

import structlog
from aiohttp import web
from typing_extensions import TypedDict

from storaged import errors
from storaged.api.encode import json_bytes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

# The type of a problem is the name of its error, in kebab case, below this.
TYPE_PREFIX = "urn:storaged:problem:"
PROBLEM: Final = "application/problem+json"


class FaultObject(TypedDict):
    """One thing that is wrong with a request; the pointer begins with query, path, header or body."""

    pointer: str
    detail: str


class Problem(TypedDict):
    """What was wrong: `type` is stable and for programs, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FaultObject]]


STATUSES: dict[type[errors.StoragedError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyConflict: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ProductNotFound: HTTPStatus.NOT_FOUND,
    errors.RunNotFound: HTTPStatus.NOT_FOUND,
    errors.TagNotFound: HTTPStatus.NOT_FOUND,
    errors.ReportNotFound: HTTPStatus.NOT_FOUND,
    errors.ReviewNotFound: HTTPStatus.NOT_FOUND,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.ProductExists: HTTPStatus.CONFLICT,
    errors.ProductInUse: HTTPStatus.CONFLICT,
    errors.AlreadyEnded: HTTPStatus.CONFLICT,
    errors.NotRetryable: HTTPStatus.CONFLICT,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UploadIncomplete: HTTPStatus.BAD_REQUEST,
    errors.SpoolFull: HTTPStatus.INSUFFICIENT_STORAGE,
    # An archive that is compared at once; that of a store ends its job.
    errors.BadArchive: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BadResultFiles: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ContradictingReviews: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ReportLimitReached: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WorkerDied: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.TooManyComparisons: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What aiohttp refuses by itself. Names of our own: Python's phrases change with its versions.
HTTP_KINDS = {
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "content-too-large",
}

# Errors that mean "not now": when to come again, in seconds.
RETRY_AFTER = {errors.DatabaseUnavailable: 2, errors.SpoolFull: 60, errors.TooManyComparisons: 10}


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into a problem; what has no row in the table is a fault of ours and is logged."""
    try:
        return await handler(request)
    except errors.StoragedError as error:
        return _domain_problem(request, error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _http_problem(request, error)
    except ConnectionResetError:
        raise
    except Exception as error:
        log.exception("request failed", method=request.method, path=request.path)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", f"{type(error).__name__}: see the log.")


def problem(
    status: int, kind: str, detail: str, *, faults: list[tuple[str, str]] | None = None, retry_after: int | None = None
) -> web.Response:
    """One problem document."""
    document: Problem = {
        "type": TYPE_PREFIX + kind,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if faults:
        document["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in faults]
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.Response(body=json_bytes(document), status=status, content_type=PROBLEM, headers=headers)


def _domain_problem(request: web.Request, error: errors.StoragedError) -> web.Response:
    status = STATUSES.get(type(error))
    if status is None:
        log.error("error without a status", error=type(error).__name__, path=request.path, exc_info=error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, kebab(type(error).__name__), str(error))
    faults = error.faults if isinstance(error, errors.BadRequest) else None
    return problem(
        status, kebab(type(error).__name__), str(error), faults=faults, retry_after=RETRY_AFTER.get(type(error))
    )


def _http_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    detail = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.path}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.path} does not take {request.method}.",
    }.get(HTTPStatus(error.status), error.text or error.reason)
    response = problem(error.status, HTTP_KINDS.get(HTTPStatus(error.status), f"http-{error.status}"), detail)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def kebab(name: str) -> str:
    """BadRequest as bad-request."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
