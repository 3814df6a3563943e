"""What came over the network, or did not, as values and as the client's errors."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from urllib3 import exceptions

from .errors import InsecureConnection, NotADaemon, Refused, StorectlError, Unavailable, Unreachable
from .retries import read_retry_after

PASSING_STATUSES = {429, 500, 502, 503, 504}
"""These may come from a proxy, without problem details, and say nothing against the address."""

_SSL_NOISE = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")


class Answer(Protocol):
    """An HTTP answer that was read to its end."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def data(self) -> bytes: ...


def read_answer(base: str, answer: Answer) -> Any:
    """The JSON of a good answer, None where it has no content; raises the error that fits any other."""
    if answer.status in range(300, 400):
        raise NotADaemon(f"{base} sends elsewhere, to {answer.headers.get('Location')}. Give that address as --url.")
    if answer.status == HTTPStatus.NO_CONTENT:
        return None
    content = _read_json(answer)
    if answer.status in range(200, 300):
        if content is None:
            raise _not_a_daemon(base, answer)
        return content
    text = _problem_text(content)
    if text is None and answer.status in PASSING_STATUSES:
        text = f"{base} answers {_status(answer.status)}: it cannot serve this now."
    if text is None:
        raise _not_a_daemon(base, answer)
    if answer.status in PASSING_STATUSES or answer.status >= 500:
        raise Unavailable(text, answer.status, read_retry_after(answer.headers.get("Retry-After")))
    raise Refused(text, answer.status)


def explain(base: str, error: Exception) -> StorectlError:
    """A failure of the network in words; which class it becomes says whether asking again can help."""
    for kind, become, text in _FAILURES:
        if isinstance(error, kind):
            return become(text.format(base=base, reason=_reason(error)))
    return Unreachable(f"The connection to {base} broke: {_reason(error)}.")


_FAILURES: tuple[tuple[type[Exception], type[StorectlError], str], ...] = (
    (exceptions.ProxyError, Unreachable, "The proxy on the way to {base} does not work: {reason}."),
    (exceptions.SSLError, InsecureConnection, "No secure connection to {base}: {reason}."),
    (exceptions.NameResolutionError, Unreachable, "The host of {base} is not known here. Is the name right?"),
    (
        exceptions.NewConnectionError,
        Unreachable,
        "No daemon answers at {base} ({reason}). Is `storaged serve` running?",
    ),
    (exceptions.ConnectTimeoutError, Unreachable, "{base} cannot be reached: no connection came about in time."),
    (exceptions.TimeoutError, Unreachable, "{base} did not answer in time."),
    (TimeoutError, Unreachable, "{base} did not answer in time."),
)


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that says something."""
    inner = error.__cause__ or next((part for part in error.args[::-1] if isinstance(part, BaseException)), None)
    if inner is not None:
        return _reason(inner)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = _SSL_NOISE.sub("", text).rstrip(".") or type(error).__name__
    return text.lower() if text[1:].islower() else text


def _read_json(answer: Answer) -> Any:
    """None for what is no JSON; the API never answers `null`."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return None
    try:
        return json.loads(answer.data)
    except ValueError:
        return None


def _problem_text(content: Any) -> str | None:
    """The text of problem details (RFC 9457), and each listed error that it does not tell; None for any other JSON."""
    if not isinstance(content, dict) or not (content.get("detail") or content.get("title")):
        return None
    text = str(content.get("detail") or content["title"])
    faults = [fault for fault in content.get("errors") or [] if isinstance(fault, dict)]
    told = [
        f"  {fault.get('pointer')}: {fault.get('detail')}" for fault in faults if str(fault.get("detail")) not in text
    ]
    return "\n".join([text, *told])


def _not_a_daemon(base: str, answer: Answer) -> NotADaemon:
    kind = answer.headers.get("Content-Type", "no content type")
    return NotADaemon(
        f"What answers at {base} is no storaged daemon: {_status(answer.status)} with {kind}. "
        "Is the URL right? It looks like localhost:8001/Default, or https://host/prefix/Default."
    )


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
