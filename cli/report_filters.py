"""The options that choose reports, and the queries that they make; `results`, `sum` and `diff` share them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import click

from .errors import Usage
from .render import SEVERITIES as STEPS
from .several import ArgumentsFirst, list_option
from .timestamps import check_order, time_option_value
from .typos import Choice

Command = TypeVar("Command", bound=Callable[..., Any])

DETECTION_STATUSES = ("new", "reopened", "unresolved", "resolved", "off", "unavailable")
OPEN_STATUSES, CLOSED_STATUSES = DETECTION_STATUSES[:3], DETECTION_STATUSES[3:]
REVIEW_STATUSES = ("unreviewed", "confirmed", "false_positive", "intentional")
# What somebody called no bug, or one that is meant to stay, is not asked for unless it is named.
STANDING_REVIEWS = REVIEW_STATUSES[:2]
SEVERITIES = tuple(STEPS.values())
SORTS = (
    "severity",
    "file",
    "checker",
    "message",
    "path_length",
    "detected_at",
    "detection_status",
    "review_status",
    "timestamp",
    "testcase",
    "chronological_order",
    "id",
)
HASH_LENGTH = 32
# Of the filters that take patterns: the option, and the pattern of values with such a part.
AS_PATTERN = {
    "checker": ("--checker-name", "{}*"),
    "analyzer": ("--analyzer-name", "{}*"),
    "message": ("--checker-msg", "*{}*"),
    "file": ("--file", "*{}*"),
    "report_hash": ("--report-hash", "{}*"),
}
BOUNDS = ("path_length_min", "path_length_max")
TIMES = ("detected_after", "detected_before", "fixed_after", "fixed_before")


class RunsFirst(ArgumentsFirst):
    """A command that may begin with runs. If it does, an option may have several values at once: `--severity a b`."""

    like_arguments = frozenset({"-n", "--name"})


def filter_options(command: Command) -> Command:
    """The options, given to the command as its `filters`, for `filter_query`."""
    options = [
        list_option(
            "--severity",
            each=Choice(SEVERITIES, case_sensitive=False),
            metavar="SEVERITY",
            help=f"{', '.join(SEVERITIES)}; in JSON {', '.join(map(str, STEPS))}.",
        ),
        list_option(
            "--review-status",
            each=Choice([*REVIEW_STATUSES, "all"], case_sensitive=False),
            metavar="STATUS",
            help=f"What somebody said of them: {', '.join(REVIEW_STATUSES)} or all. "
            f"Default: {', '.join(STANDING_REVIEWS)}; with --tag or --outstanding-reports-date: all.",
        ),
        _texts("--checker-name", "checker", "GLOB", "Checkers by name, such as 'core.*'; any case."),
        _texts("--analyzer-name", "analyzer", "GLOB", "Analyzers by name, such as 'clang*'; any case."),
        _texts("--checker-msg", "message", "GLOB", "Reports by their message, such as '*leak*'; any case."),
        _texts("--file", "file", "GLOB", "Files by path, such as '*/src/*'."),
        click.option(
            "--anywhere-on-report-path",
            "anywhere",
            is_flag=True,
            help="With --file: also when the bug path comes through.",
        ),
        _texts("--report-hash", "report_hash", "HASH", "Reports by their hash, or by its beginning: 'c4ca42*'."),
        _texts("--annotation", "annotation", "NAME:GLOB", "Reports by an annotation, such as 'testcase:login*'."),
        click.option(
            "--uniqueing",
            "unique",
            type=Choice(["on", "off"]),
            metavar="on|off",
            help="One report for each hash: the one with the shortest bug path. Default: off.",
        ),
        click.option("--bug-path-length", metavar="MIN:MAX", callback=_read_span, help="Events of the bug path."),
        *(_time(name) for name in TIMES),
        click.option(
            "--outstanding-reports-date",
            "--open-reports-date",
            "open_at",
            metavar="TIME",
            callback=time_option_value,
            help="Reports that were open then.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def status_option(command: Command) -> Command:
    """`--detection-status`; by default the open ones, but at a tag or a date all, whatever has become of them.

    A command that has it leaves out what was reviewed and closed as well, by default.
    """
    return list_option(
        "--detection-status",
        each=Choice([*DETECTION_STATUSES, "all"], case_sensitive=False),
        metavar="STATUS",
        help=f"{', '.join(DETECTION_STATUSES)} or all. Default: {', '.join(OPEN_STATUSES)}; "
        "with --tag or --outstanding-reports-date: all.",
    )(command)


def order_options(command: Command) -> Command:
    """`--sort` and `--reverse`, given to the command as these."""
    sort = click.option(
        "--sort",
        type=Choice(SORTS, case_sensitive=False),
        default="severity",
        metavar="ORDER",
        help=f"{', '.join(SORTS)}. Default: severity, the most severe first; then by file and line.",
    )
    return sort(click.option("--reverse", is_flag=True, help="The other way round.")(command))


def filter_query(filters: dict[str, Any]) -> list[tuple[str, str]]:
    """Parameters of the API's lists of reports; raises Usage for spans of time that are empty."""
    return list(_parameters(filters))


