"""What a store would do, and what is in its way: `storectl store --dry-run`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from .client import Client, JsonObject, Query
from .job_details import Fact, few, lay_out
from .pack import Archive
from .patience import Deadline, reach
from .progress import Progress
from .render import one_line, size
from .scan import ResultFile
from .upload import MISSING, Course, Findings, measure, plan

REFUSED, FAILED = 1, 4
LIMITS = "Asking what the product takes"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a store could not go ahead, and the exit code that it would have."""

    text: str
    exit_code: int = FAILED


@dataclass(frozen=True, slots=True)
class DryRun:
    """`facts` is what the JSON output has; the obstacles are in the order in which a store would meet them."""

    facts: JsonObject
    obstacles: Sequence[Obstacle]

    @property
    def exit_code(self) -> int:
        return self.obstacles[0].exit_code if self.obstacles else 0


def try_out(client: Client, query: Query, found: Findings, progress: Progress, deadline: Deadline) -> DryRun:
    """All of a store but the upload. Raises what a store raises when the daemon cannot be had, or refuses."""
    progress.step(LIMITS)
    course = Course(deadline, LIMITS)
    with course.told():
        limits = reach(partial(client.store_limits, query), deadline, progress.note)
        course.question = MISSING
        archive = plan(client, found, progress, deadline)
    measure(archive, progress)
    results = _judged(found.results, limits)
    chosen = dict(query)
    obstacles = [*_refusals(archive, limits), *_failures(archive, limits), *_faults(results, chosen)]
    obstacles += _too_many_runs(limits, chosen)
    facts = {
        "product": client.address.product,
        "run": chosen["run"],
        "run_exists": limits["run_exists"],
        **_options(query),
        **_counts(found, archive, results),
        "broken_result_files": [f"{result.path}: {result.fault}" for result in results if result.fault],
        "missing_sources": [*found.missing, *archive.vanished],
        "newer_sources": found.newer,
        "warnings": list(_warnings(results, limits)),
        "obstacles": [obstacle.text for obstacle in obstacles],
    }
    return DryRun(facts, obstacles)


def _options(query: Query) -> JsonObject:
    chosen = dict(query)
    return {
        **{name: chosen.get(name) for name in ("tag", "description")},
        "trim_path_prefixes": [prefix for name, prefix in query if name == "trim_path_prefix"],
        **{name: name in chosen for name in ("force", "keep_going")},
    }


def _counts(found: Findings, archive: Archive, results: Sequence[ResultFile]) -> JsonObject:
    return {
        "report_folders": [folder.path for folder in found.folders],
        "result_files": len(results),
        "reports": _reports(results),
        "sources": len(found.sources),
        "sources_to_send": archive.sources - len(archive.vanished),
        "upload_bytes": archive.sent,
        "unpacked_bytes": archive.packed,
    }


def _judged(results: Iterable[ResultFile], limits: JsonObject) -> list[ResultFile]:
    """With the faults that they have for this daemon."""
    return [replace(result, fault=result.fault or _unreadable(result, limits)) for result in results]


def _unreadable(result: ResultFile, limits: JsonObject) -> str | None:
    endings: list[str] = limits["result_files"]
    if not result.path.endswith(tuple(endings)):
        return f"this daemon reads only {' and '.join(endings)}"
    return None


def _refusals(archive: Archive, limits: JsonObject) -> Iterator[Obstacle]:
    most = limits["upload_bytes"]
    if archive.sent > most:
        yield Obstacle(f"The upload has {archive.sent} bytes, this daemon takes {most}.", REFUSED)


def _failures(archive: Archive, limits: JsonObject) -> Iterator[Obstacle]:
    """What ends the job as soon as the archive is looked at."""
    for number, limit, thing in (
        (archive.packed, "unpacked_bytes", "bytes when it is unpacked"),
        (archive.entries, "entries", "entries"),
    ):
        if number > limits[limit]:
            yield Obstacle(f"The upload has {number} {thing}, this daemon takes {limits[limit]}.")
    for path in archive.larger_than(limits["entry_bytes"]):
        yield Obstacle(
            f"{path} has more than {limits['entry_bytes']} bytes, which is what this daemon takes in a file."
        )


def _faults(results: Sequence[ResultFile], chosen: dict[str, str]) -> Iterator[Obstacle]:
    broken = sum(result.fault is not None for result in results)
    if broken and "keep_going" not in chosen:
        yield Obstacle(
            f"{broken} of {len(results)} result files cannot be read. Mend or remove them, or store with --keep-going "
            "to leave them out."
        )


def _too_many_runs(limits: JsonObject, chosen: dict[str, str]) -> Iterator[Obstacle]:
    """`--force` removes the run first, and makes it anew."""
    most, others = limits["runs"], limits["product_runs"] - limits["run_exists"]
    makes_one = "force" in chosen or not limits["run_exists"]
    if most is not None and makes_one and others >= most:
        yield Obstacle(
            f"The product has as many runs as it takes ({most}), so {chosen['run']!r} cannot be made. Delete runs that "
            "nobody reads, or raise the product's run limit."
        )


def _reports(results: Iterable[ResultFile]) -> int | None:
    """None when there are some that nobody counted."""
    counts = [result.reports for result in results if result.fault is None]
    return None if None in counts else sum(count for count in counts if count is not None)


def _warnings(results: Iterable[ResultFile], limits: JsonObject) -> Iterator[str]:
    """What may go wrong: how many reports are left without duplicates and skipped files only the daemon finds out."""
    count = _reports(results) or 0
    if count > limits["reports"]:
        yield (
            f"There are {count} reports, and the product takes {limits['reports']} in one store. It fails unless "
            "enough of them are duplicates, or in skipped files."
        )


def plain_lines(facts: JsonObject) -> Iterator[str]:
    """A line `name: value` for each fact, by its name in JSON; of a list one for each element."""
    for name, value in facts.items():
        values = value if isinstance(value, list) else [value]
        yield from (f"{name}: {one_line(_shown(each))}" for each in values if each is not None)


def _shown(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def page_lines(facts: JsonObject, width: int) -> Iterator[str]:
    """For reading, at most `width` columns wide; without the obstacles, which are errors and go to stderr."""
    return lay_out(_page(facts), width)


def _page(facts: JsonObject) -> Iterator[Fact]:
    yield "product", facts["product"]
    yield "run", f"{facts['run']} ({_what_happens(facts)})"
    yield from ((name, facts[name]) for name in ("tag", "description") if facts[name] is not None)
    yield from few("trim_path_prefixes", facts)
    yield from few("report_folders", facts)
    yield "result_files", str(facts["result_files"])
    if facts["reports"] is not None:
        yield "reports", f"{facts['reports']}, less what is there twice or is skipped"
    yield "sources", f"{facts['sources']}, of which {facts['sources_to_send']} would be sent"
    yield "upload", f"{size(facts['upload_bytes'])}, {size(facts['unpacked_bytes'])} unpacked"
    for name in ("broken_result_files", "missing_sources", "newer_sources", "warnings"):
        yield from few(name, facts)


def _what_happens(facts: JsonObject) -> str:
    if not facts["run_exists"]:
        return "new"
    return "would be removed, and stored anew" if facts["force"] else "there already; would be updated"
