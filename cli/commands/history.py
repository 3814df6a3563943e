"""`storectl history`: the stores of a run."""

from collections.abc import Sequence

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import Usage
from ..notices import noted_if_empty
from ..options import output_option, url_option
from ..render import Column, one_line, tabulate, terminal_width, write_json_list, write_lines
from ..report_filters import DETECTION_STATUSES, OPEN_STATUSES
from ..timestamps import to_minute

COLUMNS = (
    Column("STORED (UTC)", 16),
    Column("TAG", 6),
    Column("USER", 4),
    Column("OPEN", 4, right=True),
    Column("NEW", 3, right=True),
    Column("REOPENED", 8, right=True),
    Column("RESOLVED", 8, right=True),
    Column("DESCRIPTION", 11),
)


@click.command()
@click.argument("other", required=False, metavar="RUN")
@click.option("-n", "--name", metavar="RUN", help="The run, instead of the argument.")
@url_option
@output_option
def history(other: str | None, name: str | None, address: Address, output: str) -> None:
    """List the stores of RUN, the newest first.

    The numbers are those of the run right after each store. Plain output has a line for each store, its fields apart
    by tabs: time (UTC), tag, user, the numbers of reports that were new, reopened, unresolved, resolved, off and
    unavailable, the client's version, the token of its job, description.
    """
    if (run := name if other is None else other) is None or (name is not None and other is not None):
        raise Usage("Say which run: RUN, or -n RUN.")
    found = Client(address).history(run)
    if output == "json":
        write_json_list(found)
        return
    found = noted_if_empty(found, f"Run {run!r} has no stores.")
    if output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines("\t".join(map(one_line, _fields(store))) for store in found)


def _fields(store: JsonObject) -> Sequence[object]:
    counts = store.get("reports") or {}
    numbers = (counts.get(status, 0) for status in DETECTION_STATUSES)
    about = (store.get(name) for name in ("client_version", "job", "description"))
    return [store["stored_at"], store.get("tag"), store.get("user"), *numbers, *about]


def _row(store: JsonObject) -> Sequence[object]:
    counts = store.get("reports") or {}
    still = sum(counts.get(status, 0) for status in OPEN_STATUSES)
    numbers = (still, *(counts.get(status, 0) for status in ("new", "reopened", "resolved")))
    at = to_minute(store["stored_at"])
    return [at, store.get("tag"), store.get("user"), *numbers, store.get("description")]
