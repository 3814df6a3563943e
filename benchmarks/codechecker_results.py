"""How long the daemon takes for `CodeChecker cmd results --details -o json` of xerces-c, all calls together.

    python -m benchmarks.codechecker_results [/path/to/CodeChecker] [--rounds 5]

Without a path it is that of STORAGED_CODECHECKER. It starts a daemon with its defaults on an embedded PostgreSQL of its
own and stores the analysis. The daemon's time is what its metrics say of requests to CodeChecker's endpoint, from a
request's head to the end of its answer; the aim is less than a second. The client's is that of the whole command.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.daemons import daemon
from tests.acceptance.codechecker import EXECUTABLE_VARIABLE
from tests.archives import unpack_xerces

SUM = 'storaged_http_request_duration_seconds_sum{endpoint="/{product}/{version}/{service}"'


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("executable", nargs="?", default=os.environ.get(EXECUTABLE_VARIABLE))
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    if not options.executable:
        arguments.error(f"give the path of CodeChecker, or set {EXECUTABLE_VARIABLE}")
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_xerces(Path(folder))
        with daemon(Path(folder) / "data") as url:
            store = ["store", str(root / "reports"), "-n", "xerces", "--url", f"{url}/Default"]
            subprocess.run([sys.executable, "-m", "storaged_cli", *store], check=True, stdout=subprocess.DEVNULL)
            rounds = [measure(options.executable, url, Path(folder)) for _ in range(options.rounds)]
    for name, times in zip(("daemon", "whole command"), zip(*rounds, strict=True), strict=True):
        print(f"{name}: {statistics.median(times):.3f} s, slowest {max(times):.3f} s of {len(times)} rounds")


def measure(executable: str, url: str, home: Path) -> tuple[float, float]:
    """Seconds of the daemon, and of the command."""
    before, started = seconds_of_calls(url), time.perf_counter()
    subprocess.run(
        [executable, "cmd", "results", "xerces", "--details", "-o", "json", "--url", f"{url}/Default"],
        check=True,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    took = time.perf_counter() - started
    return seconds_of_calls(url) - before, took


def seconds_of_calls(url: str) -> float:
    """How long the daemon has taken for calls of a product so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(SUM))


if __name__ == "__main__":
    main()
