"""Where the time of a store goes: client, queue, and each phase of the daemon, for a real analysis.

    python -m benchmarks.store_phases [--folder REPORTS] [--rounds N]

Without --folder it takes xerces-c from shared/data beside the project, else the packaged sample. It starts a daemon on
an embedded PostgreSQL of its own, and stores the analysis as a new run whose sources the server has not, and again
unchanged. Times are the least and the median of the rounds; the last column is the ratio to parsing the same result
files in one process, in the same run: machines differ, ratios tell.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks.daemons import daemon
from storaged.database.embedded import open_embedded
from storaged.ingest.archive import survey
from storaged.ingest.chunks import parse_chunk
from storaged.ingest.values import ArchiveLimits, ParseOptions
from storaged.quickstart import unpack_sample
from tests.acceptance.daemons import clean_environment
from tests.archives import REAL_DATA, pack_folders, unpack_xerces

FORGET = "TRUNCATE content, run_file"

Times = dict[str, float]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="report folder to store")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="storaged-bench-") as scratch:
        folder = options.folder or default_folder(Path(scratch))
        sizes = [path.stat().st_size for path in folder.glob("*.plist")]
        bare = bare_parse(folder, Path(scratch) / "bare.zip", options.rounds)
        with daemon(Path(scratch) / "data") as url:
            rounds = [one_round(url, Path(scratch) / "data", folder, number) for number in range(options.rounds)]
    report(sizes, bare, rounds)


def default_folder(scratch: Path) -> Path:
    root = unpack_xerces(scratch) if REAL_DATA.is_dir() else unpack_sample(scratch / "sample")
    return root / "reports"


def bare_parse(folder: Path, archive: Path, rounds: int) -> float:
    """Seconds that one process needs to parse all result files of the archive, at best."""
    pack_folders(archive, [folder])
    found = survey(str(archive), ArchiveLimits())
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        parse_chunk(str(archive), str(uuid4()), found.result_files, ParseOptions(), {})
        taken.append(time.perf_counter() - started)
    return min(taken)


def one_round(url: str, data_dir: Path, folder: Path, number: int) -> dict[str, Times]:
    """A first store of a new run, the same again, and the start of the client by itself."""
    asyncio.run(forget_contents(data_dir))
    return {
        "start-up": {"storectl --version": timed("--version")},
        "first store": store(url, folder, f"run {number}"),
        "unchanged": store(url, folder, f"run {number}"),
    }


async def forget_contents(data_dir: Path) -> None:
    """Make the server one that has none of the sources."""
    async with open_embedded(data_dir / "postgres") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(FORGET)
        await connection.close()


def store(url: str, folder: Path, run: str) -> Times:
    """Store by the real client; the whole, the daemon's phases, and what is left: client, upload, queue, polling."""
    whole = timed("store", str(folder), "--name", run, "--url", f"{url}/Default")
    with urllib.request.urlopen(f"{url}/api/v1/jobs?limit=1") as answer:
        job = json.load(answer)["jobs"][0]
    if job["status"] != "completed":
        raise SystemExit(f"the store ended {job['status']}: {job['comments']}")
    server = seconds_between(job, "started_at", "finished_at")
    queued = seconds_between(job, "enqueued_at", "started_at")
    phases: Times = {f"  {name}": taken for name, taken in job["result"]["seconds"].items()}
    order = ("  survey", "  contents", "  parse", "  merge")
    return {
        "storectl, start to exit": whole,
        "client and upload": whole - server - queued,
        "queue": queued,
        "daemon": server,
        **{name: phases[name] for name in order},
    }


def seconds_between(job: dict[str, Any], start: str, end: str) -> float:
    return (datetime.fromisoformat(job[end]) - datetime.fromisoformat(job[start])).total_seconds()


def timed(*arguments: str) -> float:
    """Seconds from the start of `storectl` to its exit."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "storaged_cli", *arguments], check=True, env=clean_environment(), capture_output=True
    )
    return time.perf_counter() - started


def report(sizes: list[int], bare: float, rounds: list[dict[str, Times]]) -> None:
    size = sum(sizes) / 1e6
    table = Table("", "least s", "median s", "to bare parse", title=f"{len(sizes)} result files, {size:.1f} MB")
    table.add_row("bare parse, one process", f"{bare:.3f}", "", f"{size / bare:.0f} MB/s")
    for part in rounds[0]:
        table.add_section()
        table.add_row(part)
        for name in rounds[0][part]:
            taken = [times[part][name] for times in rounds]
            least = min(taken)
            table.add_row(f"  {name}", f"{least:.3f}", f"{statistics.median(taken):.3f}", f"{least / bare:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
