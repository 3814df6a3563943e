"""A value that many ask for and that is made once in a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """Who asks gets a value at most `seconds` old; those who ask while it is being made get the same one."""

    def __init__(self, make: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._known: tuple[float, T] | None = None

    async def get(self) -> T:
        """The value; raises what making it raises, and then the next who asks tries again."""
        async with self._lock:
            if self._known is not None and time.monotonic() - self._known[0] < self._seconds:
                return self._known[1]
            value = await self._make()
            self._known = time.monotonic(), value
            return value
