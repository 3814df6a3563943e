"""How a store ended, in words."""

from collections.abc import Iterator, Sequence

from .client import JsonObject

OPEN = ("new", "unresolved", "reopened")
CLOSED = ("resolved", "off", "unavailable")
PATHS_SHOWN = 10
MISSING = "cannot be read; what is reported there is stored without source:"
NEWER = "changed after the analysis, so that lines may be off:"


def describe_end(job: JsonObject, told: Sequence[str] = ()) -> str:
    """A few lines: the numbers of a completed store, the comments of any other. No missing source is `told` twice."""
    if job["status"] == "completed":
        return "\n".join(_describe_success(job, told))
    return "\n".join([f"The store of run {job.get('run')!r} ended {job['status']}.", *_comments(job)])


def _describe_success(job: JsonObject, told: Sequence[str]) -> Iterator[str]:
    result = job.get("result") or {}
    open_ones, closed = _counts(result, OPEN), _counts(result, CLOSED)
    reports = _amount(result.get("reports", 0), "report", "reports") + (f" ({open_ones})" if open_ones else "")
    yield f"Stored run {job.get('run')!r}: {reports}{f'; {closed}' if closed else ''}."
    yield from (f"warning: {warning}" for warning in result.get("warnings") or [])
    yield from describe_sources(sorted({*(result.get("missing_sources") or [])} - {*told}), MISSING)


def _counts(result: JsonObject, statuses: Sequence[str]) -> str:
    return ", ".join(f"{result[status]} {status}" for status in statuses if result.get(status))


def _comments(job: JsonObject) -> Iterator[str]:
    for comment in job.get("comments") or []:
        yield f"{comment['who']} at {comment['at']}:"
        yield from (f"  {line}" for line in str(comment["text"]).splitlines())


def describe_sources(paths: Sequence[str], fact: str) -> Iterator[str]:
    """A warning that names the first few of the source files that a fact is true of; nothing when there are none."""
    if paths:
        yield f"warning: {_amount(len(paths), 'source file', 'source files')} {fact}"
        yield from (f"  {path}" for path in paths[:PATHS_SHOWN])
    if len(paths) > PATHS_SHOWN:
        yield f"  and {len(paths) - PATHS_SHOWN} more"


def _amount(number: int, thing: str, things: str) -> str:
    return f"{number} {thing if number == 1 else things}"
