"""Source components by the names of CodeChecker's clients."""

from typing import Final

from storaged.api.params import read_object
from storaged.auth.permissions import Right
from storaged.store import components
from storaged.store.components import Component
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import ErrorCode
from storaged.thrift.values import LONGER_TEXT, checked_name

# All files that no component has. It is in no table, and can be neither changed nor removed.
OTHER: Final = "Other (auto-generated)"
ABOUT_OTHER: Final = "What no other component has; it is always there."


async def get_source_components(call: Call, names: list[str] | None) -> list[structs.SourceComponentData]:
    """Those of one of these names (`*` stands for anything), or all; at the end the one of all other files."""
    async with call.services.engine.connect() as conn:
        found = await components.list_components(conn, call.product.id, names or ())
    listed = [_data(component) for component in found]
    if not names or OTHER in names:
        listed.append({"name": OTHER, "description": ABOUT_OTHER})
    return listed


async def add_source_component(call: Call, name: str, value: str, description: str | None) -> bool:
    """Add a component, or change the one of this name."""
    _check_name(name)
    for text, field in ((value, "value"), (description or "", "description")):
        read_object(LONGER_TEXT, text, field)
    async with call.services.engine.connect() as conn:
        await components.set_component(conn, call.product.id, Component(name, value, description))
    return True


async def remove_source_component(call: Call, name: str) -> bool:
    _check_name(name)
    async with call.services.engine.connect() as conn:
        if not await components.remove_component(conn, call.product.id, name):
            raise Refused(f"There is no source component {name!r}.", ErrorCode.DATABASE)
    return True


def _check_name(name: str) -> None:
    if name == OTHER:
        raise Refused(f"The source component {OTHER!r} can be neither changed nor removed.")
    checked_name(name, "source component")


def _data(component: Component) -> structs.SourceComponentData:
    found: structs.SourceComponentData = {"name": component.name, "value": component.value}
    if component.description is not None:
        found["description"] = component.description
    return found


METHODS: Final[Methods] = {
    "getSourceComponents": Handled(get_source_components, Right.PRODUCT_VIEW),
    "addSourceComponent": Handled(add_source_component, Right.PRODUCT_ADMIN),
    "removeSourceComponent": Handled(remove_source_component, Right.PRODUCT_ADMIN),
}
