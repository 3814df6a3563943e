"""How the daemon is reached: connections that hear early answers, TLS, proxies."""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

from .address import Address, Tls
from .answers import without_user
from .errors import Usage

STALL_SECONDS = 120.0
"""For a piece to be sent; a socket counts the time of a whole send, so a piece is small enough for the slowest link."""
PIECE = 1 << 14
UNSENT = 1 << 17
"""What the system takes of an upload ahead of the network (bytes). Else it takes megabytes, which a slow link has yet
to carry when we think that all is sent, and wait for an answer."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PROXY_SCHEMES = {"http", "https"}


class _PlainConnection(HTTPConnection):
    """A connection that hears an answer which comes before the whole body is sent, such as "too large"."""

    def connect(self) -> None:
        super().connect()
        # Until the answer is read urllib3 leaves the connect time-out on the socket: too short for a daemon under load.
        self.sock.settimeout(STALL_SECONDS)

    def send(self, data: Any) -> None:
        if self.sock is not None and wait_for_read(self.sock, timeout=0):
            # urllib3 takes this as the sign to stop sending and to read the answer.
            raise BrokenPipeError
        for piece in _pieces(data):
            super().send(piece)


class _TlsConnection(HTTPSConnection):
    """As above without the early answer: with TLS, what can be read need not be part of an answer."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_SECONDS)

    def send(self, data: Any) -> None:
        for piece in _pieces(data):
            super().send(piece)


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[start : start + PIECE] for start in range(0, len(view), PIECE))


def _socket_options() -> list[tuple[int, int, int]]:
    # Windows has no such option.
    limit = [(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)] if hasattr(socket, "TCP_NOTSENT_LOWAT") else []
    return [*HTTPConnection.default_socket_options, *limit]


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def open_pool(address: Address, proxy: str | None) -> urllib3.PoolManager:
    """Connections to the daemon, through the proxy when there is one. Raises Usage for TLS files that are no use."""
    context = tls_context(address.tls) if any(url.startswith("https:") for url in (address.base, proxy or "")) else None
    if address.tls.insecure:
        # The person has said so; a warning for each connection says no more.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    pool = (
        _proxied(proxy, context)
        if proxy
        else urllib3.PoolManager(ssl_context=context, socket_options=_socket_options())
    )
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return pool


def _proxied(proxy: str, context: ssl.SSLContext | None) -> urllib3.ProxyManager:
    parts = urlsplit(proxy)
    known = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    headers = urllib3.make_headers(proxy_basic_auth=known) if known else None
    return urllib3.ProxyManager(
        without_user(proxy),
        proxy_headers=headers,
        ssl_context=context,
        proxy_ssl_context=context,
        socket_options=_socket_options(),
    )


def tls_context(tls: Tls) -> ssl.SSLContext:
    """What is trusted (without `ca_file` what OpenSSL trusts, so SSL_CERT_FILE too) and shown. Raises Usage."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise Usage(f"--ca-file {tls.ca_file} {_fault(error, 'certificate')}.") from error
    # So that a daemon's own certificate can be trusted without its authority.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert is not None:
        _show_client(context, tls.client_cert, tls.client_key)
    elif tls.client_key is not None:
        raise Usage("--client-key is given without --client-cert.")
    return context


def _show_client(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    for path in filter(None, (cert, key)):
        try:
            with open(path, "rb"):  # noqa: PTH123 - OpenSSL does not say which file it cannot read
                pass
        except OSError as error:
            raise Usage(f"{'--client-cert' if path == cert else '--client-key'} {path} {_fault(error)}.") from error
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Usage(f"The key in {key or cert} is not that of the certificate in {cert}.") from error
        hint = "" if key else " With the key in a file of its own, name that with --client-key."
        raise Usage(f"{cert}{f' with {key}' if key else ''} has no certificate and key in PEM.{hint}") from error


def _fault(error: OSError, lacking: str = "") -> str:
    if isinstance(error, ssl.SSLError):
        return f"has no {lacking} in PEM"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def proxy_for(address: Address) -> str | None:
    """The proxy that the environment asks for (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; small letters go first).

    There is never one to this machine. Raises Usage for one of a kind that cannot be used.
    """
    if address.host in LOOPBACK or not _names_a_proxy():
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow, seldom needed

    target = urlsplit(address.base)
    if proxy_bypass(target.netloc) or _in_network(address.host, getproxies().get("no", "")):
        return None
    proxies = getproxies()
    found = proxies.get(target.scheme) or proxies.get("all")
    return _readable(found) if found else None


def _names_a_proxy() -> bool:
    return any(name.lower() in {"http_proxy", "https_proxy", "all_proxy"} for name in os.environ)


def _in_network(host: str, no_proxy: str) -> bool:
    """Whether NO_PROXY has a network, such as 10.0.0.0/8, with the host in it; Python looks at names only."""
    return any(_contains(part.strip(), host) for part in no_proxy.split(",") if "/" in part)


def _contains(network: str, host: str) -> bool:
    """A name is in no network; what is no network has nobody in it, as with other clients."""
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - seldom needed

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _readable(proxy: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        readable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        readable = False
    if not readable:
        raise Usage("The proxy's URL in the environment cannot be read. It looks like http://proxy.example:3128.")
    if parts.scheme not in PROXY_SCHEMES:
        raise Usage(
            f"The environment names the proxy {without_user(url)}; of this kind storectl has no knowledge, only of "
            "http and https. NO_PROXY excepts a daemon from it."
        )
    return url
