"""What all tests share: one PostgreSQL for the session, a database of its own for each test."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from storaged.database.embedded import open_embedded
from storaged.database.engine import Engine, open_connection, open_engine
from storaged.database.migrate import migrate


def _server_from_environment() -> str | None:
    """STORAGED_TEST_DATABASE_URL names a server where tests may create databases, instead of the embedded one."""
    return os.environ.get("STORAGED_TEST_DATABASE_URL")


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would all processes that the tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@asynccontextmanager
async def _open_server(home: Path) -> AsyncIterator[str]:
    given = _server_from_environment()
    if given is not None:
        yield given
        return
    bindir = os.environ.get("STORAGED_TEST_PG_BINDIR")
    async with open_embedded(home, Path(bindir) if bindir else None) as dsn:
        await _hurry(dsn)
        yield dsn


async def _hurry(url: str) -> None:
    """Nothing in this server outlives the tests, and a database for each is made by way of the WAL.

    Clusters that tests start by themselves, to kill or to restart them, keep the settings of a daemon's.
    """
    for setting in ("fsync", "wal_compression"):
        await _execute(url, f"ALTER SYSTEM SET {setting} = off")
    await _execute(url, "SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running PostgreSQL with a migrated template database in it; yields the URL of its first database."""
    with asyncio.Runner() as runner:
        server = _open_server(tmp_path_factory.mktemp("postgres"))
        url = runner.run(server.__aenter__())
        try:
            runner.run(_make_template(url))
            yield url
        finally:
            runner.run(server.__aexit__(None, None, None))


async def _make_template(url: str) -> None:
    await _execute(url, f'CREATE DATABASE "{TEMPLATE}" TEMPLATE template0')
    connection = await open_connection(database_of(url, TEMPLATE))
    await migrate(connection)
    await connection.close()


TEMPLATE = f"storaged_template_{uuid4().hex}"


def database_of(url: str, name: str) -> str:
    """The same server's other database."""
    head, _, options = url.partition("?")
    return head.rsplit("/", 1)[0] + f"/{name}" + (f"?{options}" if options else "")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh database with the newest schema, dropped after the test."""
    name = f"test_{uuid4().hex}"
    await _execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    yield database_of(postgres_url, name)
    await _execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database without any schema."""
    name = f"test_{uuid4().hex}"
    await _execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield database_of(postgres_url, name)
    await _execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    async with open_engine(database_url, connections=6) as opened:
        yield opened
