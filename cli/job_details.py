"""All that is known of a job: as lines for programs, and as a page for people."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .client import JsonObject
from .notices import wrap
from .render import one_line
from .report_filters import DETECTION_STATUSES
from .summary import SHOWN, amount
from .timestamps import shown_span, shown_time

Fact = tuple[str, str]

NATURE = ("token", "kind", "product", "run", "user", "summary", "status", "reason", "attempt", "node")
FIELDS = (
    *NATURE,
    *("position", "estimated_seconds", "cancel_requested"),
    *("enqueued_at", "started_at", "finished_at", "last_seen_at"),
)


def plain_lines(job: JsonObject) -> Iterator[str]:
    """A line `name: value` for each thing that is known; members of `result` by their names in the API."""
    facts = [*_named(job, FIELDS), *_progress(job), *_flat("result", job.get("result")), *_comments(job, str)]
    return (f"{name}: {one_line(text)}" for name, text in facts)


def page_lines(job: JsonObject, width: int) -> Iterator[str]:
    """For reading, at most `width` columns wide."""
    facts = [*_named(job, NATURE), *_queue(job), *_times(job), *_progress(job), *_result(job)]
    facts += _comments(job, shown_time)
    return lay_out(facts, width)


def lay_out(facts: Iterable[Fact], width: int) -> Iterator[str]:
    """Names, and beside them their texts, in lines of at most `width` columns."""
    known = [(name.replace("_", " ").capitalize(), text) for name, text in facts]
    indent = max(len(label) for label, _ in known) + 2
    for label, text in known:
        lines = [part for line in text.splitlines() for part in wrap(_printable(line), width - indent)]
        yield from (f"{'' if number else label:{indent}}{line}" for number, line in enumerate(lines))


def _printable(line: str) -> str:
    return one_line(line).rstrip()


def _named(job: JsonObject, names: Iterable[str]) -> Iterator[Fact]:
    for name in names:
        value = job.get(name)
        if value is not None and value is not False:
            yield name, "yes" if value is True else str(value)


def _progress(job: JsonObject) -> Iterator[Fact]:
    progress = job.get("progress") or {}
    if not progress.get("phase") or job.get("finished_at"):
        return
    counts = f" {progress.get('done')} of {progress.get('total')}" if progress.get("total") else ""
    yield "progress", f"{progress['phase']}{counts}"


def _comments(job: JsonObject, time: Callable[[str], str]) -> Iterator[Fact]:
    for comment in job.get("comments") or []:
        yield "comment", f"{comment['who']} at {time(comment['at'])}:\n{comment['text']}"


def _flat(name: str, value: object) -> Iterator[Fact]:
    """Members of objects under their names joined by dots; of a list each element."""
    if isinstance(value, Mapping):
        for part, inner in sorted(value.items()):
            yield from _flat(f"{name}.{part}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(name, inner)
    elif value is not None:
        yield name, str(value)


def _queue(job: JsonObject) -> Iterator[Fact]:
    if job.get("position") is not None:
        yield "queue", f"{amount(job['position'], 'job')} before it"
    if job.get("estimated_seconds") is not None:
        yield "ends" if job["status"] == "running" else "starts", f"in about {job['estimated_seconds']:.0f} s"
    if job.get("cancel_requested") and not job.get("finished_at"):
        yield "cancel", "asked for; it ends at its next step"


def _times(job: JsonObject) -> Iterator[Fact]:
    """Each with how long it was since the one before it."""
    before = None
    for name in ("enqueued_at", "started_at", "finished_at"):
        at = job.get(name)
        if at is not None:
            span = shown_span(before, at)
            yield name.removesuffix("_at"), shown_time(at) + (f", after {span}" if span else "")
            before = at
    if job.get("last_seen_at") is not None and not job.get("finished_at"):
        yield "last_seen", shown_time(job["last_seen_at"])


def _result(job: JsonObject) -> Iterable[Fact]:
    result: Mapping[str, Any] = job.get("result") or {}
    return RESULTS.get(str(job.get("kind")), _any_result)(result)


def _any_result(result: Mapping[str, Any]) -> Iterator[Fact]:
    return ((name.removeprefix("result."), text) for name, text in _flat("result", result))


def _store_result(result: Mapping[str, Any]) -> Iterator[Fact]:
    """Only what is worth a look: a zero is not."""
    if not result:
        return
    yield "reports", str(result.get("reports", 0))
    yield "in_the_run", _counted(result, DETECTION_STATUSES) or "none"
    for name in ("duplicates", "skipped"):
        if result.get(name):
            yield name, str(result[name])
    yield "result_files", str(result.get("result_files", 0))
    yield from few("left_out", result)
    yield from few("missing_sources", result)
    yield from few("warnings", result)


def _counted(result: Mapping[str, Any], statuses: Iterable[str]) -> str:
    """As in `3 new, 1 resolved`; what there is none of is left out."""
    return ", ".join(f"{result[status]} {status}" for status in statuses if result.get(status))


def few(name: str, result: Mapping[str, Any]) -> Iterator[Fact]:
    things = [str(thing) for thing in result.get(name) or []]
    rest = [f"and {len(things) - SHOWN} more; -o json has all"] if len(things) > SHOWN else []
    if things:
        yield name, "\n".join([*things[:SHOWN], *rest])


RESULTS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Fact]]] = {"store": _store_result}
