"""`storectl runs`: the runs of a product."""

from collections.abc import Iterable, Iterator

import click

from ..address import Address
from ..client import Client, JsonObject
from ..options import output_option, url_option
from ..render import Column, one_line, tabulate, terminal_width, write_json_list, write_lines

OPEN = ("new", "unresolved", "reopened")
CLOSED = ("resolved", "off", "unavailable")
COLUMNS = (
    Column("RUN", 12),
    Column("STORED (UTC)", 16),
    Column("TAG", 6),
    Column("OPEN", 4, right=True),
    Column("NEW", 3, right=True),
    Column("REOPENED", 8, right=True),
    Column("CLOSED", 6, right=True),
)


@click.command()
@url_option
@output_option
def runs(address: Address, output: str) -> None:
    """List the runs of a product.

    Plain output has a line for each run, its fields apart by tabs: name, time of the last store (UTC), tag, and the
    numbers of reports that are new, unresolved, reopened, resolved, off and unavailable.
    """
    found = Client(address).runs()
    if output == "json":
        write_json_list(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines(_plain(found))


def _plain(found: Iterable[JsonObject]) -> Iterator[str]:
    for run in found:
        counts = [str(_count(run, status)) for status in (*OPEN, *CLOSED)]
        yield "\t".join([*map(one_line, (run["name"], run.get("stored_at"), run.get("tag"))), *counts])


def _row(run: JsonObject) -> list[object]:
    stored = str(run.get("stored_at") or "")[:16].replace("T", " ")
    counts = (_count(run, *OPEN), _count(run, "new"), _count(run, "reopened"), _count(run, *CLOSED))
    return [run["name"], stored, run.get("tag"), *counts]


def _count(run: JsonObject, *statuses: str) -> int:
    reports = run.get("reports") or {}
    return sum(reports.get(status, 0) for status in statuses)
