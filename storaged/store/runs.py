"""Runs, their stores, and what each store said of itself."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from storaged.database.sql import Connection, like_pattern, load_queries
from storaged.errors import RunLimitReached, RunNotFound, TagNotFound
from storaged.model import AnalyzerInfo, NewStore, ProductId, RunId, StoreId
from storaged.store.names import close_names

QUERIES = load_queries("runs")


@dataclass(frozen=True, slots=True)
class DeletedRun:
    """How much went with a run."""

    reports: int
    stores: int


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row this transaction holds, and the time that its next store bears."""

    id: RunId
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Names of which one must fit, `*` standing for anything, and when the last store was, both ends included."""

    names: Sequence[str] = ()
    stored_after: datetime | None = None
    stored_before: datetime | None = None


class RunSort(StrEnum):
    """What comes first; of equal ones, the name."""

    NAME = "name"
    # the one that was stored last
    STORED_AT = "stored_at"
    # the one that has the most open reports
    OPEN = "open"
    # the one that took longest to analyse
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """The order of a list of runs."""

    sort: RunSort = RunSort.NAME
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class RunCursor:
    """Where the next page begins: behind the run of this name, which has this key in the order of the list."""

    key: Decimal
    name: str


EVERY_RUN = RunFilter()
BY_NAME = RunOrder()


async def lock_run(conn: Connection, new: NewStore, run_limit: int | None) -> LockedRun:
    """The store's run, locked; made anew when it is not there, or when `force` is set. Raises RunLimitReached."""
    row = await QUERIES["lock_run"].row(conn, product=new.product_id, name=new.run)
    if row is not None and new.force:
        await delete_run(conn, new.product_id, RunId(row["id"]))
        row = None
    if row is None:
        # A product's own limit goes before the one of the settings.
        own = await lock_names(conn, new.product_id)
        await check_run_limit(conn, new.product_id, new.product, new.run, run_limit if own is None else own)
        row = await QUERIES["insert_run"].row(conn, product=new.product_id, name=new.run)
    return LockedRun(RunId(row["id"]), row["stored_at"])


async def lock_names(conn: Connection, product: ProductId) -> int | None:
    """Keep others from making and renaming runs until the transaction ends; the product's own run limit."""
    limit: int | None = await QUERIES["lock_product_limits"].value(conn, product=product)
    return limit


async def insert_store(conn: Connection, new: NewStore, run: LockedRun) -> StoreId:
    """Write the store to the run's history; a tag that an older store of the run has moves to this one."""
    if new.tag is not None:
        await QUERIES["free_tag"].execute(conn, product=new.product_id, run=run.id, tag=new.tag)
    store = await QUERIES["insert_store"].value(
        conn,
        product=new.product_id,
        run=run.id,
        job_token=new.token,
        username=new.username,
        tag=new.tag,
        description=new.description,
        client_version=new.client_version,
        command=new.command,
        duration=new.duration,
        stored_at=run.stored_at,
    )
    for analyzer in new.analyzers:
        await _insert_analyzer(conn, new.product_id, StoreId(store), analyzer)
    return StoreId(store)


async def finish_store(conn: Connection, scope: Mapping[str, int], store: StoreId, counts: Mapping[str, int]) -> None:
    """Make the store the one that its run shows."""
    await QUERIES["finish_store"].execute(conn, **scope, store=store, counts=counts)


async def delete_run(conn: Connection, product: ProductId, run: RunId) -> DeletedRun:
    """Delete a run with its reports and history; what it shared with others is swept later (`orphans`)."""
    row = await QUERIES["delete_run"].row(conn, product=product, run=run)
    return DeletedRun(row["reports"], row["stores"])


async def delete_run_named(conn: Connection, product: ProductId, name: str) -> DeletedRun | None:
    """As `delete_run`; None when there is no such run. The caller owns the transaction, and settles the job in it."""
    run = await QUERIES["lock_run_id"].value(conn, product=product, name=name)
    return None if run is None else await delete_run(conn, product, RunId(run))


async def check_awaited(conn: Connection, product: ProductId, endpoint: str, name: str) -> None:
    """Raise RunNotFound when there is no run of this name, and no store is accepted that will make it."""
    if not await QUERIES["run_awaited"].value(conn, product=product, name=name):
        raise await not_found(conn, product, endpoint, name)


