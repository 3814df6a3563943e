"""Paths of a store: made absolute, trimmed, matched against skip files. All are POSIX paths."""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def resolve(path: str, origin: str | None) -> str:
    """The path without `.`, `..` and doubled slashes; a relative one is relative to `origin`, if that is known."""
    return posixpath.normpath(posixpath.join(origin or "", path))


def trimmer(prefixes: Sequence[str]) -> Callable[[str], str]:
    """A function that cuts the longest matching prefix off a path.

    A prefix stands for a folder: a `/` is added when it has none at its end. It may have the wildcards of the shell,
    of which `*` and `?` match slashes too. `/` alone cuts nothing.
    """
    matches = [_glob(prefix if prefix.endswith("/") else prefix + "/") for prefix in prefixes]

    def trim(path: str) -> str:
        end = len(path)
        while (end := path.rfind("/", 0, end)) > 0:
            if any(match(path[: end + 1]) for match in matches):
                return path[end + 1 :]
        return path

    return trim


@dataclass(frozen=True, slots=True)
class SkipRules:
    """The lines of a skip file, in its order: whether a path that the glob matches is kept.

    `ignored` are the lines (number and text) that are no rules.
    """

    rules: tuple[tuple[bool, str], ...] = ()
    ignored: tuple[tuple[int, str], ...] = ()

    def matcher(self) -> Callable[[str], bool]:
        """A function that says whether reports on a path (not trimmed) are to be left out: the first match decides."""
        rules = [(keep, _glob(glob), _glob(glob + "/*")) for keep, glob in self.rules]

        def skipped(path: str) -> bool:
            verdicts = (not keep for keep, itself, below in rules if itself(path) or below(path))
            return next(verdicts, False)

        return skipped


def read_skip_file(text: str) -> SkipRules:
    """The rules of a skip file: `-glob` or `+glob`, where a glob also matches all below what it names.

    Empty lines and `#` comments are neither rules nor ignored.
    """
    rules: list[tuple[bool, str]] = []
    ignored: list[tuple[int, str]] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        glob = line[1:].strip()
        if line[:1] in ("+", "-") and glob:
            rules.append((line[0] == "+", posixpath.normpath(glob)))
        elif line and not line.startswith("#"):
            ignored.append((number, line))
    return SkipRules(tuple(rules), tuple(ignored))


def _glob(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(fnmatch.translate(pattern)).match
