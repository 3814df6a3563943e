"""`storaged product`: as `storectl product`, on the database itself, whether or not a daemon runs."""

# The database's parts are imported where they are used: --help and the shell's completion do not wait for them.
# ruff: noqa: PLC0415
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson
from storaged_cli.commands.product import product_commands

from storaged.options import config_option, load_quietly, run, setting_options
from storaged.settings import Settings

if TYPE_CHECKING:
    from storaged.database.sql import Connection

Result = TypeVar("Result")
JsonObject = dict[str, Any]


class DatabaseProducts:
    """The products in the database that the settings name, with the rules of the API; each call is a transaction."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def products(self) -> list[JsonObject]:
        from storaged.store import products

        return [_object(product) for product in self._run(products.list_products)]

    def product(self, endpoint: str) -> JsonObject:
        from storaged.store import products

        return _object(self._run(lambda conn: products.get_product(conn, endpoint)))

    def add_product(self, values: JsonObject) -> JsonObject:
        from storaged.api.params import read_object
        from storaged.api.products import NEW
        from storaged.store import products

        new = read_object(NEW, values, "product")
        return _object(self._run(lambda conn: products.add_product(conn, new.endpoint, new.first_values())))

    def edit_product(self, endpoint: str, values: JsonObject) -> JsonObject:
        from storaged.api.params import read_object
        from storaged.api.products import EDIT, apply_edit

        edit = read_object(EDIT, values, "product")
        return _object(self._run(lambda conn: apply_edit(conn, endpoint, edit)))

    def remove_product(self, endpoint: str) -> None:
        """What its ended jobs left in a spool, the node of that spool sweeps."""
        from storaged.store import products

        self._run(lambda conn: products.remove_product(conn, endpoint))

    def _run(self, work: "Callable[[Connection], Awaitable[Result]]") -> Result:
        from storaged.daemon import open_existing_database

        async def in_transaction() -> Result:
            async with open_existing_database(self._settings) as conn, conn.transaction():
                return await work(conn)

        result: Result = run(in_transaction())
        return result


def _object(product: Any) -> JsonObject:
    """As the API gives it."""
    from storaged.api.encode import json_bytes
    from storaged.api.products import product_object

    found: JsonObject = orjson.loads(json_bytes(product_object(product)))
    return found


def _of_database(command: Callable[..., Any]) -> Callable[..., Any]:
    @setting_options("data_dir", "database_url", "pg_bindir")
    @config_option
    @wraps(command)
    def on_database(
        config: Path | None, data_dir: str | None, database_url: str | None, pg_bindir: str | None, **options: Any
    ) -> Any:
        settings = load_quietly(config, data_dir=data_dir, database_url=database_url, pg_bindir=pg_bindir)
        return command(DatabaseProducts(settings), **options)

    return on_database


product: click.Group = product_commands(_of_database, "It works on the database itself, whether or not a daemon runs.")
