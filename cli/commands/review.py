"""`storectl review`: what people say of report hashes."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from ..address import Address
from ..client import Client, JsonObject
from ..notices import noted_if_empty, tell
from ..options import output_option, url_option
from ..render import Column, one_line, tabulate, terminal_width, write_json_list, write_lines
from ..report_filters import REVIEW_STATUSES
from ..timestamps import to_minute
from ..typos import Choice

ANY = "*"
COLUMNS = (
    Column("REPORT HASH", 32),
    Column("STATUS", 14),
    Column("REVIEWED (UTC)", 16),
    Column("AUTHOR", 6),
    Column("MESSAGE", 12),
)


@click.command()
@click.argument("hashes", nargs=-1, metavar="[HASH]...")
@click.option(
    "--status",
    type=Choice(REVIEW_STATUSES, case_sensitive=False),
    metavar="STATUS",
    help=f"Say this of the reports: {', '.join(REVIEW_STATUSES)}.",
)
@click.option("-m", "--message", metavar="TEXT", help="Why.")
@click.option("--remove", is_flag=True, help="Say nothing of the reports any more.")
@url_option
@output_option
def review(
    *, hashes: tuple[str, ...], status: str | None, message: str | None, remove: bool, address: Address, output: str
) -> None:
    """Say what the reports with a HASH are, in all runs of the product, or show what was said.

    With --status: false_positive is no bug, intentional one that is meant to stay; both close their reports.
    confirmed is a bug, unreviewed as good as nothing. With --remove the hashes have no review any more. With neither:
    the reviews of the hashes, or all, the newest first; in a HASH `*` stands for anything.

    Plain output has a line for each review, its fields apart by tabs: hash, status, time (UTC), author, message.
    """
    client = Client(address)
    if status is None and not remove:
        if message is not None:
            raise click.UsageError("--message needs --status: why is it what?")
        found = client.reviews([("report_hash", text) for text in hashes])
        none = f"No review of {', '.join(hashes)}." if hashes else "There are no reviews."
        _write(found if output == "json" else noted_if_empty(found, none), output)
    elif not hashes or (status is not None and remove) or (message is not None and remove):
        raise click.UsageError("Name the hashes, and either --status, with a --message if there is one, or --remove.")
    elif remove:
        for text in _whole(hashes):
            client.remove_review(text)
            tell(f"Report hash {text} has no review any more.")
    else:
        _write([_set(client, text, str(status), message or "") for text in _whole(hashes)], output)


def _whole(hashes: Sequence[str]) -> Sequence[str]:
    """Raises UsageError for a pattern: it would be a review of no report."""
    for text in hashes:
        if ANY in text:
            raise click.UsageError(f"{text!r} is no report hash: a review names it whole, without {ANY}.")
    return hashes


def _set(client: Client, report_hash: str, status: str, message: str) -> JsonObject:
    found = client.set_review(report_hash, status, message)
    if next(client.reports([("report_hash", report_hash)]), None) is None:
        tell(f"No report has the hash {report_hash} now; the review is for those to come. A hash is named whole.")
    return found


def _write(found: Iterable[JsonObject], output: str) -> None:
    if output == "json":
        write_json_list(found)
    elif output == "table":
        write_lines(tabulate(COLUMNS, map(_row, found), terminal_width()))
    else:
        write_lines("\t".join(map(one_line, _fields(one))) for one in found)


def _fields(found: JsonObject) -> Sequence[Any]:
    return [found[name] for name in ("report_hash", "status", "reviewed_at", "author", "message")]


def _row(found: JsonObject) -> Sequence[object]:
    text, status, at, *rest = _fields(found)
    return [text, status, to_minute(at), *rest]
