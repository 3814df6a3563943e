"""`storectl runs`: the runs of a product."""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from http import HTTPStatus

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import Refused
from ..notices import tell
from ..options import output_option, url_option
from ..render import Column, one_line, tabulate, terminal_width, write_json_list, write_lines
from ..report_filters import CLOSED_STATUSES, DETECTION_STATUSES, OPEN_STATUSES, RunsFirst, order_query
from ..run_range import stored_moment
from ..timestamps import time_option_value, to_minute
from ..typos import Choice

ANY = "*"
PAGE = 1000
SORTS = ("name", "stored_at", "open", "duration")
COLUMNS = (
    Column("RUN", 12),
    Column("STORED (UTC)", 16),
    Column("TAG", 6),
    Column("OPEN", 4, right=True),
    Column("NEW", 3, right=True),
    Column("REOPENED", 8, right=True),
    Column("CLOSED", 6, right=True),
)


@click.command(cls=RunsFirst)
@click.argument("others", nargs=-1, metavar="[RUN]...")
@click.option("-n", "--name", "names", multiple=True, metavar="RUN", help="Runs by name; `*` stands for anything.")
@click.option("--all-before-run", metavar="RUN", help="Runs that were stored before this one.")
@click.option("--all-after-run", metavar="RUN", help="Runs that were stored after this one.")
@click.option("--all-before-time", metavar="TIME", callback=time_option_value, help="Runs stored then or before.")
@click.option("--all-after-time", metavar="TIME", callback=time_option_value, help="Runs stored then or after.")
@click.option(
    "--sort",
    type=Choice(SORTS),
    default="name",
    metavar="ORDER",
    help=f"{', '.join(SORTS)}: by name, the latest, those with most open reports, or the longest analysis first.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@url_option
@output_option
def runs(
    *,
    others: tuple[str, ...],
    names: tuple[str, ...],
    all_before_run: str | None,
    all_after_run: str | None,
    all_before_time: datetime | None,
    all_after_time: datetime | None,
    sort: str,
    reverse: bool,
    address: Address,
    output: str,
) -> None:
    """List the runs of a product; times are those of a run's last store.

    Plain output has a line for each run, its fields apart by tabs: name, time of the last store (UTC), tag, and the
    numbers of reports that are new, reopened, unresolved, resolved, off and unavailable.

    Exits with 1 when a name without `*` is that of no run.
    """
    client = Client(address)
    before = stored_moment(client, all_before_run, all_before_time)
    after = stored_moment(client, all_after_run, all_after_time)
    wanted = list(dict.fromkeys([*names, *others]))
    query = [("name", name) for name in wanted]
    query += [(f"stored_{side}", at) for side, at in (("before", before), ("after", after)) if at is not None]
    others_than = {all_before_run, all_after_run}
    query += [*order_query(sort, reverse), ("limit", str(PAGE))]
    listed: set[str] = set()
    _write(_noting((run for run in client.runs(query) if run["name"] not in others_than), listed), output)
    unknown = [why for name in wanted if ANY not in name and name not in listed and (why := _unknown(client, name))]
    if unknown:
        tell("\n".join(f"storectl: {why}" for why in unknown))
        sys.exit(1)
    if not listed and output != "json":
        tell("No run matches." if wanted or before or after else f"Product {address.product!r} has no runs.")


def _noting(found: Iterable[JsonObject], listed: set[str]) -> Iterator[JsonObject]:
    for run in found:
        listed.add(run["name"])
        yield run


def _unknown(client: Client, name: str) -> str | None:
    """Why there is no such run, with the names that are close to it; None when there is one, which was filtered out."""
    try:
        client.run(name)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return error.message
    return None


def _write(found: Iterable[JsonObject], output: str) -> None:
    if output == "json":
        write_json_list(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines(_plain(found))


def _plain(found: Iterable[JsonObject]) -> Iterator[str]:
    for run in found:
        counts = [str(_count(run, status)) for status in DETECTION_STATUSES]
        yield "\t".join([*map(one_line, (run["name"], run.get("stored_at"), run.get("tag"))), *counts])


def _row(run: JsonObject) -> list[object]:
    stored = to_minute(run.get("stored_at"))
    counts = (_count(run, *OPEN_STATUSES), _count(run, "new"), _count(run, "reopened"), _count(run, *CLOSED_STATUSES))
    return [run["name"], stored, run.get("tag"), *counts]


def _count(run: JsonObject, *statuses: str) -> int:
    reports = run.get("reports") or {}
    return sum(reports.get(status, 0) for status in statuses)
