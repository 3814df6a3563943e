"""Reports staged as workers would, for tests of what comes after parsing."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

from storaged.database.engine import Engine
from storaged.model import MergedStore, NewStore, ProductId
from storaged.store import merge, staging
from storaged.store.severities import Severities

PRODUCT = ProductId(1)


def md5(text: str) -> UUID:
    return UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class Found:
    """One report of a store: the same `bug` is the same report hash, the same `way` the same path to it."""

    bug: str
    way: str = "first"
    checker: str = "core.NullDereference"
    file: str = "/src/a.cpp"
    content: bytes | None = None


async def store(engine: Engine, found: Iterable[Found], run: str = "run", **options: object) -> MergedStore:
    """Stage and merge reports as one store of the run."""
    lease = uuid4()
    reports = list(found)
    new = NewStore(product_id=PRODUCT, product="Default", run=run, **options)  # type: ignore[arg-type]
    async with engine.connect() as conn:
        await conn.copy_records_to_table(
            "staged_report", records=_reports(lease, reports), columns=staging.REPORT_COLUMNS[:11]
        )  # type: ignore[attr-defined]
        await conn.copy_records_to_table("staged_file", records=_files(lease, reports), columns=staging.FILE_COLUMNS)  # type: ignore[attr-defined]
        severities = Severities().of_all({("clangsa", report.checker) for report in reports})
        await merge.register_staged(conn, PRODUCT, lease, severities)
    async with engine.begin() as conn:
        merged = await merge.merge_store(conn, new, lease, report_limit=500_000, run_limit=None)
    async with engine.connect() as conn:
        await merge.sweep_lease(conn, lease)
    return merged


def _reports(lease: UUID, reports: list[Found]) -> list[tuple[object, ...]]:
    return [
        (lease, n, md5(r.bug), md5(r.bug + r.way), md5(r.file), 10, 5, 1, "clangsa", r.checker, f"{r.bug}!")
        for n, r in enumerate(reports)
    ]


def _files(lease: UUID, reports: list[Found]) -> list[tuple[object, ...]]:
    return [(lease, md5(r.file), r.file, None if r.content is None else sha256(r.content)) for r in reports]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
