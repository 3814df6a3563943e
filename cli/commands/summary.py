"""`storectl sum`: how many reports each checker has."""

from collections.abc import Sequence
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject
from ..options import output_option, url_option
from ..render import Column, severity_name, tabulate, terminal_width, write_json, write_lines
from ..report_filters import DETECTION_STATUSES, OPEN_STATUSES, filter_options, filter_query, status_option

COLUMNS = (
    Column("SEVERITY", 8),
    Column("CHECKER", 20),
    Column("OPEN", 4, right=True),
    Column("NEW", 3, right=True),
    Column("REOPENED", 8, right=True),
    Column("CLOSED", 6, right=True),
)


@click.command("sum")
@click.argument("others", nargs=-1, metavar="[RUN]...")
@click.option("-n", "--name", "names", multiple=True, metavar="RUN", help="A run; more may follow. Default: all.")
@click.option("--tag", multiple=True, metavar="TAG", help="As the runs were at the stores with this tag.")
@status_option
@filter_options
@url_option
@output_option
def summary(*, others: tuple[str, ...], names: tuple[str, ...], address: Address, output: str, **filters: Any) -> None:
    """Count the reports of runs by checker, the most severe first, with a line for all at the end.

    Plain output has a line for each checker, its fields apart by tabs: severity, checker, analyzer, reports, and the
    numbers of those that are new, reopened, unresolved, resolved, off and unavailable.
    """
    query = [("run", run) for run in dict.fromkeys([*names, *others])]
    found = Client(address).summary([*query, *filter_query(filters)])
    if output == "json":
        write_json(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, [*found, _total(found)]), terminal_width()))
    else:
        write_lines("\t".join(map(str, _fields(row))) for row in found)


def _fields(row: JsonObject) -> Sequence[object]:
    counts = (row["statuses"].get(status, 0) for status in DETECTION_STATUSES)
    return [severity_name(row["severity"]), row["checker"], row["analyzer"], row["reports"], *counts]


def _total(found: Sequence[JsonObject]) -> JsonObject:
    statuses = {status: sum(row["statuses"].get(status, 0) for row in found) for status in DETECTION_STATUSES}
    return {"checker": f"{len(found)} checkers", "statuses": statuses}


def _row(row: JsonObject) -> Sequence[object]:
    statuses = row["statuses"]
    still = sum(statuses.get(status, 0) for status in OPEN_STATUSES)
    severity = severity_name(row["severity"]) if "severity" in row else ""
    closed = sum(statuses.values()) - still
    return [severity, row["checker"], still, statuses.get("new", 0), statuses.get("reopened", 0), closed]
