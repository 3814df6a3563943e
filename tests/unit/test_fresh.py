"""A value that many ask for is made once in a while."""

import asyncio

import pytest

from storaged.fresh import Fresh


class Source:
    """Counts how often it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.made = 0
        self.broken = False

    async def make(self) -> int:
        await asyncio.sleep(0)
        if self.broken:
            raise OSError
        self.made += 1
        return self.made


async def test_those_who_ask_at_once_share_one_value() -> None:
    fresh = Fresh(Source().make, 3600)
    assert await asyncio.gather(*(fresh.get() for _ in range(5))) == [1] * 5
    assert await fresh.get() == 1


async def test_a_value_that_is_too_old_is_made_anew() -> None:
    fresh = Fresh(Source().make, 0)
    assert [await fresh.get(), await fresh.get()] == [1, 2]


async def test_who_asks_after_an_error_tries_again() -> None:
    source = Source()
    fresh = Fresh(source.make, 3600)
    source.broken = True
    with pytest.raises(OSError):
        await fresh.get()
    source.broken = False
    assert await fresh.get() == 1


async def test_who_gives_up_while_it_is_made_leaves_the_others_a_value() -> None:
    fresh = Fresh(Source().make, 3600)
    first, second = asyncio.ensure_future(fresh.get()), asyncio.ensure_future(fresh.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