async def find_runs(conn: Connection, product: ProductId, endpoint: str, names: Sequence[str]) -> list[RunId]:
    """The runs of these names, in which `*` stands for anything. Raises RunNotFound for one that fits no run.

    A list that came out shorter than was meant would hide a typo.
    """
    if not names:
        return []
    rows = await QUERIES["match_runs"].fetch(conn, product=product, patterns=[like_pattern(name) for name in names])
    for row in rows:
        if row["run"] is None:
            raise await not_found(conn, product, endpoint, names[row["position"] - 1])
    return list(dict.fromkeys(RunId(row["run"]) for row in rows))


async def list_runs(
    conn: Connection,
    product: ProductId,
    where: RunFilter = EVERY_RUN,
    *,
    order: RunOrder = BY_NAME,
    after: RunCursor | None = None,
    limit: int,
) -> tuple[list[Any], RunCursor | None]:
    """Rows of runs, each with its last store, and where the next page begins (None: there is none)."""
    rows = await QUERIES["list_runs"].fetch(
        conn,
        product=product,
        names=[like_pattern(name) for name in where.names] or None,
        stored_after=where.stored_after,
        stored_before=where.stored_before,
        sort=order.sort,
        reverse=order.reverse,
        after_key=None if after is None else after.key,
        after_name=None if after is None else after.name,
        limit=limit,
    )
    return rows, RunCursor(rows[-1]["sort_key"], rows[-1]["name"]) if len(rows) == limit else None


async def count_runs(conn: Connection, product: ProductId) -> int:
    """How many runs the product has."""
    return int(await QUERIES["count_runs"].value(conn, product=product))


async def has_run(conn: Connection, product: ProductId, name: str) -> bool:
    """Whether the product has a run of this name now."""
    return bool(await QUERIES["has_run"].value(conn, product=product, name=name))


async def check_tags(
    conn: Connection, product: ProductId, endpoint: str, tags: Sequence[str], runs: Sequence[RunId]
) -> None:
    """Raises TagNotFound for the first tag that no store of the runs has, or, without runs, of the product."""
    if not tags:
        return
    unknown = await QUERIES["unknown_tags"].row(conn, product=product, tags=tags, runs=runs)
    if unknown is not None:
        raise TagNotFound(endpoint, unknown["runs"], unknown["tag"])


async def get_run(conn: Connection, product: ProductId, endpoint: str, name: str) -> Any:
    """The row of one run, with the number of its stores and the analyzers of the last; raises RunNotFound."""
    row = await QUERIES["get_run"].row(conn, product=product, name=name)
    if row is None:
        raise await not_found(conn, product, endpoint, name)
    return row


async def not_found(conn: Connection, product: ProductId, endpoint: str, name: str) -> RunNotFound:
    """The error that there is no run of this name, with the names that are close to it."""
    like = await QUERIES["like_run"].fetch(conn, product=product, name=name)
    return RunNotFound(endpoint, name, close_names(name, [row["name"] for row in like]))


async def list_history(
    conn: Connection, product: ProductId, name: str, *, before: int | None = None, limit: int
) -> list[Any]:
    """Rows of a run's stores, the newest first, those before the store `before`."""
    return await QUERIES["list_history"].fetch(conn, product=product, name=name, before=before, limit=limit)


async def check_run_limit(conn: Connection, product: ProductId, endpoint: str, run: str, limit: int | None) -> None:
    """Raises RunLimitReached where the product has as many runs as it takes; None is no limit."""
    if limit is not None and await count_runs(conn, product) >= limit:
        raise RunLimitReached(
            f"Product {endpoint!r} has as many runs as it takes ({limit}), so {run!r} cannot be made. "
            "Delete runs that nobody reads, or raise the product's run limit."
        )


async def _insert_analyzer(conn: Connection, product: ProductId, store: StoreId, analyzer: AnalyzerInfo) -> None:
    enabled, disabled = sorted(analyzer.enabled), sorted(analyzer.disabled)
    digest = _checker_set_digest(enabled, disabled) if enabled or disabled else None
    if digest is not None:
        await QUERIES["insert_checker_set"].execute(
            conn, product=product, digest=digest, enabled=enabled, disabled=disabled
        )
    await QUERIES["insert_store_analyzer"].execute(
        conn,
        product=product,
        store=store,
        analyzer=analyzer.name,
        version=analyzer.version,
        successful=analyzer.successful,
        failed=analyzer.failed,
        failed_sources=list(analyzer.failed_sources),
        checker_set=digest,
    )


def _checker_set_digest(enabled: list[str], disabled: list[str]) -> UUID:
    text = "\n".join(["+" + name for name in enabled] + ["-" + name for name in disabled])
    return UUID(bytes=hashlib.md5(text.encode(), usedforsecurity=False).digest())
