"""How long users of CodeChecker's client wait for each of their commands while others do the same.

    python -m benchmarks.codechecker_users [/path/to/CodeChecker] [--users 10] [--rounds 1] [--url http://host:8001/Default]

Without a path it is that of STORAGED_CODECHECKER. It starts a daemon with its defaults on an embedded PostgreSQL of its
own; with --url it takes a product of a server that is running, CodeChecker's own as well. The commands are those of
CodeChecker's performance test, and some more: in each round each user stores the analysis of xerces-c as a run of its
own, compares it with the folder, looks at results and sum, and deletes it. All begin at once and make no pauses.

An error is another exit code than the command has where all goes well, a line of the client that tells of one, and a
list of results that has not all that was stored. Each is printed, and the exit code is then 1. Run it on an idle
machine: clients, daemon and database share its cores, and clients need most of them.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Column, Table

from benchmarks.daemons import daemon
from tests.acceptance.codechecker import EXECUTABLE_VARIABLE
from tests.archives import expected_xerces, unpack_xerces

# What the client prints of errors, its own and those that it did not expect.
ERROR_LINE: Final = re.compile(r"^(\[(ERROR|CRITICAL)\b.*|Traceback .*)$", re.MULTILINE)
SHOWN_OF_AN_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Step:
    """A command, its arguments given a run and the folder of reports, and the exit code that it has when all goes well.

    `check` says what is wrong with what it printed, or nothing.
    """

    name: str
    arguments: Callable[[str, str], Sequence[str]]
    code: int = 0
    check: Callable[[str, int], str] = lambda _printed, _reports: ""


@dataclass(frozen=True, slots=True)
class Call:
    """How a command went: seconds until it ended, its CPU seconds, and what was wrong with it, if anything."""

    step: str
    seconds: float
    cpu: float
    error: str


def count_results(printed: str, reports: int) -> str:
    found = len(json.loads(printed))
    return "" if found == reports else f"{found} results instead of {reports}"


STEPS: Final = (
    Step("store", lambda run, folder: ("store", folder, "-n", run)),
    Step("diff --new", lambda run, folder: ("cmd", "diff", "-b", run, "-n", folder, "--new")),
    # Exit code 2 says that there are some.
    Step("diff --unresolved", lambda run, folder: ("cmd", "diff", "-b", run, "-n", folder, "--unresolved"), code=2),
    Step("results", lambda run, _folder: ("cmd", "results", run)),
    Step(
        "results --details -o json",
        lambda run, _folder: ("cmd", "results", run, "--details", "-o", "json"),
        check=count_results,
    ),
    Step("sum", lambda run, _folder: ("cmd", "sum", "-n", run)),
    Step("del", lambda run, _folder: ("cmd", "del", "-n", run)),
)


@dataclass(frozen=True, slots=True)
class User:
    """One of those who work at the same time; `home` is also where the outputs of commands go."""

    client: str
    url: str
    folder: Path
    home: Path
    run: str
    reports: int

    def work(self, rounds: int) -> list[Call]:
        """All steps, as often as there are rounds."""
        return [self.take(step) for _ in range(rounds) for step in STEPS]

    def take(self, step: Step) -> Call:
        command = [self.client, *step.arguments(self.run, str(self.folder)), "--url", self.url]
        out, err = self.home / "out", self.home / "err"
        started = time.perf_counter()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command, env={**os.environ, "HOME": str(self.home)}, stdout=stdout, stderr=stderr
            )
            # Unlike Popen's own wait it tells what CPU time the process and its children took.
            _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        error = wrong_with(step, process.returncode, out.read_text(), err.read_text(), self.reports)
        return Call(step.name, took, usage.ru_utime + usage.ru_stime, error)


def wrong_with(step: Step, code: int, out: str, err: str, reports: int) -> str:
    """What is wrong with what a command did; nothing if nothing is."""
    if code != step.code:
        return f"exit code {code}, not {step.code}: {(out + err)[-SHOWN_OF_AN_ERROR:]}"
    if line := ERROR_LINE.search(err + out):
        return line[0][:SHOWN_OF_AN_ERROR]
    return step.check(out, reports)


def main() -> int:
    options = parse_arguments()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storaged-bench-")))
        url = options.url or f"{stack.enter_context(daemon(scratch / 'data'))}/Default"
        # The daemon is the only process that was started so far; its PostgreSQL is in a session of its own.
        servers = {} if options.url else {"daemon": psutil.Process().children(), "PostgreSQL": [postmaster(scratch)]}
        users = make_users(options.client, url, options.users, scratch)
        before, started = cpu_seconds(servers), time.perf_counter()
        with ThreadPoolExecutor(len(users)) as threads:
            calls = [call for done in threads.map(lambda user: user.work(options.rounds), users) for call in done]
        took, after = time.perf_counter() - started, cpu_seconds(servers)
    report(calls)
    used = {"clients": sum(call.cpu for call in calls), **{name: after[name] - before[name] for name in servers}}
    cpu = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in used.items())
    print(f"{len(users)} users, {took:.1f} s on {os.cpu_count()} cores. CPU time: {cpu}.")
    return 1 if any(call.error for call in calls) else 0


def parse_arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("client", nargs="?", default=os.environ.get(EXECUTABLE_VARIABLE), help="path of CodeChecker")
    arguments.add_argument("--users", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--url", help="a product of a server that is running")
    options = arguments.parse_args()
    if options.client is None:
        arguments.error(f"name the client, or set {EXECUTABLE_VARIABLE}")
    return options


def make_users(client: str, url: str, count: int, scratch: Path) -> list[User]:
    """Users with homes of their own, who share the folder of reports."""
    root = unpack_xerces(scratch / "xerces")
    reports = len(expected_xerces(root))
    homes = [scratch / f"user-{number}" for number in range(count)]
    for home in homes:
        home.mkdir()
    return [User(client, url, root / "reports", home, f"benchmark-of-{home.name}", reports) for home in homes]


def postmaster(scratch: Path) -> psutil.Process:
    (file,) = scratch.rglob("postmaster.pid")
    return psutil.Process(int(file.read_text().split()[0]))


def cpu_seconds(servers: Mapping[str, Sequence[psutil.Process]]) -> dict[str, float]:
    """What each has used so far: its processes, those below them, and those that ended before."""
    return {name: sum(map(cpu_of_tree, processes)) for name, processes in servers.items()}


def cpu_of_tree(root: psutil.Process) -> float:
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


def report(calls: Sequence[Call]) -> None:
    title = "Seconds until a command ended, and of its CPU time"
    table = Table(Column("command", no_wrap=True), "calls", "median", "p90", "max", "CPU", "errors", title=title)
    for step in STEPS:
        done = [call for call in calls if call.step == step.name]
        seconds = sorted(call.seconds for call in done)
        p90 = seconds[math.ceil(0.9 * len(seconds)) - 1]
        shown = (statistics.median(seconds), p90, seconds[-1], statistics.mean(call.cpu for call in done))
        errors = sum(bool(call.error) for call in done)
        table.add_row(step.name, str(len(done)), *(f"{number:.2f}" for number in shown), str(errors))
    Console().print(table)
    for call in calls:
        if call.error:
            print(f"{call.step}: {call.error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
