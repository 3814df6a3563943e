"""What the tests of storectl share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.storectl_daemon import Daemon, serve


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A server that answers storectl by the API's contract."""
    with serve(Daemon()) as running:
        yield running


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A report folder of the run `shop`, of an analysis that found nothing."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "metadata.json").write_text('{"version": 2, "tools": [{"name": "codechecker", "run_name": "shop"}]}')
    return folder
