"""Source components: parts of the sources that have a name, by patterns of paths."""

from collections.abc import Sequence
from dataclasses import dataclass

from storaged.database.sql import Connection, like_pattern, load_queries
from storaged.model import ProductId

QUERIES = load_queries("components")


@dataclass(frozen=True, slots=True)
class Component:
    """Each line of `value` is `+` or `-` and a pattern of paths, in which `*` stands for anything."""

    name: str
    value: str
    description: str | None = None


async def list_components(conn: Connection, product: ProductId, names: Sequence[str] = ()) -> list[Component]:
    """Those of one of these names (`*` stands for anything, case is ignored), or all, by name."""
    rows = await QUERIES["list_components"].fetch(
        conn, product=product, names=[like_pattern(name) for name in names] or None
    )
    return [Component(row["name"], row["value"], row["description"]) for row in rows]


async def set_component(conn: Connection, product: ProductId, component: Component) -> None:
    """Add a component, or change the one of this name."""
    await QUERIES["set_component"].execute(
        conn, product=product, name=component.name, value=component.value, description=component.description
    )


async def remove_component(conn: Connection, product: ProductId, name: str) -> bool:
    """False when there is none of this name."""
    return bool(await QUERIES["remove_component"].execute(conn, product=product, name=name))
