"""What came over the network, or did not, as values and as the client's errors."""

import json
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from http import HTTPStatus
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any, Protocol

from urllib3 import exceptions

from .address import Address
from .errors import InsecureConnection, NotADaemon, Refused, StorectlError, Unavailable, UnknownHost, Unreachable
from .retries import read_retry_after

PASSING_STATUSES = {429, 500, 502, 503, 504}
"""These may come from a proxy, without problem details, and say nothing against the address."""
CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""How a secure connection breaks when the other side is killed; nothing is wrong with its security."""

# Where in a request a fault is, as `query/kind/0: `; a person knows it as `kind`.
_POINTER = re.compile(r"\b(?:query|body)/(\w+)(?:/\d+)*: ")
_SSL_NOISE = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")
# What a proxy says for people, such as "No required SSL certificate was sent".
_TITLE = re.compile(rb"<title>([^<]{1,200})</title>", re.IGNORECASE)


class Answer(Protocol):
    """An HTTP answer that was read to its end."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def data(self) -> bytes: ...


def read_answer(address: Address, answer: Answer) -> Any:
    """The JSON of a good answer, None where it has no content; raises the error that fits any other."""
    base = address.base
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
    text = text and address.lead_here(text)
    if text is None and answer.status == HTTPStatus.UNAUTHORIZED:
        raise Refused(f"{base} answers {_status(answer.status)}. {_LOGIN}", answer.status)
    if text is None and answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise Refused(f"The proxy on the way to {base} answers {_status(answer.status)}. {_PROXY_LOGIN}", answer.status)
    if text is None and answer.status in PASSING_STATUSES:
        text = f"{base} answers {_status(answer.status)}: it cannot serve this now."
    if text is None:
        raise _not_a_daemon(base, answer)
    if answer.status in PASSING_STATUSES or answer.status >= 500:
        raise Unavailable(text, answer.status, read_retry_after(answer.headers.get("Retry-After")))
    raise Refused(text, answer.status)


def check_object(base: str, content: Any, what: str, members: Collection[str]) -> dict[str, Any]:
    """The content of an answer, if it is an object with these members at least; raises NotADaemon when it is not."""
    if isinstance(content, dict) and content.keys() >= {*members}:
        return content
    raise NotADaemon(f"The answer of {base} is not {what}: is it a storaged daemon?")


def check_job(base: str, content: Any) -> dict[str, Any]:
    """As `check_object`, for what a job must have for us to follow it."""
    return check_object(base, content, "a job", {"token", "status", "sequence"})


def explain(base: str, error: Exception, proxy: str | None = None) -> StorectlError:
    """A failure of the network in words; which class it becomes says whether asking again can help."""
    inner = _innermost(error)
    if isinstance(error, exceptions.ProxyError):
        return _explain_proxy(base, error, without_user(proxy or ""))
    if isinstance(inner, ssl.SSLError):
        return explain_tls(base, inner)
    if isinstance(inner, BadStatusLine) and not isinstance(inner, RemoteDisconnected):
        return NotADaemon(f"What answers at {base} speaks no HTTP.{_PERHAPS_TLS if base.startswith('http:') else ''}")
    if isinstance(error, exceptions.NameResolutionError):
        return explain_name(base)
    for kind, text in _FAILURES:
        if isinstance(error, kind):
            return Unreachable(text.format(base=base, reason=_reason(error)))
    return Unreachable(f"The connection to {base} broke: {_reason(error)}.")


def explain_name(base: str) -> UnknownHost:
    return UnknownHost(f"The host of {base} is not known here. Is the name right?")


_LOGIN = "Put user and password before the host in the URL: https://user:password@host/Product."
_PROXY_LOGIN = "Put user and password into its variable: http://user:password@proxy:3128."
_PERHAPS_TLS = " If it speaks TLS, the URL begins with https://."
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NewConnectionError, "No daemon answers at {base} ({reason}). Is `storaged serve` running?"),
    (exceptions.ConnectTimeoutError, "{base} cannot be reached: no connection came about in time."),
    (exceptions.TimeoutError, "{base} did not answer in time."),
    (TimeoutError, "{base} did not answer in time."),
)


