"""The `storectl` command line; a command's module is imported only when it is called."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .errors import Interrupted
from .typos import SuggestingGroup

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "store": "Store the results of an analysis as a run.",
    "jobs": "Follow and steer what the daemon is at.",
    "top": "Watch the queue: depth, waits, throughput, what runs, what failed.",
    "runs": "List the runs of a product.",
    "results": "List the reports of a run.",
    "sum": "Count the reports of runs by checker.",
    "history": "List the stores of a run.",
    "diff": "Compare runs, or a folder with runs: what is new, resolved, unresolved.",
    "review": "Say what reports are: bugs, no bugs, or meant to stay; for all runs of a product.",
    "del": "Delete runs.",
    "product": "List, add, edit and remove products.",
    "completion": "Print the script that makes a shell complete storectl.",
}
# Set by that script when the shell asks.
COMPLETES = "_STORECTL_COMPLETE"


CLOSED_PIPE = 141
"""What a shell says of a tool that SIGPIPE ended (128 + 13), as `storectl results RUN | head` does."""

# Where a command cannot be called in Python as it is called in the shell.
MODULES = {"del": "delete", "sum": "summary"}


class LazyGroup(SuggestingGroup):
    """Its commands are those of COMMANDS, each in the module of its name, under its name; but for those of MODULES."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f".commands.{name}", __package__), name)
        if COMPLETES in os.environ:
            from .completion import complete_parameters  # noqa: PLC0415 - no command needs it

            complete_parameters(command, cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """As click's, without loading each command for its help."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - as above

        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if COMPLETES in os.environ:
            from .completion import prepare  # noqa: PLC0415 - as above

            prepare()
        return super().main(*args, **kwargs)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _flushed_stdout():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("Interrupted.") from error
        except BrokenPipeError:
            # Of stdout or stderr: those of the network are errors of the client long before.
            _forget_stdout()
            sys.exit(CLOSED_PIPE)


@contextmanager
def _flushed_stdout() -> Iterator[None]:
    """What is written last may be what nobody reads any more; at the end of the process it is too late to say so."""
    try:
        yield
    finally:
        sys.stdout.flush()


def _forget_stdout() -> None:
    """What is still to be written goes nowhere; else Python complains of it at the end of the process."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="storaged", prog_name="storectl")
def main() -> None:
    """The client of storaged: store the results of static analysis, follow the daemon's work, look at reports.

    Data goes to stdout, everything else to stderr.
    """
