"""Real daemon processes and the real client, for tests that see storaged from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

START_SECONDS = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def clean_environment() -> dict[str, str]:
    """Without what the person who runs the tests may have set for storaged, and what shells tell of their window."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STORAGED_") and name not in {"COLUMNS", "LINES"}
    }


class ClientProcess(subprocess.Popen[str]):
    """Killed when a test leaves it with an error: as it is, it would be waited for without end."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)


@dataclass
class DaemonProcess:
    """One `storaged serve`; it can be killed and started again on the same data. No URL: the embedded database."""

    database_url: str | None
    data_dir: Path
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        values = {"port": self.port, "data_dir": self.data_dir, "database_url": self.database_url, "workers": 2}
        given = {name: value for name, value in (values | self.settings).items() if value is not None}
        variables = {f"STORAGED_{name.upper()}": str(value) for name, value in given.items()}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "storaged", "serve"],
                env=clean_environment() | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process is not None
            code = self.process.poll()
            assert code is None, f"the daemon ended with {code}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"the daemon is not ready:\n{self.log.read_text()}"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return bool(self.get("/readyz")["status"] == "ready")
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> int:
        """Ask it to stop and wait until it has; says its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return json.load(response)

    def storectl(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the client to its end."""
        with self.storectl_process(*arguments) as process:
            out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def storectl_process(self, *arguments: str, program: Sequence[str] = ("-m", "storaged_cli")) -> "ClientProcess":
        return ClientProcess(
            [sys.executable, *program, *arguments],
            env=clean_environment() | {"STORAGED_URL": f"{self.url}/Default"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )


@contextmanager
def running_daemon(database_url: str | None, folder: Path, **settings: Any) -> Iterator[DaemonProcess]:
    """A daemon on the database, killed at the end if it still runs."""
    daemon = DaemonProcess(database_url, folder / "data", settings)
    daemon.start()
    try:
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
