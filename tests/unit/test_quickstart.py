"""What the tour says at its end."""

import shutil
import sys
from pathlib import Path

import pytest

from storaged.quickstart import farewell

URL = "http://127.0.0.1:8001"


def test_the_end_of_the_tour_fits_a_terminal_and_says_where_the_client_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/storectl")
    lines = farewell(URL, f"{URL}/Default").splitlines()
    assert max(map(len, lines)) <= 80
    assert "  storectl runs" in lines
    monkeypatch.setattr(shutil, "which", lambda _: None)
    known = farewell(URL, f"{URL}/Default").splitlines()
    assert [line for line in known if line not in lines] == [f"  export PATH={Path(sys.executable).parent}:$PATH"]
