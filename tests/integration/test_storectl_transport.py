"""How storectl reaches a daemon: TLS, certificates of either side, proxies, a path of its own behind a proxy."""

import asyncio
import gc
import plistlib
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner, Result
from storaged_cli.awaiting import await_job, await_job_async
from storaged_cli.errors import InsecureConnection
from storaged_cli.main import COMMANDS, main

from tests.integration.forward_proxy import ForwardProxy, running_proxy
from tests.integration.storectl_daemon import PREFIX, TOKEN, Daemon, answering, hang_up, serve

# The servers here are stopped with handshakes that were cut, of which asyncio leaves the transports to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NAME = "storaged.test"
DONE = {"status": "completed", "result": {"reports": 0, "new": 0, "unresolved": 0, "resolved": 0, "warnings": []}}
VARIABLES = [
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "STORAGED_CA_FILE", "STORAGED_CLIENT_CERT", "STORAGED_CLIENT_KEY", "STORAGED_INSECURE"),
]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and what it signs, as PEM files."""

    ca: trustme.CA
    folder: Path

    @property
    def file(self) -> str:
        path = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return str(path)

    def server(self, *names: str, **values: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names, **values).configure_cert(context)
        return context

    def server_for_known_clients(self, ca: trustme.CA) -> ssl.SSLContext:
        context = self.server("localhost", NAME)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[str, str]:
        """Files of a certificate and of its key."""
        made = self.ca.issue_cert("client@storaged.test")
        cert, key = self.folder / "client.pem", self.folder / "client.key"
        made.cert_chain_pems[0].write_to_path(str(cert))
        made.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


Serve = Callable[..., Daemon]


@pytest.fixture
def served() -> Iterator[Serve]:
    """Starts a daemon that speaks TLS by the context given."""
    with ExitStack() as stack:
        yield lambda tls=None: stack.enter_context(serve(Daemon(tls=tls)))
    gc.collect()


@pytest.fixture
def proxied() -> Iterator[Callable[..., ForwardProxy]]:
    """Starts a forward proxy that knows the daemon as NAME."""
    with ExitStack() as stack:

        def start(daemon: Daemon, **values: Any) -> ForwardProxy:
            return stack.enter_context(running_proxy(ForwardProxy({NAME: daemon.port}, **values)))

        yield start


def storectl(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, arguments, catch_exceptions=False)


def at(daemon: Daemon, host: str = "localhost", scheme: str = "https") -> str:
    return f"{scheme}://{host}:{daemon.port}/Default"


def test_a_secure_upload_that_is_cut_off_is_tried_again(authority: Authority, served: Serve, reports: Path) -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        return await hang_up(request)

    (reports / "a.c").write_bytes(random.Random(1).randbytes(16 << 20))
    (reports / "a.plist").write_bytes(plistlib.dumps({"files": ["a.c"], "diagnostics": []}))
    daemon = served(authority.server("localhost"))
    daemon.script.append(DONE)
    daemon.replace_next("store", cut_off)
    result = storectl("store", str(reports), "--url", at(daemon), "--ca-file", authority.file)
    assert result.exit_code == 0, result.stderr
    assert "broke: EOF occurred in violation of protocol.\nTrying again" in result.stderr
    assert len(daemon.uploads) == 1


# certificates of the daemon


def test_every_way_to_name_an_authority_makes_its_daemon_trusted(authority: Authority, served: Serve) -> None:
    url = at(served(authority.server("localhost")))
    assert storectl("runs", "--url", url, "--ca-file", authority.file).exit_code == 0
    assert storectl("runs", STORAGED_URL=url, STORAGED_CA_FILE=authority.file).exit_code == 0
    assert storectl("runs", STORAGED_URL=url, SSL_CERT_FILE=authority.file).exit_code == 0
    other = storectl("runs", STORAGED_URL=url, SSL_CERT_FILE=authority.file, STORAGED_CA_FILE=ssl_file(authority))
    assert other.exit_code == 1


def ssl_file(authority: Authority) -> str:
    """The certificate of another authority."""
    path = authority.folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


def test_an_upload_is_streamed_over_tls(authority: Authority, served: Serve, reports: Path) -> None:
    daemon = served(authority.server("localhost"))
    daemon.script.append(DONE)
    (reports / "a.c").write_bytes(bytes(8 << 20))
    result = storectl("store", str(reports), "--url", at(daemon), "--ca-file", authority.file)
    assert (result.exit_code, len(daemon.uploads)) == (0, 1), result.stderr
    assert daemon.uploads[0].headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_that_talks_to_a_daemon_takes_the_options_of_tls(command: str) -> None:
    helps = [storectl(command, "--help").stdout]
    if command in {"jobs", "product"}:
        subcommands = {"jobs": ["show", "list", "wait", "cancel", "retry"], "product": ["list", "add", "remove"]}
        helps = [storectl(command, name, "--help").stdout for name in subcommands[command]]
    for text in helps:
        assert ("--url" in text) == all(f"--{name}" in text for name in ("ca-file", "client-cert", "client-key"))
        assert ("--url" in text) == ("--insecure" in text)
        assert max(map(len, text.splitlines())) <= 80


def test_a_certificate_that_nobody_vouches_for_is_refused_with_what_to_do(authority: Authority, served: Serve) -> None:
    url = at(served(authority.server("localhost")))
    refused = storectl("runs", "--url", url)
    assert refused.exit_code == 1
    assert "is not accepted: unable to get local issuer certificate. Name a file" in refused.stderr
    assert "--ca-file" in refused.stderr
    assert storectl("runs", "--url", url, "--insecure").stderr == "Product 'Default' has no runs.\n"
    assert storectl("runs", STORAGED_URL=url, STORAGED_INSECURE="1").exit_code == 0


def test_a_certificate_for_another_name_says_so(authority: Authority, served: Serve) -> None:
    daemon = served(authority.server("elsewhere.example"))
    refused = storectl("runs", "--url", at(daemon), "--ca-file", authority.file)
    assert refused.exit_code == 1
    assert "Use the name in --url that it is made out to" in refused.stderr


def test_a_certificate_that_has_expired_says_so(authority: Authority, served: Serve) -> None:
    now = datetime.now(UTC)
    old = authority.server("localhost", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    refused = storectl("runs", "--url", at(served(old)), "--ca-file", authority.file)
    assert "certificate has expired. It must be renewed there" in refused.stderr


def test_tls_where_there_is_none_and_none_where_there_is_says_which(authority: Authority, served: Serve) -> None:
    plain, secure = served(), served(authority.server("localhost"))
    wrong = storectl("runs", "--url", at(plain))
    assert (wrong.exit_code, "the URL begins with http://" in wrong.stderr) == (1, True), wrong.stderr
    assert storectl("runs", "--url", at(secure, scheme="http")).exit_code == 1


# certificates of the client


def test_a_daemon_that_asks_for_a_certificate_gets_it(authority: Authority, served: Serve, reports: Path) -> None:
    daemon = served(authority.server_for_known_clients(authority.ca))
    daemon.script.append(DONE)
    cert, key = authority.client()
    trust = ["--url", at(daemon), "--ca-file", authority.file]
    assert storectl("store", str(reports), *trust, "--client-cert", cert, "--client-key", key).exit_code == 0
    assert storectl("runs", *trust, STORAGED_CLIENT_CERT=cert, STORAGED_CLIENT_KEY=key).exit_code == 0
    both = authority.folder / "both.pem"
    both.write_text(Path(cert).read_text() + Path(key).read_text())
    assert storectl("runs", *trust, "--client-cert", str(both), STORAGED_CLIENT_KEY="/elsewhere").exit_code == 0


@contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[int]:
    """A TLS server that refuses one client in OpenSSL's own way, by an alert, which asyncio's servers do not send."""
    with socket.create_server(("localhost", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secure:
                with pytest.raises(ssl.SSLError):
                    secure.do_handshake()
                secure.shutdown(socket.SHUT_WR)
                while secure.recv(1 << 16):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_certificate_that_is_missing_or_not_accepted_says_so(authority: Authority) -> None:
    trust = ["--ca-file", authority.file]
    mine = authority.server_for_known_clients(authority.ca)
    with refusing(mine) as port:
        missing = storectl("runs", "--url", f"https://localhost:{port}/Default", *trust)
    assert (missing.exit_code, "--client-cert and --client-key" in missing.stderr) == (1, True), missing.stderr
    other = authority.server_for_known_clients(trustme.CA())
    cert, key = authority.client()
    with refusing(other) as port:
        url = f"https://localhost:{port}/Default"
        refused = storectl("runs", "--url", url, *trust, "--client-cert", cert, "--client-key", key)
    assert (refused.exit_code, "does not accept your --client-cert" in refused.stderr) == (1, True), refused.stderr


def test_files_of_tls_that_are_no_use_are_usage_errors(authority: Authority) -> None:
    cert, key = authority.client()
    (authority.folder / "empty").touch()
    empty = str(authority.folder / "empty")
    for options, told in (
        (["--ca-file", "/nowhere"], "--ca-file /nowhere cannot be read: no such file or directory"),
        (["--ca-file", empty], f"--ca-file {empty} has no certificate in PEM"),
        (["--client-cert", "/nowhere"], "--client-cert /nowhere cannot be read"),
        (["--client-cert", cert], "name that with --client-key"),
        (["--client-key", key], "without --client-cert"),
        (["--client-cert", cert, "--client-key", "/nowhere"], "--client-key /nowhere cannot be read"),
    ):
        result = storectl("runs", "--url", "https://localhost:1/Default", *options)
        assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    unclear = storectl("runs", STORAGED_INSECURE="perhaps")
    assert (unclear.exit_code, "it can be 1 or 0" in unclear.stderr) == (2, True)


# proxies

Proxied = Callable[..., ForwardProxy]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_plain_requests_go_through_the_proxy(served: Serve, proxied: Proxied, reports: Path, variable: str) -> None:
    daemon = served()
    daemon.script.append(DONE)
    proxy = proxied(daemon)
    way = {variable: f"http://127.0.0.1:{proxy.port}"}
    result = storectl("store", str(reports), "--url", at(daemon, NAME, "http"), **way)
    assert (result.exit_code, len(daemon.uploads)) == (0, 1), result.stderr
    assert f"POST http://{NAME}:{daemon.port}/api/v1/products/Default/stores?run=shop" in proxy.asked[1]


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_tls_goes_through_the_proxy_as_it_is(
    authority: Authority, served: Serve, proxied: Proxied, reports: Path, variable: str
) -> None:
    daemon = served(authority.server(NAME))
    daemon.script.append(DONE)
    proxy = proxied(daemon)
    way = {variable: f"127.0.0.1:{proxy.port}", "STORAGED_CA_FILE": authority.file}
    result = storectl("store", str(reports), "--url", at(daemon, NAME), **way)
    assert (result.exit_code, len(daemon.uploads)) == (0, 1), result.stderr
    assert set(proxy.asked) == {f"CONNECT {NAME}:{daemon.port}"}


def test_a_proxy_that_speaks_tls_itself_is_used(authority: Authority, served: Serve, proxied: Proxied) -> None:
    daemon = served(authority.server(NAME))
    proxy = proxied(daemon, tls=authority.server("localhost"))
    way = {"https_proxy": f"https://localhost:{proxy.port}", "STORAGED_CA_FILE": authority.file}
    assert storectl("runs", "--url", at(daemon, NAME), **way).exit_code == 0
    assert proxy.asked == [f"CONNECT {NAME}:{daemon.port}"]


def test_a_proxy_that_asks_who_it_is_gets_user_and_password(
    authority: Authority, served: Serve, proxied: Proxied
) -> None:
    plain, secure = served(), served(authority.server(NAME))
    for daemon, scheme in ((plain, "http"), (secure, "https")):
        port = proxied(daemon, login="ann:se:cret").port
        trust = {"STORAGED_CA_FILE": authority.file}
        known = {f"{scheme}_proxy": f"http://ann:se%3Acret@127.0.0.1:{port}", **trust}
        assert storectl("runs", "--url", at(daemon, NAME, scheme), **known).exit_code == 0
        wrong = {f"{scheme}_proxy": f"http://ann:guess@127.0.0.1:{port}", **trust}
        result = storectl("runs", "--url", at(daemon, NAME, scheme), **wrong)
        assert (result.exit_code, "407 Proxy Authentication Required" in result.stderr) == (1, True), result.stderr
        assert "http://user:password@proxy" in result.stderr
        assert "guess" not in result.stderr


def test_what_no_proxy_excepts_is_reached_directly(served: Serve, proxied: Proxied) -> None:
    daemon = served()
    proxy = proxied(daemon)
    way = {"http_proxy": f"http://127.0.0.1:{proxy.port}"}
    assert storectl("runs", "--url", f"http://127.0.0.1:{daemon.port}/Default", **way).exit_code == 0
    assert storectl("runs", "--url", f"http://127.1.2.3:{daemon.port}/Default", **way).exit_code == 1
    proxy.asked.clear()
    for names in (NAME, ".test", f"{NAME}:{daemon.port}", "*"):
        result = storectl("runs", "--url", at(daemon, NAME, "http"), NO_PROXY=names, **way)
        assert "host of http" in result.stderr, names
    network = storectl("runs", "--url", f"http://127.1.2.3:{daemon.port}/Default", NO_PROXY="x/y, 127.0.0.0/8", **way)
    assert "No daemon answers" in network.stderr
    assert proxy.asked == []


def test_a_proxy_that_is_away_or_refuses_is_named(authority: Authority, served: Serve, proxied: Proxied) -> None:
    daemon = served(authority.server(NAME))
    with running_proxy(ForwardProxy({})) as gone:
        refused = storectl("runs", "--url", at(daemon, NAME), https_proxy=f"http://127.0.0.1:{gone.port}")
    assert (refused.exit_code, "it answers 403 Forbidden" in refused.stderr) == (1, True), refused.stderr
    away = storectl("runs", "--url", at(daemon, NAME), https_proxy=f"http://ann:secret@127.0.0.1:{gone.port}")
    assert away.exit_code == 1
    assert f"The proxy http://127.0.0.1:{gone.port} on the way to https://{NAME}" in away.stderr
    assert "does not work: connection refused" in away.stderr


def test_a_proxy_of_a_kind_that_cannot_be_used_is_a_usage_error(served: Serve) -> None:
    url = at(served(), NAME, "http")
    other = storectl("runs", "--url", url, ALL_PROXY="socks5://ann:secret@127.0.0.1:1080")
    assert (other.exit_code, "socks5://127.0.0.1:1080" in other.stderr) == (2, True)
    assert storectl("runs", "--url", url, ALL_PROXY="http://[").exit_code == 2


# before the daemon


def test_a_daemon_behind_a_path_and_a_password_is_reached(served: Serve) -> None:
    daemon = served()
    result = storectl("runs", "--url", f"http://ann:se%40cret@localhost:{daemon.port}{PREFIX}/Default")
    assert result.exit_code == 0, result.stderr
    assert daemon.requests[0].path == f"{PREFIX}/api/v1/products/Default/runs"
    assert daemon.requests[0].headers["Authorization"] == "Basic YW5uOnNlQGNyZXQ="
    daemon.replace_next("runs", answering(lambda: web.Response(status=404)))
    refused = storectl("runs", "--url", f"http://ann:secret@localhost:{daemon.port}/Default")
    assert "secret" not in refused.stderr


# await_job


async def test_waiting_from_python_is_as_safe(
    authority: Authority, served: Serve, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = served(authority.server_for_known_clients(authority.ca))
    daemon.add_job().update(DONE)
    proxy = proxied(daemon)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(InsecureConnection, match="--ca-file"):
        await await_job_async(TOKEN, url=at(daemon, NAME))
    cert, key = authority.client()
    monkeypatch.setenv("STORAGED_CA_FILE", authority.file)
    monkeypatch.setenv("STORAGED_CLIENT_CERT", cert)
    monkeypatch.setenv("STORAGED_CLIENT_KEY", key)
    assert (await await_job_async(TOKEN, url=at(daemon, NAME)))["status"] == "completed"
    assert (await asyncio.to_thread(await_job, TOKEN, url=at(daemon, NAME)))["status"] == "completed"
    assert len(proxy.asked) == 3
