"""`storectl del`: delete runs, by name or by when they were stored."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from ..address import Address
from ..client import Client, JsonObject
from ..errors import NOT_ENDED, Usage, jobs_exit_code
from ..notices import tell
from ..options import output_option, patience_options, url_option
from ..patience import Deadline, Patience
from ..progress import Progress, open_progress
from ..questions import confirm
from ..render import write_json, write_lines
from ..retries import is_busy, persist
from ..run_range import stored_moment
from ..summary import ENDS, amount, describe_comments
from ..timestamps import time_option_value
from ..together import wait_for_each
from ..tokens import Asked, ask_each
from ..waiting import has_ended

NAMED = 10
PAGE = "1000"


@click.command("del")
@click.argument("others", nargs=-1, metavar="[RUN]...")
@click.option("-n", "--name", "names", multiple=True, metavar="RUN", help="A run to delete; more may follow it.")
@click.option("--all-before-run", metavar="RUN", help="All runs that were stored before this one.")
@click.option("--all-after-run", metavar="RUN", help="All runs that were stored after this one.")
@click.option("--all-before-time", metavar="TIME", callback=time_option_value, help="All runs stored then or before.")
@click.option("--all-after-time", metavar="TIME", callback=time_option_value, help="All runs stored then or after.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--detach", is_flag=True, help="Do not wait: print the tokens of the jobs and exit.")
@patience_options
@url_option
@output_option
def delete(
    *,
    others: tuple[str, ...],
    names: tuple[str, ...],
    yes: bool,
    detach: bool,
    patience: Patience,
    address: Address,
    output: str,
    **limits: str | datetime | None,
) -> None:
    """Delete runs with their reports and their history. There is no way back.

    Give names, or one of the --all options, which go by the time of a run's last store. Each deletion is a job, and
    waits for the stores of its run that were accepted before it.

    On a terminal it asks first. Elsewhere it does not, but the --all options need --yes there.

    Exit codes for one run: 0 deleted, 4 failed, 16 cancelled or dropped, 8 --timeout has passed, 1 the daemon cannot be
    reached or refuses, 2 wrong usage. For several: 0 only if all are deleted, else 1.
    """
    client = Client(address)
    given = {name: limit for name, limit in limits.items() if limit is not None}
    chosen = _choose(client, tuple(dict.fromkeys([*names, *others])), given)
    if not chosen:
        tell("No run was stored then; there is nothing to delete.")
        return
    unknown = 0
    if not (yes or given) and _can_ask():
        looked = ask_each(chosen, client.run)
        chosen, unknown = [run["name"] for run in looked.found], looked.refused
        if not chosen:
            sys.exit(looked.exit_code)
    _confirm(chosen, address, yes=yes, named=not given)
    with open_progress() as progress:
        asked = ask_each(chosen, lambda name: _delete(client, name, progress))
    found, refused, late = asked.found, asked.refused + unknown, 0
    if found and not detach:
        waited = _wait(client, found, Deadline(patience))
        found, late, refused = waited.found, waited.late, refused + waited.refused
    _write(found, output, detach=detach)
    sys.exit(_exit_code(found, refused=bool(refused), late=bool(late), detach=detach))


def _choose(client: Client, names: Sequence[str], limits: dict[str, str | datetime]) -> Sequence[str]:
    """The names of the runs that are meant; raises Usage when that is not clear."""
    if bool(names) + len(limits) != 1:
        raise Usage("Say which runs: by their names, or by one of the --all options.")
    if names:
        return names
    [(option, limit)] = limits.items()
    side = "before" if "before" in option else "after"
    run, at = (None, limit) if isinstance(limit, datetime) else (limit, None)
    query = [(f"stored_{side}", str(stored_moment(client, run, at))), ("limit", PAGE)]
    return [found["name"] for found in client.runs(query) if found["name"] != run]


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm(names: Sequence[str], address: Address, *, yes: bool, named: bool) -> None:
    """Ask on a terminal; raises Usage where nobody can be asked about runs that were not named."""
    if yes:
        return
    if _can_ask():
        shown = ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        what = "run" if len(names) == 1 else f"{len(names)} runs:"
        confirm(f"Delete {what} {shown} of product {address.product!r} for ever?")
    elif not named:
        raise Usage(f"{len(names)} runs would be deleted. Say --yes to do so without being asked.")


def _delete(client: Client, name: str, progress: Progress) -> JsonObject:
    return persist(lambda: client.delete_run(name), is_busy, progress.note)


def _wait(client: Client, found: Sequence[JsonObject], deadline: Deadline) -> Asked:
    """Wait for the jobs, and tell of those that have ended."""
    waited = wait_for_each(client, [job["token"] for job in found], deadline)
    for job in filter(has_ended, waited.found):
        tell(client.address.lead_here("\n".join(_describe(job))))
    return waited


def _describe(job: JsonObject) -> Iterable[str]:
    if job["status"] == "completed" and not job.get("comments"):
        result = job.get("result") or {}
        gone = amount(result.get("reports", 0), "report"), amount(result.get("stores", 0), "store")
        return [f"Deleted run {job['run']!r}: {', '.join(gone)}."]
    if job["status"] == "completed":
        return [str(comment["text"]) for comment in job["comments"]]
    return [f"The deletion of run {job['run']!r} {ENDS[job['status']]}.", *describe_comments(job)]


def _write(found: Sequence[JsonObject], output: str, *, detach: bool) -> None:
    if output == "json":
        write_json(found)
    elif detach:
        write_lines(job["token"] for job in found)


def _exit_code(found: Sequence[JsonObject], *, refused: bool, late: bool, detach: bool) -> int:
    if refused:
        return 1
    if detach:
        return 0
    return NOT_ENDED if late else jobs_exit_code([job["status"] for job in found])
