"""Lists of reports that clients page through by offset: found once, then read page by page."""

import hashlib
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from aiohttp import web

# A client asks for the next page as soon as it has read one; a person reads for a while.
KEEP_SECONDS: Final = 60.0
# 8 bytes for each report: 200,000 of them are 1.6 MB.
KEEP_LISTS: Final = 16


class FoundLists:
    """The ids of the lists that were asked for of late, so that a page costs the reading of its reports alone.

    It is also what keeps pages from overlapping when a store changes the run between them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # The one that was used last is last.
        self._lists: dict[bytes, tuple[float, array[int]]] = {}

    def remember(self, key: bytes, ids: Sequence[int]) -> None:
        self._lists.pop(key, None)
        self._lists[key] = (self._clock(), array("q", ids))
        while len(self._lists) > KEEP_LISTS:
            del self._lists[next(iter(self._lists))]

    def recall(self, key: bytes) -> Sequence[int] | None:
        """None for a list that is not remembered (any more); each use makes it remembered anew."""
        used, ids = self._lists.pop(key, (0.0, None))
        if ids is None or self._clock() - used > KEEP_SECONDS:
            return None
        self._lists[key] = (self._clock(), ids)
        return ids


FOUND_LISTS: Final = web.AppKey("found_lists", FoundLists)


def list_key(*asked: Any) -> bytes:
    """Equal for what asks for the same list; short, however long that is."""
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()
