"""How long `CodeChecker store` of the analysis of xerces-c takes, beside a server that answers every call at once.

    python -m benchmarks.codechecker_store [/path/to/CodeChecker] [--rounds 3]

Without a path it is that of STORAGED_CODECHECKER. It starts a daemon with its defaults on an embedded PostgreSQL of its
own, and a stub that takes each call, does nothing with it, and answers. In each round the real client stores into a
new product of the daemon, so that all sources are sent, and into the stub, which says that it lacks them all. The last
column is how long the daemon had the job, from its acceptance to its end. Run it on an idle machine: client, daemon and
database share its cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.daemons import daemon
from storaged.thrift.dispatch import Dispatcher
from storaged.thrift.idl import load_interface
from storaged.thrift.messages import Kind, read_message, write_message
from storaged.thrift.structs import TaskStatus
from tests.acceptance.codechecker import EXECUTABLE_VARIABLE
from tests.archives import unpack_xerces

PRODUCT: Final = {"id": 1, "endpoint": "Default", "connected": True, "accessible": True, "reportLimit": 1_000_000}
# What the stub answers, given the arguments as they stand in the message.
ANSWERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "getAuthParameters": lambda _: {"requiresAuthentication": False, "sessionStillActive": False},
    "checkAPIVersion": lambda _: None,
    "getPackageVersion": lambda _: "stub",
    "getCurrentProduct": lambda _: PRODUCT,
    "getMissingContentHashes": lambda arguments: arguments["1"]["lst"][2:],
    "getMissingContentHashesForBlameInfo": lambda _: [],
    "massStoreRunAsynchronous": lambda _: "token",
    "allowsStoringAnalysisStatistics": lambda _: False,
    "getTaskInfo": lambda _: {"token": "token", "status": TaskStatus.COMPLETED, "comments": ""},
}
OPERATIONS: Final = Dispatcher(load_interface(), {}).operations


class Stub(BaseHTTPRequestHandler):
    """Answers every call at once."""

    def do_POST(self) -> None:
        message = read_message(self.rfile.read(int(self.headers["Content-Length"])))
        write = OPERATIONS[self.path.rpartition("/")[2]][message.name].write
        content = write(ANSWERS[message.name](message.arguments))
        body = write_message(message.name, Kind.REPLY, message.sequence, content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_arguments: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@contextmanager
def stub() -> Iterator[str]:
    """A stub that runs; yields its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("client", nargs="?", default=os.environ.get(EXECUTABLE_VARIABLE), help="path of CodeChecker")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    if options.client is None:
        arguments.error(f"name the client, or set {EXECUTABLE_VARIABLE}")
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as scratch:
        reports = unpack_xerces(Path(scratch)) / "reports"
        with daemon(Path(scratch) / "data") as url, stub() as stub_url:
            rounds = [one_round(options.client, reports, url, stub_url, number) for number in range(options.rounds)]
    report(rounds)


def one_round(client: str, reports: Path, url: str, stub_url: str, number: int) -> tuple[float, float, float]:
    """Seconds with the daemon and with the stub, and of the job."""
    product = f"round{number}"
    body = json.dumps({"endpoint": product}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/products", body, method="POST")):
        pass
    ours, stubs = store(client, reports, f"{url}/{product}"), store(client, reports, f"{stub_url}/Default")
    return ours, stubs, job_seconds(url, product)


def job_seconds(url: str, product: str) -> float:
    """From the product's only job's creation to its end."""
    with urllib.request.urlopen(f"{url}/api/v1/jobs?product={product}") as answer:
        (job,) = json.load(answer)["jobs"]
    created, finished = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
    return (finished - created).total_seconds()


def store(client: str, reports: Path, url: str) -> float:
    """Seconds of one store, of which the client says that it succeeded."""
    command = [client, "store", str(reports), "-n", "xerces", "--url", url]
    home = {"HOME": str(reports.parent), "NO_PROXY": "127.0.0.1"}
    started = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **home}, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"the store into {url} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def report(rounds: Sequence[tuple[float, float, float]]) -> None:
    table = Table("round", "storaged s", "stub s", "more s", "job s", title="CodeChecker store of xerces-c")
    columns = list(zip(*rounds, strict=True))
    least, median = (tuple(take(column) for column in columns) for take in (min, statistics.median))
    for name, (ours, stubs, job) in [*enumerate(rounds, 1), ("least", least), ("median", median)]:
        table.add_row(str(name), f"{ours:.2f}", f"{stubs:.2f}", f"{ours - stubs:+.2f}", f"{job:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
