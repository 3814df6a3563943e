"""A large store from end to end: what each phase takes in time, memory, rows and bytes, beside the least to be done.

    python -m benchmarks.large_store [--reports 10000] [--rounds 1] [--restores 2] [--codechecker PATH]
    python -m benchmarks.large_store --folder REPORTS

It makes an analysis (benchmarks.generate), or takes that in --folder, and starts a daemon with its defaults on an
embedded PostgreSQL of its own. Each round stores into a new product, so that all sources are sent; then the same again,
as often as --restores says; then with 1 % of the reports changed, which a folder that was given is not. Times are the
best of the rounds. The yardstick is measured in the same run while nothing else runs: the upload's result files parsed
by all cores, and its different rows copied and merged into the same tables without comparing anything.

With --codechecker, its client stores the same folder into its own server beside ours (SQLite). Without it, what the
issue measured on the large set (197,000 reports: 459 s, 142 MB in PostgreSQL) is taken for each report.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.bare import Bare, best_of, measure_bare
from benchmarks.codechecker_store import store as codechecker_store
from benchmarks.generate import Shape, change, generate, open_base
from benchmarks.observed import (
    STATISTICS_SECONDS,
    Peaks,
    Written,
    children_of,
    cpu_seconds,
    database_processes,
    forget_peak,
    grown,
    sizes,
    watched,
    written,
)
from storaged.database.embedded import open_embedded
from tests.acceptance.codechecker import running_codechecker
from tests.acceptance.daemons import DaemonProcess, clean_environment, running_daemon
from tests.archives import pack_folders

# Of the large set, as the issue has them: seconds and bytes for each report.
CODECHECKER_SECONDS: Final = 459 / 197_000
CODECHECKER_BYTES: Final = 142e6 / 197_000
CHANGED: Final = 0.01
MB: Final = 1e6
# Steps of storectl that are no waiting for the job.
STEPS: Final = {
    "start-up": "client: start-up",
    "Scanning result files": "client: scan",
    "Hashing sources": "client: hash",
    "Asking which sources are missing": "client: ask what is missing",
    "packing": "client: pack",
    "sending": "client: send",
    "Waiting until the upload is safe": "client: until it is safe",
}


@dataclass(slots=True)
class Stored:
    """One store: seconds by phase, those of CPU time by process, memory, what was written, and the job's result."""

    seconds: dict[str, float]
    cpu: dict[str, float]
    client: Peaks
    daemon: Peaks
    result: Mapping[str, Any]
    written: Written = field(default_factory=lambda: Written(0, 0))


