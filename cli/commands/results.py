"""`storectl results`: the reports of a run."""

from collections.abc import Iterable, Iterator

import click

from ..address import Address
from ..client import Client, JsonObject
from ..options import output_option, url_option
from ..render import Column, one_line, severity_name, tabulate, terminal_width, write_json_list, write_lines

DETECTION_STATUSES = ("new", "reopened", "unresolved", "resolved", "off", "unavailable")
SEVERITIES = ("UNSPECIFIED", "STYLE", "LOW", "MEDIUM", "HIGH", "CRITICAL")
COLUMNS = (Column("FILE", 20, tail=True), Column("SEVERITY", 8), Column("CHECKER", 14), Column("STATUS", 10))


@click.command()
@click.argument("run")
@click.option("--details", is_flag=True, help="With the bug path: events, positions, notes and macro expansions.")
@click.option(
    "--detection-status",
    type=click.Choice([*DETECTION_STATUSES, "all"]),
    multiple=True,
    default=("new", "reopened", "unresolved"),
    metavar="STATUS",
    help=f"{', '.join(DETECTION_STATUSES)} or all. Default: new, reopened, unresolved.",
)
@click.option(
    "--severity",
    type=click.Choice(SEVERITIES, case_sensitive=False),
    multiple=True,
    metavar="SEVERITY",
    help=f"{', '.join(SEVERITIES)}.",
)
@click.option("--checker", multiple=True, metavar="GLOB", help="Checkers by name, such as 'core.*'.")
@click.option("--file", multiple=True, metavar="GLOB", help="Files by path, such as '*/src/*'.")
@click.option("--report-hash", multiple=True, metavar="HASH", help="Reports by their hash.")
@url_option
@output_option
def results(run: str, address: Address, output: str, details: bool, **filters: tuple[str, ...]) -> None:
    """List the reports of RUN.

    A filter may be given more than once: its values are alternatives. Different filters must all fit.

    Plain output has a line for each report: file:line:column, severity, checker, detection status and message. With
    --details the events of its bug path follow, each on a line that starts with a tab.
    """
    query = [("run", run), *_filters(filters), *([("details", "true")] if details else [])]
    found = Client(address).reports(query)
    if output == "json":
        write_json_list(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines(_plain(found))


def _filters(filters: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, values in filters.items():
        every_status = name == "detection_status" and "all" in values
        yield from ((name, value) for value in (DETECTION_STATUSES if every_status else values))


def _plain(found: Iterable[JsonObject]) -> Iterator[str]:
    for report in found:
        severity = severity_name(report["severity"])
        line = f"{_place(report)}: {severity} {report['checker']} {report['detection_status']} {report['message']}"
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
    return [_place(report), severity, report["checker"], report["detection_status"], report["message"], *events]


def _place(report: JsonObject) -> str:
    return f"{report['file']}:{report['line']}:{report['column']}"
