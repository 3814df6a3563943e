"""`storectl jobs list`: choose jobs; show them, wait for them, or cancel them."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject, Query
from ..errors import Refused, Usage, jobs_exit_code
from ..job_filters import filter_options, filter_query
from ..notices import noted_if_empty, tell
from ..options import output_option, patience_options, url_option
from ..patience import Deadline, Patience
from ..render import Column, one_line, tabulate, terminal_width, write_json_list, write_lines
from ..several import SeveralValues
from ..timestamps import shown_span, to_second
from ..together import wait_for_each
from ..tokens import steer_each
from ..waiting import has_ended

PAGE = 1000
ANY = "*"
CONFLICT = 409
COLUMNS = (
    Column("STATUS", 9),
    Column("KIND", 5),
    Column("ENQUEUED (UTC)", 16),
    Column("WAITED", 6, right=True),
    Column("TOOK", 6, right=True),
    Column("PRODUCT", 7),
    Column("RUN", 10),
)
PLAIN_FIELDS = (
    *("token", "status", "kind", "product", "run", "user", "node", "attempt"),
    *("enqueued_at", "started_at", "finished_at", "summary"),
)


@click.command("list", cls=SeveralValues)
@filter_options
@click.option("--await", "awaits", is_flag=True, help="Wait until all of them have ended; needs a filter.")
@click.option("--kill", is_flag=True, help="Cancel those that have not ended; needs a filter.")
@click.option("--comment", help="Why they are killed; it is kept with the jobs.")
@click.option("--limit", type=click.IntRange(min=1), default=100, metavar="N", help="The newest N only. Default: 100.")
@click.option("--all", "every", is_flag=True, help="Without limit.")
@patience_options
@url_option
@output_option
def list_jobs(
    *,
    awaits: bool,
    kill: bool,
    comment: str | None,
    limit: int,
    every: bool,
    patience: Patience,
    address: Address,
    output: str,
    **filters: Any,
) -> None:
    """List jobs of all products, the newest first.

    An option may have several values, which are alternatives; different options must all fit. Of --token, --machine-id,
    --type and --username case is ignored, and * (in quotes) stands for anything. Times: 2026-11-24,
    2026-11-24T08:30:00 (UTC), 2026:11:24:08:30:00, or how long ago: 90s, 30m, 2h, 7d.

    Plain output has a line for each job, its fields apart by tabs: token, status, kind, product, run, user, node,
    attempt, times at which it was enqueued, started and ended, summary.

    Exit codes: 0; for exactly one --token, without *: 0 completed, 4 failed, 8 not ended, 16 cancelled or dropped.
    With --await as those of `jobs wait`; after --kill, cancelled counts as 0.
    """
    query = filter_query(filters)
    tokens = filters["token"]
    client = Client(address)
    if not (awaits or kill):
        sys.exit(_show(client, query, tokens, None if every else limit, output))
    if not query:
        raise Usage("--await and --kill need a filter. If all jobs are meant: --status enqueued running.")
    chosen = list(client.jobs([*query, ("limit", str(PAGE))]))
    problems = 0
    if kill:
        problems, chosen = _kill(client, chosen, comment)
    if awaits:
        waited = wait_for_each(client, [job["token"] for job in chosen], Deadline(patience))
        problems, chosen = waited.exit_code or problems, _replaced(chosen, waited.found)
    _write(chosen, output, _none_match(query, tokens))
    sys.exit(problems or _exit_code(chosen, tokens, awaits=awaits, kill=kill))


def _show(client: Client, query: Query, tokens: Sequence[str], limit: int | None, output: str) -> int:
    """Write the jobs while they come, but for those beyond the limit; returns the exit code."""
    found = client.jobs([*query, ("limit", str(PAGE if limit is None else min(limit + 1, PAGE)))])
    shown: list[JsonObject] = []
    cut_off = False

    def up_to_limit() -> Iterator[JsonObject]:
        nonlocal cut_off
        for job in found:
            if limit is not None and len(shown) == limit:
                cut_off = True
                return
            shown.append(job)
            yield job

    _write(up_to_limit(), output, _none_match(query, tokens))
    if cut_off:
        tell(f"storectl: These are the newest {limit}; --limit N or --all shows more.")
    return _exit_code(shown, tokens, awaits=False, kill=False)


def _kill(client: Client, chosen: Sequence[JsonObject], comment: str | None) -> tuple[int, list[JsonObject]]:
    """An exit code, and the jobs as they are after all of them were asked to stop."""
    asked = steer_each([job["token"] for job in chosen if not has_ended(job)], partial(_cancel, client, comment))
    return asked.exit_code, _replaced(chosen, asked.found)


def _cancel(client: Client, comment: str | None, token: str) -> JsonObject:
    """The job, asked to stop, or as it ended by itself just before."""
    try:
        return client.cancel(token, comment)
    except Refused as error:
        if error.status != CONFLICT:
            raise
        return client.job(token)


def _replaced(chosen: Sequence[JsonObject], newer: Sequence[JsonObject]) -> list[JsonObject]:
    by_token = {job["token"]: job for job in newer}
    return [by_token.get(job["token"], job) for job in chosen]


def _none_match(query: Query, tokens: Sequence[str]) -> str:
    """What to say when there are no jobs; nothing when each whole token that nobody knows is told by itself."""
    if any(ANY not in token for token in tokens):
        return ""
    return "No job matches." if query else "There are no jobs."


def _exit_code(found: Sequence[JsonObject], tokens: Sequence[str], *, awaits: bool, kill: bool) -> int:
    whole = {token.lower() for token in tokens if ANY not in token}
    unknown = sorted(whole - {job["token"] for job in found})
    if unknown:
        tell("\n".join(f"storectl: No job has the token {token} and fits the other filters." for token in unknown))
        return 1
    if not awaits and (kill or not whole or len(tokens) != 1):
        return 0
    good = {"completed", "cancelled"} if kill else {"completed"}
    return jobs_exit_code(["completed" if job["status"] in good else job["status"] for job in found])


def _write(found: Iterable[JsonObject], output: str, note: str) -> None:
    if output == "json":
        write_json_list(found)
        return
    found = noted_if_empty(found, note) if note else found
    if output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines("\t".join(one_line(job.get(name)) for name in PLAIN_FIELDS) for job in found)


def _row(job: JsonObject) -> list[object]:
    """Two lines: what people look for, and below it the token, whole, to be copied."""
    name = job.get("run") or job.get("summary")
    waited = shown_span(job.get("enqueued_at"), job.get("started_at"))
    took = shown_span(job.get("started_at"), job.get("finished_at"))
    enqueued = to_second(job.get("enqueued_at"))
    return [job["status"], job["kind"], enqueued, waited, took, job.get("product"), name, job["token"]]
