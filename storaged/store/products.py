"""Products: the tenants under which runs live."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

import asyncpg

from storaged.database.sql import Connection, like_pattern, load_queries
from storaged.errors import ProductExists, ProductInUse, ProductNotFound
from storaged.model import ProductId, Token
from storaged.store.names import close_names

QUERIES = load_queries("products")

# As the schema has it.
ENDPOINT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}$"
# First parts of paths that are, or are likely to be, something else: those of the HTTP API, and the services that
# CodeChecker's clients call beside products.
RESERVED: Final = frozenset(
    {
        *("api", "livez", "readyz", "live", "ready", "metrics", "static", "docs", "login"),
        *("authentication", "configuration", "codecheckerservice", "products", "serverinfo", "tasks"),
    }
)
_VERSION: Final = re.compile(r"v\d+(\.\d+)*")


def is_reserved(endpoint: str) -> bool:
    """Whether a path that begins so would be taken for another."""
    return endpoint.lower() in RESERVED or _VERSION.fullmatch(endpoint.lower()) is not None


@dataclass(frozen=True, slots=True)
class Product:
    """One product; None as a limit: the setting's."""

    id: ProductId
    endpoint: str
    display_name: str
    description: str
    run_limit: int | None
    report_limit: int | None
    # Its share of the queue's slots, beside that of other products that wait.
    weight: float
    # For people to read: one of confidential, internal, open.
    confidentiality: str
    created_at: datetime

    def most_reports(self, otherwise: int) -> int:
        """Of one store; `otherwise` is the setting's limit."""
        return otherwise if self.report_limit is None else self.report_limit

    def most_runs(self, otherwise: int | None) -> int | None:
        """Of the product; None: there is no limit."""
        return otherwise if self.run_limit is None else self.run_limit

    @property
    def values(self) -> "ProductValues":
        """What of it can be edited."""
        return ProductValues(**{field.name: getattr(self, field.name) for field in fields(ProductValues)})


@dataclass(frozen=True, slots=True)
class ProductValues:
    """What of a product can be edited; see `Product`."""

    display_name: str
    description: str = ""
    run_limit: int | None = None
    report_limit: int | None = None
    weight: float = 1.0
    confidentiality: str = "confidential"


@dataclass(frozen=True, slots=True)
class Overview:
    """A product and what is in it: how many runs, when the latest store was, which runs are being stored to now."""

    product: Product
    runs: int
    latest_store: datetime | None
    storing: Sequence[str]


async def get_product(conn: Connection, endpoint: str) -> Product:
    """The product of this endpoint; raises ProductNotFound."""
    row = await QUERIES["get_product"].row(conn, endpoint=endpoint)
    if row is None:
        raise await _not_found(conn, endpoint)
    return _product(row)


async def list_products(conn: Connection) -> list[Product]:
    """All products in the order of their endpoints."""
    return [_product(row) for row in await QUERIES["list_products"].fetch(conn)]


async def list_overviews(
    conn: Connection, *, product_id: int | None = None, endpoint: str | None = None, display_name: str | None = None
) -> list[Overview]:
    """Products with what is in them, in the order of their ids; in names `*` stands for anything, case counts not."""
    rows = await QUERIES["list_overviews"].fetch(
        conn,
        id=product_id,
        endpoint=None if endpoint is None else like_pattern(endpoint),
        display_name=None if display_name is None else like_pattern(display_name),
    )
    return [Overview(_product(row), row["runs"], row["latest_store"], row["storing"]) for row in rows]


async def count_products(conn: Connection, *, endpoint: str | None = None, display_name: str | None = None) -> int:
    """How many there are; names as in `list_overviews`."""
    count: int = await QUERIES["count_products"].value(
        conn,
        endpoint=None if endpoint is None else like_pattern(endpoint),
        display_name=None if display_name is None else like_pattern(display_name),
    )
    return count


async def find_product(conn: Connection, product_id: int) -> Product | None:
    """The product of this id, any number."""
    row = await QUERIES["find_product"].row(conn, id=product_id)
    return None if row is None else _product(row)


async def add_product(conn: Connection, endpoint: str, values: ProductValues) -> Product:
    """Raises ProductExists."""
    row = await QUERIES["add_product"].row(conn, endpoint=endpoint, **asdict(values))
    if row is None:
        raise _exists(endpoint)
    return _product(row)


async def edit_product(conn: Connection, product: Product, values: ProductValues) -> Product:
    """Limits hold from the next store on, the weight from the next claim. Raises ProductNotFound."""
    row = await QUERIES["edit_product"].row(conn, id=product.id, **asdict(values))
    if row is None:
        raise ProductNotFound(product.endpoint)
    return _product(row)


async def move_product(conn: Connection, product: Product, endpoint: str) -> Product:
    """Give it another endpoint; whoever uses the old one finds nothing there. Raises ProductExists, ProductNotFound."""
    try:
        row = await QUERIES["move_product"].row(conn, id=product.id, endpoint=endpoint)
    except asyncpg.UniqueViolationError as error:
        raise _exists(endpoint) from error
    if row is None:
        raise ProductNotFound(product.endpoint)
    return _product(row)


async def remove_product(conn: Connection, endpoint: str) -> list[Token]:
    """Remove a product that has no runs, with its jobs, in the caller's transaction.

    Returns the tokens of those whose uploads may be kept still. 100,000 ended jobs take about a second of the database.

    Raises ProductNotFound, and ProductInUse while it has runs, or jobs that have not ended.
    """
    row = await QUERIES["lock_product"].row(conn, endpoint=endpoint)
    if row is None:
        raise await _not_found(conn, endpoint)
    uses = await QUERIES["count_uses"].row(conn, id=row["id"])
    if uses["runs"] or uses["jobs"]:
        raise ProductInUse(
            f"Product {endpoint!r} is in use: it has runs ({uses['runs']}) or jobs that have not ended "
            f"({uses['jobs']}). Delete the runs and cancel the jobs first, or wait for them."
        )
    tokens = [Token(job["token"]) for job in await QUERIES["tokens_with_upload_of_product"].fetch(conn, id=row["id"])]
    await QUERIES["remove_product"].execute(conn, id=row["id"])
    return tokens


def _exists(endpoint: str) -> ProductExists:
    return ProductExists(f"There is a product {endpoint!r} already. `storectl product edit` changes it.")


async def _not_found(conn: Connection, endpoint: str) -> ProductNotFound:
    like = await QUERIES["like_product"].fetch(conn, endpoint=endpoint)
    return ProductNotFound(endpoint, close_names(endpoint, [row["endpoint"] for row in like]))


def _product(row: Any) -> Product:
    return Product(
        id=ProductId(row["id"]),
        endpoint=row["endpoint"],
        display_name=row["display_name"],
        description=row["description"],
        run_limit=row["run_limit"],
        report_limit=row["report_limit"],
        weight=row["weight"],
        confidentiality=row["confidentiality"],
        created_at=row["created_at"],
    )
