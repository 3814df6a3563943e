"""CodeChecker's own command line, unmodified, run against a daemon."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.acceptance.codechecker import CodeChecker
from tests.acceptance.daemons import DaemonProcess

Server = DaemonProcess | CodeChecker
OLD_VARIABLE: Final = "STORAGED_CODECHECKER_OLD"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Client:
    """An installed CodeChecker, with a home of its own. Each call takes up to a second of the processor to start."""

    executable: Path
    home: Path
    version: str

    def cmd(self, server: Server, *arguments: str, product: str | None = None, **variables: str) -> Done:
        """`CodeChecker cmd ...` on the server, or its product; `variables` are set in its environment."""
        url = f"{server.url}/{product}" if product else server.url
        return self._run("cmd", *arguments, "--url", url, **variables)

    def store(
        self, daemon: DaemonProcess, folder: Path, *options: str, product: str = "Default", **variables: str
    ) -> Done:
        """`CodeChecker store` of a report folder."""
        return self._run("store", str(folder), *options, "--url", f"{daemon.url}/{product}", **variables)

    def _run(self, *arguments: str, **variables: str) -> Done:
        done = subprocess.run(
            [self.executable, *arguments],
            env={**os.environ, "HOME": str(self.home), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)
