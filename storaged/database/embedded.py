"""The embedded PostgreSQL: its first user starts it, all share it, its last stops it (docs/embedded-postgres.md)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import structlog

from storaged.database.postgres_binaries import Binaries, find_binaries
from storaged.database.postgres_home import (
    NAME,
    PORT,
    PostgresHome,
    exists,
    find_home,
    open_home,
    remove_short_socket_folder,
)
from storaged.database.postgres_locks import (
    POLL_SECONDS,
    FileLock,
    try_exclusive,
    try_shared,
    wait_for_exclusive,
)
from storaged.database.postgres_server import interrupt, last_words, launch
from storaged.errors import EmbeddedPostgresError
from storaged.tasks import running

# A start may replay max_wal_size of WAL after a crash, on a slow disk.
START_LIMIT_SECONDS = 600.0
STOP_LIMIT_SECONDS = 120.0
# How often it is seen whether the server still runs; a look is a system call.
LOOK_SECONDS = 1.0

# What a connection ends with while the server starts, recovers or shuts down, or when there is none.
_NOT_YET = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_embedded(home: Path, bindir: Path | None = None) -> AsyncIterator[str]:
    """Run PostgreSQL in `home` while the block runs; yields the DSN of its database `storaged`.

    Starts the server, or joins the one that runs there; whoever is the last to leave stops it. One that ends meanwhile,
    killed by somebody, is started again. `bindir` has PostgreSQL's programs, when not those of the wheel are wanted.
    Raises EmbeddedPostgresError.
    """
    place = await asyncio.to_thread(open_home, home)
    with ExitStack() as held:
        async with wait_for_exclusive(place.start_lock, START_LIMIT_SECONDS):
            users = held.enter_context(_join(place))
            try:
                await _run(place, bindir)
            except BaseException:
                await _stop_if_last(place, users)
                raise
        try:
            async with running(_keep_running(place, bindir)):
                yield place.dsn()
        finally:
            async with wait_for_exclusive(place.start_lock, START_LIMIT_SECONDS):
                await _stop_if_last(place, users)


async def stop_embedded(home: Path, bindir: Path | None = None) -> bool:
    """Stop the server in `home` that a killed daemon left running; False when none runs.

    Raises EmbeddedPostgresError when a living process still uses it. `bindir` is not needed to stop a server.
    """
    place = find_home(home)
    if place is None:
        return False
    async with wait_for_exclusive(place.start_lock, START_LIMIT_SECONDS):
        with ExitStack() as held:
            users = try_exclusive(place.users_lock)
            if users is None:
                raise EmbeddedPostgresError(
                    f"A storaged process still uses the embedded PostgreSQL in {place.path}. Stop it first: it stops "
                    f"the server when it ends (`fuser {place.users_lock}` names it)."
                )
            held.enter_context(users)
            return await _stop(place)


def psql_command(home: Path, bindir: Path | None = None) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a psql on the running server; raises EmbeddedPostgresError."""
    place = find_home(home)
    if place is None or not exists(place.socket):
        raise EmbeddedPostgresError(
            f"No embedded PostgreSQL runs in {home}. Start storaged, or name its data folder with --data-dir."
        )
    psql = find_binaries(place.path, bindir, place.major_version()).program("psql")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "LD_LIBRARY", "LD_PRELOAD"))
    }
    return [str(psql), "-h", str(place.sockets), "-p", str(PORT), "-U", NAME, "-d", NAME], environment


def _join(place: PostgresHome) -> FileLock:
    users = try_shared(place.users_lock)
    if users is None:  # only who holds the start lock takes it exclusively, and that is us
        raise EmbeddedPostgresError(f"Something that is not storaged holds {place.users_lock}. End it.")
    return users


async def _run(place: PostgresHome, bindir: Path | None) -> None:
    """See to it that the server runs and has its database, whatever an earlier life has left behind."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    launched = False
    while not await _has_database(place):
        launched = await _launch_if_none_runs(place, bindir, launched)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL in {place.path} has taken no connections for {START_LIMIT_SECONDS:.0f} "
                f"seconds. `fuser {place.server_lock}` names its processes. {last_words(place)}"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _keep_running(place: PostgresHome, bindir: Path | None) -> None:
    """Start the server again when it has ended: nobody may stop it while there are users, so it was killed."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not _has_ended(place):
            continue
        _log.warning("the embedded PostgreSQL has ended; it is started again", last_words=last_words(place))
        try:
            async with wait_for_exclusive(place.start_lock, START_LIMIT_SECONDS):
                await _run(place, bindir)
        except (EmbeddedPostgresError, OSError) as error:
            _log.warning("cannot start the embedded PostgreSQL again yet", error=str(error))


def _has_ended(place: PostgresHome) -> bool:
    """Each process of the server holds its lock."""
    lock = try_exclusive(place.server_lock)
    if lock is None:
        return False
    lock.close()
    return True


async def _launch_if_none_runs(place: PostgresHome, bindir: Path | None, launched: bool) -> bool:
    """Answers whether this process has launched the server, now or before; raises when it has ended since."""
    lock = try_exclusive(place.server_lock)
    if lock is None:  # it starts, or recovers; or processes of a killed one are still at work, and are waited for
        return launched
    if launched:
        lock.close()
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {place.path} ended while it started. {last_words(place)}"
        )
    binaries = await _to_the_end(lambda: launch(place, bindir, lock))
    _log.info("started the embedded PostgreSQL", home=str(place.path), version=binaries.version)
    return True


async def _to_the_end(work: Callable[[], Binaries]) -> Binaries:
    """Run it in a thread, and wait for its end even when cancelled: it must not go on after the start lock is free."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        task.exception()  # has been looked at: the cancellation tells more
        raise asyncio.CancelledError
    return task.result()


async def _has_database(place: PostgresHome) -> bool:
    """Whether the server takes connections; creates the database when it does and has none."""
    try:
        connection = await asyncpg.connect(place.dsn("postgres"))
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"May not connect to {place.socket}: {error.strerror}. "
            "Run storaged as the OS user that owns its data folder."
        ) from error
    except _NOT_YET:
        return False
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {place.path} runs but lets nobody in: {error} See {place.log}."
        ) from error
    try:
        await _create_database(connection)
    finally:
        await connection.close()
    return True


async def _create_database(connection: asyncpg.Connection) -> None:
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", NAME):
        await connection.execute(f"CREATE DATABASE {NAME}")


async def _stop_if_last(place: PostgresHome, users: FileLock) -> None:
    """Leave, under the start lock: of two who leave at once, one is the last."""
    with users:
        if users.make_exclusive():
            await _stop(place)


async def _stop(place: PostgresHome) -> bool:
    """Shut the server down, fast; answers whether one ran. It has ended when its lock is free."""
    deadline = time.monotonic() + STOP_LIMIT_SECONDS
    asked: set[int] = set()
    ran = False
    while (lock := try_exclusive(place.server_lock)) is None:
        ran = True
        interrupt(place, asked)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL in {place.path} has not ended {STOP_LIMIT_SECONDS:.0f} seconds after it was "
                f"asked to. `fuser {place.server_lock}` names its processes. {last_words(place)}"
            )
        await asyncio.sleep(POLL_SECONDS)
    with lock:
        remove_short_socket_folder(place)
    return ran
