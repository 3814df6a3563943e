"""The wheel in an empty environment: what it installs, and the tour of quickstart."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.daemons import clean_environment, free_port

PROJECT = Path(__file__).parents[2]
PARTS = ("storaged", "cli", "sql", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with nothing but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        if (PROJECT / part).is_dir():
            shutil.copytree(PROJECT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / part, source / part)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip(str(folder / "venv" / "bin" / "python"), "install", str(wheel))
    return folder / "venv"


def pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_puts_two_packages_at_the_top_and_carries_the_sql(environment: Path) -> None:
    (packages,) = environment.glob("lib/python*/site-packages")
    assert (packages / "storaged" / "sql" / "migrations" / "0001_initial.sql").is_file()
    assert (packages / "storaged_cli").is_dir()
    assert not [name for name in ("cli", "sql", "tests", "benchmarks") if (packages / name).exists()]


@pytest.fixture
def quickstart(environment: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [
        environment / "bin" / "storaged",
        "quickstart",
        "--port",
        str(free_port()),
        "--data-dir",
        tmp_path / "data",
    ]
    with subprocess.Popen(
        command, env=clean_environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


def test_quickstart_stores_the_sample_shows_its_results_and_leaves_nothing_running(
    quickstart: "subprocess.Popen[str]",
) -> None:
    assert quickstart.stdout is not None
    shown = []
    for line in quickstart.stdout:
        shown.append(line)
        if line.strip().endswith("/readyz"):
            break
    text = "".join(shown)
    assert "26 reports" in text
    assert text.count("core.DivideZero") == 2
    children = psutil.Process(quickstart.pid).children(recursive=True)
    quickstart.send_signal(signal.SIGINT)
    assert quickstart.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
