"""Texts that the operator shows to all: there is no banner."""

from typing import Final

from storaged.auth.permissions import Right
from storaged.thrift.calls import Call, Handled, Methods


async def get_banner(_call: Call) -> str:
    """Base64 of the text."""
    return ""


METHODS: Final[Methods] = {"getNotificationBannerText": Handled(get_banner, Right.ANYBODY)}
