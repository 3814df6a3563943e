"""`storectl jobs`: look at jobs, wait for them, cancel and retry them."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import jobs_exit_code
from ..job_details import page_lines, plain_lines
from ..options import output_option, patience_options, url_option
from ..patience import Deadline, Patience
from ..render import terminal_width, write_json, write_lines
from ..together import wait_for_each
from ..tokens import ask_each, steer_each
from ..typos import SuggestingGroup
from .jobs_list import list_jobs

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class JobsGroup(SuggestingGroup):
    """Options where a subcommand should be are those of `list`, as `CodeChecker cmd serverside-tasks` takes them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # While a shell completes, nothing may become a subcommand yet.
        is_list = args[0].startswith("-") if args else not ctx.resilient_parsing
        is_help = bool(args) and args[0] in ctx.help_option_names
        return super().parse_args(ctx, ["list", *args] if is_list and not is_help else args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        listed = list_jobs.shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return list({item.value: item for item in [*listed, *super().shell_complete(ctx, incomplete)]}.values())


@click.group(cls=JobsGroup)
def jobs() -> None:
    """Follow and steer what the daemon is at.

    Without a command the options of `list` are taken, which are those of `CodeChecker cmd serverside-tasks`.
    """


jobs.add_command(list_jobs)


@jobs.command()
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@url_option
@output_option
def show(tokens: tuple[str, ...], address: Address, output: str) -> None:
    """Show jobs as they are now.

    Exit codes for one token: 0 completed, 4 failed, 8 not ended, 16 cancelled or dropped. For several: 0 only if all
    are completed, else 1.
    """
    asked = ask_each(tokens, Client(address).job)
    _write(asked.found, output)
    sys.exit(asked.exit_code or jobs_exit_code([job["status"] for job in asked.found]))


@jobs.command()
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@patience_options
@url_option
@output_option
def wait(tokens: tuple[str, ...], patience: Patience, address: Address, output: str) -> None:
    """Wait until jobs have ended, and show them.

    Exit codes for one token: 0 completed, 4 failed, 16 cancelled or dropped. For several: 0 only if all are
    completed, else 1. 8 when --timeout has passed.
    """
    waited = wait_for_each(Client(address), tokens, Deadline(patience))
    _write(waited.found, output)
    sys.exit(waited.exit_code or jobs_exit_code([job["status"] for job in waited.found]))


@jobs.command()
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@click.option("--comment", help="Why; it is kept with the job.")
@url_option
@output_option
def cancel(tokens: tuple[str, ...], comment: str | None, address: Address, output: str) -> None:
    """Cancel jobs. A waiting one ends at once, a running one at its next step; nothing of it is stored.

    Exits with 0 when all requests were taken, else with 1.
    """
    client = Client(address)
    asked = steer_each(tokens, lambda token: client.cancel(token, comment))
    _write(asked.found, output)
    sys.exit(asked.exit_code)


@jobs.command()
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@url_option
@output_option
def retry(tokens: tuple[str, ...], address: Address, output: str) -> None:
    """Enqueue failed or dropped jobs again.

    That is possible while their uploads are kept. The tokens stay.

    Exits with 0 when all requests were taken, else with 1.
    """
    asked = steer_each(tokens, Client(address).retry)
    _write(asked.found, output)
    sys.exit(asked.exit_code)


def _write(found: Sequence[JsonObject], output: str) -> None:
    if output == "json":
        write_json(found)
        return
    for number, job in enumerate(found):
        write_lines([""] if number else [])
        write_lines(page_lines(job, terminal_width()) if output == "table" else plain_lines(job))
