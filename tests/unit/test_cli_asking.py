"""How long storectl lets a question about a job take, and how long it waits for the answer."""

from storaged_cli.waiting import Asking, Deadline, Patience

PROXIES_CUT_OFF = 60


def test_an_answer_may_come_later_than_it_was_asked_for_and_sooner_than_proxies_cut_off() -> None:
    wait, seconds = Asking(Deadline(Patience())).ask()
    assert (wait, seconds) == (30, 45.0)
    assert seconds < PROXIES_CUT_OFF


def test_an_answer_is_hardly_awaited_beyond_the_patience() -> None:
    wait, seconds = Asking(Deadline(Patience(timeout=10))).ask()
    assert (wait, seconds) == (10, 11.0)
