"""Checkers: in which runs they were on, what they found, and what is known of them."""

from collections.abc import Iterable
from typing import Any, Final

from storaged.auth.permissions import Right
from storaged.store import numbered
from storaged.store.severities import Severities
from storaged.thrift import structs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.structs import CheckerStatusVerificationDetail
from storaged.thrift.values import some

# The API of the first release whose clients know of runs that do not tell which checkers were on (CodeChecker 6.29).
UNKNOWN_SINCE: Final = 74


async def get_verification_details(
    call: Call, run_ids: list[int] | None, report_filter: structs.ReportFilter | None
) -> dict[int, CheckerStatusVerificationDetail]:
    """Each checker that reported anything in the runs, or that their last stores name, numbered through.

    As in CodeChecker, nothing of the filter counts but whether reports are unique.
    """
    unique = (report_filter or {}).get("isUnique", False)
    async with call.services.engine.connect() as conn:
        verdicts = await numbered.verdicts_on_checkers(conn, call.product.id, some(run_ids), unique=unique)
        named = await numbered.checkers_of_stores(conn, call.product.id, some(run_ids))
    severities = Severities(call.services.settings.severities)
    known = {run for row in named if row["checker"] is not None for run in row["runs"]}
    unknown = sorted({run for row in named if row["checker"] is None for run in row["runs"]} - known)
    found: dict[tuple[str, str], CheckerStatusVerificationDetail] = {}
    for row in [*verdicts, *(row for row in named if row["checker"] is not None)]:
        key = row["analyzer"], row["checker"]
        if key not in found:
            found[key] = _blank(*key, severities)
            if call.minor >= UNKNOWN_SINCE:
                found[key]["unknown"] = unknown
    _enter(found, verdicts, named)
    return dict(enumerate((found[key] for key in sorted(found)), start=1))


async def get_checker_labels(call: Call, checkers: list[structs.Checker]) -> list[list[str]]:
    """The severity of each; storaged knows no other labels."""
    severities = Severities(call.services.settings.severities)
    names = [(one.get("analyzerName", ""), one.get("checkerId", "")) for one in checkers]
    return [[f"severity:{severities.of(*name).name}"] for name in names]


async def get_checker_doc(_call: Call, _checker: str | None) -> str:
    """There is none, nor is there in CodeChecker."""
    return ""


async def get_guideline_rules(_call: Call, guidelines: list[structs.Guideline]) -> dict[str, list[structs.Rule]]:
    """None of any: storaged does not know which rules checkers look for."""
    return {one.get("guidelineName", ""): [] for one in guidelines}


def _blank(analyzer: str, checker: str, severities: Severities) -> CheckerStatusVerificationDetail:
    return {
        "checkerName": checker,
        "analyzerName": analyzer,
        "severity": structs.Severity(severities.of(analyzer, checker)),
        "enabled": [],
        "disabled": [],
        "closed": 0,
        "outstanding": 0,
    }


def _enter(
    found: dict[tuple[str, str], CheckerStatusVerificationDetail], verdicts: Iterable[Any], named: Iterable[Any]
) -> None:
    for row in verdicts:
        found[row["analyzer"], row["checker"]] |= {"outstanding": row["open"], "closed": row["closed"]}
    for row in named:
        if row["checker"] is not None:
            detail = found[row["analyzer"], row["checker"]]
            detail["enabled" if row["enabled"] else "disabled"] = row["runs"]


METHODS: Final[Methods] = {
    "getCheckerStatusVerificationDetails": Handled(get_verification_details, Right.PRODUCT_VIEW),
    "getCheckerLabels": Handled(get_checker_labels, Right.PRODUCT_VIEW),
    "getCheckerDoc": Handled(get_checker_doc, Right.PRODUCT_VIEW),
    "getGuidelineRules": Handled(get_guideline_rules, Right.PRODUCT_VIEW),
}
