"""Reports staged as workers would, for tests of what comes after parsing."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from storaged.database.engine import Engine
from storaged.model import MergedStore, NewStore, ProductId
from storaged.store import merge, staging
from storaged.store.severities import Severities

PRODUCT = ProductId(1)
COLUMNS = (*staging.REPORT_COLUMNS[:11], *staging.REPORT_COLUMNS[-3:])


def md5(text: str) -> UUID:
    return UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class Found:
    """One report of a store: the same `bug` is the same report hash, the same `way` the same path to it.

    `words` follow the bug's name in the message.
    """

    bug: str
    way: str = "first"
    checker: str = "core.NullDereference"
    file: str = "/src/a.cpp"
    content: bytes | None = None
    analyzer: str = "clangsa"
    line: int = 10
    words: str = ""
    # status, message, whether it is in the source
    review: tuple[str, str, bool] | None = None


async def stage(engine: Engine, reports: list[Found]) -> UUID:
    """Stage reports under a new lease."""
    lease = uuid4()
    async with engine.connect() as conn:
        copy: Any = conn.copy_records_to_table  # type: ignore[attr-defined]  # asyncpg's; the daemon copies text
        await copy("staged_report", records=_reports(lease, reports), columns=COLUMNS)
        await copy("staged_file", records=_files(lease, reports), columns=staging.FILE_COLUMNS)
        severities = Severities().of_all({(report.analyzer, report.checker) for report in reports})
        await merge.register_staged(conn, PRODUCT, lease, severities)
    return lease


async def store(engine: Engine, found: Iterable[Found], run: str = "run", **options: object) -> MergedStore:
    """Stage and merge reports as one store of the run."""
    lease = await stage(engine, list(found))
    new = NewStore(product_id=PRODUCT, product="Default", run=run, **options)  # type: ignore[arg-type]
    async with engine.begin() as conn:
        merged = await merge.merge_store(conn, new, lease, report_limit=500_000, run_limit=None)
    async with engine.connect() as conn:
        await merge.sweep_lease(conn, lease)
    return merged


def _reports(lease: UUID, reports: list[Found]) -> list[tuple[object, ...]]:
    return [(lease, number, *_report(report)) for number, report in enumerate(reports)]


def _report(one: Found) -> tuple[object, ...]:
    hashes = md5(one.bug), md5(one.bug + one.way), md5(one.file)
    review = one.review or (None, None, None)
    return *hashes, one.line, 5, 1, one.analyzer, one.checker, f"{one.bug}!{one.words}", *review


def _files(lease: UUID, reports: list[Found]) -> list[tuple[object, ...]]:
    return [(lease, md5(r.file), r.file, None if r.content is None else sha256(r.content)) for r in reports]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
