"""The schema that migrations make is the one that sql/schema.sql tells."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from storaged.database.engine import open_connection
from storaged.database.migrate import check_current, list_migrations, migrate
from storaged.database.sql import Connection, sql_folder
from storaged.errors import SchemaError

# All that pg_catalog tells of tables, columns, constraints, indexes, functions and triggers, as text.
DESCRIPTION = """
SELECT 'column', c.relname, c.relkind::text, c.relpersistence::text, c.reloptions::text, a.attname,
       format_type(a.atttypid, a.atttypmod), a.attnotnull::text, a.attidentity::text, a.attstorage::text,
       pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '', '', '', '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '', '', '', '', '', ''
FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid), '', '', '', '', '', '', '', ''
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'view', relname, pg_get_viewdef(oid), '', '', '', '', '', '', '', ''
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
UNION ALL
SELECT 'product', endpoint, display_name, description, weight::text, run_limit::text, report_limit::text, '', '', '', ''
FROM product
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid), '', '', '', '', '', '', '', ''
FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1, 2, 3, 4, 5, 6
"""


async def describe(url: str) -> list[tuple[str | None, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(DESCRIPTION)]
    finally:
        await connection.close()


async def test_schema_sql_is_what_all_migrations_make(database_url: str, empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute((sql_folder() / "schema.sql").read_text(encoding="utf-8"))
    await connection.close()
    assert await describe(empty_database_url) == await describe(database_url)


async def test_daemons_that_start_together_migrate_once(empty_database_url: str) -> None:
    connections = [await open_connection(empty_database_url) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(connection) for connection in connections))
    assert sorted(len(done) for done in applied) == [0, 0, 0, len(list_migrations())]
    for connection in connections:
        await connection.close()


async def test_a_daemon_older_than_the_schema_refuses(database_url: str) -> None:
    connection = await open_connection(database_url)
    await connection.execute("INSERT INTO schema_migration (number, name, digest) VALUES (9999, 'of_the_future', '')")
    with pytest.raises(SchemaError, match=r"9999.*older than the schema"):
        await migrate(connection)
    await connection.close()


@pytest.mark.parametrize(
    "change", ["UPDATE schema_migration SET digest = ''", "ALTER TABLE schema_migration DROP COLUMN digest"]
)
@pytest.mark.parametrize("use", [migrate, check_current])
async def test_the_schema_of_another_build_is_not_taken_for_its_own(
    database_url: str, change: str, use: Callable[[Connection], Awaitable[object]]
) -> None:
    connection = await open_connection(database_url)
    await use(connection)
    await connection.execute(change)
    with pytest.raises(SchemaError, match=r"whose migration 0001 is another one.*another --data-dir"):
        await use(connection)
    await connection.close()


async def test_a_database_that_may_not_be_written_is_told_in_one_sentence(empty_database_url: str) -> None:
    connection = await open_connection(empty_database_url)
    await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(SchemaError, match=r"cannot be made: cannot execute CREATE TABLE in a read-only transaction"):
        await migrate(connection)
    await connection.close()


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE kept (id integer);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id integer); SELECT 1 / 0;")
    connection = await open_connection(empty_database_url)
    with pytest.raises(SchemaError, match=r"0002 bad cannot be applied: division by zero"):
        await migrate(connection, list_migrations(tmp_path))
    tables = {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert tables == {"kept", "schema_migration"}
    await connection.close()


def test_a_gap_in_the_numbers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("")
    with pytest.raises(SchemaError, match="0001"):
        list_migrations(tmp_path)
