"""Cleanup plans by the names of CodeChecker's clients."""

from typing import Final

from storaged.api.params import read_object
from storaged.auth.permissions import Right
from storaged.store import cleanup_plans
from storaged.store.cleanup_plans import Plan, PlanValues
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import ErrorCode
from storaged.thrift.values import HASH_TEXT, WRITTEN_TEXT, checked_name, some, time_or_none


async def get_cleanup_plans(call: Call, plan_filter: structs.CleanupPlanFilter | None) -> list[structs.CleanupPlan]:
    """Those that fit, by name; empty lists ask nothing."""
    asked = plan_filter or {}
    async with call.services.engine.connect() as conn:
        found = await cleanup_plans.list_plans(
            conn,
            call.product.id,
            ids=some(asked.get("ids")),
            names=some(asked.get("names")),
            is_open=asked.get("isOpen"),
        )
    return [_data(plan) for plan in found]


async def add_cleanup_plan(call: Call, name: str, description: str | None, due: int | None) -> int:
    """The id of the new plan."""
    values = _values(name, description, due)
    async with call.services.engine.connect() as conn:
        added = await cleanup_plans.add_plan(conn, call.product.id, values)
    if added is None:
        raise _taken(name)
    return added


async def update_cleanup_plan(call: Call, plan_id: int, name: str, description: str | None, due: int | None) -> bool:
    """All becomes as given: what did not come, is not set any more."""
    values = _values(name, description, due)
    async with call.services.engine.begin() as conn:
        _known(await cleanup_plans.lock_plan(conn, call.product.id, plan_id), plan_id)
        if not await cleanup_plans.change_plan(conn, call.product.id, plan_id, values):
            raise _taken(name)
    return True


async def close_cleanup_plan(call: Call, plan_id: int) -> bool:
    async with call.services.engine.connect() as conn:
        return _known(await cleanup_plans.close_plan(conn, call.product.id, plan_id, closed=True), plan_id)


async def reopen_cleanup_plan(call: Call, plan_id: int) -> bool:
    async with call.services.engine.connect() as conn:
        return _known(await cleanup_plans.close_plan(conn, call.product.id, plan_id, closed=False), plan_id)


async def remove_cleanup_plan(call: Call, plan_id: int) -> bool:
    async with call.services.engine.connect() as conn:
        return _known(await cleanup_plans.remove_plan(conn, call.product.id, plan_id), plan_id)


async def set_cleanup_plan(call: Call, plan_id: int, report_hashes: list[str] | None) -> bool:
    """Put report hashes into the plan; those in it stay."""
    hashes = [read_object(HASH_TEXT, text, "reportHashes") for text in report_hashes or ()]
    async with call.services.engine.begin() as conn:
        return _known(await cleanup_plans.add_hashes(conn, call.product.id, plan_id, hashes), plan_id)


async def unset_cleanup_plan(call: Call, plan_id: int, report_hashes: list[str] | None) -> bool:
    async with call.services.engine.begin() as conn:
        return _known(await cleanup_plans.remove_hashes(conn, call.product.id, plan_id, report_hashes or ()), plan_id)


def _values(name: str, description: str | None, due: int | None) -> PlanValues:
    """Raises Refused, BadRequest."""
    about = None if description is None else read_object(WRITTEN_TEXT, description, "description")
    return PlanValues(checked_name(name, "cleanup plan"), about, time_or_none(due))


def _taken(name: str) -> Refused:
    return Refused(f"There is a cleanup plan {name!r} already.", ErrorCode.DATABASE)


def _known(done: bool, plan_id: int) -> bool:
    if not done:
        raise Refused(f"There is no cleanup plan with the id {plan_id}.", ErrorCode.DATABASE)
    return True


def _data(plan: Plan) -> structs.CleanupPlan:
    found: structs.CleanupPlan = {
        "id": plan.id,
        "name": plan.values.name,
        "reportHashes": list(plan.report_hashes),
    }
    if plan.values.description is not None:
        found["description"] = plan.values.description
    if plan.values.due_at is not None:
        found["dueDate"] = int(plan.values.due_at.timestamp())
    if plan.closed_at is not None:
        found["closedAt"] = int(plan.closed_at.timestamp())
    return found


METHODS: Final[Methods] = {
    "getCleanupPlans": Handled(get_cleanup_plans, Right.PRODUCT_VIEW),
    "addCleanupPlan": Handled(add_cleanup_plan, Right.PRODUCT_ADMIN),
    "updateCleanupPlan": Handled(update_cleanup_plan, Right.PRODUCT_ADMIN),
    "closeCleanupPlan": Handled(close_cleanup_plan, Right.PRODUCT_ADMIN),
    "reopenCleanupPlan": Handled(reopen_cleanup_plan, Right.PRODUCT_ADMIN),
    "removeCleanupPlan": Handled(remove_cleanup_plan, Right.PRODUCT_ADMIN),
    "setCleanupPlan": Handled(set_cleanup_plan, Right.PRODUCT_STORE),
    "unsetCleanupPlan": Handled(unset_cleanup_plan, Right.PRODUCT_STORE),
}
