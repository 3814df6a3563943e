"""A real daemon for a test, and the real analysis where it stands beside the project."""

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from tests.acceptance.codechecker import EXECUTABLE_VARIABLE, running_codechecker
from tests.acceptance.codechecker_client import OLD_VARIABLE, Client
from tests.acceptance.comparison import Comparison
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.sequences import StoreSequence
from tests.acceptance.storaged_system import Storaged
from tests.archives import REAL_DATA, expected_xerces, unpack_xerces
from tests.conftest import TEMPLATE, database_of


@pytest.fixture
def daemon(database_url: str, tmp_path: Path) -> Iterator[DaemonProcess]:
    with running_daemon(database_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared_database_url(postgres_url: str) -> Iterator[str]:
    """A database for the tests of a module that leave each other alone."""
    with fresh_database(postgres_url) as url:
        yield url


@contextmanager
def fresh_database(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    run_sql(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    yield database_of(postgres_url, name)
    run_sql(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def shared_daemon(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon for the tests of a module. It hardly polls: whatever waits in time was told by a notification."""
    folder = tmp_path_factory.mktemp("shared")
    with running_daemon(shared_database_url, folder, testing=True, poll_seconds=3600) as running:
        yield running


@pytest.fixture(scope="session")
def codechecker_executable() -> Path:
    """The real CodeChecker; skips where there is none, fails so on CI."""
    return _executable(EXECUTABLE_VARIABLE, "6.29.1")


def _executable(variable: str, version: str) -> Path:
    executable = os.environ.get(variable)
    if not executable:
        reason = f"{variable} does not name a CodeChecker {version} executable"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and the tests with it are part of CI")
        pytest.skip(reason)
    return Path(executable)


@pytest.fixture(scope="session")
def codechecker_client(codechecker_executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """CodeChecker's own command line."""
    return Client(codechecker_executable, tmp_path_factory.mktemp("codechecker-home"), "6.29.1")


@pytest.fixture(scope="session")
def old_client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The command line of CodeChecker 6.24.1; skips where there is none, fails so on CI."""
    return Client(_executable(OLD_VARIABLE, "6.24.1"), tmp_path_factory.mktemp("old-codechecker-home"), "6.24.1")


# Not for the session: all tests of one client would come before those of the other, with a daemon of each module twice.
@pytest.fixture(scope="module", params=["codechecker_client", "old_client"])
def each_client(request: pytest.FixtureRequest) -> Client:
    """CodeChecker's own command line, and then that of 6.24.1."""
    client: Client = request.getfixturevalue(request.param)
    return client


@pytest.fixture(scope="session")
def comparison(
    request: pytest.FixtureRequest,
    postgres_url: str,
    codechecker_executable: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Comparison]:
    """A real CodeChecker server and a daemon."""
    folder = tmp_path_factory.mktemp("comparison")
    with ExitStack() as stack:
        database_url = stack.enter_context(fresh_database(postgres_url))
        daemon = stack.enter_context(running_daemon(database_url, folder))
        codechecker = stack.enter_context(running_codechecker(codechecker_executable, folder / "codechecker"))
        compared = Comparison(codechecker, Storaged(daemon), folder)
        # The last first: tests come from the other end.
        stack.enter_context(compared.playing_ahead(reversed(sequences_of(request.session.items))))
        yield compared


def sequences_of(items: Sequence[pytest.Item]) -> list[StoreSequence]:
    """The sequences of stores that the chosen tests are given, in their order."""
    given = [item.callspec.params.get("sequence") for item in items if hasattr(item, "callspec")]
    return [each for each in given if isinstance(each, StoreSequence)]


def run_sql(database_url: str, statement: str, *arguments: Any) -> list[Any]:
    """One statement on a connection of its own; its rows."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return asyncio.run(fetch())


@dataclass(frozen=True)
class Analysis:
    """A real analysis on disk, and the reports that a store of it must have."""

    root: Path
    expected: list[dict[str, Any]]

    @property
    def reports(self) -> Path:
        return self.root / "reports"


@pytest.fixture(scope="session")
def xerces(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """xerces-c analysed by three analysers; skips where the data is not beside the project, fails so on CI."""
    if not REAL_DATA.is_dir():
        reason = "the analysis of xerces-c is not beside this clone (shared/data)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    root = unpack_xerces(tmp_path_factory.mktemp("xerces"))
    return Analysis(root, expected_xerces(root))


def results_of(daemon: DaemonProcess, run: str, *options: str) -> list[dict[str, Any]]:
    """What `storectl results -o json` prints, with every detection status."""
    done: subprocess.CompletedProcess[str] = daemon.storectl("results", run, "-o", "json", *options)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = orjson.loads(done.stdout)
    return found
