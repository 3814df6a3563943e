"""What a store costs beside time: memory of processes, and what is written to and kept in the database."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

SAMPLE_SECONDS: Final = 0.05
# A backend of PostgreSQL that is idle tells what it has written after 10 s.
STATISTICS_SECONDS: Final = 10.5
# What a store says of itself and its queue; an unchanged one writes nothing else.
OTHER_TABLES: Final = ("job%", "idempotency_key", "node", "store%", "run", "product", "staged_%")
# Rows inserted, updated and deleted so far.
ROWS: Final = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE NOT relname LIKE ANY ($1)), 0)::bigint
FROM pg_stat_user_tables
"""
SIZES: Final = """
SELECT c.relname, pg_total_relation_size(c.oid) AS size
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How much the database has written so far: rows of reports and what belongs to them, bytes of WAL."""

    rows: int
    wal: int

    def since(self, before: "Written") -> "Written":
        return Written(self.rows - before.rows, self.wal - before.wal)


async def written(dsn: str) -> Written:
    """Rows are up to date when all backends have been idle for `STATISTICS_SECONDS`."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetchval(ROWS, OTHER_TABLES)
        return Written(rows, await connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))
    finally:
        await connection.close()


async def sizes(dsn: str) -> dict[str, int]:
    """Bytes of each table with its indexes and its large values."""
    connection = await asyncpg.connect(dsn)
    try:
        return {row["relname"]: row["size"] for row in await connection.fetch(SIZES)}
    finally:
        await connection.close()


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had (VmHWM); 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def forget_peak(pid: int) -> None:
    """From here on the peak is a new one."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def children_of(pid: int) -> list[int]:
    """The Python processes below; psutil would read all of /proc for each look."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if _is_python(child)]


def _is_python(pid: int) -> bool:
    """Workers are; PostgreSQL, and multiprocessing's own process, which tidies up, are not meant."""
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"python" in command.split(b"\0")[0] and b"resource_tracker" not in command
    return False


def cpu_seconds(pid: int) -> float:
    """What the process has had of the processors, with its children that have ended; 0 when it has ended itself."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


async def database_processes(dsn: str) -> list[int]:
    """PostgreSQL's first process, and those that it has now; to be asked for before and after what is measured."""
    connection = await asyncpg.connect(dsn)
    try:
        return _siblings(connection.get_server_pid())
    finally:
        await connection.close()


def _siblings(pid: int) -> list[int]:
    """The process above, and all that are directly below it."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]


@dataclass(slots=True)
class Peaks:
    """The most memory of a process and of each of those below it, in bytes."""

    own: int = 0
    children: dict[int, int] = field(default_factory=dict)

    @property
    def largest_child(self) -> int:
        return max(self.children.values(), default=0)

    @property
    def together(self) -> int:
        """Never less than what they had at the same time."""
        return self.own + sum(self.children.values())

    def sample(self, pid: int) -> None:
        self.own = max(self.own, peak_bytes(pid))
        for child in children_of(pid):
            self.children[child] = max(self.children.get(child, 0), peak_bytes(child))


@contextmanager
def watched(pid: int) -> Iterator[Peaks]:
    """Follow the memory of a process that was just started, or whose peaks are to begin anew, while the block runs."""
    peaks, done = Peaks(), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peaks.sample(pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()
        peaks.sample(pid)


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What each table has more than before, the largest first."""
    more = {name: size - before.get(name, 0) for name, size in after.items()}
    return dict(sorted(more.items(), key=lambda item: -item[1]))
