"""Products by the names of CodeChecker's clients; what they tell of a database is ignored: products are rows here."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from storaged.api.products import EDIT, NEW, remove_with_uploads
from storaged.auth.permissions import Right
from storaged.database.sql import Connection
from storaged.errors import ProductNotFound
from storaged.settings import Settings
from storaged.store import products
from storaged.store.products import Overview, Product, ProductValues
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.serverinfo import get_package_version
from storaged.thrift.structs import Confidentiality, DBStatus, ProductConfiguration, ProductSortMode
from storaged.thrift.values import time_text

Key = Callable[[Overview], Any]
T = TypeVar("T")

NO_REVIEW_LOCK: Final = "storaged does not support products in which the status of reviews cannot be changed."


async def get_products(
    call: Call,
    endpoint: str | None,
    name: str | None,
    limit: int | None,
    offset: int | None,
    order: ProductSortMode | None,
) -> list[structs.Product]:
    """Those whose endpoint and name fit, `*` standing for anything; by default in the order of their names."""
    if min(limit or 0, offset or 0) < 0:
        raise Refused("limit and offset must not be negative.")
    async with call.services.engine.connect() as conn:
        found = await products.list_overviews(conn, endpoint=endpoint or None, display_name=name or None)
    ordered = _ordered(found, order or ProductSortMode.ACCESSRIGHT)[offset or 0 :]
    return [_product(overview, call.services.settings) for overview in ordered[:limit]]


async def get_product_count(call: Call, endpoint: str | None, name: str | None) -> int:
    async with call.services.engine.connect() as conn:
        return await products.count_products(conn, endpoint=endpoint or None, display_name=name or None)


async def get_current_product(call: Call) -> structs.Product:
    async with call.services.engine.connect() as conn:
        found = await products.list_overviews(conn, product_id=call.product.id)
    if not found:
        raise ProductNotFound(call.product.endpoint)
    return _product(found[0], call.services.settings)


async def get_product_configuration(call: Call, product_id: int) -> ProductConfiguration:
    """What of a product can be edited; a limit that it has not of its own is left out."""
    async with call.services.engine.connect() as conn:
        return _configuration(await _find(conn, product_id))


async def add_product(call: Call, new: ProductConfiguration) -> bool:
    given = _given(new) | {"endpoint": new.get("endpoint", "")}
    values = _values(lambda: NEW.validate_python(given).first_values(), new)
    async with call.services.engine.begin() as conn:
        await products.add_product(conn, given["endpoint"], values)
    return True


async def edit_product(call: Call, product_id: int, new: ProductConfiguration) -> bool:
    """All of what can be edited becomes as given; another endpoint moves the product there."""
    async with call.services.engine.begin() as conn:
        product = await _find(conn, product_id)
        endpoint = new.get("endpoint", product.endpoint)
        given = {"display_name": endpoint} | _given(new)
        values = _values(lambda: EDIT.validate_python(given).values(product.values), new)
        if endpoint != product.endpoint:
            _checked(lambda: NEW.validate_python({"endpoint": endpoint}))
            await products.move_product(conn, product, endpoint)
        await products.edit_product(conn, product, values)
    return True


async def remove_product(call: Call, product_id: int) -> bool:
    """Only one that has no runs: CodeChecker leaves the database of a product alone, here all would be gone."""
    async with call.services.engine.connect() as conn:
        product = await _find(conn, product_id)
    await remove_with_uploads(call.services, product.endpoint)
    return True


async def is_administrator_of_any(call: Call) -> bool:
    """Everybody administrates all there are."""
    return await get_product_count(call, None, None) > 0


async def _find(conn: Connection, product_id: int) -> Product:
    product = await products.find_product(conn, product_id)
    if product is None:
        raise Refused(f"There is no product with the id {product_id}.")
    return product


def _product(overview: Overview, settings: Settings) -> structs.Product:
    product = overview.product
    run_limit = product.most_runs(settings.run_limit)
    described: structs.Product = {
        "id": product.id,
        "endpoint": product.endpoint,
        "displayedName_b64": _to_base64(product.display_name),
        "description_b64": _to_base64(product.description),
        "connected": True,
        "accessible": True,
        "administrating": True,
        "databaseStatus": DBStatus.OK,
        "runCount": overview.runs,
        "admins": [],
        "runStoreInProgress": list(overview.storing),
        "confidentiality": Confidentiality[product.confidentiality.upper()],
        # The client's `store` compares it with a number.
        "reportLimit": product.most_reports(settings.report_limit),
    }
    if run_limit is not None:
        described["runLimit"] = run_limit
    if overview.latest_store is not None:
        described["latestStoreToProduct"] = time_text(overview.latest_store)
    return described


def _configuration(product: Product) -> ProductConfiguration:
    configuration: ProductConfiguration = {
        "id": product.id,
        "endpoint": product.endpoint,
        "displayedName_b64": _to_base64(product.display_name),
        "description_b64": _to_base64(product.description),
        # Clients read it, and send it back.
        "connection": {"engine": "postgresql", "host": "", "port": 0, "username_b64": "", "database": ""},
        "isReviewStatusChangeDisabled": False,
        "confidentiality": Confidentiality[product.confidentiality.upper()],
    }
    if product.run_limit is not None:
        configuration["runLimit"] = product.run_limit
    if product.report_limit is not None:
        configuration["reportLimit"] = product.report_limit
    return configuration


def _given(new: ProductConfiguration) -> dict[str, Any]:
    """What a request says of a product, by our names; a limit of runs that is 0 is none, as clients have it."""
    name = _from_base64("displayedName_b64", new.get("displayedName_b64"))
    return {
        **({"display_name": name} if name else {}),
        "description": _from_base64("description_b64", new.get("description_b64")),
        "run_limit": new.get("runLimit") or None,
        "report_limit": new.get("reportLimit"),
    }


def _values(make: Callable[[], ProductValues], new: ProductConfiguration) -> ProductValues:
    """The values that are made, with what only CodeChecker's clients know; raises Refused."""
    if new.get("isReviewStatusChangeDisabled"):
        raise Refused(NO_REVIEW_LOCK)
    values = _checked(make)
    if "confidentiality" not in new:
        return values
    return ProductValues(**asdict(values) | {"confidentiality": new["confidentiality"].name.lower()})


