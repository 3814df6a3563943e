"""What a store takes at least here: the same bytes parsed, the same rows copied and merged, and nothing else."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.dashboard import open_database
from benchmarks.observed import cpu_seconds
from storaged.database.copy import copy_rows
from storaged.database.engine import open_connection
from storaged.database.migrate import migrate
from storaged.ingest.chunks import warm_up
from storaged.ingest.handover import Parsed, Places, Upload, parse_places, plan_store
from storaged.ingest.values import ArchiveLimits
from storaged.store.staging import FILE_COLUMNS, REPORT_COLUMNS

LEASE: Final = "00000000-0000-0000-0000-000000000000"
# Plain tables to copy to, then what the first store of a run comes to when nothing is to be compared.
STAGE: Final = """
CREATE TEMPORARY TABLE came (LIKE staged_report);
CREATE TEMPORARY TABLE came_file (LIKE staged_file);
"""
MERGE: Final = (
    "INSERT INTO checker (analyzer, name, severity) SELECT DISTINCT analyzer, checker, 0 FROM came",
    "INSERT INTO file (product_id, id, path) SELECT DISTINCT 1, file_id, path FROM came_file",
    """
    WITH inserted AS (
        INSERT INTO report (product_id, checker_id, run_id, report_hash, path_hash, file_id, line, "column", status_by,
                            status, path_length, detected_at, message, foreign_hash, annotations)
        SELECT 1, c.id, 1, s.report_hash, s.path_hash, s.file_id, s.line, s."column", 1, 'new', s.path_length, now(),
               s.message, s.foreign_hash, s.annotations
        FROM came s JOIN checker c ON c.analyzer = s.analyzer AND c.name = s.checker
        RETURNING id, path_hash
    )
    INSERT INTO report_path (product_id, report_id, files, steps)
    SELECT 1, n.id, s.files, s.steps FROM inserted n JOIN came s USING (path_hash) WHERE s.steps IS NOT NULL
    """,
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The different rows of an upload in COPY's text format, in files."""

    reports: Path
    files: Path
    count: int


@dataclass(frozen=True, slots=True)
class Bare:
    """Seconds of the least work; `bytes` are those of the result files, `rows` the different reports."""

    bytes: int
    rows: int
    parse: float
    copy: float
    merge: float
    # What the processors had to do for all three, in seconds: others who use the machine matter less to it.
    cpu: float

    @property
    def together(self) -> float:
        return self.parse + self.copy + self.merge


def parse_bare(archive: Path, scratch: Path, cores: int) -> tuple[float, float, Rows]:
    """Seconds that all cores need to parse the archive's result files into rows, those of CPU time, and the rows."""
    with TemporaryDirectory(dir=scratch) as handed, ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        list(pool.map(_warm, range(cores * 4)))
        upload = Upload(str(archive), ArchiveLimits(), handed)
        chunks = plan_store(upload, cores).chunks
        started = time.perf_counter()
        answers = list(pool.map(partial(_parse, upload), chunks))
        taken = time.perf_counter() - started
        return taken, sum(cpu for _, cpu in answers), _different([parsed for parsed, _ in answers], scratch)


def _warm(_number: int) -> None:
    warm_up()


def _parse(upload: Upload, chunk: Places) -> tuple[Parsed, float]:
    started = time.process_time()
    return parse_places(upload, LEASE, chunk, (), {}), time.process_time() - started


def _different(parsed: Sequence[Parsed], folder: Path) -> Rows:
    reports, files = folder / "reports.copy", folder / "files.copy"
    count = _write_once((row for one in parsed for row in _lines(one.reports)), reports, key=3)
    _write_once((row for one in parsed for row in _lines(one.files)), files, key=1)
    return Rows(reports, files, count)


def _lines(rows: bytes | Path) -> Iterator[bytes]:
    yield from (rows if isinstance(rows, bytes) else rows.read_bytes()).splitlines(keepends=True)


def _write_once(rows: Iterator[bytes], target: Path, *, key: int) -> int:
    """The first row of each value of a column; says how many there are."""
    known = set()
    with target.open("wb") as file:
        for row in rows:
            value = row.split(b"\t", key + 1)[key]
            if value not in known:
                known.add(value)
                file.write(row)
    return len(known)


async def merge_bare(dsn: str, rows: Rows) -> tuple[float, float, float]:
    """Seconds of COPY, of the merge, and of CPU time, into a database of its own on the server, dropped at the end."""
    async with open_database(dsn) as url:
        connection = await open_connection(url)
        await migrate(connection)
        await connection.execute(STAGE)
        backend = connection.get_server_pid()
        started, cpu = time.perf_counter(), cpu_seconds(backend)
        await copy_rows(connection, "came_file", FILE_COLUMNS, rows.files)
        await copy_rows(connection, "came", REPORT_COLUMNS, rows.reports)
        copied = time.perf_counter()
        async with connection.transaction():
            for statement in MERGE:
                await connection.execute(statement)
        merged, cpu = time.perf_counter(), cpu_seconds(backend) - cpu
        await connection.close()
    return copied - started, merged - copied, cpu


def measure_bare(archive: Path, size: int, dsn: str, scratch: Path, cores: int) -> Bare:
    """Both, one after the other, while nothing else runs; `size` is that of the result files, in bytes."""
    parse, parse_cpu, rows = parse_bare(archive, scratch, cores)
    copy, merge, merge_cpu = asyncio.run(merge_bare(dsn, rows))
    return Bare(size, rows.count, parse, copy, merge, parse_cpu + merge_cpu)


def best_of(measured: Sequence[Bare]) -> Bare:
    """The least of each."""
    parts = ("parse", "copy", "merge", "cpu")
    return replace(measured[0], **{part: min(getattr(one, part) for one in measured) for part in parts})
