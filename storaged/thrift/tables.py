"""Every method that has a handler, by service: the one place where a call's right is looked up."""

from collections.abc import Mapping
from typing import Final

from storaged.thrift import (
    authentication,
    comments,
    components,
    configuration,
    failed_analyses,
    products,
    reviews,
    serverinfo,
    stores,
    tasks,
)
from storaged.thrift.calls import Methods

TABLES: Final[Mapping[str, Methods]] = {
    "Authentication": authentication.METHODS,
    "CodeCheckerService": {
        **stores.METHODS,
        **failed_analyses.METHODS,
        **reviews.METHODS,
        **comments.METHODS,
        **components.METHODS,
    },
    "Configuration": configuration.METHODS,
    "Products": products.METHODS,
    "ServerInfo": serverinfo.METHODS,
    "Tasks": tasks.METHODS,
}
