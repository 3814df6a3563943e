"""The options that choose jobs: those of CodeChecker's `serverside-tasks`, and the queries that they make."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from .errors import Usage
from .several import list_option
from .timestamps import check_order, time_option_value
from .typos import Choice

Command = TypeVar("Command", bound=Callable[..., Any])

STATUSES = ("allocated", "enqueued", "running", "completed", "failed", "cancelled", "dropped")
MOMENTS = {
    "enqueued": "were enqueued",
    "started": "started",
    "finished": "ended",
    "last-seen": "were last marked alive",
}
# Option, the API's parameter, metavar, help.
LISTS = (
    (("-t", "--token"), "token", "TOKEN", "Jobs by their tokens, or parts of them: 'c0ff*'."),
    (("--machine-id",), "node", "NODE", "Jobs of these daemons, by node id (host:port by default)."),
    (("--type",), "kind", "KIND", "Jobs of these kinds: store, ..."),
    (("--status",), "status", "STATUS", f"{', '.join(STATUSES)}."),
    (("--username",), "user", "USER", "Jobs that these users made."),
    (("--product",), "product", "PRODUCT", "Jobs of these products. Default: all."),
    (("--run",), "run", "RUN", "Jobs of these runs."),
)
FLAGS = (
    ("--no-username", "no_user", "true", "Jobs that nobody known made."),
    ("--no-product", "no_product", "true", "Jobs of no product."),
    ("--only-cancelled", "cancelled", "true", "Jobs that somebody asked to stop."),
    ("--no-cancelled", "cancelled", "false", "Jobs that nobody asked to stop."),
    ("--only-consumed", "consumed", "true", "Ended jobs, if whoever waited was told so."),
    ("--no-consumed", "consumed", "false", "Ended jobs, if nobody was told so yet."),
)
EXCLUSIVE = (("username", "no_username"), ("product", "no_product"))
OPPOSITES = (("only_cancelled", "no_cancelled"), ("only_consumed", "no_consumed"))


def filter_options(command: Command) -> Command:
    """The options, given to the command under their own names, for `filter_query`."""
    options = [
        *(_list_option(*row) for row in LISTS),
        *(click.option(name, is_flag=True, help=text) for name, _, _, text in FLAGS),
        *(_time_option(moment, side) for moment in MOMENTS for side in ("after", "before")),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _list_option(names: tuple[str, ...], _parameter: str, metavar: str, text: str) -> Callable[[Command], Command]:
    about: dict[str, Any] = {"metavar": f"{metavar}...", "help": text}
    if metavar == "STATUS":
        return list_option(*names, each=Choice(STATUSES, case_sensitive=False), **about)
    # The names of others may have commas in them.
    listed = metavar in {"TOKEN", "KIND", "PRODUCT"}
    return list_option(*names, **about) if listed else click.option(*names, multiple=True, **about)


def _time_option(moment: str, side: str) -> Callable[[Command], Command]:
    text = f"Jobs that {MOMENTS[moment]} {'then or later' if side == 'after' else 'then or before'}."
    return click.option(f"--{moment}-{side}", metavar="TIME", callback=time_option_value, help=text)


def filter_query(filters: dict[str, Any]) -> list[tuple[str, str]]:
    """Parameters of GET /jobs; raises Usage for options that contradict each other."""
    for one, other in (*EXCLUSIVE, *OPPOSITES):
        if filters[one] and filters[other]:
            raise Usage(f"{_flag(one)} and {_flag(other)} contradict each other: no job can be both.")
    return [*_lists(filters), *_flags(filters), *_times(filters)]


def _lists(filters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for names, parameter, _, _ in LISTS:
        yield from ((parameter, value) for value in filters[_name(names[-1])])


def _flags(filters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, parameter, value, _ in FLAGS:
        if filters[_name(name)]:
            yield parameter, value


def _times(filters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for moment in (name.replace("-", "_") for name in MOMENTS):
        after, before = filters[f"{moment}_after"], filters[f"{moment}_before"]
        check_order(_flag(moment), after, before, "job")
        yield from (
            (f"{moment}_{side}", time.isoformat()) for side, time in (("after", after), ("before", before)) if time
        )


def _name(flag: str) -> str:
    """By which click gives the command the option's value."""
    return flag.removeprefix("--").replace("-", "_")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
