"""JSON documents of an archive, checked where they are read: an error names the document and the place in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from storaged.errors import BadArchive
from storaged.model import storable

T = TypeVar("T")

COUNT_MAX: Final = 2**31 - 1


def read_document(entry: str, data: bytes) -> "Node":
    """The object that the document is; `entry` is its name. Raises BadArchive."""
    try:
        root = Node(orjson.loads(data), entry)
    except orjson.JSONDecodeError as error:
        raise BadArchive(f"{entry} is not JSON: {error}.") from error
    root.typed(dict)
    return root


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the name of its place. What is asked of it and is not there raises BadArchive."""

    value: Any
    place: str

    def typed(self, kind: type[T], *others: type[T]) -> T:
        """The value, of one of the types exactly; text such that PostgreSQL can hold it."""
        if type(self.value) not in {kind, *others}:  # not isinstance: true would pass for a number
            raise BadArchive(f"{self.place} is {_KINDS[type(self.value)]}, not {_KINDS[kind]}.")
        value: Any = storable(self.value) if isinstance(self.value, str) else self.value
        return value  # type: ignore[no-any-return]  # T, as was checked

    def at(self, key: str) -> "Node":
        """A member of an object; null when there is none."""
        return Node(None if self.value is None else self.typed(dict).get(key), f"{self.place}: {key:.100}")

    def maybe(self, key: str, kind: type[T], *others: type[T]) -> T | None:
        """A member of an object, or None."""
        node = self.at(key)
        return None if node.value is None else node.typed(kind, *others)

    def count(self, key: str) -> int | None:
        """A number that the database's integers hold, or None."""
        count = self.maybe(key, int)
        if count is not None and not 0 <= count <= COUNT_MAX:
            raise BadArchive(f"{self.at(key).place} is {count}, not between 0 and {COUNT_MAX}.")
        return count

    def names(self) -> list[str]:
        """The names of an object's members; null has none."""
        return [] if self.value is None else list(self.typed(dict))

    def elements(self) -> list["Node"]:
        """The elements of an array; null has none."""
        elements: list[Any] = [] if self.value is None else self.typed(list)
        return [Node(element, f"{self.place}[{index}]") for index, element in enumerate(elements)]

    def texts(self) -> tuple[str, ...]:
        """The elements of an array of text; null has none."""
        return tuple(element.typed(str) for element in self.elements())


_KINDS: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
