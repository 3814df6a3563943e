"""A real daemon for a test, and the real analysis where it stands beside the project."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.archives import REAL_DATA, expected_xerces, unpack_xerces


@pytest.fixture
def daemon(database_url: str, tmp_path: Path) -> Iterator[DaemonProcess]:
    with running_daemon(database_url, tmp_path) as running:
        yield running


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
