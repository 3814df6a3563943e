"""What `storectl top` shows: an overview of the API as lines that fit a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich.text import Text

from .render import GAP, cut, display_width, one_line, size

Row: TypeAlias = Mapping[str, Any]
Lines: TypeAlias = list[Text]

ARROWS: Mapping[str | None, str] = {"growing": "↑", "shrinking": "↓", "steady": "→"}
BAD, WARN, GOOD, FAINT, TITLE = "bold red", "yellow", "green", "bright_black", "bold cyan"
OLD_WAIT_SECONDS = 300
BAR_WIDTH = 16
PSEUDO_PRODUCTS: Mapping[str, str] = {"*": "all", "-": "(no product)"}
UNLIMITED = 10_000
HEADER_LINES = 2
KEPT = 9


@dataclass(frozen=True, slots=True)
class Contact:
    """How the daemon was asked: its name for the title, a hint to the user, since when and why it does not answer."""

    name: str
    hint: str = ""
    silent_seconds: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a column: cut to the width, padded left or right."""

    text: str
    width: int
    style: str = ""
    right: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a line; where room is short those of the least worth are left out, but not KEPT ones."""

    text: str
    style: str = ""
    worth: int = KEPT


@dataclass(frozen=True, slots=True)
class Section:
    """A title line, and lines below it; `least` of them are shown on the smallest terminal, if there are so many."""

    title: Text
    lines: Lines
    least: int


def frame(overview: Row, contact: Contact, width: int, height: int | None = None) -> Lines:
    """The whole view, at most `height` lines; the sections share what room there is."""
    fixed = [*header(overview, contact, width), Text(), *periods(overview, width)]
    sections = [queue(overview, width), running(overview, width), failures(overview, width)]
    room = UNLIMITED if height is None else height - len(fixed) - 2 * len(sections)
    shown = list(fixed)
    for section, count in zip(sections, share(sections, room), strict=True):
        shown += [Text(), section.title, *fit(section.lines, count)]
    if contact.silent_seconds is not None:
        for stale in shown[HEADER_LINES:]:
            stale.stylize("dim")
    return shown[:height]


def share(sections: Sequence[Section], room: int) -> list[int]:
    """Lines for each section: the least first, then what is left by turns to those that have more."""
    wanted = [len(section.lines) for section in sections]
    given = [min(section.least, want) for section, want in zip(sections, wanted, strict=True)]
    left = room - sum(given)
    while left > 0 and given != wanted:
        for index, want in enumerate(wanted):
            if given[index] < want and left > 0:
                given[index] += 1
                left -= 1
    return given


def fit(lines: Lines, count: int) -> Lines:
    """The first of the lines; the last one shown tells how many are not."""
    if len(lines) <= count:
        return lines
    return [*lines[: count - 1], Text(f"  … {len(lines) - count + 1} more", FAINT)] if count else []


# The parts


def header(overview: Row, contact: Contact, width: int) -> Iterator[Text]:
    """Who answers and how the nodes are; then what this node has, or since when nobody answers."""
    parts = [Part(f"storaged {one_line(overview['node']['version'])}", "bold", worth=3)]
    if contact.silent_seconds is None:
        parts += [states(overview["nodes"]), *node_state(overview["node"])]
    parts += [Part(contact.hint, FAINT)] if contact.hint else []
    room = width - display_width(GAP.join(part.text for part in parts if part.worth == KEPT)) - len(GAP)
    parts.insert(1, Part(cut(one_line(contact.name), max(room, 0))))
    yield cropped(joined(parts, width), width)
    yield cropped(silence(contact), width) if contact.silent_seconds is not None else facts(overview, width)


def joined(parts: Sequence[Part], width: int) -> Text:
    """The parts in their order, but for those of the least worth if they do not all fit."""
    left = list(parts)
    while display_width(GAP.join(part.text for part in left)) > width and any(part.worth < KEPT for part in left):
        left.remove(min(left, key=lambda part: part.worth))
    return Text(GAP).join(Text(part.text, part.style) for part in left)


def states(nodes: Sequence[Row]) -> Part:
    """How many live, and, if not all do, how many do not."""
    alive = [row["state"] for row in nodes].count("alive")
    dead = len(nodes) - alive
    return Part(f"{counted(alive, 'node')} alive{f', {dead} not' if dead else ''}", BAD if dead else GOOD)


def node_state(node: Row) -> list[Part]:
    """That notifications come is worth little; that they do not is."""
    hears = node["listener"] == "listening"
    listener = Part(node["listener"], GOOD, worth=1) if hears else Part(node["listener"], WARN)
    return [listener, Part(f"up {span(node['up_seconds'])}", FAINT, worth=2)]


def silence(contact: Contact) -> Text:
    return Text(f"NO ANSWER for {span(contact.silent_seconds)}, trying again. {one_line(contact.trouble)}", BAD)


def facts(overview: Row, width: int) -> Text:
    node, (database, *_) = overview["node"], overview["database"] or [{}]
    parts = [
        Part(f"slots {node['running_jobs']}/{node['job_slots']}", FAINT),
        Part(f"workers {node['busy_worker_processes']}/{node['worker_processes']}", FAINT),
        Part(f"spool {size(node['spool_bytes'])}, {size(node['spool_free_bytes'])} free", FAINT),
        Part(f"database {size(database.get('database_bytes', 0))}", FAINT, worth=2),
        Part(f"waiters {node['waiters']}", FAINT, worth=1),
    ]
    if node["worker_crashes"]:
        parts.append(Part(counted(node["worker_crashes"], "crash", "es"), FAINT))
    return cropped(joined(parts, width), width)


def periods(overview: Row, width: int) -> Iterator[Text]:
    """A line for each period: how many started and their waits, how many were done and how long they took."""
    gap = Cell("", 5 if width >= 100 else 1)
    waits = columns(["started", "waited", "90%", "99%"], 7, TITLE)
    works = columns(["per min", "took", "90%", "99%"], 7, TITLE)
    yield line([Cell("LAST", 10, TITLE), *waits, Cell("", 2), gap, *works, Cell("", 2), *columns(["failed"], 7, TITLE)])
    for wait, work in zip(overview["waits"], overview["processing"], strict=True):
        bad = work["failed"] + work["dropped"]
        waits = [*columns([f"{wait['jobs']:,}"], 7), *times(wait), trend(wait)]
        works = [*columns([f"{work['per_minute']:,.1f}"], 7), *times(work), trend(work)]
        yield line([Cell(wait["period"], 10), *waits, gap, *works, *columns([f"{bad:,}"], 7, WARN if bad else "")])


def queue(overview: Row, width: int) -> Section:
    total, *products = overview["queue"]
    name = min(40, width - 40)
    title = line([Cell("QUEUE", name, TITLE), *columns(["waiting", "blocked", "running", "oldest"], 9, TITLE)])
    return Section(title, [product_line(row, name) for row in (total, *products)], least=2)


def product_line(row: Row, name: int) -> Text:
    oldest = row["oldest_wait_seconds"]
    old = oldest is not None and oldest >= OLD_WAIT_SECONDS
    counts = columns([f"{row[column]:,}" for column in ("waiting", "blocked", "running")], 9)
    product = Cell(PSEUDO_PRODUCTS.get(row["product"]) or row["product"], name)
    return line([product, *counts, *columns([span(oldest)], 9, WARN if old else "")])


def running(overview: Row, width: int) -> Section:
    """With the node where there are several."""
    rows = overview["running"]
    node = 22 if width >= 100 and len(overview["nodes"]) > 1 else 0
    name = max(16, min(60, width - BAR_WIDTH - 38 - node))
    title = line([Cell(f"RUNNING {len(rows) or ''}", name, TITLE)])
    lines = [running_line(row, name, node) for row in rows]
    return Section(title, lines or [Text("nothing", FAINT)], least=3)


def running_line(row: Row, name: int, node: int) -> Text:
    late = row["heartbeat_age_seconds"] > 30
    cells = [
        Cell(title_of(row), name),
        Cell("stopping" if row["cancelling"] else row["phase"] or "start", 10, WARN if row["cancelling"] else ""),
        Cell(bar(row["done"], row["total"]), BAR_WIDTH + 2, GOOD),
        Cell(amount(row["done"], row["total"]), 15),
        Cell(span(row["running_seconds"]), 8, BAD if late else "", right=True),
    ]
    return line([*cells, Cell(f"  {row['node']}", node, FAINT)] if node else cells)


def failures(overview: Row, width: int) -> Section:
    """By reason in the title, then the latest with what their log says."""
    title = Text("FAILED LATELY", TITLE)
    for row in overview["failures"]:
        title.append(f"  {row['reason']} {row['last_day']}", BAD if row["status"] == "dropped" else WARN)
    lines = [failed_line(row, width) for row in overview["failed"]]
    return Section(cropped(title, width), lines or [Text("nothing in the last day", FAINT)], least=2)


def failed_line(row: Row, width: int) -> Text:
    name = max(16, min(40, width - 60))
    told = (row["comment"] or "").partition("\n")[2].removeprefix("Exception during execution:\n")
    cells = [
        Cell(span(row["ended_ago_seconds"]), 6, right=True),
        Cell(f" {row['status']}", 9, BAD if row["status"] == "dropped" else WARN),
        Cell(title_of(row), name),
        Cell(told or row["reason"] or "", width - name - 15),
    ]
    return line(cells)


# Words and numbers


def title_of(row: Row) -> str:
    """Product and run of a job, or what kind it is."""
    if row["run"] is None:
        return str(row["kind"])
    name = f"{row['product']}/{row['run']}"
    return name if row["kind"] == "store" else f"{name} ({row['kind']})"


def times(row: Row) -> list[Cell]:
    return columns([span(row[name]) for name in ("median_seconds", "p90_seconds", "p99_seconds")], 7)


def trend(row: Row) -> Cell:
    style = {"growing": BAD, "shrinking": GOOD}.get(row["trend"], FAINT)
    return Cell(ARROWS.get(row["trend"], ""), 2, style, right=True)


def columns(texts: Sequence[str], width: int, style: str = "") -> list[Cell]:
    return [Cell(text, width, style, right=True) for text in texts]


def bar(done: int, total: int) -> str:
    """Empty when nobody knows how long it takes."""
    if total <= 0:
        return ""
    filled = min(BAR_WIDTH, BAR_WIDTH * done // total)
    return "█" * filled + "░" * (BAR_WIDTH - filled)


def amount(done: int, total: int) -> str:
    return f"{done:,}/{total:,}" if total > 0 else ""


UNITS: tuple[tuple[float, Callable[[float], str]], ...] = (
    (1, lambda seconds: f"{1000 * seconds:.0f}ms"),
    (10, lambda seconds: f"{seconds:.1f}s"),
    (60, lambda seconds: f"{seconds:.0f}s"),
    (3600, lambda seconds: f"{seconds // 60:.0f}m{seconds % 60:02.0f}s"),
    (86400, lambda seconds: f"{seconds // 3600:.0f}h{seconds % 3600 // 60:02.0f}m"),
)


def span(seconds: float | None) -> str:
    """A length of time in at most six letters: 120ms, 4.5s, 45s, 4m05s, 3h20m, 2d03h; - for none."""
    if seconds is None:
        return "-"
    for limit, tell in UNITS:
        if seconds < limit:
            return tell(seconds if seconds < 10 else int(seconds))
    return f"{seconds // 86400:.0f}d{seconds % 86400 // 3600:02.0f}h"


def counted(count: int, name: str, plural: str = "s") -> str:
    """1 node, 2 nodes."""
    return f"{count} {name}{'' if count == 1 else plural}"


def line(cells: Sequence[Cell]) -> Text:
    shown = Text(no_wrap=True)
    for cell in cells:
        text = cut(one_line(cell.text), max(cell.width - (0 if cell.right else 1), 0)) if cell.width else ""
        fill = " " * (cell.width - display_width(text))
        shown.append(fill + text if cell.right else text + fill, cell.style)
    shown.rstrip()
    return shown


def cropped(text: Text, width: int) -> Text:
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text
