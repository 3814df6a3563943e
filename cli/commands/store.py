"""`storectl store`: send the results of an analysis to the daemon and wait until they are stored."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import click

from ..address import Address
from ..client import Client, JsonObject, Query
from ..dry_run import page_lines, plain_lines, try_out
from ..errors import Interrupted, WaitTimedOut, job_exit_code
from ..metadata import run_name
from ..notices import tell
from ..options import output_option, patience_options, url_option
from ..patience import Deadline, Patience
from ..progress import Progress, open_progress
from ..render import terminal_width, write_json, write_lines
from ..scan import ReportFolder, find_report_folders
from ..several import ArgumentsFirst
from ..summary import MISSING, NEWER, describe_end, describe_sources, name_files
from ..typos import MovedOptions
from ..upload import NOT_STORED, look, send
from ..waiting import follow, resumable

FORMATS = "The name of a result file tells its format. Leave the option out."


class Store(MovedOptions, ArgumentsFirst):
    """What CI jobs give to `CodeChecker store` is taken as there, or told what to do with."""

    instead = MappingProxyType(
        {
            "-t": FORMATS,
            "--type": FORMATS,
            "--input-format": FORMATS,
            "--config": "Give what the file has under `store` on the command line. STORAGED_URL sets --url, too.",
            "--verbose": "Leave it out: each step is told on stderr.",
            "--zip-loc": "Leave it out: the archive is made while it is sent, and no folder is written to.",
        }
    )


@click.command(cls=Store)
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("-n", "--name", metavar="RUN", help="The run's name. Default: the one in metadata.json.")
@click.option("--tag", metavar="TAG", help="A name for this store in the run's history, such as a version.")
@click.option("--description", metavar="TEXT", help="A text for this store in the run's history.")
@click.option(
    "--trim-path-prefix",
    multiple=True,
    metavar="PREFIX",
    help="Cut this off file paths; more may follow it, if DIR comes first.",
)
@click.option("-f", "--force", is_flag=True, help="Remove the run first, and store it anew.")
@click.option(
    "--keep-going", is_flag=True, help="Leave out broken result files, instead of failing; then nothing turns resolved."
)
@click.option("--dry-run", is_flag=True, help="Say what a store would do, and store nothing.")
@click.option("--detach", is_flag=True, help="Do not wait: print the job's token and exit.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads that read. Default: one a core.")
@patience_options
@url_option
@output_option
def store(
    *,
    folders: tuple[str, ...],
    name: str | None,
    tag: str | None,
    description: str | None,
    trim_path_prefix: tuple[str, ...],
    force: bool,
    keep_going: bool,
    dry_run: bool,
    detach: bool,
    jobs: int | None,
    patience: Patience,
    address: Address,
    output: str,
) -> None:
    """Store the results of an analysis as a run.

    DIR is a folder with result files (*.plist) in it or below, or one such file. The source files that they
    name are sent along, but for those whose content the daemon has.

    With --dry-run all is read, and the daemon asked what it has and takes; the exit code is that of a store as far as
    can be told before.

    Exit codes: 0 stored, 4 failed, 16 cancelled or dropped, 8 --timeout has passed, 1 the daemon cannot be reached or
    refuses, 2 wrong usage.
    """
    if name is not None and not name.strip():
        raise click.UsageError("The run's name is empty. Is the variable that it comes from set?")
    _check_prefixes(trim_path_prefix)
    report_folders = find_report_folders(folders)
    texts = {"run": run_name(report_folders) if name is None else name, "tag": tag, "description": description}
    query = [
        *((key, text) for key, text in texts.items() if text is not None),
        *(("trim_path_prefix", prefix) for prefix in trim_path_prefix),
        *((key, "true") for key, is_set in (("force", force), ("keep_going", keep_going)) if is_set),
    ]
    client = Client(address)
    jobs = jobs or os.cpu_count() or 1
    if dry_run:
        sys.exit(_try_out(client, query, report_folders, jobs, patience=patience, output=output))
    with open_progress() as progress:
        with _interruptible():
            found = look(report_folders, jobs, progress)
            progress.note_all(describe_sources(found.newer, NEWER))
            deadline = Deadline(patience)
            job, vanished = send(client, query, found, progress, deadline)
        missing = [*found.missing, *vanished]
        with resumable(address, job["token"]):
            progress.note_all(describe_sources(missing, MISSING))
            if not detach:
                job = _wait(client, job, deadline, progress, output)
    if detach:
        _write_token(job, output)
        return
    tell(name_files(address.lead_here(describe_end(job, missing)), report_folders))
    _write_job(job, output)
    sys.exit(job_exit_code(job["status"]))


def _check_prefixes(prefixes: Sequence[str]) -> None:
    """What fits no path may be a DIR that stands in a wrong place; its results would be missed."""
    for prefix in prefixes:
        if not prefix.startswith(("/", "*", "?", "[")):
            raise click.UsageError(
                f"--trim-path-prefix {prefix!r} fits no path: they are absolute. If it is a DIR, put it before the "
                "options."
            )


def _try_out(
    client: Client, query: Query, folders: Sequence[ReportFolder], jobs: int, *, patience: Patience, output: str
) -> int:
    """Write what a store would do; returns its exit code, as far as it can be told."""
    with open_progress() as progress:
        found = look(folders, jobs, progress)
        tried = try_out(client, query, found, progress, Deadline(patience))
    if output == "json":
        write_json(tried.facts)
    elif output == "table":
        write_lines(page_lines(tried.facts, terminal_width()))
    else:
        write_lines(plain_lines(tried.facts))
    for obstacle in tried.obstacles:
        tell(f"storectl: {obstacle.text}")
    tell("Nothing was stored: this is a dry run.")
    return tried.exit_code


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"Interrupted: {NOT_STORED}") from error


def _wait(client: Client, job: JsonObject, deadline: Deadline, progress: Progress, output: str) -> JsonObject:
    try:
        return follow(client, job["token"], deadline, progress, job)
    except WaitTimedOut as error:
        _write_job(error.job or job, output)
        raise


def _write_job(job: JsonObject, output: str) -> None:
    if output == "json":
        write_json(job)


def _write_token(job: JsonObject, output: str) -> None:
    if output == "json":
        write_json(job)
    else:
        write_lines([job["token"]])