@dataclass(slots=True)
class Round:
    """What the least work took, the stores of one round by name, and the database's growth in it."""

    bare: Bare
    stores: dict[str, Stored] = field(default_factory=dict)
    grown: dict[str, int] = field(default_factory=dict)
    grown_after_restores: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """A daemon, the database that it uses, and what is stored there."""

    daemon: DaemonProcess
    pid: int
    dsn: str
    reports: Path
    scratch: Path

    def store(self, product: str) -> Stored:
        """Store by the real client, and wait until the statistics of the database know of it."""
        before = asyncio.run(written(self.dsn))
        stored = self.store_quickly(product)
        time.sleep(STATISTICS_SECONDS)
        stored.written = asyncio.run(written(self.dsn)).since(before)
        return stored

    def store_quickly(self, product: str) -> Stored:
        """As `store`, but for what was written."""
        workers = children_of(self.pid)
        for pid in (self.pid, *workers):
            forget_peak(pid)
        before, started = self._cpu(workers), time.perf_counter()
        with watched(self.pid) as daemon:
            steps, client = self._storectl(product)
        whole = time.perf_counter() - started
        cpu = {name: taken - before[name] for name, taken in self._cpu(workers).items()}
        job = self.daemon.get(f"/api/v1/jobs?product={product}&limit=1")["jobs"][0]
        return Stored(seconds_of(whole, steps, job), cpu, client, daemon, job["result"])

    def _storectl(self, product: str) -> tuple[dict[str, float], Peaks]:
        """The seconds of its steps, and its memory."""
        target = self.scratch / "steps.json"
        timed = [sys.executable, "-m", "benchmarks.timed_storectl", str(target), str(time.time())]
        command = ["store", str(self.reports), "-n", "large", "--url", f"{self.daemon.url}/{product}"]
        with (
            subprocess.Popen(
                [*timed, *command],
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
            watched(process.pid) as client,
        ):
            _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"the store failed:\n{said}")
        steps: dict[str, float] = json.loads(target.read_text())
        return steps, client

    def _cpu(self, workers: Sequence[int]) -> dict[str, float]:
        """CPU time so far; of the clients that have ended."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "client": ended.ru_utime + ended.ru_stime,
            "daemon": cpu_seconds(self.pid),
            "workers": sum(map(cpu_seconds, workers)),
            "database": sum(map(cpu_seconds, asyncio.run(database_processes(self.dsn)))),
        }


def seconds_of(whole: float, steps: Mapping[str, float], job: Mapping[str, Any]) -> dict[str, float]:
    """The store's phases by name, in their order; the daemon's part runs from the job's start to its end."""
    sending = steps["Uploading"] - steps["packing"]
    told = {**steps, "sending": sending}
    server = seconds_between(job, "started_at", "finished_at")
    phases: Mapping[str, float] = job["result"]["seconds"]
    own = {f"daemon: {name}": phases[name] for name in ("survey", "contents", "parse", "merge")}
    return {
        "storectl, start to exit": whole,
        **{name: told[step] for step, name in STEPS.items()},
        "queue": seconds_between(job, "enqueued_at", "started_at"),
        "daemon": server,
        **own,
        "daemon: the rest": server - sum(own.values()),
    }


def seconds_between(job: Mapping[str, Any], start: str, end: str) -> float:
    return (datetime.fromisoformat(job[end]) - datetime.fromisoformat(job[start])).total_seconds()


