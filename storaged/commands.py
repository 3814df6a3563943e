"""The `storaged` command: serve, and look after what serve needs."""

import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from storaged import daemon
from storaged.database.embedded import psql_command, stop_embedded
from storaged.database.engine import open_connection
from storaged.database.migrate import migrate as apply
from storaged.database.sql import sql_folder
from storaged.errors import StoragedError
from storaged.logs import configure_logs
from storaged.quickstart import quickstart
from storaged.settings import Settings, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


class StoragedGroup(click.Group):
    """Domain errors become one line on stderr and exit code 1."""

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
        type=None if is_bool else str,
        help=field.description,
        metavar=None if is_bool else METAVARS.get(name, "VALUE"),
    )


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


@click.group(cls=StoragedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="storaged")
def main() -> None:
    """A storage daemon for static-analysis reports.

    `storaged quickstart` shows it at work; `storaged serve` runs it. Clients use `storectl`.
    """


SERVE_SETTINGS = (
    "host",
    "port",
    "insecure_open",
    "data_dir",
    "database_url",
    "workers",
    "concurrent_jobs",
    "node_id",
    "pg_bindir",
    "log_level",
)


@main.command()
@setting_options(*SERVE_SETTINGS)
@config_option
def serve(config: Path | None, **flags: Any) -> None:
    """Serve until SIGTERM or Ctrl-C; a second one stops at once."""
    settings = load_settings(config, **flags)
    run(_serve(settings))


@main.command("quickstart")
@setting_options("port", "data_dir", "workers")
@config_option
def start_quickly(config: Path | None, **flags: Any) -> None:
    """Start a daemon, store a small real analysis, show its results, and serve until Ctrl-C."""
    settings = load_settings(config, **{"log_level": "warning", **flags})
    configure_logs(settings)
    warn_of_exposure(settings)
    run(quickstart(settings))


@main.command()
@setting_options("data_dir", "database_url", "pg_bindir")
@config_option
def migrate(config: Path | None, **flags: Any) -> None:
    """Bring the database's schema up to date (serve does it too)."""
    settings = load_settings(config, **flags)
    configure_logs(settings)
    run(_migrate(settings))


@main.command()
@setting_options("data_dir", "pg_bindir")
@config_option
def stop(config: Path | None, **flags: Any) -> None:
    """Stop an embedded database that a killed daemon left running."""
    settings = load_settings(config, **flags)
    stopped = run(stop_embedded(settings.postgres_dir, settings.pg_bindir))
    click.echo("Stopped." if stopped else "It was not running.", err=True)


@main.command(context_settings={"ignore_unknown_options": True})
@setting_options("data_dir", "pg_bindir")
@config_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(config: Path | None, arguments: tuple[str, ...], **flags: Any) -> None:
    """A shell on the embedded database of a running daemon; ARGUMENTS go to psql."""
    settings = load_settings(config, **flags)
    command, environment = psql_command(settings.postgres_dir, settings.pg_bindir)
    sys.exit(subprocess.run([*command, *arguments], env=environment, check=False).returncode)


@main.command()
def dashboard() -> None:
    """Print the folder of the operator's queries: `storaged psql -f "$(storaged dashboard)/queue.sql"` runs one."""
    click.echo(sql_folder() / "dashboard")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop."""
    return uvloop.run(coroutine)


def warn_of_exposure(settings: Settings) -> None:
    """At each start that is open to others than this machine."""
    if settings.insecure_open:
        click.echo(f"WARNING: listening on {settings.host}, and whoever reaches it may do everything.", err=True)


async def _serve(settings: Settings) -> None:
    configure_logs(settings)
    warn_of_exposure(settings)
    await daemon.serve(settings, lambda url: click.echo(f"storaged listens on {url}", err=True))


async def _migrate(settings: Settings) -> None:
    async with daemon.open_database(settings) as dsn:
        connection = await open_connection(dsn)
        try:
            applied = await apply(connection)
        finally:
            await connection.close()
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.name}")
    if not applied:
        click.echo("The schema is up to date.")
