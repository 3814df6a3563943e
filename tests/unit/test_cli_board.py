"""The rows of several jobs on a terminal."""

import io

from rich.console import Console
from rich.progress import Progress
from storaged_cli.board import Rows

HEIGHT = 10


def show(rows: Rows, number: int, status: str) -> None:
    rows.show({"token": f"{number:04}", "status": status, "run": "shop", "position": number})


def shown(bars: Progress) -> list[str]:
    return [task.fields["name"] for task in bars.tasks if task.visible]


def test_rows_stand_in_the_order_of_the_tokens_and_ended_jobs_make_room() -> None:
    bars = Progress(console=Console(file=io.StringIO(), force_terminal=True, height=HEIGHT))
    rows = Rows(bars, [f"{number:04}" for number in range(20)])
    for number in (3, 1, 2):
        show(rows, number, "enqueued")
    assert shown(bars) == ["All 20 jobs", "0001 shop", "0002 shop", "0003 shop"]
    for number in range(20):
        show(rows, number, "enqueued")
    assert shown(bars) == ["All 20 jobs", *(f"{number:04} shop" for number in range(HEIGHT - 3))]
    for number in range(15):
        show(rows, number, "completed")
    assert shown(bars) == ["All 20 jobs", *(f"{number:04} shop" for number in (0, 1, 15, 16, 17, 18, 19))]
    assert bars.tasks[0].fields["amount"] == "15 of 20"


def test_a_row_says_what_the_job_is_at() -> None:
    bars = Progress(console=Console(file=io.StringIO(), force_terminal=True, height=HEIGHT))
    rows = Rows(bars, ["a", "b"])
    rows.show({"token": "a", "status": "enqueued", "summary": "Store of\x1b[2J", "position": 1200})
    rows.show({"token": "b", "status": "running", "progress": {"phase": "parse", "done": 3, "total": 9}})
    _, first, second = bars.tasks
    assert (first.fields["name"], first.description) == ("a Store of [2J", "Enqueued")
    assert (first.fields["amount"], first.completed) == ("1,200 before it", 0)
    assert (second.description, second.fields["amount"], second.completed, second.total) == ("Parse", "3 of 9", 3, 9)
