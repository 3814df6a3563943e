"""Calls in Thrift's JSON protocol, written and read by Apache's library."""

import http.client
from contextlib import closing
from typing import Any

from storaged.thrift.idl import Method
from tests import apache
from tests.acceptance.daemons import DaemonProcess

VERSION = "v6.74"
REPLY, EXCEPTION = 2, 3


class Failed(Exception):
    """An answer that is an error: what the client prints, and the code where there is one."""

    def __init__(self, message: str, code: int | None = None, fault: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.fault = fault


def method_of(service: str, name: str) -> Method:
    return apache.INTERFACE.services[service][name]


def path_of(service: str, product: str | None = None, version: str = VERSION) -> str:
    return f"/{product}/{version}/{service}" if product else f"/{version}/{service}"


def post(
    daemon: DaemonProcess, path: str, body: bytes, timeout: float = 60, source: str = "127.0.0.1"
) -> tuple[int, bytes]:
    """Status and body of the answer to a call that comes from the address `source`."""
    with closing(
        http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=timeout, source_address=(source, 0))
    ) as connection:
        connection.request("POST", path, body=body, headers={"Content-Type": "application/x-thrift"})
        response = connection.getresponse()
        return response.status, response.read()


def ask(
    daemon: DaemonProcess,
    service: str,
    name: str,
    /,
    *,
    product: str | None = None,
    version: str = VERSION,
    source: str = "127.0.0.1",
    **arguments: Any,
) -> Any:
    """The answer of a call; raises Failed for one that is an error."""
    method = method_of(service, name)
    call = apache.call_bytes(method, arguments, 5)
    status, body = post(daemon, path_of(service, product, version), call, source=source)
    assert status == 200, body
    return answer_of(method, body)


def answer_of(method: Method, body: bytes) -> Any:
    """What an answer to a call of `ask` holds; raises Failed."""
    name, kind, sequence, fields = apache.result_of(method, body)
    assert (name, sequence) == (method.name, 5)
    if kind == EXCEPTION:
        raise Failed(fields["message"], fault=fields["type"])
    failed = fields.get("requestError")
    if failed:
        raise Failed(failed["message"], code=failed["errorCode"])
    return fields.get("success")