def _checked(make: Callable[[], T]) -> T:
    """What is made, if it keeps the rules of the native API; raises Refused that tells which it does not."""
    try:
        return make()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise Refused(f"The product cannot be so: {'; '.join(faults)}.") from None


def _ordered(found: list[Overview], order: ProductSortMode) -> list[Overview]:
    """Ties are in the order of ids, as `found` is."""
    key, reverse = ORDERS[order]
    known = [overview for overview in found if key(overview) is not None]
    unknown = [overview for overview in found if key(overview) is None]
    # What is equal is to keep its order in either direction.
    return sorted(known, key=key, reverse=reverse) + unknown


def _name(overview: Overview) -> str:
    return overview.product.display_name.lower()


def _runs(overview: Overview) -> int:
    return overview.runs


def _latest(overview: Overview) -> Any:
    return overview.latest_store


ORDERS: Final[dict[ProductSortMode, tuple[Key, bool]]] = {
    # Everybody has access to all.
    ProductSortMode.ACCESSRIGHT: (_name, False),
    ProductSortMode.NAMES_ASC: (_name, False),
    ProductSortMode.NAMES_DESC: (_name, True),
    ProductSortMode.RUNS_ASC: (_runs, False),
    ProductSortMode.RUNS_DESC: (_runs, True),
    ProductSortMode.LATEST_STORE_ASC: (_latest, False),
    ProductSortMode.LATEST_STORE_DESC: (_latest, True),
}


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _from_base64(field: str, text: str | None) -> str:
    """Raises Refused for what is no base64 of UTF-8."""
    try:
        return base64.b64decode(text or "", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(f"{field} is not base64 of a text in UTF-8.") from None


METHODS: Final[Methods] = {
    "getPackageVersion": Handled(get_package_version, Right.ANYBODY),
    "getProducts": Handled(get_products, Right.ANYBODY),
    "getProductCount": Handled(get_product_count, Right.ANYBODY),
    "getCurrentProduct": Handled(get_current_product, Right.PRODUCT_VIEW),
    "getProductConfiguration": Handled(get_product_configuration, Right.PRODUCT_VIEW),
    "addProduct": Handled(add_product, Right.SUPERUSER),
    "editProduct": Handled(edit_product, Right.PRODUCT_ADMIN),
    "removeProduct": Handled(remove_product, Right.SUPERUSER),
    "isAdministratorOfAnyProduct": Handled(is_administrator_of_any, Right.ANYBODY),
}
