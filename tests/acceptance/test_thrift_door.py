"""The endpoint of CodeChecker's clients: what is wrong with a call is told in the form that they print."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storaged.thrift.structs import ErrorCode, Permission
from tests import apache
from tests.acceptance.calls import call, get
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, answer_of, ask, method_of, path_of, post

MIB = 1 << 20
UNKNOWN_METHOD, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 6, 7
# CI may want more of them.
BODIES = int(os.environ.get("STORAGED_THRIFT_BODIES", "300"))
METHODS = [(service, method) for service, all_ in apache.INTERFACE.services.items() for method in all_.values()]
# What a call needs none of to be refused.
ANY_METHOD = method_of("CodeCheckerService", "getRunCount")


@pytest.fixture(autouse=True)
def _unharmed(shared_daemon: DaemonProcess) -> Iterator[None]:
    """Whatever a test sends: the daemon goes on, and had no fault of its own."""
    yield
    assert ask(shared_daemon, "ServerInfo", "getPackageVersion").startswith("storaged ")
    assert "call failed" not in shared_daemon.log.read_text()


def failure(daemon: DaemonProcess, path: str, body: bytes) -> Failed:
    """The error that a body is answered with."""
    status, answer = post(daemon, path, body)
    assert status == 200
    _version, _name, kind, _sequence, fields = json.loads(answer)
    assert kind == 3, answer
    return Failed(fields["1"]["str"], fault=fields["2"]["i32"])


def refused(daemon: DaemonProcess, service: str, name: str, **options: object) -> Failed:
    with pytest.raises(Failed) as caught:
        ask(daemon, service, name, **options)  # type: ignore[arg-type]
    return caught.value


def test_clients_of_every_version_up_to_ours_are_answered(shared_daemon: DaemonProcess) -> None:
    for version in ("v6.0", "v6.24", "v6.74"):
        assert ask(shared_daemon, "Authentication", "getLoggedInUser", version=version) == ""


@pytest.mark.parametrize("version", ["v6.75", "v7.0", "v5.99", "v6", "vsix.one", "v6.74x"])
def test_a_client_of_another_version_is_told_ours(shared_daemon: DaemonProcess, version: str) -> None:
    throwing = refused(shared_daemon, "Authentication", "checkAPIVersion", version=version)
    silent = refused(shared_daemon, "Authentication", "getAuthParameters", version=version)
    assert (throwing.code, silent.fault) == (ErrorCode.API_MISMATCH, INTERNAL_ERROR)
    assert str(throwing) == str(silent)
    assert version in str(silent)
    assert "this server v6.0 to v6.74" in str(silent)


def test_a_newer_client_with_a_method_that_we_do_not_know_is_told_our_version(shared_daemon: DaemonProcess) -> None:
    told = failure(shared_daemon, path_of("Tasks", version="v6.99"), b'[1,"getTaskWeather",1,0,{}]')
    assert "v6.74" in str(told)


def test_everybody_is_nobody_and_may_do_everything(shared_daemon: DaemonProcess) -> None:
    def told(name: str, /, **arguments: object) -> Any:
        return ask(shared_daemon, "Authentication", name, **arguments)  # type: ignore[arg-type]

    assert told("getAuthParameters") == {"requiresAuthentication": False, "sessionStillActive": False}
    assert told("checkAPIVersion") is None
    assert told("getAcceptedAuthMethods") == told("getOauthProviders") == []
    assert told("destroySession") is True
    assert told("hasPermission", permission=Permission.PRODUCT_ADMIN, extraParams="{}") is True
    every = [*told("getPermissions", scope="SYSTEM"), *told("getPermissions", scope="PRODUCT")]
    assert set(every) == set(Permission)
    assert told("getPermissionsForUser", scope="SYSTEM", extraParams="{}", filter={"given": True}) == every[:2]
    assert ask(shared_daemon, "Configuration", "getNotificationBannerText") == ""
    for name in ("performLogin", "createLink"):
        assert refused(shared_daemon, "Authentication", name).code == ErrorCode.AUTH_DENIED
    for name in ("getPersonalAccessTokens", "newPersonalAccessToken", "getTokens", "newToken", "removeToken"):
        assert refused(shared_daemon, "Authentication", name).code == ErrorCode.UNAUTHORIZED
    assert "there are SYSTEM, PRODUCT" in str(refused(shared_daemon, "Authentication", "getPermissions", scope="ALL"))


def test_an_unknown_product_is_told(shared_daemon: DaemonProcess) -> None:
    told = refused(shared_daemon, "CodeCheckerService", "getRunCount", product="Defautl")
    assert told.code == ErrorCode.GENERAL
    assert "no product 'Defautl'. Did you mean 'Default'?" in str(told)


def test_a_method_that_has_no_handler_is_told_by_its_name(shared_daemon: DaemonProcess) -> None:
    told = refused(shared_daemon, "CodeCheckerService", "getSuppressFile", product="Default")
    assert (str(told), told.code) == ("storaged does not support getSuppressFile.", ErrorCode.GENERAL)


@pytest.mark.parametrize(
    ("path", "body", "fault", "text"),
    [
        (path_of("Tasks"), b'[1,"getTaskWeather",1,0,{}]', UNKNOWN_METHOD, "Tasks has no method 'getTaskWeather'"),
        (path_of("Weather"), b'[1,"getTasks",1,0,{}]', 0, "There is no service 'Weather'"),
        (path_of("Tasks"), b"", PROTOCOL_ERROR, "not JSON"),
        (path_of("Authentication"), b'[1,"getPermissions",1,0,{"1":', PROTOCOL_ERROR, "not JSON"),
        (path_of("Tasks"), b'{"method": "getTasks"}', PROTOCOL_ERROR, "no call"),
        (path_of("Tasks"), b'[2,"getTasks",1,0,{}]', PROTOCOL_ERROR, "not of version 1"),
        (path_of("Tasks"), b"\x80\x01\x00\x01\x00\x00\x00\x08getTasks", PROTOCOL_ERROR, "not JSON"),
        (
            path_of("Authentication"),
            b'[1,"getPermissions",1,0,{"1":{"i64":5}}]',
            PROTOCOL_ERROR,
            "scope must be a value of the tag str",
        ),
        (path_of("Authentication"), b'[1,"getPermissions",1,0,{}]', PROTOCOL_ERROR, "getPermissions needs scope"),
        (path_of("Authentication"), b'[1,"getPermissions",1,0,[]]', PROTOCOL_ERROR, "must be a struct"),
    ],
)
def test_what_is_no_call_of_the_interface_is_told(
    shared_daemon: DaemonProcess, path: str, body: bytes, fault: int, text: str
) -> None:
    told = failure(shared_daemon, path, body)
    assert (told.fault, text in str(told)) == (fault, True), told


def test_a_body_that_is_too_large_to_be_held_is_refused(shared_daemon: DaemonProcess) -> None:
    body = apache.call_bytes(ANY_METHOD, {"runFilter": {"names": ["x" * 1000]}}).replace(b"x" * 1000, b"x" * (17 << 20))
    told = failure(shared_daemon, path_of("Authentication"), body.replace(b"getRunCount", b"checkAPIVersion"))
    assert "more than 16777216 bytes" in str(told)


def test_who_sends_more_than_any_call_may_have_is_answered_before_its_end(database_url: str, tmp_path: Path) -> None:
    head = f"POST {path_of('Tasks')} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n".encode()
    with (
        running_daemon(database_url, tmp_path, max_upload_bytes=MIB) as daemon,
        closing(socket.create_connection(("127.0.0.1", daemon.port), timeout=60)) as connection,
    ):
        connection.sendall(head + b'[1,"getTaskWeather",1,0,')
        # The largest upload in base64, what may be beside it, and some.
        for _ in range(3):
            connection.sendall(b" " * MIB)
        assert b"Tasks has no method 'getTaskWeather'" in connection.recv(1 << 16)


def test_a_fault_of_ours_is_told_by_its_kind_and_logged_whole(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path) as daemon:
        run_sql(database_url, "DROP TABLE source_component")
        told = refused(daemon, "CodeCheckerService", "getSourceComponents", product="Default")
        assert (told.fault, str(told)) == (INTERNAL_ERROR, "storaged failed (UndefinedTableError): see its log.")
        assert "source_component" in daemon.log.read_text()


def test_a_client_that_leaves_in_the_middle_of_its_call_does_no_harm(shared_daemon: DaemonProcess) -> None:
    head = f"POST {path_of('Tasks')} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    for part in (b"", b"[1,", b'[1,"getTasks",1,0,' + b" " * 300):
        with closing(socket.create_connection(("127.0.0.1", shared_daemon.port))) as connection:
            connection.sendall(head + part)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_than_post_is_not_allowed(shared_daemon: DaemonProcess, method: str) -> None:
    for path in (path_of("Tasks"), path_of("CodeCheckerService", "Default")):
        with closing(http.client.HTTPConnection("127.0.0.1", shared_daemon.port, timeout=60)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Allow")) == (405, "POST")


def test_the_native_api_has_its_own_form_of_errors(shared_daemon: DaemonProcess) -> None:
    assert (
        call(shared_daemon, "POST", "/api/v1/nothing", body=b"{}")
        .headers["Content-Type"]
        .startswith("application/problem+json")
    )
    assert get(shared_daemon, "/livez") == {"status": "alive"}


@settings(max_examples=BODIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_call_of_the_interface_is_answered_as_it_says(shared_daemon: DaemonProcess, data: st.DataObject) -> None:
    service, method = data.draw(st.sampled_from(METHODS))
    body = apache.call_bytes(method, data.draw(apache.fields(method.arguments)), 5)
    status, answer = post(shared_daemon, path_of(service, data.draw(st.sampled_from([None, "Default"]))), body)
    assert status == 200
    try:
        answer_of(method, answer)
    except Failed as told:
        assert "see its log" not in str(told)  # noqa: PT017 (whether it fails is left open)


@settings(max_examples=BODIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_call_is_answered_with_an_error_or_as_a_call(
    shared_daemon: DaemonProcess, data: st.DataObject
) -> None:
    service, method = data.draw(st.sampled_from(METHODS))
    body = bytearray(apache.call_bytes(method, data.draw(apache.fields(method.arguments)), 5))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    status, answer = post(shared_daemon, path_of(service, "Default"), bytes(body))
    _version, _name, kind, _sequence, fields = json.loads(answer)
    assert (status, kind in (2, 3)) == (200, True)
    assert kind == 2 or "see its log" not in fields["1"]["str"]
