"""Ask the person at the terminal before something is done for good."""

import click

from .errors import Interrupted


def confirm(question: str) -> None:
    """Return when the answer is yes; raises Abort for no, Interrupted for Ctrl-C."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as error:
        click.echo(err=True)
        raise Interrupted("Interrupted: nothing was done.") from error
    if not agreed:
        raise click.Abort
