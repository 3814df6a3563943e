"""The line of the source that a report is about, with a mark below the place."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .client import JsonObject
from .render import display_width, one_line

FILES_KEPT = 16
TAB = 4


class Snippets:
    """Sources on this machine; paths of reports are completed with the prefixes that were cut off them."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        self._prefixes = prefixes
        self._lines = lru_cache(FILES_KEPT)(_read_lines)

    def of(self, report: JsonObject) -> Iterator[str]:
        """The line and the mark; nothing where there is no such line."""
        line = self._line(str(report["file"]), int(report["line"]))
        if line is None or not line.strip():
            return
        before = line[: max(int(report["column"]) - 1, 0)]
        code = line.lstrip()
        yield one_line(code.rstrip().expandtabs(TAB))
        mark = max(len(before) - (len(line) - len(code)), 0)
        yield " " * display_width(one_line(code[:mark].expandtabs(TAB))) + "^"

    def _line(self, file: str, number: int) -> str | None:
        for path in (file, *(f"{prefix.rstrip('/')}/{file}" for prefix in self._prefixes)):
            lines = self._lines(path)
            if lines is not None:
                return lines[number - 1] if 0 < number <= len(lines) else None
        return None


def _read_lines(path: str) -> list[str] | None:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return list(islice(file, 1_000_000))
    except (OSError, ValueError):
        return None
