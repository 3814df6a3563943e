"""Products: the tenants under which runs live."""

from dataclasses import dataclass
from typing import Any

from storaged.database.sql import Connection, load_queries
from storaged.errors import ProductNotFound
from storaged.model import ProductId

QUERIES = load_queries("products")


@dataclass(frozen=True, slots=True)
class Product:
    """One product; None as a limit: the setting's."""

    id: ProductId
    endpoint: str
    display_name: str
    description: str
    run_limit: int | None
    report_limit: int | None


async def get_product(conn: Connection, endpoint: str) -> Product:
    """The product of this endpoint; raises ProductNotFound."""
    row = await QUERIES["get_product"].row(conn, endpoint=endpoint)
    if row is None:
        raise ProductNotFound(endpoint)
    return _product(row)


async def list_products(conn: Connection) -> list[Product]:
    """All products in the order of their endpoints."""
    return [_product(row) for row in await QUERIES["list_products"].fetch(conn)]


def _product(row: Any) -> Product:
    return Product(
        id=ProductId(row["id"]),
        endpoint=row["endpoint"],
        display_name=row["display_name"],
        description=row["description"],
        run_limit=row["run_limit"],
        report_limit=row["report_limit"],
    )
