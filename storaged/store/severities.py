"""How grave a checker's reports are: the map that the package carries, overridden by the settings."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cache
from importlib.resources import files

from storaged.database.sql import Connection, load_queries

QUERIES = load_queries("checkers")


class Severity(IntEnum):
    """CodeChecker's grades, with the numbers of its API."""

    UNSPECIFIED = 0
    STYLE = 10
    LOW = 20
    MEDIUM = 30
    HIGH = 40
    CRITICAL = 50


class Severities:
    """Looks up (analyzer, checker); `overrides` has `checker` or `analyzer:checker` as keys."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        self._overrides = {key: Severity[name.upper()] for key, name in (overrides or {}).items()}

    def of(self, analyzer: str, checker: str) -> Severity:
        """The severity by the overrides, else by the packaged map, else UNSPECIFIED.

        The packaged map is asked by the checker's name alone, as CodeChecker does it: the same checker may come under
        another analyzer's name, or under none. A name that is not in it has the severity of the first name in it that
        it starts with: a new `clang-diagnostic-*` that of `clang-diagnostic`.
        """
        for found in (
            self._overrides.get(f"{analyzer}:{checker}"),
            self._overrides.get(checker),
            packaged_map().get(checker),
            _by_beginning(checker),
        ):
            if found is not None:
                return found
        return Severity.UNSPECIFIED

    def of_all(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {pair: int(self.of(*pair)) for pair in pairs}


@cache
def packaged_map() -> Mapping[str, Severity]:
    """Checker to severity by `severity.tsv` of the package, in the order of the names, each of which it has once."""
    lines = (files("storaged") / "severity.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = sorted(line.split("\t")[1:] for line in lines if line)
    return {checker: Severity[severity] for checker, severity in rows}


def _by_beginning(checker: str) -> Severity | None:
    return next((severity for name, severity in packaged_map().items() if checker.startswith(name)), None)


async def apply_severities(conn: Connection, severities: Severities) -> int:
    """Give the checkers that the database has the severities of this map; says how many changed."""
    changed = [
        (row["id"], int(severity))
        for row in await QUERIES["list_checkers"].fetch(conn)
        if (severity := severities.of(row["analyzer"], row["name"])) != row["severity"]
    ]
    return await QUERIES["set_severities"].execute(
        conn, ids=[pair[0] for pair in changed], severities=[pair[1] for pair in changed]
    )
