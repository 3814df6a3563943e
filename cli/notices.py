"""Lines for the person at the terminal: on stderr, wrapped where it is one."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar

Thing = TypeVar("Thing")


def tell(message: str, stream: IO[Any] | None = None) -> None:
    """Write lines to stderr; only a terminal gets them wrapped, so that logs keep one line a fact."""
    out = stream or sys.stderr
    lines = message.splitlines()
    if out.isatty():
        width = shutil.get_terminal_size().columns
        lines = [wrapped for line in lines for wrapped in wrap(line, width) or [""]]
    out.write("\n".join(lines) + "\n")
    out.flush()


def noted_if_empty(things: Iterable[Thing], message: str) -> Iterator[Thing]:
    """The things as they come; the message is told when there are none."""
    empty = True
    for thing in things:
        empty = False
        yield thing
    if empty:
        tell(message)


def wrap(line: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a path or a token is never broken, and what is indented stays so."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.lstrip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