def one_round(bench: Bench, number: int, restores: int, bare: Bare, next_state: Callable[[], object] | None) -> Round:
    product = f"round{number}"
    body = json.dumps({"endpoint": product}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{bench.daemon.url}/api/v1/products", body, method="POST")):
        pass
    done = Round(bare)
    before = asyncio.run(sizes(bench.dsn))
    done.stores["first"] = bench.store(product)
    done.grown = grown(before, asyncio.run(sizes(bench.dsn)))
    done.stores["again"] = bench.store(product)
    for _ in range(restores - 1):
        bench.store_quickly(product)
    done.grown_after_restores = grown(before, asyncio.run(sizes(bench.dsn)))
    if next_state is not None:
        next_state()
        done.stores["1 % changed"] = bench.store(product)
    return done


# What is printed


@dataclass(frozen=True, slots=True)
class Facts:
    """What all rounds have in common, and the rounds."""

    bare: Bare
    diagnostics: int
    codechecker: float | None
    restores: int
    rounds: Sequence[Round]

    def best(self, store: str, phase: str) -> float:
        return min(done.stores[store].seconds[phase] for done in self.rounds)

    def least_cpu(self, store: str, processes: Collection[str]) -> float:
        """Seconds of CPU time that these had together, in the best round."""
        return min(sum(done.stores[store].cpu[name] for name in processes) for done in self.rounds)

    def of_codechecker(self) -> tuple[float, str]:
        """Seconds of its store, and how they are known."""
        if self.codechecker is not None:
            return self.codechecker, "beside it"
        return CODECHECKER_SECONDS * self.bare.rows, "by the issue's figures"

    @property
    def stores(self) -> list[str]:
        return list(self.rounds[0].stores)


def print_times(facts: Facts, console: Console) -> None:
    bare = facts.bare
    rate = bare.bytes / MB / bare.parse
    title = (
        f"{facts.diagnostics:,} diagnostics, {bare.rows:,} different, {bare.bytes / MB:,.0f} MB; "
        f"best of {len(facts.rounds)}, seconds"
    )
    table = Table("", *facts.stores, "of the yardstick", title=title)
    for phase in facts.rounds[0].stores["first"].seconds:
        first, *others = (facts.best(store, phase) for store in facts.stores)
        table.add_row(phase, f"{first:.2f}", *(f"{taken:.2f}" for taken in others), f"{first / bare.together:.2f}")
    table.add_section()
    for process in facts.rounds[0].stores["first"].cpu:
        taken = [facts.least_cpu(store, [process]) for store in facts.stores]
        row = [f"{one:.2f}" for one in taken]
        table.add_row(f"CPU time: {process}", *row, f"{taken[0] / bare.cpu:.2f}")
    table.add_section()
    table.add_row("bare: parse, all cores", f"{bare.parse:.2f}", *[""] * (len(facts.stores) - 1), f"{rate:.0f} MB/s")
    table.add_row("bare: COPY", f"{bare.copy:.2f}")
    table.add_row("bare: merge", f"{bare.merge:.2f}")
    table.add_row("bare: CPU time of all three", f"{bare.cpu:.2f}")
    console.print(table)


def print_costs(facts: Facts, console: Console) -> None:
    """Of the last round, which the others have left their marks on; of memory the most of all rounds."""
    table = Table("peaks, and what was written", *facts.stores)
    last = facts.rounds[-1].stores.values()

    def peak(of: Callable[[Stored], int]) -> list[str]:
        peaks = (max(of(done.stores[store]) for done in facts.rounds) for store in facts.stores)
        return [f"{most / MB:.0f} MB" for most in peaks]

    table.add_row("daemon", *peak(lambda stored: stored.daemon.own))
    table.add_row("largest worker", *peak(lambda stored: stored.daemon.largest_child))
    table.add_row("client and its children", *peak(lambda stored: stored.client.together))
    table.add_row("rows written", *(f"{stored.written.rows:,}" for stored in last))
    table.add_row("WAL", *(f"{stored.written.wal / MB:.1f} MB" for stored in last))
    console.print(table)


def print_sizes(facts: Facts, console: Console) -> None:
    done = facts.rounds[0]
    again = f"and again x {facts.restores}"
    table = Table("table with indexes", "stored", again, "bytes a report", title="Growth of the database, MB")
    for name, size in [*list(done.grown.items())[:7], ("all", sum(done.grown.values()))]:
        later = sum(done.grown_after_restores.values()) if name == "all" else done.grown_after_restores[name]
        table.add_row(name, f"{size / MB:.2f}", f"{later / MB:.2f}", f"{size / facts.bare.rows:.0f}")
    console.print(table)


def print_aims(facts: Facts, console: Console) -> None:
    """What the issue asks for, item by item."""
    table = Table("aim", "asked for", "measured", "", title="Done when")
    for name, asked, measured, met in aims(facts):
        table.add_row(name, asked, measured, "yes" if met else "no")
    console.print(table)


def aims(facts: Facts) -> list[tuple[str, str, str, bool]]:
    """Name, what is asked for, what was measured, whether that is enough."""
    whole = "storectl, start to exit"
    theirs, how = facts.of_codechecker()
    first, again = facts.best("first", whole), facts.best("again", whole)
    daemon = facts.best("first", "daemon") / facts.bare.together
    cpu = facts.least_cpu("first", ("daemon", "workers", "database")) / facts.bare.cpu
    rows = facts.rounds[-1].stores["again"].written
    found = [
        (f"1. store, to CodeChecker's {theirs:.0f} s ({how})", "1/40", f"1/{theirs / first:.0f}", theirs / first >= 40),
        ("1. daemon, to parse + COPY + merge", "2.5", f"{daemon:.2f}", daemon <= 2.5),
        ("1. the same in CPU time", "2.5", f"{cpu:.2f}", cpu <= 2.5),
        ("2. the same again, to CodeChecker's", "1/100", f"1/{theirs / again:.0f}", theirs / again >= 100),
        ("2. rows written by it", "0", f"{rows.rows:,}", rows.rows == 0),
    ]
    if "1 % changed" in facts.stores:
        part = facts.best("1 % changed", whole) / first
        found.append(("3. 1 % changed, to the first store", "0.10", f"{part:.2f}", part < 0.1))
    return [*found, *memory_aims(facts), *size_aims(facts)]


def memory_aims(facts: Facts) -> list[tuple[str, str, str, bool]]:
    stores = [stored for done in facts.rounds for stored in done.stores.values()]
    peaks = {
        "daemon": (max(stored.daemon.own for stored in stores), 300),
        "each worker": (max(stored.daemon.largest_child for stored in stores), 400),
        "client": (max(stored.client.together for stored in stores), 300),
    }
    return [
        (f"4. peak memory, {name}", f"{most} MB", f"{peak / MB:.0f} MB", peak / MB < most)
        for name, (peak, most) in peaks.items()
    ]


def size_aims(facts: Facts) -> list[tuple[str, str, str, bool]]:
    asked = CODECHECKER_BYTES / 2
    grown_by = {
        "one store": facts.rounds[0].grown,
        f"the same {facts.restores} times more": facts.rounds[0].grown_after_restores,
    }
    each = {f"after {name}": sum(tables.values()) for name, tables in grown_by.items()}
    kept = sum(size for table, size in facts.rounds[0].grown.items() if not table.startswith("staged_"))
    sizes_of = {name: size / facts.bare.rows for name, size in {**each, "without staging": kept}.items()}
    return [
        (f"5. bytes a report {name}", f"{asked:.0f}", f"{size:.0f}", size <= asked) for name, size in sizes_of.items()
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="report folder to store, instead of one that is made")
    arguments.add_argument("--reports", type=int, default=10_000, help="different ones that are made")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--restores", type=int, default=2, help="unchanged stores in each round")
    arguments.add_argument("--codechecker", help="path of CodeChecker, to store beside us")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        reports, next_state = options.folder, None
        if reports is None:
            shape = Shape(options.reports)
            base = stack.enter_context(open_base(None, shape.analyzers))
            generate(scratch / "set", shape, base)
            reports, next_state = scratch / "set" / "reports", lambda: change(scratch / "set", CHANGED, base)
        facts = measure(reports, scratch, options, next_state)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for show in (print_times, print_costs, print_sizes, print_aims):
        show(facts, console)


def measure(
    reports: Path, scratch: Path, options: argparse.Namespace, next_state: Callable[[], object] | None
) -> Facts:
    cores = os.cpu_count() or 1
    size = sum(path.stat().st_size for path in reports.glob("*.plist"))
    archive = pack_folders(scratch / "bare.zip", [reports])
    theirs = codechecker_seconds(options.codechecker, reports, scratch)
    with running_daemon(None, scratch, workers=None, log_level="warning") as daemon, ExitStack() as stack:
        process = daemon.process
        if process is None:
            raise SystemExit("the daemon does not run")
        runner = stack.enter_context(asyncio.Runner())
        embedded = open_embedded(scratch / "data" / "postgres")
        dsn = runner.run(embedded.__aenter__())
        stack.callback(lambda: runner.run(embedded.__aexit__(None, None, None)))
        stack.callback(daemon.stop)
        measure_round = partial(measure_bare, archive, size, dsn, scratch, cores)
        bench = Bench(daemon, process.pid, dsn, reports, scratch)
        rounds = [
            one_round(bench, number, options.restores, measure_round(), next_state) for number in range(options.rounds)
        ]
    diagnostics = rounds[0].stores["first"].result["diagnostics"]
    return Facts(best_of([done.bare for done in rounds]), diagnostics, theirs, options.restores, rounds)


def codechecker_seconds(executable: str | None, reports: Path, scratch: Path) -> float | None:
    """How long its client takes to store the folder into its own server; None without it."""
    if executable is None:
        return None
    with running_codechecker(Path(executable), scratch / "codechecker") as server:
        return codechecker_store(executable, reports, server.url)


if __name__ == "__main__":
    main()
