"""The options that several commands share."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from .address import DEFAULT_URL, URL_VARIABLE, Address, parse_address
from .waiting import GIVE_UP_SECONDS, Patience

Command = TypeVar("Command", bound=Callable[..., Any])


def _read_address(_context: click.Context, _option: click.Parameter, text: str) -> Address:
    return parse_address(text)


def _read_format(_context: click.Context, _option: click.Parameter, text: str | None) -> str:
    if text is None:
        return "table" if sys.stdout.isatty() else "plain"
    return "plain" if text == "plaintext" else text


def url_option(command: Command) -> Command:
    """`--url`, given to the command as `address`."""
    return click.option(
        "--url",
        "address",
        default=DEFAULT_URL,
        envvar=URL_VARIABLE,
        metavar="URL",
        callback=_read_address,
        help=f"The product, as [scheme://]host:port/Product. {URL_VARIABLE} sets it, too. Default: {DEFAULT_URL}.",
    )(command)


def output_option(command: Command) -> Command:
    """`-o`, given to the command as `output`: plain, table or json."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["plain", "plaintext", "table", "json"]),
        metavar="FORMAT",
        callback=_read_format,
        help="plain, table or json. Default: table on a terminal, else plain.",
    )(command)


def patience_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--timeout` and `--give-up`, given to the command as `patience`."""

    @wraps(command)
    def with_patience(*args: Any, timeout: float | None, give_up: float, **options: Any) -> Any:
        return command(*args, patience=Patience(timeout, give_up or None), **options)

    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Stop waiting after this time, with exit code 8; the job goes on.",
    )
    give_up = click.option(
        "--give-up",
        type=click.FloatRange(min=0),
        default=GIVE_UP_SECONDS,
        metavar="SECONDS",
        help=f"Stop waiting, with exit code 1, when the daemon could not be reached for so long. "
        f"Default: {GIVE_UP_SECONDS:.0f}; 0: never.",
    )
    return timeout(give_up(with_patience))
