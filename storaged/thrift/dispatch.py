"""Finds what answers a call: every method of the interface, compiled once, with its handler if it has one."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, get_args, get_type_hints

from storaged.errors import StoragedError
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods, Streamed
from storaged.thrift.codec import Codec, Mismatch, Read, Write
from storaged.thrift.faults import ApplicationError, ApplicationFault, Refused, refusal
from storaged.thrift.idl import Interface, Method
from storaged.thrift.messages import Kind

ENUMS: Final = {
    name: value for name, value in vars(structs).items() if isinstance(value, type) and issubclass(value, IntEnum)
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method that is ready to be called."""

    method: Method
    entry: Handled | Streamed | None
    # Names of arguments that the handler cannot do without.
    required: tuple[str, ...]
    read: Read
    write: Write
    # None where the method throws nothing.
    write_refused: Write | None

    def arguments(self, raw: Any) -> list[Any]:
        """The arguments in the order of the interface, None for what did not come; raises ApplicationError."""
        try:
            values = self.read(raw)
        except Mismatch as mismatch:
            detail = f"Arguments of {self.method.name} are not as its interface has them: {mismatch}."
            raise ApplicationError(detail, ApplicationFault.PROTOCOL_ERROR) from None
        missing = [name for name in self.required if name not in values]
        if missing:
            detail = f"{self.method.name} needs {' and '.join(missing)}."
            raise ApplicationError(detail, ApplicationFault.PROTOCOL_ERROR)
        return [values.get(argument.name) for argument in self.method.arguments]

    def refused(self, refused: Refused) -> tuple[Kind, bytes]:
        """The answer that tells of a refusal: the exception that the method throws, or else Thrift's own."""
        if self.write_refused is None:
            return Kind.EXCEPTION, ApplicationError(str(refused)).content()
        return Kind.REPLY, self.write_refused(refused.struct())


class Dispatcher:
    """The operations of all services; `tables` are the handlers by service."""

    def __init__(self, interface: Interface, tables: Mapping[str, Methods]) -> None:
        codec = Codec(interface, ENUMS)
        self._services = {
            service: {name: _compile(codec, method, tables.get(service, {}).get(name)) for name, method in all_.items()}
            for service, all_ in interface.services.items()
        }

    def find(self, service: str, method: str) -> Operation | None:
        """None for what the interface does not have; `unknown` says what that is."""
        return self._services.get(service, {}).get(method)

    def unknown(self, service: str, method: str) -> ApplicationError:
        if service in self._services:
            return ApplicationError(f"{service} has no method {method!r}.", ApplicationFault.UNKNOWN_METHOD)
        known = ", ".join(sorted(self._services))
        return ApplicationError(f"There is no service {service!r}; there are {known}.", ApplicationFault.UNKNOWN)

    @property
    def operations(self) -> Mapping[str, Mapping[str, Operation]]:
        """All operations, by service and method."""
        return self._services


def unsupported(call: Call) -> Refused:
    return Refused(f"storaged does not support {call.method}.")


def refused_by(error: Refused | StoragedError) -> Refused | None:
    """None for an error that is a fault of ours."""
    return error if isinstance(error, Refused) else refusal(error)


def _compile(codec: Codec, method: Method, entry: Handled | Streamed | None) -> Operation:
    thrown = next((error for error in method.throws if error.type.name == "RequestFailed"), None)
    return Operation(
        method=method,
        entry=entry,
        required=_required(method, entry) if isinstance(entry, Handled) else (),
        read=codec.arguments(method),
        write=codec.result(method),
        write_refused=None if thrown is None else codec.thrown(thrown),
    )


def _required(method: Method, entry: Handled) -> tuple[str, ...]:
    """Names of arguments whose parameters may not be None; raises TypeError when their numbers differ."""
    hints = get_type_hints(entry.handler)
    parameters = list(inspect.signature(entry.handler).parameters)[1:]
    if len(parameters) != len(method.arguments):
        raise TypeError(f"{entry.handler.__name__} takes {parameters}, {method.name} has {method.arguments}")
    pairs = zip(parameters, method.arguments, strict=True)
    return tuple(argument.name for name, argument in pairs if type(None) not in get_args(hints[name]))
