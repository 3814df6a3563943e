"""Products: read, added, edited, removed."""

import re
from dataclasses import asdict, fields
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES, Services
from storaged.api.params import LongText, Query, Text, read_json, read_query
from storaged.database.sql import Connection
from storaged.store import products
from storaged.store.products import ENDPOINT, Product, ProductValues, is_reserved


class ProductObject(TypedDict):
    """A product; a limit that is null is the setting's. `weight` is its share of the queue beside other products."""

    endpoint: str
    display_name: str
    description: str
    run_limit: int | None
    report_limit: int | None
    weight: float
    created_at: datetime


class ProductList(TypedDict):
    """All products."""

    products: list[ProductObject]


def check_endpoint(endpoint: str) -> str:
    """Raises ValueError for what cannot stand in a URL as it is, or stands for something else there."""
    if not re.fullmatch(ENDPOINT, endpoint):
        raise ValueError("may have letters, digits, `_`, `-` and `.`, 63 of them, and begins with neither `-` nor `.`")
    if is_reserved(endpoint):
        raise ValueError(f"{endpoint!r} stands for something else in URLs: choose another name")
    return endpoint


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 10.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Limit = Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(_whole)]


class ProductEdit(BaseModel):
    """What is left out stays as it is; null as a limit: the setting's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    display_name: Text = Field(default_factory=str)
    description: LongText = ""
    run_limit: Limit | None = None
    report_limit: Limit | None = None
    weight: float = Field(1.0, ge=0.001, le=1000)

    def values(self, before: ProductValues) -> ProductValues:
        """The values as they are to be, given those before."""
        known = {field.name for field in fields(ProductValues)}
        given = {name: getattr(self, name) for name in self.model_fields_set & known}
        return ProductValues(**asdict(before) | given)


class NewProduct(ProductEdit):
    """The display name is the endpoint when it is left out."""

    endpoint: Annotated[str, AfterValidator(check_endpoint), Field(json_schema_extra={"pattern": ENDPOINT})]

    def first_values(self) -> ProductValues:
        return self.values(ProductValues(display_name=self.endpoint))


EDIT: TypeAdapter[ProductEdit] = TypeAdapter(ProductEdit)
NEW: TypeAdapter[NewProduct] = TypeAdapter(NewProduct)


async def list_products(request: web.Request) -> web.Response:
    """Products in the order of their endpoints."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        found = await products.list_products(conn)
    return json_response(ProductList(products=[product_object(product) for product in found]))


async def get_product(request: web.Request) -> web.Response:
    """One product."""
    read_query(request, Query)
    async with request.app[SERVICES].engine.connect() as conn:
        return json_response(product_object(await products.get_product(conn, request.match_info["product"])))


async def add_product(request: web.Request) -> web.Response:
    """Add a product."""
    read_query(request, Query)
    new = await read_json(request, NEW)
    async with request.app[SERVICES].engine.begin() as conn:
        product = await products.add_product(conn, new.endpoint, new.first_values())
    place = f"/api/v1/products/{quote(product.endpoint)}"
    return json_response(product_object(product), status=HTTPStatus.CREATED, headers={"Location": place})


async def edit_product(request: web.Request) -> web.Response:
    """Change what the body names. Limits hold from the next store on."""
    read_query(request, Query)
    edit = await read_json(request, EDIT)
    async with request.app[SERVICES].engine.begin() as conn:
        product = await apply_edit(conn, request.match_info["product"], edit)
    return json_response(product_object(product))


async def remove_product(request: web.Request) -> web.Response:
    """Remove a product that has no runs, and no jobs that have not ended; its ended jobs go with it."""
    read_query(request, Query)
    await remove_with_uploads(request.app[SERVICES], request.match_info["product"])
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def remove_with_uploads(services: Services, endpoint: str) -> None:
    """Remove the product, its jobs, and what is kept of their uploads. Raises ProductNotFound and ProductInUse."""
    async with services.engine.begin() as conn:
        tokens = await products.remove_product(conn, endpoint)
    for token in tokens:
        await services.spool.delete(token)


async def apply_edit(conn: Connection, endpoint: str, edit: ProductEdit) -> Product:
    """Change what the edit names, in the caller's transaction. Raises ProductNotFound."""
    product = await products.get_product(conn, endpoint)
    return await products.edit_product(conn, product, edit.values(product.values))


def product_object(product: Product) -> ProductObject:
    return {
        "endpoint": product.endpoint,
        "display_name": product.display_name,
        "description": product.description,
        "run_limit": product.run_limit,
        "report_limit": product.report_limit,
        "weight": product.weight,
        "created_at": product.created_at,
    }
