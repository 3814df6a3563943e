"""`storectl results`: the reports of a run."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import Usage
from ..notices import noted_if_empty
from ..options import output_option, url_option
from ..render import Column, one_line, severity_name, tabulate, terminal_width, write_json_list, write_lines
from ..report_filters import (
    RunsFirst,
    filter_options,
    filter_query,
    none_match,
    order_options,
    order_query,
    status_option,
)

RUN = Column("RUN", 6)
COLUMNS = (Column("FILE", 20, tail=True), Column("SEVERITY", 8), Column("CHECKER", 14), Column("STATUS", 10))


@click.command(cls=RunsFirst)
@click.argument("others", nargs=-1, metavar="[RUN]...")
@click.option("-n", "--name", "names", multiple=True, metavar="RUN", help="A run; `*` stands for anything.")
@click.option(
    "--tag",
    multiple=True,
    metavar="TAG",
    help="What the runs had at their stores of this tag; statuses as of now.",
)
@click.option("--details", is_flag=True, help="With the bug path: events, positions, notes and macro expansions.")
@status_option
@filter_options
@order_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N only. Default: all.")
@url_option
@output_option
def results(
    *,
    others: tuple[str, ...],
    names: tuple[str, ...],
    details: bool,
    sort: str,
    reverse: bool,
    limit: int | None,
    address: Address,
    output: str,
    **filters: Any,
) -> None:
    """List the reports of runs, the most severe first; in the name of a RUN, `*` stands for anything.

    The values of a filter are alternatives, different filters must all fit. A filter may be given more than once, or
    with several values, if the runs come first: `results RUN --severity high critical`.

    Plain output has a line for each report: file:line:column, severity, checker, detection status and message. With
    --details the events of its bug path follow, each on a line that starts with a tab.
    """
    runs = list(dict.fromkeys([*names, *others]))
    if not runs:
        raise Usage("Say of which runs: RUN..., or -n RUN.")
    query = [*(("run", run) for run in runs), *filter_query(filters), *order_query(sort, reverse)]
    found: Iterator[JsonObject] = islice(
        Client(address).reports([*query, *([("details", "true")] if details else [])]), limit
    )
    if output == "json":
        write_json_list(found)
        return
    found = noted_if_empty(found, none_match(runs, filters))
    if output == "table":
        several = len(runs) > 1 or "*" in runs[0]
        columns = (RUN, *COLUMNS) if several else COLUMNS
        rows = ([*([report["run"]] if several else []), *_row(report)] for report in found)
        write_lines(tabulate(columns, rows, terminal_width(), whole=details))
    else:
        write_lines(_plain(found))


def _plain(found: Iterable[JsonObject]) -> Iterator[str]:
    for report in found:
        severity = severity_name(report["severity"])
        line = f"{place(report)}: {severity} {report['checker']} {report['detection_status']} {report['message']}"
        yield one_line(line)
        yield from map(plain_event, report.get("events", []))


def plain_event(event: list[object]) -> str:
    """An event below a plain line."""
    file, line, column, *_, message = event
    return "\t" + one_line(f"{file}:{line}:{column}: {message}")


def row_event(event: list[object]) -> str:
    """An event below a row of a table."""
    file, line, *_, message = event
    return f"{str(file).rpartition('/')[2]}:{line}: {message}"


def _row(report: JsonObject) -> list[object]:
    events = map(row_event, report.get("events", []))
    severity = severity_name(report["severity"])
    return [place(report), severity, report["checker"], _status(report), report["message"], *events]


def _status(report: JsonObject) -> str:
    reviewed = report["review_status"]
    return f"{report['detection_status']}{'' if reviewed == 'unreviewed' else f' ({reviewed})'}"


def place(report: JsonObject) -> str:
    """As compilers write it, so that editors jump to it."""
    return f"{report['file']}:{report['line']}:{report['column']}"
