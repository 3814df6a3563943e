"""How long storectl lets a question about a job take, and how long it waits for the answer."""

from typing import Any

from storaged_cli.address import parse_address
from storaged_cli.errors import StorectlError
from storaged_cli.patience import Deadline, Patience
from storaged_cli.waiting import Following

PROXIES_CUT_OFF = 60


class Nobody:
    """Who is not told of anything."""

    def show(self, _job: dict[str, Any]) -> None: ...
    def lost(self, _error: StorectlError) -> None: ...
    def found(self) -> None: ...


def following(**patience: Any) -> Following:
    """A job that was seen running."""
    job = {"token": "t", "status": "running", "sequence": 7}
    return Following(parse_address("localhost/Default"), "t", Deadline(Patience(**patience)), Nobody(), job=job)


def test_an_answer_may_come_later_than_it_was_asked_for_and_sooner_than_proxies_cut_off() -> None:
    question = following().question()
    assert (question.wait, question.since, question.seconds) == (30, 7, 45.0)
    assert question.seconds < PROXIES_CUT_OFF


def test_an_answer_is_not_awaited_beyond_the_time_out() -> None:
    question = following(timeout=10).question()
    assert question.wait is not None
    assert 1 <= question.wait <= question.seconds <= 10


def test_the_answer_of_a_daemon_that_is_well_comes_before_it_is_given_up() -> None:
    question = following(give_up=10).question()
    assert question.wait is not None
    assert question.wait <= 5 < question.seconds <= 10
