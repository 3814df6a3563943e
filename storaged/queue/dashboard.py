"""The operator's questions to the queue: the queries of sql/dashboard/, as they stand there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from storaged.database.engine import Engine
from storaged.database.sql import Connection, sql_folder
from storaged.fresh import Fresh

Row = dict[str, Any]

NAMES = ("queue", "waiting", "waits", "processing", "latest", "failures", "failed", "nodes", "running", "database")

_ABOUT = re.compile(r"(?:--[^\n]*\n)+")


@dataclass(frozen=True, slots=True)
class DashboardQuery:
    """One file: what it tells, as its comment has it, and the statement, which takes no parameters."""

    name: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a query, and when they were read."""

    at: datetime
    rows: list[Row]


def load_dashboard() -> Mapping[str, DashboardQuery]:
    """The queries in the order in which an operator looks."""
    return {name: _load(name) for name in NAMES}


def _load(name: str) -> DashboardQuery:
    text = (sql_folder() / "dashboard" / f"{name}.sql").read_text(encoding="utf-8")
    comment = _ABOUT.match(text)
    if comment is None:
        raise ValueError(f"sql/dashboard/{name}.sql does not begin with a comment that tells what it shows.")
    about = "\n".join(line.removeprefix("--").removeprefix(" ") for line in comment[0].splitlines())
    return DashboardQuery(name, about, text[comment.end() :].rstrip().removesuffix(";"))


QUERIES = load_dashboard()


async def ask(conn: Connection, name: str) -> list[Row]:
    """The rows of the query as they are now."""
    return [dict(row) for row in await conn.fetch(QUERIES[name].text)]


class Dashboard:
    """Answers that are shared by all who ask within `fresh_seconds`, so that many lookers cost as much as one."""

    def __init__(self, engine: Engine, fresh_seconds: float = 1.0) -> None:
        self._engine = engine
        self._answers = {name: Fresh(partial(self._ask, name), fresh_seconds) for name in QUERIES}

    async def answer(self, name: str) -> Answer:
        """The query's answer, at most `fresh_seconds` old. Raises DatabaseUnavailable."""
        return await self._answers[name].get()

    async def _ask(self, name: str) -> Answer:
        async with self._engine.connect() as conn:
            return Answer(datetime.now(UTC), await ask(conn, name))
