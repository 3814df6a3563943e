"""The OS user that PostgreSQL runs as: oneself, or a system user when one is root, which PostgreSQL refuses to be."""

import grp
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from storaged.errors import EmbeddedPostgresError

SYSTEM_USER = "storaged"
_USERADD_LIMIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Account:
    """An entry of the passwd database."""

    name: str
    uid: int
    gid: int

    @property
    def is_self(self) -> bool:
        """Whether this process runs as it."""
        return self.uid == os.geteuid()


def account_of(uid: int) -> Account:
    """The account of a uid; raises EmbeddedPostgresError when it has none, as in some containers."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedPostgresError(
            f"The OS user {uid} has no entry in the passwd database, and PostgreSQL neither runs as a user without a "
            f"name nor lets one in. Add an entry (`useradd --uid {uid} ...`, in a container: in its image), "
            "or use another PostgreSQL with --database-url."
        ) from error
    return _account(entry)


def server_account() -> Account:
    """The account that PostgreSQL runs as; as root it is `storaged`, created when missing."""
    own = account_of(os.geteuid())
    return _system_account() if own.uid == 0 else own


def run_as(
    account: Account, argv: Sequence[str | Path], *, output: IO[bytes] | None = None, inherit: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the account, from `/`, in a session of its own, with the descriptors `inherit`.

    What it prints goes to `output`, or is in the answer. Of this process's environment it gets PATH and TZ only: PG*,
    LC_* and LD_* would change what PostgreSQL does, and the daemon's secrets are no business of its server.
    """
    other = not account.is_self
    try:
        return subprocess.run(
            [str(part) for part in argv],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            user=account.uid if other else None,
            group=account.gid if other else None,
            extra_groups=[] if other else None,
            pass_fds=inherit,
            start_new_session=True,
            umask=0o077,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise EmbeddedPostgresError(
            f"Cannot run {argv[0]} as OS user {account.name!r}: {error.strerror}. "
            "A container that drops the rights to change users must run storaged as an ordinary user."
        ) from error


def may_use(account: Account, path: Path) -> bool:
    """Whether the account may enter the folder, or execute the file: asked of the kernel, which knows of ACLs."""
    if account.is_self:
        return os.access(path, os.X_OK)
    return run_as(account, ["/bin/sh", "-c", 'test -x "$1"', "sh", path]).returncode == 0


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C"}


def _system_account() -> Account:
    deadline = time.monotonic() + _USERADD_LIMIT_SECONDS
    while (found := _find_account(SYSTEM_USER)) is None:
        failure = _create_system_user()
        # Another daemon's first start may hold the passwd database, or have been quicker.
        if failure and time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER!r} that it would run as "
                f"cannot be created: {failure}. Create it, or run storaged as an ordinary user."
            )
        if failure:
            time.sleep(0.1)
    return found


def _find_account(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _create_system_user() -> str:
    """Create it; answers what went wrong, or nothing."""
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if useradd is None:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and there is no `useradd` to create the system user {SYSTEM_USER!r} "
            "that it would run as. Create that user, or run storaged as an ordinary user."
        )
    group = ["--gid", SYSTEM_USER] if _group_exists(SYSTEM_USER) else ["--user-group"]
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    done = subprocess.run([useradd, *options, *group, SYSTEM_USER], capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"useradd exited with {done.returncode}" if done.returncode else ""


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
