"""A daemon of its own for a benchmark."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.daemons import clean_environment, free_port


@contextmanager
def daemon(data_dir: Path) -> Iterator[str]:
    """`storaged serve` with its defaults on an embedded PostgreSQL, ready; yields its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "storaged", "serve", "--port", str(port), "--data-dir", str(data_dir)]
    with subprocess.Popen([*command, "--log-level", "warning"], env=clean_environment()) as process:
        try:
            _wait_until_ready(url, process)
            yield url
        finally:
            process.terminate()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz"):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the daemon does not start")
