"""Products."""

from aiohttp import web
from typing_extensions import TypedDict

from storaged.api.encode import json_response
from storaged.api.keys import SERVICES
from storaged.api.params import Query, read_query
from storaged.store import products
from storaged.store.products import Product


class ProductObject(TypedDict):
    """A product; a limit that is null is the setting's."""

    endpoint: str
    display_name: str
    description: str
    run_limit: int | None
    report_limit: int | None


class ProductList(TypedDict):
    """All products."""

    products: list[ProductObject]


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


def product_object(product: Product) -> ProductObject:
    return {
        "endpoint": product.endpoint,
        "display_name": product.display_name,
        "description": product.description,
        "run_limit": product.run_limit,
        "report_limit": product.report_limit,
    }
