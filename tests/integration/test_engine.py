"""A connection that the server takes away is told in the domain's word, and the pool goes on."""

import asyncio

import pytest

from storaged.database.copy import copy_rows
from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import DatabaseUnavailable

SLEEPY_TABLE = """
CREATE TABLE sleepy (text text);
CREATE FUNCTION sleep_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON sleepy FOR EACH ROW EXECUTE FUNCTION sleep_long();
"""
TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM unnest($1::integer[]) AS others (pid)"
SLEEPERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


async def test_a_connection_that_was_terminated_while_idle_is_database_unavailable(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailable, match="lost"):
        await use_a_terminated_connection(engine)
    await assert_usable(engine)


async def test_a_connection_that_is_terminated_in_a_statement_is_database_unavailable(engine: Engine) -> None:
    async with engine.connect() as other:
        sleeping = asyncio.create_task(sleep_in_a_transaction(engine))
        await terminate_the_sleeper(other)
        with pytest.raises(DatabaseUnavailable, match="lost"):
            await sleeping
        assert await other.fetchval("SELECT to_regclass('lost')") is None
    await assert_usable(engine)


async def test_a_copy_whose_connection_is_terminated_while_the_server_does_not_read_is_database_unavailable(
    engine: Engine,
) -> None:
    async with engine.connect() as other:
        await other.execute(SLEEPY_TABLE)
        copying = asyncio.create_task(copy_into_sleepy(engine))
        await terminate_the_sleeper(other)
        with pytest.raises(DatabaseUnavailable, match="lost"):
            await copying
    await assert_usable(engine)


async def test_an_error_of_the_block_is_raised_as_it_is(engine: Engine) -> None:
    with pytest.raises(LookupError):
        async with engine.begin():
            raise LookupError
    await assert_usable(engine)


async def use_a_terminated_connection(engine: Engine) -> None:
    async with engine.connect() as conn:
        async with engine.connect() as other:
            await other.fetchval(TERMINATE, [await conn.fetchval("SELECT pg_backend_pid()")])
        await conn.fetchval("SELECT 1")


async def sleep_in_a_transaction(engine: Engine) -> None:
    async with engine.begin() as conn:
        await conn.execute("CREATE TABLE lost (n integer)")
        await conn.fetchval("SELECT pg_sleep(600)")


async def copy_into_sleepy(engine: Engine) -> None:
    async with engine.connect() as conn:
        await copy_rows(conn, "sleepy", ["text"], b"a line\n" * 2_000_000)


async def terminate_the_sleeper(other: Connection) -> None:
    async with asyncio.timeout(30):
        while not (sleepers := await other.fetch(SLEEPERS)):  # noqa: ASYNC110 (a backend brings no event)
            await asyncio.sleep(0.01)
    await other.fetchval(TERMINATE, [row["pid"] for row in sleepers])


async def assert_usable(engine: Engine) -> None:
    async with engine.connect() as conn:
        assert await conn.fetchval("SELECT 1") == 1
