"""`storectl top`: the operator's view of the queue, live."""

import sys

import click

from ..address import Address
from ..client import Client
from ..options import output_option, url_option
from ..render import write_json
from ..timestamps import Length


@click.command()
@click.option(
    "--interval",
    type=Length(0.2),
    default=2.0,
    metavar="SECONDS",
    help="How often to look. Default: 2.",
)
@click.option("--once", is_flag=True, help="Print what is now, and end; so it is when stdout is no terminal, too.")
@url_option
@output_option
def top(*, interval: float, once: bool, address: Address, output: str) -> None:
    """Watch the queue: depth, waits, throughput, what runs, what failed.

    It shows all products and all daemons on the database of the one that it asks. While that one is restarted it waits
    and goes on. q or Ctrl-C ends it.

    What the numbers mean, and what to do when they are bad, is told in docs/operations.md. With -o json it prints one
    object, as GET /api/v1/ops gives it.
    """
    client = Client(address)
    overview = client.overview()
    if output == "json":
        write_json(overview)
        return
    from ..top_screen import print_once, watch  # noqa: PLC0415 - rich takes longer to start than all the rest

    if once or not sys.stdout.isatty():
        print_once(overview, address)
    else:
        watch(client, overview, interval)
