"""Lists of reports that are remembered between the pages of a client."""

from storaged.thrift.paging import KEEP_LISTS, KEEP_SECONDS, FoundLists, list_key
from storaged.thrift.structs import Order, SortType


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_list_is_remembered_as_long_as_it_is_used() -> None:
    clock = Clock()
    lists = FoundLists(clock)
    lists.remember(b"a", [3, 1, 2])
    for _ in range(3):
        clock.now += KEEP_SECONDS
        assert list(lists.recall(b"a") or ()) == [3, 1, 2]
    clock.now += KEEP_SECONDS + 1
    assert lists.recall(b"a") is None


def test_the_list_that_was_not_used_for_the_longest_time_makes_room() -> None:
    lists = FoundLists()
    lists.remember(b"first", [1])
    lists.remember(b"second", [2])
    for number in range(KEEP_LISTS - 1):
        lists.recall(b"first")
        lists.remember(b"%d" % number, [number])
    assert lists.recall(b"second") is None
    assert list(lists.recall(b"first") or ()) == [1]


def test_a_list_that_is_found_anew_takes_the_place_of_the_old_one() -> None:
    lists = FoundLists()
    lists.remember(b"a", [1, 2])
    lists.remember(b"a", [])
    found = lists.recall(b"a")
    assert found is not None
    assert list(found) == []


def test_equal_questions_have_one_key() -> None:
    asked = {"isUnique": True, "checkerName": ["ä"]}, [{"type": SortType.SEVERITY, "ord": Order.DESC}]
    again = {"checkerName": ["ä"], "isUnique": True}, [{"ord": Order.DESC, "type": SortType.SEVERITY}]
    assert list_key(1, *asked) == list_key(1, *again) != list_key(2, *asked)
