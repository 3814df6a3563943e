"""`storectl sum`: how many reports each checker, severity or file has."""

from collections.abc import Sequence
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import Usage
from ..notices import tell
from ..options import output_option, url_option
from ..render import Column, one_line, severity_name, tabulate, terminal_width, write_json, write_lines
from ..report_filters import (
    DETECTION_STATUSES,
    OPEN_STATUSES,
    RunsFirst,
    filter_options,
    filter_query,
    none_match,
    status_option,
)
from ..summary import amount
from ..typos import Choice

# What to count by: the list of the API's answer, and the columns that name an entry.
GROUPS = {
    "checker": ("checkers", (Column("SEVERITY", 8), Column("CHECKER", 20))),
    "severity": ("severities", (Column("SEVERITY", 11),)),
    "file": ("files", (Column("FILE", 28, tail=True),)),
}
NUMBERS = (
    Column("OPEN", 4, right=True),
    Column("NEW", 3, right=True),
    Column("REOPENED", 8, right=True),
    Column("CLOSED", 6, right=True),
)


@click.command("sum", cls=RunsFirst)
@click.argument("others", nargs=-1, metavar="[RUN]...")
@click.option("-n", "--name", "names", multiple=True, metavar="RUN", help="A run; `*` stands for anything.")
@click.option("-a", "--all", "every", is_flag=True, help="All runs, as when none is named.")
@click.option(
    "--by",
    type=Choice(list(GROUPS)),
    default="checker",
    metavar="WHAT",
    help="checker (default), severity or file.",
)
@click.option(
    "--top", type=click.IntRange(1, 1000), default=20, metavar="N", help="With --by file: how many. Default: 20."
)
@click.option(
    "--tag",
    multiple=True,
    metavar="TAG",
    help="What the runs had at their stores of this tag; statuses as of now.",
)
@status_option
@filter_options
@url_option
@output_option
def summary(
    *,
    others: tuple[str, ...],
    names: tuple[str, ...],
    every: bool,
    by: str,
    top: int,
    address: Address,
    output: str,
    **filters: Any,
) -> None:
    """Count the reports of runs by checker or severity, the most severe first, or by file, those with most first.

    The values of a filter are alternatives, different filters must all fit. A filter may be given more than once, or
    with several values, if the runs come first: `sum -n RUN --severity high critical`.

    Plain output has a line for each entry, its fields apart by tabs: severity, checker and analyzer, or the severity,
    or the file; reports, and the numbers of those that are new, reopened, unresolved, resolved, off and unavailable.
    """
    runs = dict.fromkeys([*names, *others])
    if every and runs:
        raise Usage("Name runs, or say --all, not both.")
    members, columns = GROUPS[by]
    query = [*(("run", run) for run in runs), *filter_query(filters), ("files", str(top if by == "file" else 0))]
    found = Client(address).summary(members, query)
    if not found and output != "json":
        tell(none_match(runs, filters))
    if output == "json":
        write_json(found)
    elif output == "table":
        rows = found if by == "file" else [*found, _total(found, by)]
        write_lines(tabulate((*columns, *NUMBERS), map(_row, rows), terminal_width()))
    else:
        write_lines("\t".join(map(one_line, _fields(row))) for row in found)


def _fields(row: JsonObject) -> Sequence[object]:
    counts = (row["statuses"].get(status, 0) for status in DETECTION_STATUSES)
    return [*_names(row, ("severity", "checker", "analyzer", "file")), row["reports"], *counts]


def _names(row: JsonObject, names: Sequence[str]) -> Sequence[object]:
    """What an entry is of; the severity in words."""
    values = {**row, "severity": severity_name(row["severity"])} if isinstance(row.get("severity"), int) else row
    return [values[name] for name in names if name in values]


def _total(found: Sequence[JsonObject], by: str) -> JsonObject:
    """The last row, for all entries."""
    statuses = {status: sum(row["statuses"].get(status, 0) for row in found) for status in DETECTION_STATUSES}
    names = {"severity": "", "checker": amount(len(found), "checker")} if by == "checker" else {"severity": "all"}
    return {**names, "statuses": statuses}


def _row(row: JsonObject) -> Sequence[object]:
    statuses = row["statuses"]
    still = sum(statuses.get(status, 0) for status in OPEN_STATUSES)
    numbers = [still, statuses.get("new", 0), statuses.get("reopened", 0), sum(statuses.values()) - still]
    return [*_names(row, ("severity", "checker", "file")), *numbers]
