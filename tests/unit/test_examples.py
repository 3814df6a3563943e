"""How the examples of the documentation are read and compared: what may differ, and that nothing else may."""

from typing import Any

import pytest

from tests.acceptance.examples import Meanings, differences, read_cut_json, read_examples, text_fits

TOKEN = "810b584c" * 8
DOCUMENT = """\
Text, `GET /no/example`.

    GET /things?limit=1
    200 {"things":[{"id":7}, ...],
         "next":null}

1. A list:

        POST /things    {"name":"a"}
        Idempotency-Key: k
        201 {"id":7}
        Location: /things/7

        DELETE /things/7
        204
"""


def wrong(shown: str, real: Any) -> list[str]:
    return list(differences(read_cut_json(shown), real, Meanings()))


def test_examples_are_found_in_code_with_headers_and_bodies_of_both_sides() -> None:
    first, second, third = read_examples(DOCUMENT)
    assert (first.line, first.method, first.path, first.status) == (3, "GET", "/things?limit=1", 200)
    assert read_cut_json(first.body) == {"things": [{"id": 7}, "..."], "next": None}
    assert (second.request_headers, second.request_body) == ({"Idempotency-Key": "k"}, '{"name":"a"}')
    assert (second.headers, second.body) == ({"Location": "/things/7"}, '{"id":7}')
    assert (third.method, third.status, third.body) == ("DELETE", 204, "")


def test_a_request_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        read_examples("    GET /things\n\nText.\n")


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1, ...}', {"a": 1, "b": 2}),
        ("[1, ...]", [1, 2, 3]),
        ("[1, ...]", [1]),
        ('"stored at ..."', "stored at noon"),
        ('"2026-11-24T07:57:41.647360Z"', "2027-01-01T00:00:00Z"),
        ('{"id":1}', {"id": 99}),
        ('{"seconds":0.5}', {"seconds": 2}),
    ],
)
def test_cuts_times_ids_and_durations_may_differ(shown: str, real: Any) -> None:
    assert wrong(shown, real) == []


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1}', {"a": 1, "b": 2}),
        ('{"a":1, ...}', {"b": 2}),
        ("[1]", [1, 2]),
        ("[1,2, ...]", [1]),
        ('"stored at ..."', "sent at noon"),
        ('"2026-11-24T07:57:41.647360Z"', "noon"),
        ('{"count":1}', {"count": 2}),
        ('{"done":true}', {"done": 1}),
        ("null", 0),
        ("{}", []),
    ],
)
def test_everything_else_is_a_difference(shown: str, real: Any) -> None:
    assert len(wrong(shown, real)) == 1


def test_a_token_that_is_shown_twice_is_one_token_and_stands_in_later_paths() -> None:
    meanings = Meanings()
    assert text_fits("810b584c...", TOKEN, meanings)
    assert text_fits("/jobs/810b584c...", f"/jobs/{TOKEN}", meanings)
    assert not text_fits("810b584c...", "0" * 64, meanings)
    assert meanings.in_path("/jobs/810b584c...?wait=1") == f"/jobs/{TOKEN}?wait=1"


def test_an_id_that_an_answer_showed_stands_in_later_paths() -> None:
    meanings = Meanings()
    assert list(differences({"id": 2}, {"id": 41}, meanings)) == []
    assert meanings.in_path("/reports/2?source=false") == "/reports/41?source=false"
    assert meanings.in_path("/api/v1/reports?limit=2") == "/api/v1/reports?limit=2"
