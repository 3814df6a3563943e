"""Which version this client is."""

from functools import cache
from importlib.metadata import version


@cache
def client_name() -> str:
    """`storectl <version>`; client and daemon are one distribution."""
    return f"storectl {version('storaged')}"
