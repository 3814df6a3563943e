"""The server itself."""

from functools import cache
from importlib.metadata import version
from typing import Final

from storaged.auth.permissions import Right
from storaged.thrift.calls import Call, Handled, Methods


@cache
def package_version() -> str:
    """What clients show as the version of the server."""
    return f"storaged {version('storaged')}"


async def get_package_version(_call: Call) -> str:
    return package_version()


METHODS: Final[Methods] = {"getPackageVersion": Handled(get_package_version, Right.ANYBODY)}
