"""The pool of connections to PostgreSQL, and what each connection is set to."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
import orjson
import structlog

from storaged.database.sql import Connection
from storaged.errors import DatabaseUnavailable, SchemaError

log = structlog.get_logger(__name__)

OLDEST_SERVER = 14

# What a statement raises when the server is shut down, or goes away, under it.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    ConnectionError,
)
# What a statement raises that may succeed later: no room, too many connections, cancelled, a deadlock, a standby.
NOT_NOW = (
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
# What asyncpg and the socket raise when the server is away, restarting, or closed the connection.
CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
)
# A server that does not answer at all is away, too: how long a new connection, a free one of the pool, and the end of
# the pool are waited for.
CONNECT_SECONDS = 10.0
ACQUIRE_SECONDS = 30.0
CLOSE_SECONDS = 5.0
# How long a block may go on after its connection has ended; statements hear of it at once.
GIVE_UP_SECONDS = 1.0
# Who asks the database again and again goes on after these: it may come back, or take what it refuses now.
DATABASE_SICK = (DatabaseUnavailable, asyncpg.PostgresError)

_HOST = r"(\[[0-9a-fA-F:.%]+\]|[^][:/?#@,]*)(:\d+)?"
_DSN = re.compile(rf"postgres(ql)?://([^/?#@]*@)?{_HOST}(,{_HOST})*(/[^/?#@]*)?(\?[^#]*)?")


class Engine:
    """A pool of connections; the caller of `begin` owns the transaction that it opens."""

    def __init__(self, pool: asyncpg.Pool, dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection without a transaction: each statement is its own.

        Raises DatabaseUnavailable when there is none, when the server cannot do now what the block asks, and when the
        connection is lost in the block: then nobody knows whether the last statement, a COMMIT perhaps, was done.
        """
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except CONNECTION_ERRORS as error:
            raise DatabaseUnavailable(f"The database gives no connection: {error}") from error
        try:
            async with self._released(connection), _given_up_when_lost(connection):
                yield connection
        except LOST as error:
            raise _lost(error) from error
        except NOT_NOW as error:
            raise DatabaseUnavailable(f"The database cannot do it now: {error}") from error

    @asynccontextmanager
    async def _released(self, connection: Any) -> AsyncIterator[None]:
        try:
            yield
        except (asyncpg.InterfaceError, RuntimeError) as error:
            # What asyncpg, and uvloop below it, say of a connection that is closed, and of wrong use.
            if _is_gone(connection):
                raise _lost(error) from error
            raise
        except asyncpg.InternalClientError as error:
            # What asyncpg says between the server's word that it ends the connection and the end itself.
            connection.terminate()
            raise _lost(error) from error
        finally:
            await self._release(connection)

    async def _release(self, connection: Any) -> None:
        """Give it back; one that cannot be given back was lost after its use, and the pool has thrown it away."""
        try:
            await self._pool.release(connection)
        except CONNECTION_ERRORS as error:
            log.debug("connection lost after its use", error=str(error))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """A connection within a transaction, committed when the block ends without an error."""
        async with self.connect() as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def _given_up_when_lost(connection: Any) -> AsyncIterator[None]:
    """Cancel a block that still waits for a connection which has ended.

    asyncpg (0.32) does so for ever in a COPY whose socket was full: nobody tells it that it may write again.
    """
    loop = asyncio.get_running_loop()
    waiting = asyncio.timeout(None)
    in_block = True

    def on_termination(_connection: object) -> None:
        if in_block:
            waiting.reschedule(loop.time() + GIVE_UP_SECONDS)

    connection.add_termination_listener(on_termination)
    try:
        async with waiting:
            try:
                yield
            finally:
                in_block = False
    except TimeoutError as error:
        if waiting.expired():
            raise DatabaseUnavailable(
                "The connection to the database was lost in the middle of a statement."
            ) from error
        raise
    finally:
        if not _is_gone(connection):
            connection.remove_termination_listener(on_termination)


@asynccontextmanager
async def open_engine(dsn: str, *, connections: int = 10) -> AsyncIterator[Engine]:
    """Open the pool; raises DatabaseUnavailable, or SchemaError for a server older than PostgreSQL 14."""
    try:
        pool = await asyncpg.create_pool(
            dsn, min_size=1, max_size=connections, init=prepare_connection, timeout=CONNECT_SECONDS
        )
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise cannot_connect(dsn, error) from error
    try:
        await _check_server(pool)
        yield Engine(pool, dsn)
    finally:
        await _close(pool)


def cannot_connect(dsn: str, error: Exception) -> DatabaseUnavailable:
    """Names the database and its host, and never the password, of which a URL that cannot be read may show a part."""
    what = describe_dsn(dsn)
    if what is None:
        return DatabaseUnavailable(
            "The URL of the database cannot be read. It looks like postgresql://user:password@host:5432/database; "
            "marks such as @ : / # in a password are written %40 %3A %2F %23."
        )
    why = str(error) or ("it does not answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
    return DatabaseUnavailable(f"Cannot connect to {what}: {why}")


def describe_dsn(dsn: str) -> str | None:
    """The database, its host and its user; None for what is no URL of PostgreSQL."""
    match = _DSN.fullmatch(dsn)
    if match is None:
        return None
    parts = urlsplit(dsn)
    options = dict(parse_qsl(parts.query))
    host = options.get("host") or parts.netloc.rpartition("@")[2] or os.environ.get("PGHOST") or "the local socket"
    database = options.get("dbname") or options.get("database") or unquote(parts.path.lstrip("/"))
    user = options.get("user") or (unquote(parts.username) if parts.username else None)
    return f"database {database or '(the default)'} at {host}{f' as {user}' if user else ''}"


async def open_connection(dsn: str) -> asyncpg.Connection:
    """One connection of its own, set up as those of the pool; the caller closes it."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise cannot_connect(dsn, error) from error
    try:
        await prepare_connection(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _close(pool: asyncpg.Pool) -> None:
    """Close the connections, or cut them when the server says nothing."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        log.warning("the database does not answer: its connections are cut")
        pool.terminate()


async def prepare_connection(connection: asyncpg.Connection) -> None:
    """JSON columns are Python values on both sides."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode, decoder=orjson.loads)


def _encode(value: Any) -> str:
    return orjson.dumps(value).decode()


def _is_gone(connection: Any) -> bool:
    """The pool takes back a connection as soon as it is closed; then it cannot even be asked."""
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:
        return True
    return closed


def _lost(error: Exception) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The connection to the database was lost: {error}")


async def _check_server(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        version = connection.get_server_version()
        encoding = await connection.fetchval("SHOW server_encoding")
    if version.major < OLDEST_SERVER:
        raise SchemaError(f"The database runs PostgreSQL {version.major}; storaged needs {OLDEST_SERVER} or newer.")
    if encoding != "UTF8":
        raise SchemaError(f"The database's encoding is {encoding}; storaged needs one created with ENCODING 'UTF8'.")
