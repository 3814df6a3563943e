"""Merging the staged reports of a store into its run; docs/statuses.md tells the rules in prose."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, load_queries
from storaged.errors import ReportLimitReached, StagedRowsLost
from storaged.model import MergedStore, NewStore, ProductId
from storaged.store import runs

QUERIES = load_queries("merge")

# How many files without a source a store names; beyond that the list helps nobody.
MISSING_SOURCES_NAMED = 100


async def merge_store(
    conn: Connection, new: NewStore, lease: UUID, *, report_limit: int, run_limit: int | None
) -> MergedStore:
    """Make the run what was staged under `lease`; the caller owns the transaction, and settles the job in it.

    Checkers and files must be registered before (`register_staged`). Raises ReportLimitReached, RunLimitReached.
    """
    run = await runs.lock_run(conn, new, run_limit)
    scope = {"product": new.product_id, "run": run.id}
    incoming = await _fill_work_tables(conn, scope, lease)
    if incoming > report_limit:
        raise ReportLimitReached(
            f"The store has {incoming} reports, product {new.product!r} takes {report_limit} in one store. "
            "Disable noisy checkers, skip third-party files, or raise the product's report limit."
        )
    store = await runs.insert_store(conn, new, run)
    at = {"store": store, "stored_at": run.stored_at}
    replaced = await QUERIES["replace_reports"].value(conn, **scope)
    by = {"username": new.username}
    opened = await QUERIES["open_reports"].execute(conn, **scope, **at)
    inserted = await _insert(conn, {**scope, **by, **at}, lease)
    reviewed = await QUERIES["review_reports"].execute(conn, **scope, **by, stored_at=run.stored_at)
    closed = 0 if new.partial else await _close(conn, new, scope, at)
    await QUERIES["insert_run_files"].execute(conn, **scope, store=store, lease=lease)
    counts = await _count_statuses(conn, scope, store)
    await runs.finish_store(conn, scope, store, counts)
    missing = await _missing_sources(conn, new.product_id, lease)
    return MergedStore(store, incoming, inserted, replaced, opened, closed, reviewed, counts, missing)


async def check_staged(conn: Connection, lease: UUID, *, reports: int, files: int) -> None:
    """See, in the merge's transaction, that all that was staged is there; raises StagedRowsLost.

    A store merged from a part of its rows would resolve the reports of the rest.
    """
    row = await QUERIES["count_staged"].row(conn, lease=lease)
    if (row["reports"], row["files"]) != (reports, files):
        raise StagedRowsLost(
            "The database restarted while the upload was parsed: "
            f"{row['reports']} of {reports} parsed reports are left."
        )


async def register_staged(
    conn: Connection, product: ProductId, lease: UUID, severities: Mapping[tuple[str, str], int]
) -> None:
    """Make the staged files and the checkers, (analyzer, name) to severity, known.

    Both are dictionaries that a failed store may leave entries in, so this runs before the merge, not in it: merges of
    different runs would wait for each other's new entries.
    """
    await register_checkers(conn, severities)
    await QUERIES["register_files"].execute(conn, product=product, lease=lease)


async def register_checkers(conn: Connection, severities: Mapping[tuple[str, str], int]) -> None:
    """Make the checkers, (analyzer, name) to severity, known."""
    pairs = sorted(severities)
    await QUERIES["register_checkers"].execute(
        conn,
        analyzers=[analyzer for analyzer, _ in pairs],
        names=[name for _, name in pairs],
        severities=[severities[pair] for pair in pairs],
    )


async def sweep_lease(conn: Connection, lease: UUID) -> None:
    """Delete what was staged under a lease: it was merged, or never will be."""
    await QUERIES["sweep_lease"].execute(conn, lease=lease)


async def sweep_dead_leases(conn: Connection) -> None:
    """Delete what was staged under leases that no running job holds."""
    await QUERIES["sweep_dead_leases"].execute(conn)


async def _fill_work_tables(conn: Connection, scope: Mapping[str, int], lease: UUID) -> int:
    await conn.execute(QUERIES["create_work_tables"].text)
    await QUERIES["fill_incoming"].execute(conn, **scope, lease=lease)
    await QUERIES["fill_known"].execute(conn, **scope)
    await conn.execute(QUERIES["index_work_tables"].text)
    return int(await QUERIES["count_incoming"].value(conn))


async def _insert(conn: Connection, given: Mapping[str, Any], lease: UUID) -> int:
    await QUERIES["loop_no_joins"].value(conn)
    inserted: int = await QUERIES["insert_reports"].value(conn, **given, lease=lease)
    await QUERIES["loop_joins"].value(conn)
    return inserted


async def _close(conn: Connection, new: NewStore, scope: Mapping[str, int], at: Mapping[str, Any]) -> int:
    verdict = {"enabled": sorted(new.enabled), "disabled": sorted(new.disabled)}
    return await QUERIES["close_reports"].execute(conn, **scope, **at, **verdict)


async def _count_statuses(conn: Connection, scope: Mapping[str, int], store: int) -> dict[str, int]:
    rows = await QUERIES["count_statuses"].fetch(conn, **scope, store=store)
    return {row["status"]: row["reports"] for row in rows}


async def _missing_sources(conn: Connection, product: ProductId, lease: UUID) -> tuple[str, ...]:
    rows = await QUERIES["missing_sources"].fetch(conn, product=product, lease=lease, limit=MISSING_SOURCES_NAMED)
    return tuple(row["path"] for row in rows)
