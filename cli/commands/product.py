"""`product`: products and their limits; `storectl` asks a daemon, `storaged` its database."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Protocol

import click

from ..address import Address
from ..client import Client, JsonObject
from ..notices import tell
from ..options import Option, output_option, url_option
from ..questions import confirm
from ..render import Column, one_line, tabulate, terminal_width, write_json, write_json_list, write_lines
from ..typos import SuggestingGroup

MOST = 2**31 - 1
COLUMNS = (
    Column("PRODUCT", 10),
    Column("NAME", 10),
    Column("WEIGHT", 6, right=True),
    Column("RUN LIMIT", 9, right=True),
    Column("REPORT LIMIT", 12, right=True),
    Column("DESCRIPTION", 11),
)
FIELDS = ("endpoint", "display_name", "weight", "run_limit", "report_limit", "description")
LIMITS = ("run_limit", "report_limit")


class Products(Protocol):
    """Where products are kept; a daemon's `Client` is one."""

    def products(self) -> list[JsonObject]: ...
    def product(self, endpoint: str) -> JsonObject: ...
    def add_product(self, values: JsonObject) -> JsonObject: ...
    def edit_product(self, endpoint: str, values: JsonObject) -> JsonObject: ...
    def remove_product(self, endpoint: str) -> None: ...


ENDPOINT = click.argument("endpoint")
VALUES: tuple[Option, ...] = (
    click.option("--display-name", metavar="TEXT", help="What people call it."),
    click.option("--description", metavar="TEXT", help="What it is for."),
    click.option("--run-limit", type=click.IntRange(0, MOST), metavar="N", help="Most runs it takes."),
    click.option("--report-limit", type=click.IntRange(0, MOST), metavar="N", help="Most reports of one store."),
    click.option(
        "--weight",
        type=click.FloatRange(0.001, 1000),
        metavar="W",
        help="Its share of the queue, while other products wait as well. Default: 1.",
    ),
)
NO_LIMITS: tuple[Option, ...] = (
    click.option("--no-run-limit", is_flag=True, help="As the daemon's setting has it."),
    click.option("--no-report-limit", is_flag=True, help="As the daemon's setting has it."),
)


def list_products(found: Products, output: str) -> None:
    """List the products.

    Plain output has a line for each, its fields apart by tabs: endpoint, display name, weight, run limit, report limit
    (empty: the daemon's setting), description.
    """
    every = found.products()
    if output == "json":
        write_json_list(every)
    elif not every:
        tell("There are no products.")
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, every), terminal_width()))
    else:
        write_lines("\t".join(map(one_line, _row(one))) for one in every)


def show_product(found: Products, endpoint: str, output: str) -> None:
    """Show one product."""
    _write(found.product(endpoint), output)


def add_product(found: Products, endpoint: str, output: str, **values: Any) -> None:
    """Add a product.

    ENDPOINT is its name in URLs: letters, digits, `_`, `-` and `.`, 63 at most.
    """
    _write(found.add_product({"endpoint": endpoint, **_given(values)}), output)


def edit_product(
    found: Products, endpoint: str, output: str, no_run_limit: bool, no_report_limit: bool, **values: Any
) -> None:
    """Change what is given of a product. Limits hold from the next store on."""
    lifted = [name for name, lift in zip(LIMITS, (no_run_limit, no_report_limit), strict=True) if lift]
    both = [name for name in lifted if values[name] is not None]
    if both:
        option = both[0].replace("_", "-")
        raise click.UsageError(f"--{option} and --no-{option} contradict each other.")
    changes = _given(values) | dict.fromkeys(lifted)
    if not changes:
        raise click.UsageError("Nothing to change was given.")
    _write(found.edit_product(endpoint, changes), output)


def remove_product(found: Products, endpoint: str, yes: bool) -> None:
    """Remove a product that has no runs. Its ended jobs go with it; there is no way back.

    On a terminal it asks first; elsewhere --yes must be given.
    """
    found.product(endpoint)
    if not yes:
        lost = f"Product {endpoint!r} would be removed for ever, with its limits and what is known of its ended jobs."
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError(f"{lost} Say --yes to do so without being asked.")
        tell(lost)
        confirm("Remove it?")
    found.remove_product(endpoint)
    tell(f"Product {endpoint!r} was removed.")


YES = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
COMMANDS: tuple[tuple[str, Callable[..., None], tuple[Option, ...]], ...] = (
    ("list", list_products, (output_option,)),
    ("show", show_product, (ENDPOINT, output_option)),
    ("add", add_product, (ENDPOINT, *VALUES, output_option)),
    ("edit", edit_product, (ENDPOINT, *VALUES, *NO_LIMITS, output_option)),
    ("remove", remove_product, (ENDPOINT, YES)),
)


def product_commands(reach: Option, more: str) -> click.Group:
    """The group `product`. `reach` adds the options that say where products are, and gives what is there as `found`."""
    group = SuggestingGroup("product", help=f"List, add, edit and remove products.\n\n{more}")
    for name, run, options in COMMANDS:
        command: Callable[..., Any] = reach(run)
        for option in reversed(options):
            command = option(command)
        group.add_command(click.command(name)(command))
    return group


def _of_daemon(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def ask_daemon(address: Address, **options: Any) -> Any:
        return command(Client(address), **options)

    return url_option(ask_daemon)


product = product_commands(_of_daemon, "The product in --url plays no part here; only the daemon does.")


def _given(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _row(found: JsonObject) -> Sequence[object]:
    return [f"{found[name]:g}" if name == "weight" else found.get(name) for name in FIELDS]


def _write(found: JsonObject, output: str) -> None:
    if output == "json":
        write_json(found)
    else:
        write_lines(_lines(zip(FIELDS, _row(found), strict=True)))


def _lines(facts: Iterable[tuple[str, object]]) -> Iterable[str]:
    return (f"{name.replace('_', ' ')}: {one_line(value)}" for name, value in facts if value not in {None, ""})
