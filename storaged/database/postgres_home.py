"""The folder of an embedded PostgreSQL: what is where in it, and on what it may lie."""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from storaged.database.postgres_accounts import Account, account_of, may_use
from storaged.errors import EmbeddedPostgresError

NAME = "storaged"  # of the database, of its owner and of the ident map
PORT = 5432  # on a Unix socket, no more than a part of its name
# sun_path holds 108 bytes on Linux and 104 on macOS, one of them the closing NUL.
_SOCKET_PATH_LIMIT = 103
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs"}


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """Names within the folder; `path` is absolute."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory, owned by the account that PostgreSQL runs as."""
        return self.path / "data"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own: its first line is the pid of the server."""
        return self.data / "postmaster.pid"

    @property
    def log(self) -> Path:
        """What the server writes to standard error."""
        return self.path / "postgres.log"

    @property
    def start_lock(self) -> Path:
        """Held, exclusively, while anybody creates, starts or stops the server."""
        return self.path / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Held, shared, by each process that uses the server: a count of users that cannot go stale."""
        return self.path / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held, exclusively, by all processes of the server together: free when the last of them has ended."""
        return self.path / "pg.lock"

    @property
    def socket_link(self) -> Path:
        """The socket's folder, or a symbolic link to it where this path would be too long for a socket."""
        return self.path / "run"

    @property
    def sockets(self) -> Path:
        """The folder that the socket is in."""
        return self.socket_link.readlink() if self.socket_link.is_symlink() else self.socket_link

    @property
    def socket(self) -> Path:
        """The socket that clients connect to."""
        return self.sockets / f".s.PGSQL.{PORT}"

    def dsn(self, database: str = NAME) -> str:
        """Where clients connect to. It names all that PGPORT, PGSSLMODE and their like could change."""
        folder = quote(str(self.sockets), safe="")
        return f"postgresql://{NAME}@/{database}?host={folder}&port={PORT}&sslmode=disable"

    def major_version(self) -> int | None:
        """The major version that made the data folder; None when there is none yet."""
        try:
            text = (self.data / "PG_VERSION").read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EmbeddedPostgresError(
                f"Cannot read {error.filename}: {error.strerror}. Run storaged as the OS user that owns it."
            ) from error
        if not text.strip().isdigit():
            raise EmbeddedPostgresError(f"{self.data / 'PG_VERSION'} does not hold a version of PostgreSQL: {text!r}.")
        return int(text)


def open_home(path: Path) -> PostgresHome:
    """Make the folder when it is missing; raises EmbeddedPostgresError when PostgreSQL cannot live in it."""
    path = path.absolute()
    account_of(os.geteuid())
    try:
        _make_folder(path)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"Cannot make the folder {error.filename}: {error.strerror}. Name another data folder with --data-dir."
        ) from error
    _refuse_what_others_control(path)
    refuse_network_file_system(path, _mounts())
    return PostgresHome(path)


def find_home(path: Path) -> PostgresHome | None:
    """The folder when there is one already; raises EmbeddedPostgresError when this user may not know."""
    return PostgresHome(path.absolute()) if exists(path) else None


def exists(path: Path) -> bool:
    """Whether it exists; where Path.exists answers no or raises, depending on the Python, this tells what to do."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EmbeddedPostgresError(
            f"Cannot look at {path}: {error.strerror}. Run storaged as the OS user that owns its data folder."
        ) from error
    return True


def refuse_network_file_system(path: Path, mountinfo: str) -> None:
    """Raises EmbeddedPostgresError when `path` is on a network, where flock does not work as on a disk.

    `mountinfo` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)); nothing is refused when it is empty.
    """
    kind = _file_system(path.resolve(), mountinfo)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise EmbeddedPostgresError(
            f"{path} is on a network file system ({kind}), where file locks do not guard a database. Name a data "
            "folder on a local disk with --data-dir, or use a PostgreSQL server with --database-url."
        )


def make_socket_folder(home: PostgresHome, account: Account) -> None:
    """Make the folder of the socket for a server that is about to start; raises EmbeddedPostgresError."""
    wanted = home.socket_link if _fits_socket(home.socket_link) else _short_socket_folder(home, account)
    if home.socket_link.is_symlink():
        home.socket_link.unlink()
    make_private_folder(wanted, account)
    if wanted != home.socket_link:
        if home.socket_link.is_dir():  # from before the data folder moved to where its path is longer
            shutil.rmtree(home.socket_link)
        home.socket_link.symlink_to(wanted)
    for leftover in (home.socket, home.socket.with_name(f"{home.socket.name}.lock")):
        leftover.unlink(missing_ok=True)


def remove_short_socket_folder(home: PostgresHome) -> None:
    """Leave nothing behind outside the home, once the server has ended."""
    if home.socket_link.is_symlink():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(home.sockets)


def make_private_folder(path: Path, account: Account) -> None:
    """A folder that only the account can enter; raises EmbeddedPostgresError when another user has made it."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedPostgresError(
            f"{path}, which should be a private folder for PostgreSQL's socket, belongs to another OS user (uid "
            f"{found.st_uid}). Remove it, or name a data folder with a shorter path with --data-dir."
        )
    if found.st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)


def _make_folder(path: Path) -> None:
    as_root = os.geteuid() == 0
    path.mkdir(mode=0o711 if as_root else 0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    if as_root and mode & 0o011 != 0o011:
        # PostgreSQL's account must pass through it to its data. It may not list it, and what else is in it is guarded
        # by its own mode.
        path.chmod(mode | 0o011)


def _refuse_what_others_control(path: Path) -> None:
    found = path.stat()
    if found.st_mode & 0o002:
        raise EmbeddedPostgresError(f"Every user may write to {path}. Take that right away: `chmod o-w {path}`.")
    if found.st_uid != os.geteuid():
        raise EmbeddedPostgresError(
            f"{path} belongs to uid {found.st_uid}, and this is uid {os.geteuid()}. "
            "Run storaged as the OS user that owns its data folder, or name another data folder with --data-dir."
        )


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except FileNotFoundError:  # not Linux
        return ""


def _file_system(path: Path, mountinfo: str) -> str | None:
    deepest, kind = -1, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_unescape(before.split()[4]))
        # A later line mounted over the same point hides the earlier.
        if path.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), after.split()[0]
    return kind


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _fits_socket(folder: Path) -> bool:
    # A comma separates hosts in a DSN.
    return "," not in str(folder) and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_LIMIT


def _short_socket_folder(home: PostgresHome, account: Account) -> Path:
    name = f"storaged-{hashlib.sha256(os.fsencode(home.path.resolve())).hexdigest()[:16]}"
    for parent in _short_parents():
        if _fits_socket(parent / name) and os.access(parent, os.W_OK) and may_use(account, parent):
            return parent / name
    raise EmbeddedPostgresError(
        f"The path of {home.socket_link} is too long for a Unix socket, and there is no temporary folder to put "
        "the socket in instead. Name a data folder with a shorter path with --data-dir."
    )


def _short_parents() -> Iterator[Path]:
    """Where a short path can be had. Not XDG_RUNTIME_DIR: it goes when the user logs out, and the daemon may stay."""
    if os.geteuid() == 0:
        yield Path("/run")  # nobody else can make folders there
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108 - TMPDIR may be long; make_private_folder refuses what others made
