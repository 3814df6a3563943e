"""What the commands of `storaged` share: settings as options, errors in a line, the event loop."""

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from storaged_cli.completion import prepare, variable

from storaged.errors import StoragedError
from storaged.settings import Settings, load_settings

if TYPE_CHECKING:  # mypy knows the client by the name of its folder only
    from click import Group as SuggestingGroup
else:
    from storaged_cli.typos import SuggestingGroup

Command = TypeVar("Command", bound=Callable[..., Any])

# Set by the script of `storaged completion` when the shell asks.
COMPLETES = variable("storaged")


class StoragedGroup(SuggestingGroup):
    """Domain errors become one line on stderr and exit code 1."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if COMPLETES in os.environ:
            prepare()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoragedError as error:
            raise click.ClickException(str(error)) from error


def setting_options(*names: str) -> Callable[[Command], Command]:
    """Options that stand for settings, with the settings' own descriptions as help; unset ones stay None."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _setting_option(name)(command)
        return command

    return decorate


def _setting_option(name: str) -> Callable[[Command], Command]:
    field = Settings.model_fields[name]
    flag = "--" + name.replace("_", "-")
    is_bool = field.annotation is bool
    return click.option(
        flag,
        name,
        default=None,
        is_flag=is_bool,
        type=None if is_bool else PATHS.get(name, click.STRING),
        help=field.description,
        metavar=None if is_bool else METAVARS.get(name, "VALUE"),
    )


# The settings check what is given; here it is for the shell's completion.
PATHS = {name: click.Path(file_okay=False) for name in ("data_dir", "pg_bindir")}
METAVARS = {
    "host": "ADDRESS",
    "port": "PORT",
    "data_dir": "FOLDER",
    "database_url": "URL",
    "workers": "PROCESSES",
    "concurrent_jobs": "N",
    "node_id": "ID",
    "pg_bindir": "FOLDER",
    "log_level": "LEVEL",
}

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML file with settings; flags and STORAGED_* variables go before it.",
)


def load_quietly(config: Path | None, **flags: Any) -> Settings:
    """The settings for a command whose own words are what people want: only warnings are logged between them."""
    from storaged.logs import configure_logs  # noqa: PLC0415 - not for --help

    settings = load_settings(config, **{"log_level": "warning", **flags})
    configure_logs(settings)
    return settings


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop."""
    import uvloop  # noqa: PLC0415 - not for --help

    return uvloop.run(coroutine)
