"""Filter presets by the names of CodeChecker's clients, which apply them themselves."""

from typing import Any, Final, cast

import orjson

from storaged.auth.permissions import Right
from storaged.database.sql import Connection
from storaged.store import filter_presets
from storaged.store.filter_presets import Preset
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import ErrorCode
from storaged.thrift.values import checked_name

# Of the filter of a preset, as JSON; each list of presets has all of them.
FILTER_BYTES: Final = 200_000


async def list_filter_presets(call: Call) -> list[structs.FilterPreset]:
    """The oldest first."""
    async with call.services.engine.connect() as conn:
        return [_data(preset) for preset in await filter_presets.list_presets(conn, call.product.id)]


async def get_filter_preset(call: Call, preset_id: int) -> structs.FilterPreset:
    async with call.services.engine.connect() as conn:
        return _data(await _find(conn, call, preset_id))


async def store_filter_preset(call: Call, preset: structs.FilterPreset) -> int:
    """Add a preset, or with the id of one change that; its id."""
    name, known, asked = _checked(preset.get("name")), preset.get("id", -1), _filter(preset)
    async with call.services.engine.begin() as conn:
        if known < 0:
            added = await filter_presets.add_preset(conn, call.product.id, name, asked)
            return _free(name, added)
        await _find(conn, call, known)
        changed = await filter_presets.change_preset(conn, call.product.id, known, name, asked)
        return _free(name, known if changed else None)


async def rename_filter_preset(call: Call, preset_id: int, name: str) -> int:
    """Its id."""
    async with call.services.engine.begin() as conn:
        await _find(conn, call, preset_id)
        changed = await filter_presets.change_preset(conn, call.product.id, preset_id, _checked(name))
        return _free(name, preset_id if changed else None)


async def delete_filter_preset(call: Call, preset_id: int) -> int:
    """Its id."""
    async with call.services.engine.connect() as conn:
        if not await filter_presets.remove_preset(conn, call.product.id, preset_id):
            raise _unknown(preset_id)
    return preset_id


async def _find(conn: Connection, call: Call, preset_id: int) -> Preset:
    found = await filter_presets.list_presets(conn, call.product.id, preset_id)
    if not found:
        raise _unknown(preset_id)
    return found[0]


def _unknown(preset_id: int) -> Refused:
    return Refused(f"There is no filter preset with the id {preset_id}.", ErrorCode.DATABASE)


def _checked(name: str | None) -> str:
    return checked_name(name, "filter preset")


def _filter(preset: structs.FilterPreset) -> dict[str, Any]:
    """Raises Refused."""
    asked = cast("dict[str, Any]", preset.get("reportFilter", {}))
    if len(orjson.dumps(asked)) > FILTER_BYTES:
        raise Refused(f"The filter of a preset has at most {FILTER_BYTES} bytes as JSON.")
    return asked


def _free(name: str, preset_id: int | None) -> int:
    """The id; raises Refused for None, which is said of a name that is taken."""
    if preset_id is None:
        raise Refused(f"There is a filter preset {name!r} already.", ErrorCode.DATABASE)
    return preset_id


def _data(preset: Preset) -> structs.FilterPreset:
    # CodeChecker's server tells the annotations, set or not.
    asked = cast("structs.ReportFilter", {"annotations": [], **preset.filter})
    return {"id": preset.id, "name": preset.name, "reportFilter": asked}


METHODS: Final[Methods] = {
    "listFilterPreset": Handled(list_filter_presets, Right.PRODUCT_VIEW),
    "getFilterPreset": Handled(get_filter_preset, Right.PRODUCT_VIEW),
    "storeFilterPreset": Handled(store_filter_preset, Right.PRODUCT_ADMIN),
    "renameFilterPreset": Handled(rename_filter_preset, Right.PRODUCT_ADMIN),
    "deleteFilterPreset": Handled(delete_filter_preset, Right.PRODUCT_ADMIN),
}
