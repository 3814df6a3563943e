"""Every method that has a handler, by service: the one place where a call's right is looked up."""

from collections.abc import Mapping
from typing import Final

from storaged.thrift import (
    authentication,
    checkers,
    cleanup_plans,
    comments,
    components,
    configuration,
    counts,
    failed_analyses,
    filter_presets,
    products,
    removal,
    reports,
    reviews,
    runs,
    serverinfo,
    sources,
    stores,
    tasks,
    transfer,
)
from storaged.thrift.calls import Methods

TABLES: Final[Mapping[str, Methods]] = {
    "Authentication": authentication.METHODS,
    "CodeCheckerService": {
        **runs.METHODS,
        **removal.METHODS,
        **reports.METHODS,
        **counts.METHODS,
        **checkers.METHODS,
        **sources.METHODS,
        **stores.METHODS,
        **failed_analyses.METHODS,
        **reviews.METHODS,
        **comments.METHODS,
        **components.METHODS,
        **cleanup_plans.METHODS,
        **filter_presets.METHODS,
        **transfer.METHODS,
        "getPackageVersion": serverinfo.METHODS["getPackageVersion"],
    },
    "Configuration": configuration.METHODS,
    "Products": products.METHODS,
    "ServerInfo": serverinfo.METHODS,
    "Tasks": tasks.METHODS,
}
