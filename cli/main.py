"""The `storectl` command line; a command's module is imported only when it is called."""

from importlib import import_module
from typing import Any

import click

from .errors import Interrupted

COMMANDS = {
    "store": "Store the results of an analysis as a run.",
    "jobs": "Follow and steer what the daemon is at.",
    "top": "Watch the queue: depth, waits, throughput, what runs, what failed.",
    "runs": "List the runs of a product.",
    "results": "List the reports of a run.",
    "sum": "Count the reports of runs by checker.",
    "history": "List the stores of a run.",
    "diff": "Compare runs, or a folder with runs: what is new, resolved, unresolved.",
    "del": "Delete runs.",
    "product": "List, add, edit and remove products.",
}


# Where a command cannot be called in Python as it is called in the shell.
MODULES = {"del": "delete", "sum": "summary"}


class LazyGroup(click.Group):
    """Its commands are those of COMMANDS, each in the module of its name, under its name; but for those of MODULES."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f".commands.{name}", __package__), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("Interrupted.") from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="storaged", prog_name="storectl")
def main() -> None:
    """The client of storaged: store the results of static analysis, follow the daemon's work, look at reports.

    Data goes to stdout, everything else to stderr.
    """
