"""Named queries: parameters become numbers, casts and literals stay."""

import pytest

from storaged.database.sql import parse_queries


def test_a_name_used_twice_is_one_parameter() -> None:
    query = parse_queries("-- name: q\nSELECT :a, :b, :a")["q"]
    assert (query.text, query.parameters) == ("SELECT $1, $2, $1", ("a", "b"))


def test_casts_literals_and_comments_are_left_alone() -> None:
    query = parse_queries("-- name: q\n-- at :noon\nSELECT :a::text, 'it''s :not one', '12:30'")["q"]
    assert query.parameters == ("a",)
    assert query.text == "-- at :noon\nSELECT $1::text, 'it''s :not one', '12:30'"


def test_a_missing_or_an_unknown_argument_is_an_error() -> None:
    query = parse_queries("-- name: q\nSELECT :a")["q"]
    with pytest.raises(TypeError, match=r"takes \['a'\], got \['b'\]"):
        query.arguments({"b": 1})


def test_a_file_holds_several_queries() -> None:
    assert parse_queries("-- name: one\nSELECT 1;\n-- name: two\nSELECT 2;").keys() == {"one", "two"}


def test_a_fragment_of_another_file_is_named_with_its_file() -> None:
    whole = parse_queries("-- name: q\nSELECT\n    -- use: runs.run_columns\nFROM run r, store s")["q"].text
    assert whole.startswith("SELECT\nr.name, r.created_at, ")
    for nothing in ("runs.nothing", "run_columns"):
        with pytest.raises(KeyError):
            parse_queries(f"-- name: q\nSELECT 1\n-- use: {nothing}")


def test_a_fragment_is_put_into_the_queries_that_use_it_and_is_none_itself() -> None:
    text = "-- fragment: part\nAND a = :a\n-- name: q\nSELECT :b WHERE true\n  -- use: part\nLIMIT 1"
    queries = parse_queries(text)
    assert queries.keys() == {"q"}
    assert queries["q"].text == "SELECT $1 WHERE true\nAND a = $2\nLIMIT 1"
    assert queries["q"].parameters == ("b", "a")
    with pytest.raises(KeyError):
        parse_queries("-- name: q\nSELECT 1\n-- use: nothing")