def without_user(proxy: str) -> str:
    """A proxy's URL as it may be shown: without user and password."""
    scheme, mark, rest = proxy.rpartition("://")
    return scheme + mark + rest.rpartition("@")[2]


def _explain_proxy(base: str, error: Exception, proxy: str) -> StorectlError:
    """The environment's proxy cannot be reached, or refuses to connect to the daemon."""
    reason = _reason(error)
    refusal = re.fullmatch(r"tunnel connection failed: (4\d\d) .*", reason)
    if refusal is None:
        text = f"The proxy {proxy} on the way to {base} does not work: {reason}. NO_PROXY excepts a daemon from it."
        faults: dict[Any, type[StorectlError]] = {
            CUT: Unreachable,
            ssl.SSLError: InsecureConnection,
            socket.gaierror: UnknownHost,
        }
        kinds = (kind for cause, kind in faults.items() if isinstance(_innermost(error), cause))
        return next(kinds, Unreachable)(text)
    status = int(refusal[1])
    login = _PROXY_LOGIN if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else "NO_PROXY excepts a daemon from it."
    return Refused(f"The proxy {proxy} does not connect to {base}: it answers {_status(status)}. {login}", status)


def explain_tls(base: str, error: ssl.SSLError) -> StorectlError:
    """What is wrong with the daemon's certificate, with ours, or with TLS at all, and what to do."""
    if isinstance(error, CUT):
        return Unreachable(f"The connection to {base} broke: {_reason(error)}.")
    return InsecureConnection(_explain_tls(base, error))


def _explain_tls(base: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE_ADVICE.get(error.verify_code, _UNTRUSTED)
        return f"The certificate of {base} is not accepted: {error.verify_message.rstrip('.')}. {advice}"
    cause = getattr(error, "reason", None)  # only what OpenSSL raised has one
    advice = next((text for causes, text in _TLS_ADVICE if cause in causes), "")
    return f"No secure connection to {base}: {_reason(error)}.{advice}"


_UNTRUSTED = (
    "Name a file with the certificate of its authority by --ca-file or STORAGED_CA_FILE, or trust any by --insecure."
)
# By OpenSSL's X509_V_ERR_ numbers.
_CERTIFICATE_ADVICE = {
    9: "Is the clock of this machine right?",
    10: "It must be renewed there, or the clock of this machine is wrong.",
    62: "Use the name in --url that it is made out to.",
    64: "Use the name in --url that it is made out to.",
}
_TLS_ADVICE = (
    (
        {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"},
        " If it speaks no TLS, the URL begins with http://.",
    ),
    (
        {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"},
        " It asks for a certificate of yours: --client-cert and --client-key.",
    ),
    (
        {"TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_EXPIRED"},
        " It does not accept your --client-cert.",
    ),
)


def _innermost(error: BaseException) -> BaseException:
    """The innermost cause, which is the one that says something."""
    inner = error.__cause__ or next((part for part in error.args[::-1] if isinstance(part, BaseException)), None)
    return error if inner is None else _innermost(inner)


def _reason(error: BaseException) -> str:
    inner = _innermost(error)
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    text = _SSL_NOISE.sub("", text).rstrip(".") or type(inner).__name__
    return text[0].lower() + text[1:] if text.split()[0][1:].islower() else text


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
    return _POINTER.sub(r"\1: ", "\n".join([text, *told]))


def _not_a_daemon(base: str, answer: Answer) -> NotADaemon:
    kind = answer.headers.get("Content-Type", "no content type")
    title = _TITLE.search(answer.data or b"")
    said = f", titled {' '.join(title[1].decode(errors='replace').split())!r}" if title else ""
    return NotADaemon(
        f"What answers at {base} is no storaged daemon: {_status(answer.status)} with {kind}{said}. "
        "Is the URL right? It looks like localhost:8001/Default, or https://host/prefix/Default."
    )


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
