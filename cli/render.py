"""Data for stdout: plain lines, tables that fit the terminal, JSON."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from unicodedata import combining, east_asian_width

from .notices import wrap

SEVERITIES = {0: "UNSPECIFIED", 10: "STYLE", 20: "LOW", 30: "MEDIUM", 40: "HIGH", 50: "CRITICAL"}
ROWS_TO_MEASURE = 200
GAP, INDENT = "  ", "    "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. It shrinks to `minimum` where the terminal is narrow; `tail` keeps the end of a text."""

    title: str
    minimum: int
    tail: bool = False
    right: bool = False


def severity_name(severity: int) -> str:
    """The name of a severity; of one between two steps, the lower step's."""
    return SEVERITIES[max((step for step in SEVERITIES if step <= severity), default=0)]


def write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")


def write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_json_list(values: Iterable[Mapping[str, Any]]) -> None:
    """One valid JSON list, an object a line, written while the values come."""
    start = "["
    for value in values:
        sys.stdout.write(f"{start}\n{json.dumps(value, ensure_ascii=False)}")
        start = ","
    sys.stdout.write("[]\n" if start == "[" else "\n]\n")


def one_line(text: object) -> str:
    """A text as one line that cannot steer the terminal: what is not printable becomes a space."""
    shown = "" if text is None else str(text)
    return shown if shown.isprintable() else "".join(mark if mark.isprintable() else " " for mark in shown)


def size(count: float) -> str:
    """Bytes, as 12 kB or 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def terminal_width() -> int:
    """Columns of the terminal, or COLUMNS; 80 where there is neither."""
    return shutil.get_terminal_size().columns


def tabulate(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], width: int, *, whole: bool = False
) -> Iterator[str]:
    """Lines of a table at most `width` wide. Cells that a row has more than there are columns go on lines below it.

    Without rows there is none, not even the titles. Widths come from the first rows: a long table is written while it
    comes. With `whole` what is cut in the row stands below it, too, and what is below is wrapped instead of cut.
    """
    texts = ([one_line(cell) for cell in row] for row in rows)
    first = list(islice(texts, ROWS_TO_MEASURE))
    if not first:
        return
    widths = fit_widths(columns, first, width)
    yield _line(columns, [column.title for column in columns], widths)
    for row in chain(first, texts):
        yield _line(columns, row, widths)
        yield from _wrapped_below(row, widths, width) if whole else _cut_below(row, widths, width)


def _cut_below(row: Sequence[str], widths: Sequence[int], width: int) -> Iterator[str]:
    return (INDENT + cut(below, width - len(INDENT)) for below in row[len(widths) :])


def _wrapped_below(row: Sequence[str], widths: Sequence[int], width: int) -> Iterator[str]:
    """A path is never broken, so that it can be copied."""
    cut_off = [cell for cell, room in zip(row, widths, strict=False) if display_width(cell) > room]
    return (line for below in [*cut_off, *row[len(widths) :]] for line in wrap(INDENT + below, width))


def fit_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """What each column needs, less what must be taken from the widest ones to fit into `width`."""
    cells = [[column.title, *(row[index] for row in rows)] for index, column in enumerate(columns)]
    widths = [max(map(display_width, column)) for column in cells]
    spare = width - len(GAP) * (len(columns) - 1)
    while sum(widths) > spare:
        index = max(range(len(columns)), key=lambda at: (widths[at] > columns[at].minimum, widths[at]))
        if widths[index] <= columns[index].minimum:
            break
        widths[index] -= 1
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (_cell(column, text, size) for column, text, size in zip(columns, row, widths, strict=False))
    return GAP.join(cells).rstrip()


def _cell(column: Column, text: str, width: int) -> str:
    shown = cut(text, width, tail=column.tail)
    fill = " " * (width - display_width(shown))
    return fill + shown if column.right else shown + fill


def cut(text: str, width: int, *, tail: bool = False) -> str:
    """The text in at most `width` columns; an ellipsis stands for what is cut off."""
    if display_width(text) <= width:
        return text
    kept = text[::-1] if tail else text
    size = 0
    for index, mark in enumerate(kept):
        size += _mark_width(mark)
        if size > width - 1:
            kept = kept[:index]
            break
    return "…" + kept[::-1] if tail else kept + "…"


def display_width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_mark_width, text))


def _mark_width(mark: str) -> int:
    if combining(mark):
        return 0
    return 2 if east_asian_width(mark) in {"W", "F"} else 1
