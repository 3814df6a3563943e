"""Where the daemon is: `[scheme://]host[:port][/prefix]/Product`."""

import os
import shlex
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from .errors import Usage

DEFAULT_URL = "localhost:8001/Default"
DEFAULT_PORT = 8001
URL_VARIABLE = "STORAGED_URL"


@dataclass(frozen=True, slots=True)
class Address:
    """`base` has no slash at its end: the API's paths are added to it. `text` is what the user gave."""

    base: str
    host: str
    product: str
    text: str

    @property
    def flag(self) -> str:
        """What a suggested command must carry to reach the same daemon; empty when it does by itself."""
        usual = os.environ.get(URL_VARIABLE) or DEFAULT_URL
        return "" if self.text == usual else f" --url {shlex.quote(self.text)}"


def parse_address(text: str) -> Address:
    """Raises Usage. A bare word is a product on this machine; without scheme and port, the port is 8001."""
    parts = _split(text)
    path, _, product = parts.path.rstrip("/").rpartition("/")
    if not product:
        raise Usage(f"The URL {text!r} names no product. A whole one looks like {DEFAULT_URL}.")
    return Address(f"{parts.scheme}://{parts.netloc}{path}", parts.hostname or "", unquote(product), text)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"http://{_with_host(text)}")
        readable = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        readable = False
    if not readable:
        raise Usage(f"The URL {text!r} cannot be read. It looks like {DEFAULT_URL}.")
    if parts.scheme not in {"http", "https"}:
        raise Usage(f"The URL {text!r} has the scheme {parts.scheme!r}; http and https are known.")
    return parts


def _with_host(text: str) -> str:
    host, slash, path = text.partition("/")
    if not slash and host and not any(mark in host for mark in ".:"):
        return f"localhost:{DEFAULT_PORT}/{host}"
    has_port = ":" in host.rpartition("]")[2]
    return text if has_port else f"{host}:{DEFAULT_PORT}{slash}{path}"
