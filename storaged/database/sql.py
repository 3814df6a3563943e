"""Named queries from files: `-- name: claim_job` starts one, `:node` names a parameter.

`-- fragment: name` starts a piece of SQL that queries below it put in by a line `-- use: name`, those of other files by
`-- use: file.name`.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

_NAME = re.compile(r"^-- (name|fragment): *(\w+)\s*$", re.MULTILINE)
_USE = re.compile(r"^ *-- use: *(?:(\w+)\.)?(\w+)$", re.MULTILINE)
# A parameter; not a cast (`::text`), not what stands in a literal or a comment.
_PARAMETER = re.compile(r"'(?:[^']|'')*'|--[^\n]*|(?<![:\w]):([a-z_][a-z0-9_]*)")


class Connection(Protocol):
    """What queries need of a connection; asyncpg's connections and pooled connections have it."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...
    async def executemany(self, command: str, args: Sequence[Sequence[Any]]) -> None: ...
    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: Any,
        columns: Sequence[str],
        format: str | None = None,  # noqa: A002 (its name)
    ) -> str: ...
    def transaction(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Query:
    """One named query; `text` has `$n` where the file has `:name`."""

    name: str
    text: str
    parameters: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters; raises TypeError when a name is missing or too many."""
        if values.keys() != set(self.parameters):
            raise TypeError(f"query {self.name} takes {sorted(self.parameters)}, got {sorted(values)}")
        return [values[name] for name in self.parameters]

    async def fetch(self, conn: Connection, **values: Any) -> list[Any]:
        return await conn.fetch(self.text, *self.arguments(values))

    async def row(self, conn: Connection, **values: Any) -> Any:
        """The first row, or None."""
        return await conn.fetchrow(self.text, *self.arguments(values))

    async def value(self, conn: Connection, **values: Any) -> Any:
        """The first column of the first row, or None."""
        return await conn.fetchval(self.text, *self.arguments(values))

    async def execute(self, conn: Connection, **values: Any) -> int:
        """Run it and say how many rows it touched."""
        status = await conn.execute(self.text, *self.arguments(values))
        count = status.rsplit(" ", 1)[-1]
        return int(count) if count.isdecimal() else 0

    async def execute_many(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it with the values of each row, all on their way at once."""
        await conn.executemany(self.text, [self.arguments(row) for row in rows])


@asynccontextmanager
async def planned_anew(conn: Connection) -> AsyncIterator[None]:
    """A transaction in which each statement is planned for its values.

    A plan that is made once for all filters of a list cannot use an index for any; and to compile one takes longer than
    to run it.
    """
    async with conn.transaction():
        await conn.execute(
            "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)"
        )
        yield


@asynccontextmanager
async def snapshot(conn: Connection) -> AsyncIterator[None]:
    """A transaction in which all statements see the same state of the database, and none changes it."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def sql_folder() -> Path:
    """`sql/` beside the package in a checkout, `storaged/sql` in an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


def parse_queries(text: str) -> dict[str, Query]:
    """All named queries of one file's text; raises KeyError for a fragment that is not there."""
    pieces, _ = _pieces(text)
    return {name: _parse(name, body) for name, body in pieces.items()}


@cache
def load_queries(file: str) -> Mapping[str, Query]:
    """The queries of `sql/queries/<file>.sql`."""
    return parse_queries(_read(file))


def like_pattern(glob: str) -> str:
    """`*` as LIKE's `%`, everything else as it stands."""
    escaped = re.sub(r"([\\%_])", r"\\\1", glob)
    return escaped.replace("*", "%")


def _read(file: str) -> str:
    return (sql_folder() / "queries" / f"{file}.sql").read_text(encoding="utf-8")


@cache
def _fragments(file: str) -> Mapping[str, str]:
    return _pieces(_read(file))[1]


def _pieces(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The bodies of queries and of fragments by their names, with the fragments that they use put in."""
    parts = _NAME.split(text)[1:]
    queries: dict[str, str] = {}
    fragments: dict[str, str] = {}
    for kind, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        whole = _USE.sub(lambda use: (_fragments(use[1]) if use[1] else fragments)[use[2]], body)
        if kind == "fragment":
            fragments[name] = whole.strip()
        else:
            queries[name] = whole
    return queries, fragments


def _parse(name: str, body: str) -> Query:
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        parameter = match.group(1)
        if parameter is None:
            return match.group(0)
        if parameter not in names:
            names.append(parameter)
        return f"${names.index(parameter) + 1}"

    return Query(name, _PARAMETER.sub(number, body).strip(), tuple(names))
