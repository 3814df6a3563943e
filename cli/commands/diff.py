"""`storectl diff`: what is new, resolved or unresolved between two sides; the gate on merge requests."""

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from ..address import Address
from ..client import Client, JsonObject, Query
from ..errors import Refused, Unreadable, Usage
from ..notices import tell
from ..options import output_option, url_option
from ..progress import open_progress
from ..render import Column, one_line, severity_name, tabulate, terminal_width, write_json_list, write_lines
from ..report_filters import SEVERITIES, filter_options, filter_query, order_options, order_query, pattern_hint
from ..scan import ReportFolder, exists, find_report_folders
from ..several import SeveralValues
from ..snippets import Snippets
from ..summary import amount, name_files
from ..upload import compare, look
from .results import place, plain_event, row_event

COLUMNS = (Column("FILE", 20, tail=True), Column("SEVERITY", 8), Column("CHECKER", 14), Column("RUN", 6))
DIFFERENT = 2
SETS = {
    "new": "Show what NEW has and BASE has not.",
    "resolved": "Show what BASE has and NEW has not.",
    "unresolved": "Show what both have.",
}
ALL: Query = [("set", "new")]
"""Of a folder, which is compared with nothing."""

Result = TypeVar("Result")


class Gate(SeveralValues):
    """Wrong usage is an error like any other: it exits with 1, since 2 means that there are reports."""

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        return _never_2(lambda: super(Gate, self).make_context(*args, **settings))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            given, operands, _ = self.make_parser(ctx).parse_args(list(args))
            missing = [option for option, name in (("-b", "base"), ("-n", "new")) if name not in given]
            if len(operands) != len(missing):
                raise
            meant = _with_options(given, dict(zip(missing, operands, strict=True)))
            raise click.UsageError(f"{error.format_message()} Is this meant: {meant}", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        return _never_2(lambda: super(Gate, self).invoke(ctx))


def _with_options(given: Mapping[str, Any], operands: Mapping[str, str]) -> str:
    """The command in which what stood alone has its option."""
    sides = [(option, operand) for option, name in (("-b", "base"), ("-n", "new")) for operand in given.get(name, [])]
    words = [word for side in sorted([*sides, *operands.items()]) for word in side]
    chosen = [f"--{name}" for name in SETS if f"show_{name}" in given] or ["--new"]
    return shlex.join(["storectl", "diff", *words, *chosen])


def _never_2(call: Callable[[], Result]) -> Result:
    try:
        return call()
    except click.ClickException as error:
        if error.exit_code != DIFFERENT:
            raise
        error.show()
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side was given as: runs, or folders with results."""

    given: tuple[str, ...]
    folders: tuple[ReportFolder, ...] = ()

    def __str__(self) -> str:
        kind = "folder" if self.folders else "run"
        return f"{kind}{'' if len(self.given) == 1 else 's'} {', '.join(map(repr, self.given))}"


def set_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A flag for each set, given to the command as `which`. One must be chosen: a gate must not look at another one."""

    @wraps(command)
    def with_set(*args: Any, **options: Any) -> Any:
        chosen = [name for name in SETS if options.pop(f"show_{name}")]
        if len(chosen) > 1:
            raise click.UsageError(f"Choose one: {' and '.join(f'--{name}' for name in chosen)} are different sets.")
        if not chosen:
            raise click.UsageError("Choose what to show: --new, --resolved or --unresolved.")
        return command(*args, which=chosen[0], **options)

    for name, text in reversed(SETS.items()):
        with_set = click.option(f"--{name}", f"show_{name}", is_flag=True, help=text)(with_set)
    return with_set


@click.command(cls=Gate)
@click.option("-b", "--basename", "base", multiple=True, required=True, metavar="BASE", help="RUN, RUN:TAG or folder.")
@click.option("-n", "--newname", "new", multiple=True, required=True, metavar="NEW", help="RUN, RUN:TAG or folder.")
@set_options
@filter_options
@order_options
@click.option("--details", is_flag=True, help="With the bug path: events, positions, notes and macro expansions.")
@click.option("--trim-path-prefix", multiple=True, metavar="PREFIX", help="Cut this off file paths of a folder.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads that read. Default: one a core.")
@url_option
@output_option
def diff(
    *,
    base: tuple[str, ...],
    new: tuple[str, ...],
    which: str,
    details: bool,
    trim_path_prefix: tuple[str, ...],
    jobs: int | None,
    sort: str,
    reverse: bool,
    address: Address,
    output: str,
    **filters: Any,
) -> None:
    """Compare two sides, by report hash: the open reports of BASE with those of NEW.

    A side is a run, as it is now or, as RUN:TAG, as it was at that store; or a folder with results of an analysis,
    which is compared and not stored. Either may be given more than once. What is a folder here with results in it is
    taken for that, before a run of the same name.

    Exit codes: 0 the chosen set is empty, 2 it is not, 1 any error, also wrong usage.
    """
    client = Client(address)
    sides = _side(client, base), _side(client, new)
    query = [*filter_query(filters), *order_query(sort, reverse), *([("details", "true")] if details else [])]
    if any(side.folders for side in sides):
        prefixes = [("trim_path_prefix", prefix) for prefix in trim_path_prefix]
        found: Iterable[JsonObject] = _compare_folders(
            Comparing(client, prefixes, jobs or os.cpu_count() or 1), query, which, sides
        )
    else:
        found = client.diff([("set", which), *query, *_operands(sides)])
    seen: Counter[str] = Counter()
    _write(_counted(found, seen), output, Snippets(trim_path_prefix), details)
    tell(_summary(seen, which, sides) + ("" if seen else pattern_hint(filters)))
    sys.exit(DIFFERENT if seen.total() else 0)


def _side(client: Client, given: tuple[str, ...]) -> Side:
    """Raises Usage for runs and folders on the same side."""
    folders = [name for name in given if _has_results(name)]
    if not folders:
        return Side(given)
    if len(folders) < len(given):
        raise Usage(f"A side is of runs or of folders, not of both: {', '.join(map(repr, given))}.")
    for name in folders:
        if client.has_run(name):
            tell(f"note: {name!r} is a folder here and a run there; the folder is taken.")
    return Side(given, tuple(find_report_folders(given)))


def _has_results(name: str) -> bool:
    if not exists(name):
        if "/" in name:
            tell(f"note: There is no file or folder {name} here. Taken for the name of a run.")
        return False
    try:
        return bool(find_report_folders([name], lambda _: None))
    except Unreadable:
        raise
    except Usage as error:
        tell(f"note: {error.message} Taken for the name of a run.")
        return False


def _operands(sides: tuple[Side, Side]) -> Iterator[tuple[str, str]]:
    for name, side in zip(("base", "new"), sides, strict=True):
        if not side.folders:
            yield from ((name, operand) for operand in side.given)


@dataclass(frozen=True, slots=True)
class Comparing:
    """How folders are read and sent."""

    client: Client
    trim: Query
    jobs: int

    def reports(self, folders: Sequence[ReportFolder], query: Query) -> Sequence[JsonObject]:
        """The reports of a diff of what is in the folders with what the query names."""
        with open_progress() as progress:
            found = look(folders, self.jobs, progress)
            try:
                return compare(self.client, [*query, *self.trim], found, progress)
            except Refused as error:
                raise Refused(name_files(error.message, folders), error.status) from error


def _compare_folders(comparing: Comparing, query: Query, which: str, sides: tuple[Side, Side]) -> Sequence[JsonObject]:
    base, new = sides
    if not (base.folders and new.folders):
        operands = _operands(sides)
        return comparing.reports(base.folders or new.folders, [("set", which), *query, *operands])
    # The daemon compares one archive with what it has. Here that is nothing, so each is all new.
    shown, other = (base, new) if which == "resolved" else (new, base)
    known = {report["report_hash"] for report in comparing.reports(other.folders, ALL)}
    found = comparing.reports(shown.folders, [*ALL, *query])
    return [report for report in found if (report["report_hash"] in known) == (which == "unresolved")]


def _counted(found: Iterable[JsonObject], seen: Counter[str]) -> Iterator[JsonObject]:
    for report in found:
        seen[severity_name(report["severity"])] += 1
        yield report


def _write(found: Iterable[JsonObject], output: str, snippets: Snippets, details: bool) -> None:
    if output == "json":
        write_json_list(found)
    elif output == "table":
        rows = (_row(report, snippets) for report in found)
        write_lines(tabulate(COLUMNS, rows, terminal_width(), whole=details))
    else:
        write_lines(line for report in found for line in _plain(report, snippets))


def _plain(report: JsonObject, snippets: Snippets) -> Iterator[str]:
    severity = severity_name(report["severity"])
    yield one_line(f"{place(report)}: {severity} {report['checker']} {report['message']}")
    yield from ("\t" + line for line in _snippet(report, snippets))
    yield from map(plain_event, report.get("events", []))


def _row(report: JsonObject, snippets: Snippets) -> list[object]:
    head = [place(report), severity_name(report["severity"]), report["checker"], report["run"] or "-"]
    return [*head, report["message"], *_snippet(report, snippets), *map(row_event, report.get("events", []))]


def _snippet(report: JsonObject, snippets: Snippets) -> Iterator[str]:
    """Only of what was analysed here: of a run the sources may have been others."""
    return snippets.of(report) if report["id"] is None else iter(())


def _summary(seen: Counter[str], which: str, sides: tuple[Side, Side]) -> str:
    base, new = sides
    where = {
        "new": f"in {new} that are not in {base}",
        "resolved": f"in {base} that are not in {new}",
        "unresolved": f"in {new} that are in {base} too",
    }[which]
    count = seen.total()
    if count == 0:
        return f"No {which} reports {where}."
    grades = ", ".join(f"{seen[name]} {name}" for name in reversed(SEVERITIES) if seen[name])
    return f"{amount(count, f'{which} report')} ({grades}) {where}."
