"""The `storaged` command: serve, and look after what serve needs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from storaged_cli.address import VARIABLES
from storaged_cli.completion import completion_command

from storaged.options import StoragedGroup, config_option, load_quietly, run, setting_options
from storaged.product_commands import product
from storaged.settings import Settings, load_settings, unknown_variables

# The parts of a daemon are imported where they are used: --help and the shell's completion do not wait for them.
# ruff: noqa: PLC0415


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
    from storaged.quickstart import quickstart

    settings = load_quietly(config, **flags)
    warn_of_exposure(settings)
    warn_of_variables()
    run(quickstart(settings))


@main.command()
@setting_options("data_dir", "database_url", "pg_bindir")
@config_option
def migrate(config: Path | None, **flags: Any) -> None:
    """Bring the database's schema up to date (serve does it too)."""
    from storaged.logs import configure_logs

    settings = load_settings(config, **flags)
    configure_logs(settings)
    run(_migrate(settings))


@main.command()
@setting_options("data_dir", "pg_bindir")
@config_option
def stop(config: Path | None, **flags: Any) -> None:
    """Stop an embedded database that a killed daemon left running."""
    from storaged.database.embedded import stop_embedded

    settings = load_settings(config, **flags)
    stopped = run(stop_embedded(settings.postgres_dir, settings.pg_bindir))
    click.echo("Stopped." if stopped else "It was not running.", err=True)


@main.command(context_settings={"ignore_unknown_options": True})
@setting_options("data_dir", "pg_bindir")
@config_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(config: Path | None, arguments: tuple[str, ...], **flags: Any) -> None:
    """A shell on the embedded database of a running daemon; ARGUMENTS go to psql."""
    from storaged.database.embedded import psql_command

    settings = load_settings(config, **flags)
    command, environment = psql_command(settings.postgres_dir, settings.pg_bindir)
    sys.exit(subprocess.run([*command, *arguments], env=environment, check=False).returncode)


@main.command()
@setting_options("data_dir", "database_url", "pg_bindir")
@config_option
@click.option("-o", "--output", type=click.Choice(["plain", "json"]), default="plain", help="Default: plain.")
def check(config: Path | None, output: str, **flags: Any) -> None:
    """Look for what is wrong, on the database and the spool themselves, whether or not a daemon runs.

    Each check says ok, warning or bad, and what to do. Exit codes: 0 nothing is bad, 1 something is, or the database
    cannot be had.
    """
    from storaged.check import check_installation, describe
    from storaged.queue.checks import Level

    findings = run(check_installation(load_quietly(config, **flags)))
    click.echo(describe(findings, output))
    sys.exit(any(finding.level is Level.BAD for finding in findings))


@main.command()
def dashboard() -> None:
    """Print the folder of the operator's queries: `storaged psql -x -f "$(storaged dashboard)/queue.sql"` runs one."""
    from storaged.database.sql import sql_folder

    click.echo(sql_folder() / "dashboard")


def warn_of_exposure(settings: Settings) -> None:
    """At each start that is open to others than this machine."""
    if settings.insecure_open:
        click.echo(f"WARNING: listening on {settings.host}, and whoever reaches it may do everything.", err=True)


def warn_of_variables() -> None:
    """On the log: a mistyped one would be the default without a word. Environments are shared, so it is no error."""
    import structlog

    log = structlog.get_logger(__name__)
    for name, close in unknown_variables(os.environ, VARIABLES):
        log.warning("a variable that is no setting", variable=name, **({"meant": close} if close else {}))


async def _serve(settings: Settings) -> None:
    from storaged import daemon
    from storaged.logs import configure_logs

    configure_logs(settings)
    warn_of_exposure(settings)
    warn_of_variables()
    await daemon.serve(settings, lambda url: click.echo(f"storaged listens on {url}", err=True))


async def _migrate(settings: Settings) -> None:
    from storaged.daemon import open_database
    from storaged.database.engine import open_connection
    from storaged.database.migrate import migrate as apply

    async with open_database(settings) as dsn:
        connection = await open_connection(dsn)
        try:
            applied = await apply(connection)
        finally:
            await connection.close()
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.name}")
    if not applied:
        click.echo("The schema is up to date.")


main.add_command(product)
main.add_command(completion_command("storaged"))
