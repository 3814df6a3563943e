"""What a call is to its handler, and how a handler is entered in a service's table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from storaged.api.keys import SERVICES, Services
from storaged.auth.permissions import Right
from storaged.store.products import Product
from storaged.thrift.faults import Refused

# The newest version of the API; older clients send less, and skip what they do not know.
MAJOR: Final = 6
MINOR: Final = 74
# How CodeChecker names whoever has not logged in.
NOBODY: Final = "Anonymous"


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way to a handler."""

    request: web.Request
    method: str
    # The product of the URL; None in calls to the server itself.
    routed: Product | None
    # The minor version of the API that the client speaks.
    minor: int

    @property
    def services(self) -> Services:
        """The parts of the daemon."""
        return self.request.app[SERVICES]

    @property
    def product(self) -> Product:
        """The product of the URL; raises Refused where the URL names none."""
        if self.routed is None:
            raise Refused(f"{self.method} is of a product: the URL must name one, such as /Default/v{MAJOR}.{MINOR}.")
        return self.routed


@dataclass(frozen=True, slots=True)
class Handled:
    """A handler takes the call and its arguments, in the order of the interface, and returns the answer.

    An argument that did not come is None; where the handler's annotation does not allow that, the call is refused.
    It raises Refused, or StoragedErrors that have a row in `faults.CODES`.
    """

    handler: Callable[..., Awaitable[Any]]
    right: Right


@dataclass(frozen=True, slots=True)
class Streamed:
    """A handler that is given the body, not its arguments: for calls whose body is too large to be held.

    The body is the whole message, `[1,"method",1,sequence,{arguments}]`, in pieces; reading it raises UploadIncomplete.
    What it read of the message's arguments the handler gives to `Arguments`. It may raise BadMessage.
    """

    handler: Callable[[Call, AsyncIterator[bytes], "Arguments"], Awaitable[Any]]
    right: Right


# Arguments as they stand in a message, to their values in the order of the interface, None for what did not come.
Arguments = Callable[[Any], list[Any]]

Methods = Mapping[str, Handled | Streamed]