def none_match(runs: Iterable[str], filters: dict[str, Any]) -> str:
    """What to say when there are no reports; it names the filter that nobody asked for."""
    named = ", ".join(map(repr, runs))
    told = f"No reports{' of ' if named else ''}{named} match.{pattern_hint(filters)}"
    if _is_past(filters):
        return told
    if not filters["detection_status"]:
        told += " Only open ones were looked for; --detection-status all looks for the others, too."
    if not filters["review_status"]:
        told += " False positives and intentional ones were left out; --review-status all has them, too."
    return told


def pattern_hint(filters: dict[str, Any]) -> str:
    """A sentence, with a space before it, on patterns that may have been meant for parts of a value; else nothing."""
    parts = ((name, next(filter(partial(_may_be_part, name), filters[name]), None)) for name in AS_PATTERN)
    tries = [f"{AS_PATTERN[name][0]} '{AS_PATTERN[name][1].format(part)}'" for name, part in parts if part]
    return f" A pattern is for the whole value: try {', '.join(tries)}." if tries else ""


def _may_be_part(name: str, pattern: str) -> bool:
    whole = (name == "file" and pattern.startswith("/")) or (name == "report_hash" and len(pattern) >= HASH_LENGTH)
    return "*" not in pattern and not whole


def order_query(sort: str, reverse: bool) -> list[tuple[str, str]]:
    return [("sort", sort), *([("reverse", "true")] if reverse else [])]


def _parameters(filters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    past = _is_past(filters) or "detection_status" not in filters
    if filters["anywhere"] and not filters["file"]:
        raise Usage("--anywhere-on-report-path needs --file: which files?")
    for name, value in filters.items():
        if name == "bug_path_length":
            yield from ((bound, length) for bound, length in zip(BOUNDS, value or (), strict=False) if length)
        elif name in {*TIMES, "open_at"}:
            yield from [] if value is None else [(name, value.isoformat())]
        elif name in {"anywhere", "unique"}:
            yield from [(name, "true")] if value in {True, "on"} else []
        else:
            yield from ((name, text) for text in _values(name, value, past=past))
    for moment in ("detected", "fixed"):
        check_order(f"--{moment}", filters[f"{moment}_after"], filters[f"{moment}_before"], "report")


def _is_past(filters: dict[str, Any]) -> bool:
    """Whether the reports are those of a time before now."""
    return bool(filters.get("tag")) or filters["open_at"] is not None


def _values(name: str, given: Sequence[str], *, past: bool) -> Sequence[str]:
    if name == "review_status":
        return [] if "all" in given else given or ([] if past else STANDING_REVIEWS)
    if name == "detection_status":
        return DETECTION_STATUSES if "all" in given else given or ([] if past else OPEN_STATUSES)
    return given


def _texts(option: str, name: str, metavar: str, text: str) -> Callable[[Command], Command]:
    """An option that may come more than once; `--checker` is short for `--checker-name`."""
    names = [option, *([f"--{name}"] if name in {"checker", "analyzer", "message"} else []), name]
    # Messages, files and annotations may have commas in them.
    listed = name in {"checker", "analyzer", "report_hash"}
    settings: dict[str, Any] = {"metavar": metavar, "help": text}
    return list_option(*names, **settings) if listed else click.option(*names, multiple=True, **settings)


def _time(name: str) -> Callable[[Command], Command]:
    moment, _, side = name.partition("_")
    what = "first seen" if moment == "detected" else "first missed"
    return click.option(
        f"--{moment}-{side}", metavar="TIME", callback=time_option_value, help=f"Reports {what} then or {side}."
    )


def _read_span(_context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    least, colon, most = text.partition(":")
    numbers = all(not number or (number.isascii() and number.isdecimal()) for number in (least, most))
    if not colon or not numbers or not (least or most) or (least and most and int(least) > int(most)):
        raise click.BadParameter(f"{text!r} is no span of lengths, such as 2:5, 10: or :3.", param=option)
    return least, most
