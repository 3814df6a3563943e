"""Applies `sql/migrations/NNNN_name.sql` in order, one daemon at a time."""

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from storaged.database.sql import Connection, load_queries, sql_folder
from storaged.errors import SchemaError

# Any number, the same for every daemon of a database: whoever holds it applies migrations.
_ADVISORY_LOCK = 0x5354_4F52_4147_4544  # "STORAGED"
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`."""

    number: int
    name: str
    path: Path


def list_migrations(folder: Path | None = None) -> list[Migration]:
    """The migrations in order; raises SchemaError when a number is missing or twice there."""
    folder = folder or sql_folder() / "migrations"
    found = _read_folder(folder)
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise SchemaError(f"{migration.path.name}: the next migration's number is {expected:04d}.")
    return found


def _read_folder(folder: Path) -> list[Migration]:
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise SchemaError(f"{path.name}: a migration is named NNNN_name.sql.")
        found.append(Migration(int(match[1]), match[2], path))
    return found


async def migrate(connection: Connection, migrations: list[Migration] | None = None) -> list[Migration]:
    """Bring the schema up to the newest migration and say which were applied.

    Each migration is a transaction of its own, under an advisory lock, so that daemons that start together do not
    race. Raises SchemaError when the database has migrations that this daemon does not know, or refuses one.
    """
    known = list_migrations() if migrations is None else migrations
    await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
    try:
        await _make_ledger(connection)
        applied = await applied_numbers(connection)
        check_not_newer(applied, known)
        missing = [migration for migration in known if migration.number not in applied]
        for migration in missing:
            await _apply(connection, migration)
        return missing
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_LOCK)


async def installation_id(connection: Connection) -> UUID:
    """Which database this is; made with its schema, and kept by its backups."""
    found: UUID = await load_queries("installation")["get_installation_id"].value(connection)
    return found


async def applied_numbers(connection: Connection) -> set[int]:
    """The numbers of the migrations that the database has."""
    return {row["number"] for row in await connection.fetch("SELECT number FROM schema_migration")}


async def check_current(connection: Connection) -> None:
    """Raise SchemaError when the schema is not that of this storaged."""
    known = list_migrations()
    try:
        applied = await applied_numbers(connection)
    except asyncpg.UndefinedTableError:
        applied = set()
    check_not_newer(applied, known)
    missing = [migration.number for migration in known if migration.number not in applied]
    if missing:
        raise SchemaError(
            f"The database's schema lacks migration {missing[0]:04d}. `storaged migrate` applies it, as each start of "
            "`storaged serve` does."
        )


def check_not_newer(applied: set[int], known: list[Migration]) -> None:
    """Raise SchemaError when the schema was made by a newer storaged than this one."""
    unknown = sorted(applied - {migration.number for migration in known})
    if unknown:
        newest = known[-1].number if known else 0
        raise SchemaError(
            f"The database's schema is at migration {unknown[-1]:04d}, this storaged knows {newest:04d}: "
            "it is older than the schema. Install the storaged that made it, or a newer one."
        )


async def _make_ledger(connection: Connection) -> None:
    try:
        await connection.execute(_LEDGER)
    except asyncpg.PostgresError as error:
        raise SchemaError(
            f"The table of migrations cannot be made: {error}. The database user must be allowed to create tables in "
            "the schema `public`, and the database must not be read-only."
        ) from error


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        await _apply_whole(connection, migration)
    except asyncpg.PostgresError as error:
        raise SchemaError(
            f"Migration {migration.number:04d} {migration.name} cannot be applied: {error}. "
            "The database user must be allowed to create tables in the schema `public`; nothing of it was kept."
        ) from error


async def _apply_whole(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.path.read_text(encoding="utf-8"))
        await connection.execute(
            "INSERT INTO schema_migration (number, name) VALUES ($1, $2)", migration.number, migration.name
        )
