"""Where the daemon is, `[scheme://][user:password@]host[:port][/prefix]/Product`, and whom its TLS trusts."""

import os
import re
import shlex
from dataclasses import dataclass, fields
from urllib.parse import SplitResult, unquote, urlsplit

from .errors import Usage

DEFAULT_URL = "localhost:8001/Default"
DEFAULT_PORT = 8001
URL_VARIABLE = "STORAGED_URL"
# A command of storectl in a text, to be copied.
_SUGGESTED = re.compile(r"`(storectl [^`\n]+)`")
YES, NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Tls:
    """`ca_file`: the certificates to trust, instead of the system's; `insecure`: trust any. All files are in PEM."""

    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure: bool = False


VARIABLES = frozenset({URL_VARIABLE, *(f"STORAGED_{field.name.upper()}" for field in fields(Tls))})
"""All that the client reads. The daemon's begin the same, so it must know which are none of its own."""


def tls_from_environment() -> Tls:
    """What STORAGED_CA_FILE, STORAGED_CLIENT_CERT, STORAGED_CLIENT_KEY and STORAGED_INSECURE say. Raises Usage."""
    files = {
        name: os.environ.get(f"STORAGED_{name.upper()}") or None for name in ("ca_file", "client_cert", "client_key")
    }
    said = os.environ.get("STORAGED_INSECURE", "").lower()
    if said not in YES | NO:
        raise Usage(f"STORAGED_INSECURE is {said!r}; it can be 1 or 0.")
    return Tls(**files, insecure=said in YES)


@dataclass(frozen=True, slots=True)
class Address:
    """`base` has no slash at its end: the API's paths are added to it. `text` is what the user gave.

    `login` is user and password, for a proxy before the daemon that asks for them; `base` is without.
    """

    base: str
    host: str
    product: str
    text: str
    tls: Tls = Tls()
    login: tuple[str, str] | None = None

    @property
    def flag(self) -> str:
        """What a suggested command must carry to reach the same daemon; empty when it does by itself."""
        usual = os.environ.get(URL_VARIABLE) or DEFAULT_URL
        options = [] if self.text == usual else ["--url", self._shown]
        before = tls_from_environment()
        for field in fields(Tls):
            value = getattr(self.tls, field.name)
            if value and value != getattr(before, field.name):
                options += [f"--{field.name.replace('_', '-')}", *([] if value is True else [value])]
        return "".join(f" {shlex.quote(option)}" for option in options)

    def lead_here(self, text: str) -> str:
        """What the daemon says, in which the commands that it suggests carry `flag`."""
        return _SUGGESTED.sub(lambda command: f"`{command[1]}{self.flag}`", text)

    @property
    def _shown(self) -> str:
        """Without the password: what is suggested ends in logs."""
        if self.login is None:
            return self.text
        head, _, tail = self.text.rpartition("@")
        return f"{head.rpartition(':')[0] if self.login[1] else head}@{tail}"


def parse_address(text: str, tls: Tls | None = None) -> Address:
    """Raises Usage. A bare word is a product on this machine; without scheme and port, the port is 8001.

    Without `tls` it is what the environment says.
    """
    parts = _split(text)
    path, _, product = parts.path.rstrip("/").rpartition("/")
    if not product:
        raise Usage(
            f"The URL {_hidden(text)!r} names no product. A whole one looks like {DEFAULT_URL}; "
            f"perhaps {_hidden(text).rstrip('/')}/Default is meant."
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    return Address(base, parts.hostname or "", unquote(product), text, tls or tls_from_environment(), login)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"http://{_with_host(text)}")
        faulty = not parts.hostname or bool(parts.query or parts.fragment) or parts.netloc.endswith(":")
    except ValueError:
        raise _unreadable(text) from None
    if parts.scheme not in {"http", "https"}:
        raise Usage(f"The URL {_hidden(text)!r} has the scheme {parts.scheme!r}; http and https are known.")
    if not faulty:
        _check_port(text, parts)
        return parts
    raise _unreadable(text)


def _check_port(text: str, parts: SplitResult) -> None:
    try:
        if parts.port != 0:
            return
    except ValueError:
        pass
    port = parts.netloc.rpartition("@")[2].rpartition(":")[2]
    raise Usage(f"The URL {_hidden(text)!r} has the port {port!r}, which is no number from 1 to 65535.")


def _unreadable(text: str) -> Usage:
    return Usage(f"The URL {_hidden(text)!r} cannot be read. It looks like {DEFAULT_URL}, or https://host/Product.")


def _hidden(text: str) -> str:
    """Without what may be a password."""
    head, at, tail = text.rpartition("@")
    return f"{head.partition('://')[0] + '://' if '://' in head else ''}...@{tail}" if at else text


def _with_host(text: str) -> str:
    host, slash, path = text.partition("/")
    if not slash and host and not any(mark in host for mark in ".:"):
        return f"localhost:{DEFAULT_PORT}/{host}"
    has_port = ":" in host.rpartition("]")[2].rpartition("@")[2]
    return text if has_port else f"{host}:{DEFAULT_PORT}{slash}{path}"
