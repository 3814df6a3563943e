"""The frame of `storectl top`: it fits, shares the room, and tells the numbers."""

from typing import Any

import pytest
from rich.text import Text
from storaged_cli.render import display_width, size
from storaged_cli.top_frame import Contact, Section, frame, share, span

CONTACT = Contact("http://storaged.example:8001", "q quits")


def period(**changes: Any) -> dict[str, Any]:
    usual = {"jobs": 1234, "ended": 9, "completed": 7, "failed": 0, "dropped": 0, "per_minute": 1234.5}
    times = {f"{name}_seconds": 4000.5 for name in ("median", "p90", "p99", "longest")}
    return usual | times | {"trend": "growing"} | changes


def job(number: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "token": "t",
        "kind": "store",
        "product": "product",
        "run": f"run {number}",
        "node": "node",
        "phase": "parse",
    }
    numbers = {"done": number, "total": 30, "running_seconds": 5.0, "heartbeat_age_seconds": 1.0, "cancelling": False}
    ended = {"ended_ago_seconds": 90.0, "status": "failed", "reason": "bad-archive"}
    comment = "FAILED!\nException during execution:\nThe upload is not a zip archive.\nSend another."
    return usual | numbers | ended | {"comment": comment} | changes


def overview(count: int = 30, **changes: Any) -> dict[str, Any]:
    """So many products, running jobs and failed ones."""
    row = {"waiting": 2, "blocked": 1, "running": 1, "oldest_wait_seconds": 7.5}
    node = {"version": "0.1.0", "up_seconds": 100.0, "listener": "listening", "running_jobs": 3, "job_slots": 4}
    pool = {"busy_worker_processes": 1, "worker_processes": 2, "worker_crashes": 0, "waiters": 5}
    spool = {"spool_bytes": 1_500_000, "spool_free_bytes": 65e9}
    return {
        "node": node | pool | spool,
        "nodes": [{"state": "alive"}],
        "database": [{"database_bytes": 12_000_000}],
        "queue": [row | {"product": "*"}, *(row | {"product": f"product {number}"} for number in range(count))],
        "waits": [period(period=name) for name in ("5 minutes", "hour", "day")],
        "processing": [period(period=name) for name in ("5 minutes", "hour", "day")],
        "running": [job(number) for number in range(count)],
        "failures": [{"status": "failed", "reason": "bad-archive", "last_day": 12}],
        "failed": [job(number) for number in range(count)],
    } | changes


def lines(seen: dict[str, Any], width: int = 80, height: int | None = 24, contact: Contact = CONTACT) -> list[str]:
    return [shown.plain for shown in frame(seen, contact, width, height)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (60, 20)])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_frame_fits_the_terminal(width: int, height: int, count: int) -> None:
    shown = lines(overview(count), width, height)
    assert len(shown) <= height
    assert width < 80 or [text for text in shown if display_width(text) > width] == []


@pytest.mark.parametrize("count", [1, 30])
def test_every_part_has_its_place_at_80_by_24(count: int) -> None:
    text = "\n".join(lines(overview(count)))
    for part in (
        "5 minutes",
        "day",
        "QUEUE",
        "all ",
        "RUNNING",
        "product/run 0",
        "FAILED LATELY",
        "not a zip archive.",
    ):
        assert part in text


def test_a_large_terminal_has_everything_and_one_frame_for_a_script_too() -> None:
    for shown in (lines(overview(10), 120, 60), lines(overview(10), 80, None)):
        text = "\n".join(shown)
        assert "more" not in text
        assert text.count("product/run 9 ") == 2


def test_what_is_not_shown_is_counted() -> None:
    shown = lines(overview(30))
    start = shown.index(next(text for text in shown if text.startswith("RUNNING")))
    rest = shown[start + 1 : shown.index("", start)]
    assert rest[-1] == f"  … {30 - len(rest) + 1} more"


def test_sections_get_their_least_and_share_the_rest() -> None:
    long, short = (Section(Text(), [Text()] * count, 2) for count in (10, 3))
    assert share([long, short, long], 4 + 2) == [2, 2, 2]
    assert share([long, short, long], 12) == [5, 3, 4]
    assert share([long, short, long], 100) == [10, 3, 10]


@pytest.mark.parametrize(("trend", "arrow"), [("growing", "↑"), ("shrinking", "↓"), ("steady", "→")])
def test_a_trend_is_an_arrow(trend: str, arrow: str) -> None:
    text = "\n".join(lines(overview(waits=[period(period="hour", trend=trend)], processing=[period(trend=None)])))
    assert arrow in text
    assert len({"↑", "↓", "→"} & set(text)) == 1


def test_progress_is_a_bar_and_unknown_progress_is_none() -> None:
    text = "\n".join(lines(overview(running=[job(15), job(15, run="other", total=0)])))
    (known,) = [shown for shown in text.split("\n") if "15/30" in shown]
    assert (known.count("█"), known.count("░")) == (8, 8)
    (unknown,) = [shown for shown in text.split("\n") if "product/other" in shown]
    assert "█" not in unknown


def test_a_daemon_that_is_away_is_said_to_be_and_its_state_is_not_shown_as_present() -> None:
    away = Contact(CONTACT.name, "", 12.0, "No daemon answers.")
    first, second, *_ = lines(overview(), contact=away)
    assert second.startswith("NO ANSWER for 12s, trying again. No daemon answers.")
    assert "alive" not in first


def test_nodes_that_do_not_live_are_counted() -> None:
    first = lines(overview(nodes=[{"state": "alive"}, {"state": "gone"}, {"state": "late"}]))[0]
    assert "1 node alive, 2 not" in first


@pytest.mark.parametrize("name", ["http://storaged.example:8001", "https://" + "a" * 80])
@pytest.mark.parametrize("version", ["0.1.0", "0.1.0.dev12+g0123456789"])
def test_at_80_columns_the_first_lines_are_whole_but_for_what_is_worth_least(name: str, version: str) -> None:
    node = overview()["node"] | {"version": version, "worker_crashes": 12, "up_seconds": 99999.0}
    first, second, *_ = lines(overview(node=node), contact=Contact(name, "q quits"))
    assert first.endswith(("  1 node alive  q quits", "  1 node alive  up 1d03h  q quits"))
    assert second.endswith("12 crashes")
    wide, *_ = lines(overview(node=node), 200, contact=Contact(name, "q quits"))
    assert wide == f"storaged {version}  {name}  1 node alive  listening  up 1d03h  q quits"


def test_that_no_notifications_come_is_never_left_out() -> None:
    node = overview()["node"] | {"listener": "disconnected"}
    first, *_ = lines(overview(node=node), contact=Contact("https://" + "a" * 80, "q quits"))
    assert first.endswith("…  1 node alive  disconnected  q quits")


def test_what_a_client_named_cannot_steer_the_terminal() -> None:
    text = "\n".join(lines(overview(running=[job(1, run="\x1b[2J\nrun")], failed=[job(1, comment="x\n\x1b]0;y\x07")])))
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "-"),
        (0.0, "0ms"),
        (0.0126, "13ms"),
        (4.56, "4.6s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (245.9, "4m05s"),
        (3599.99, "59m59s"),
        (12_000, "3h20m"),
        (200_000, "2d07h"),
    ],
)
def test_lengths_of_time_are_short(seconds: float | None, told: str) -> None:
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12_345_678, "12 MB"), (3e15, "3000.0 TB")]
)
def test_sizes_are_short(count: float, told: str) -> None:
    assert size(count) == told
