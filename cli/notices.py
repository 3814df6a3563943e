"""Lines for the person at the terminal: on stderr, wrapped where it is one."""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar

Thing = TypeVar("Thing")
COMMAND = "  storectl "
"""How a line begins that is a command to copy: it is not wrapped, since in two lines it would be two commands."""
_QUOTED = re.compile(r"`[^`]+`")
_HELD = "\0"


def tell(message: str, stream: IO[Any] | None = None) -> None:
    """Write lines to stderr; only a terminal gets them wrapped, so that logs keep one line a fact."""
    out = stream or sys.stderr
    text = fit(message, shutil.get_terminal_size().columns) if out.isatty() else message.rstrip("\n")
    out.write(text + "\n")
    out.flush()


def fit(message: str, width: int) -> str:
    """The lines, each wrapped."""
    return "\n".join(wrapped for line in message.splitlines() for wrapped in wrap(line, width) or [""])


def noted_if_empty(things: Iterable[Thing], message: str) -> Iterator[Thing]:
    """The things as they come; the message is told when there are none."""
    empty = True
    for thing in things:
        empty = False
        yield thing
    if empty:
        tell(message)


def wrap(line: str, width: int) -> list[str]:
    """Lines of at most `width` columns; what is indented stays so.

    Never broken are a path, a token, a command in backticks, and a line that is a COMMAND.
    """
    if line.startswith(COMMAND):
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    held = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", _HELD), line.lstrip())
    wrapped = textwrap.wrap(
        held,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [part.replace(_HELD, " ") for part in wrapped]
