"""The options that several commands share."""

import sys
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar

import click

from .address import DEFAULT_URL, URL_VARIABLE, Tls, parse_address, tls_from_environment
from .patience import CONTACT_SECONDS, GIVE_UP_SECONDS, Patience
from .timestamps import Length
from .typos import Choice

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def _read_format(_context: click.Context, _option: click.Parameter, text: str | None) -> str:
    if text is None:
        return "table" if sys.stdout.isatty() else "plain"
    return "plain" if text == "plaintext" else text


def url_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url` and how it is reached by TLS, given to the command as `address`."""

    @wraps(command)
    def with_address(*args: Any, url: str, **options: Any) -> Any:
        tls = tls_of(**{name: options.pop(name) for name in TLS_OPTIONS})
        return command(*args, address=parse_address(url, tls), **options)

    decorated: Callable[..., Any] = with_address
    for option in reversed(ADDRESS_OPTIONS):
        decorated = option(decorated)
    return decorated


ADDRESS_OPTIONS: tuple[Option, ...] = (
    click.option(
        "--url",
        default=DEFAULT_URL,
        envvar=URL_VARIABLE,
        metavar="URL",
        help=f"The product, as [scheme://]host:port/Product. {URL_VARIABLE} sets it, too. Default: {DEFAULT_URL}.",
    ),
    click.option("--ca-file", metavar="FILE", help="Trust the certificates in this file (STORAGED_CA_FILE)."),
    click.option("--client-cert", metavar="FILE", help="Show this certificate (STORAGED_CLIENT_CERT)."),
    click.option("--client-key", metavar="FILE", help="Its key, when not in the same file (STORAGED_CLIENT_KEY)."),
    click.option("--insecure", is_flag=True, help="Trust any certificate (STORAGED_INSECURE=1)."),
)
TLS_OPTIONS = tuple(field.name for field in fields(Tls))


def tls_of(ca_file: str | None, client_cert: str | None, client_key: str | None, insecure: bool | None) -> Tls:
    """The options go before the variables; a certificate that is given has not the variable's key."""
    before = tls_from_environment()
    key = client_key or (None if client_cert else before.client_key)
    return Tls(ca_file or before.ca_file, client_cert or before.client_cert, key, bool(insecure) or before.insecure)


def output_option(command: Command) -> Command:
    """`-o`, given to the command as `output`: plain, table or json."""
    return click.option(
        "-o",
        "--output",
        type=Choice(["plain", "plaintext", "table", "json"]),
        metavar="FORMAT",
        callback=_read_format,
        help="plain, table or json. Default: table on a terminal, else plain.",
    )(command)


def patience_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--timeout` and `--give-up`, given to the command as `patience`."""

    @wraps(command)
    def with_patience(*args: Any, timeout: float | None, give_up: float | None, **options: Any) -> Any:
        limits = (GIVE_UP_SECONDS, CONTACT_SECONDS) if give_up is None else (give_up or None, give_up or None)
        return command(*args, patience=Patience(timeout, *limits), **options)

    timeout = click.option(
        "--timeout",
        type=Length(),
        metavar="SECONDS",
        help="Stop waiting after this time (also 90s, 5m, 2h), with exit code 8; the job goes on.",
    )
    give_up = click.option(
        "--give-up",
        type=Length(),
        metavar="SECONDS",
        help=f"Stop waiting, with exit code 1, when the daemon could not be reached for so long. "
        f"Default: {GIVE_UP_SECONDS:.0f}, of a store at first {CONTACT_SECONDS:.0f}; 0: never.",
    )
    return timeout(give_up(with_patience))
