"""Applies `sql/migrations/NNNN_name.sql` in order, one daemon at a time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
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
    digest      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`."""

    number: int
    name: str
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """Tells the text from any other."""
        return sha256(self.text.encode()).hexdigest()


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
        applied = await applied_digests(connection)
        check_same(applied, known)
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


async def applied_digests(connection: Connection) -> dict[int, str | None]:
    """The migrations that the database has: digests by number, None where an early build wrote none down."""
    rows = await connection.fetch("SELECT * FROM schema_migration")
    return {row["number"]: row.get("digest") for row in rows}


async def check_current(connection: Connection) -> None:
    """Raise SchemaError when the schema is not that of this storaged."""
    known = list_migrations()
    try:
        applied = await applied_digests(connection)
    except asyncpg.UndefinedTableError:
        applied = {}
    check_same(applied, known)
    missing = [migration.number for migration in known if migration.number not in applied]
    if missing:
        raise SchemaError(
            f"The database's schema lacks migration {missing[0]:04d}. `storaged migrate` applies it, as each start of "
            "`storaged serve` does."
        )


def check_same(applied: Mapping[int, str | None], known: list[Migration]) -> None:
    """Raise SchemaError when the schema was made by a newer storaged than this one, or by another one."""
    unknown = sorted(applied.keys() - {migration.number for migration in known})
    if unknown:
        newest = known[-1].number if known else 0
        raise SchemaError(
            f"The database's schema is at migration {unknown[-1]:04d}, this storaged knows {newest:04d}: "
            "it is older than the schema. Install the storaged that made it, or a newer one."
        )
    for migration in known:
        if migration.number in applied and applied[migration.number] != migration.digest:
            raise SchemaError(
                f"The database was made by a build of storaged whose migration {migration.number:04d} is another one: "
                "before the first release the schema is changed in place. Install that build, or start with a new "
                "database (another --data-dir or --database-url) and store again."
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
        await connection.execute(migration.text)
        await connection.execute(
            "INSERT INTO schema_migration (number, name, digest) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.digest,
        )
