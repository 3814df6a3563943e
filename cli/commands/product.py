"""`storectl product`: the products of a daemon, and their limits."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import Usage
from ..notices import tell
from ..options import output_option, url_option
from ..questions import confirm
from ..render import Column, one_line, tabulate, terminal_width, write_json, write_json_list, write_lines

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


@click.group()
def product() -> None:
    """List, add, edit and remove products.

    The product in --url plays no part here; only the daemon does.
    """


def value_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a product can have; None: not given."""
    for option in reversed(
        [
            click.option("--display-name", metavar="TEXT", help="What people call it."),
            click.option("--description", metavar="TEXT", help="What it is for."),
            click.option("--run-limit", type=click.IntRange(0, MOST), metavar="N", help="Most runs it takes."),
            click.option(
                "--report-limit", type=click.IntRange(0, MOST), metavar="N", help="Most reports of one store."
            ),
            click.option(
                "--weight",
                type=click.FloatRange(0.001, 1000),
                metavar="W",
                help="Its share of the queue, while other products wait as well. Default: 1.",
            ),
        ]
    ):
        command = option(command)
    return command


@product.command("list")
@url_option
@output_option
def list_products(address: Address, output: str) -> None:
    """List the products.

    Plain output has a line for each, its fields apart by tabs: endpoint, display name, weight, run limit, report limit
    (empty: the daemon's setting), description.
    """
    found = Client(address).products()
    if output == "json":
        write_json_list(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines("\t".join(map(one_line, _row(one))) for one in found)


@product.command()
@click.argument("endpoint")
@url_option
@output_option
def show(endpoint: str, address: Address, output: str) -> None:
    """Show one product."""
    _write(Client(address).product(endpoint), output)


@product.command()
@click.argument("endpoint")
@value_options
@url_option
@output_option
def add(endpoint: str, address: Address, output: str, **values: Any) -> None:
    """Add a product.

    ENDPOINT is its name in URLs: letters, digits, `_`, `-` and `.`, 63 at most.
    """
    _write(Client(address).add_product({"endpoint": endpoint, **_given(values)}), output)


@product.command()
@click.argument("endpoint")
@value_options
@click.option("--no-run-limit", is_flag=True, help="As the daemon's setting has it.")
@click.option("--no-report-limit", is_flag=True, help="As the daemon's setting has it.")
@url_option
@output_option
def edit(
    endpoint: str, address: Address, output: str, no_run_limit: bool, no_report_limit: bool, **values: Any
) -> None:
    """Change what is given of a product. Limits hold from the next store on."""
    lifted = [name for name, lift in zip(LIMITS, (no_run_limit, no_report_limit), strict=True) if lift]
    both = [name for name in lifted if values[name] is not None]
    if both:
        option = both[0].replace("_", "-")
        raise Usage(f"--{option} and --no-{option} contradict each other.")
    changes = _given(values) | dict.fromkeys(lifted)
    if not changes:
        raise Usage("Nothing to change was given. `storectl product edit --help` has the options.")
    _write(Client(address).edit_product(endpoint, changes), output)


@product.command()
@click.argument("endpoint")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@url_option
def remove(endpoint: str, yes: bool, address: Address) -> None:
    """Remove a product that has no runs. Its ended jobs go with it; there is no way back.

    On a terminal it asks first; elsewhere --yes must be given.
    """
    client = Client(address)
    client.product(endpoint)
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Usage(f"Product {endpoint!r} would be removed. Say --yes to do so without being asked.")
        confirm(f"Remove product {endpoint!r} for ever?")
    client.remove_product(endpoint)
    tell(f"Product {endpoint!r} was removed.")


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
