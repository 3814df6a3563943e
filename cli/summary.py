"""How a store ended, in words."""

import re
from collections.abc import Iterator, Sequence

from .client import JsonObject
from .report_filters import CLOSED_STATUSES, OPEN_STATUSES
from .scan import ReportFolder

ENDS = {"failed": "failed", "cancelled": "was cancelled", "dropped": "was dropped"}
SHOWN = 10
MISSING = "cannot be read; what is reported there is stored without source:"
NEWER = "changed after the analysis, so that lines may be off:"

_PLACE = re.compile(r"\breports/(\d+)/")


def describe_end(job: JsonObject, told: Sequence[str] = ()) -> str:
    """A few lines: the numbers of a completed store, the comments of any other. No missing source is `told` twice."""
    if job["status"] == "completed":
        return "\n".join(_describe_success(job, told))
    return "\n".join([f"The store of run {job.get('run')!r} {ENDS[job['status']]}.", *describe_comments(job)])


def name_files(text: str, folders: Sequence[ReportFolder]) -> str:
    """The daemon knows result files by their place in the archive; a person knows them by their path."""
    return _PLACE.sub(
        lambda place: f"{folders[int(place[1])].path}/" if int(place[1]) < len(folders) else place[0], text
    )


def _describe_success(job: JsonObject, told: Sequence[str]) -> Iterator[str]:
    result = job.get("result") or {}
    yield f"Stored run {job.get('run')!r}: {_describe_numbers(result)}."
    yield from (f"warning: {warning}" for warning in result.get("warnings") or [])
    yield from _few(result.get("left_out") or [], "result file", "left out:")
    yield from describe_sources(sorted({*(result.get("missing_sources") or [])} - {*told}), MISSING)


def _describe_numbers(result: JsonObject) -> str:
    """Where files were left out, the run has open reports that did not come; they are told apart."""
    came, open_ones, closed = result.get("reports", 0), _counts(result, OPEN_STATUSES), _counts(result, CLOSED_STATUSES)
    if open_ones and came != sum(result.get(status, 0) for status in OPEN_STATUSES):
        return f"{amount(came, 'report')} came; the run has {', '.join(filter(None, [open_ones, closed]))}"
    return amount(came, "report") + (f" ({open_ones})" if open_ones else "") + (f"; {closed}" if closed else "")


def _counts(result: JsonObject, statuses: Sequence[str]) -> str:
    return ", ".join(f"{result[status]} {status}" for status in statuses if result.get(status))


def describe_comments(job: JsonObject) -> Iterator[str]:
    """What the job says of itself, each comment with who and when."""
    for comment in job.get("comments") or []:
        yield f"{comment['who']} at {comment['at']}:"
        yield from (f"  {line}" for line in str(comment["text"]).splitlines())


def describe_sources(paths: Sequence[str], fact: str) -> Iterator[str]:
    """A warning that names the first few of the source files that a fact is true of; nothing when there are none."""
    return _few(paths, "source file", fact)


def _few(things: Sequence[str], kind: str, fact: str) -> Iterator[str]:
    if things:
        yield f"warning: {amount(len(things), kind)} {fact}"
        yield from (f"  {thing}" for thing in things[:SHOWN])
    if len(things) > SHOWN:
        yield f"  and {len(things) - SHOWN} more"


def amount(number: int, thing: str) -> str:
    """As in `1 report` and `2 reports`."""
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"
