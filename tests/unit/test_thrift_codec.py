"""Thrift's JSON protocol: what Apache's library writes we read, and what we write it reads."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storaged.thrift.codec import Codec, Mismatch
from storaged.thrift.dispatch import ENUMS
from storaged.thrift.idl import Method, Type
from storaged.thrift.messages import BadMessage, Kind, read_message, write_message
from storaged.thrift.structs import ErrorCode, Severity
from tests import apache

METHODS = [method for service in apache.INTERFACE.services.values() for method in service.values()]
CODEC = Codec(apache.INTERFACE, ENUMS)
TYPES = ["tf", "i16", "i32", "i64", "str", "rec", "lst", "set", "map", "dbl", ""]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["1", "2", "3", *TYPES]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=15,
)
many = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def method_of(name: str) -> Method:
    return next(method for method in METHODS if method.name == name)


def read(method: Method, body: bytes) -> Any:
    return CODEC.arguments(method)(read_message(body).arguments)


@many
@given(st.data())
def test_a_call_of_apaches_library_is_read_as_it_was_meant(data: st.DataObject) -> None:
    method = data.draw(st.sampled_from(METHODS))
    arguments = data.draw(apache.fields(method.arguments))
    sequence = data.draw(st.integers(0, 2**31 - 1))
    body = apache.call_bytes(method, arguments, sequence)
    message = read_message(body)
    assert (message.name, message.sequence) == (method.name, sequence)
    assert read(method, body) == arguments


@many
@given(st.data())
def test_apaches_library_reads_an_answer_as_it_was_meant(data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([method for method in METHODS if method.returns]))
    assert method.returns
    value = data.draw(apache.values(method.returns))
    body = write_message(method.name, Kind.REPLY, 7, CODEC.result(method)(value))
    assert apache.result_of(method, body) == (method.name, Kind.REPLY, 7, {"success": value})


@many
@given(st.sampled_from(METHODS), anything)
def test_whatever_comes_as_arguments_is_read_or_is_a_mismatch(method: Method, arguments: Any) -> None:
    try:
        found = CODEC.arguments(method)(arguments)
    except Mismatch:
        return
    assert set(found) <= {argument.name for argument in method.arguments}


@many
@given(st.data())
def test_a_call_with_anything_put_into_it_is_read_or_is_a_mismatch(data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([method for method in METHODS if method.arguments]))
    body = json.loads(apache.call_bytes(method, data.draw(apache.fields(method.arguments))), strict=False)
    damaged = _put_in(body, data)
    with contextlib.suppress(Mismatch, BadMessage):
        assert isinstance(read(method, json.dumps(damaged).encode()), dict)


def _put_in(value: Any, data: st.DataObject) -> Any:
    """The value with anything in the place of one of its parts."""
    if not isinstance(value, list | dict) or not value or data.draw(st.integers(0, 4)) == 0:
        return data.draw(anything)
    key = data.draw(st.sampled_from(range(len(value)) if isinstance(value, list) else sorted(value)))
    value[key] = _put_in(value[key], data)
    return value


def test_void_and_exceptions_are_read_by_apaches_library() -> None:
    method = method_of("checkAPIVersion")
    assert apache.result_of(method, write_message("x", Kind.REPLY, 1, CODEC.result(method)(None)))[3] == {}
    failed = {"errorCode": ErrorCode.API_MISMATCH, "message": "älter", "extraInfo": ["a", "b"]}
    body = write_message("x", Kind.REPLY, 1, CODEC.thrown(method.throws[0])(failed))
    assert apache.result_of(method, body)[3] == {"requestError": failed}


def test_fields_that_are_none_are_not_sent() -> None:
    method = method_of("getReport")
    assert CODEC.result(method)({"reportId": 1, "fixedAt": None}) == b'{"0":{"rec":{"6":{"i64":1}}}}'


def test_a_field_that_the_interface_does_not_have_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError, match="reportID"):
        CODEC.result(method_of("getReport"))({"reportID": 1})


def test_unknown_fields_are_skipped_and_enums_are_members() -> None:
    arguments = {"5": {"rec": {"5": {"lst": ["i32", 1, 40]}, "99": {"map": "whatever"}}}, "77": None}
    found = CODEC.arguments(method_of("getRunResults"))(arguments)
    assert found == {"reportFilter": {"severity": [40]}}
    assert found["reportFilter"]["severity"][0] is Severity.HIGH


def test_what_no_database_holds_is_replaced() -> None:
    body = b'[1,"getCheckerDoc",1,0,{"1":{"str":"a\\u0000b\\ud800c\x1b"}}]'
    assert read(method_of("getCheckerDoc"), body) == {"checkerId": "a\ufffdb\ufffdc\x1b"}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({"2": {"str": "5"}}, "limit must be a value of the tag i64"),
        ({"2": {"i64": "5"}}, r"limit must be an integer \(i64\)"),
        ({"2": {"i64": 2**63}}, r"limit must be an integer \(i64\)"),
        ({"2": {"i64": True}}, r"limit must be an integer \(i64\)"),
        (
            {"5": {"rec": {"5": {"lst": ["i32", 1, 41]}}}},
            r"reportFilter.severity\[0\] must be one of the numbers of Sev",
        ),
        ({"5": {"rec": {"5": {"lst": ["i32", 2, 40]}}}}, "reportFilter.severity must be a list"),
        ({"5": {"rec": {"5": {"lst": ["str", 1, 40]}}}}, "reportFilter.severity must have elements of the tag i32"),
        ({"5": {"rec": {"11": {"tf": 2}}}}, "reportFilter.isUnique must be 0 or 1"),
        ([], "must be a struct"),
    ],
)
def test_a_mismatch_tells_where_it_is(raw: Any, place: str) -> None:
    with pytest.raises(Mismatch, match=place):
        CODEC.arguments(method_of("getRunResults"))(raw)


def test_an_empty_list_or_map_may_have_any_tag() -> None:
    assert CODEC.shape(Type("list", (Type("string"),))).read(["i32", 0]) == []
    assert CODEC.shape(Type("map", (Type("i64"), Type("string")))).read(["str", "i32", 0, {}]) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[1]",
        b'[2,"m",1,0,{}]',
        b'[1,"m",2,0,{}]',
        b'[1,"m",1,0]',
        b"[1,5,1,0,{}]",
        b'[1,"m","1",0,{}]',
        b'[1,"m",1,0,{}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'[1,"m",1,' + b"9" * 5000 + b",{",
    ],
)
def test_a_body_that_is_no_call_is_told_so(body: bytes) -> None:
    with pytest.raises(BadMessage):
        read_message(body)
