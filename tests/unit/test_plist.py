"""What is read out of a result file."""

from typing import Any

import pytest

from storaged.errors import BadResultFile
from storaged.ingest.plist import (
    BLOCK_BYTES,
    Diagnostic,
    Event,
    Extended,
    Location,
    Span,
    positions_between,
    read_plist,
)
from tests.plists import FILES, HASH, control, diagnostic, event, place, plist


def only(**changes: Any) -> Diagnostic:
    (read,) = read_plist("x.plist", plist(diagnostic(**changes))).diagnostics
    return read


def fault(data: bytes) -> str:
    with pytest.raises(BadResultFile) as caught:
        read_plist("reports/0/x.plist", data)
    assert caught.value.entry == "reports/0/x.plist"
    return caught.value.detail


def test_a_diagnostic_is_read_with_its_place_its_checker_and_its_message() -> None:
    read = only()
    assert (read.at, read.checker, read.message) == (Location(2, 3, 0), "core.Bad", "bad")
    assert (read.report_hash, read.annotations) == (HASH, {})
    assert read.events == [Event(Location(2, 3, 0), Span(0, 2, 3, 2, 3), "bad")]
    assert read.positions == []
    assert read.extended == []


def test_files_stay_as_they_stand() -> None:
    assert read_plist("x.plist", plist(files=["../a.c", "/b/../c.c"])).files == ["../a.c", "/b/../c.c"]


def test_the_analyzer_is_that_of_the_metadata() -> None:
    assert read_plist("x.plist", plist(metadata={"analyzer": {"name": "gcc"}})).analyzer == "gcc"
    assert read_plist("x.plist", plist(metadata={"generated_by": {"name": "x"}})).analyzer is None
    assert read_plist("x.plist", plist()).analyzer is None


@pytest.mark.parametrize("path", [None, []])
def test_a_diagnostic_without_events_gets_one_at_its_location_with_its_message(path: list[Any] | None) -> None:
    assert only(path=path).events == [Event(Location(2, 3, 0), Span(0, 2, 3, 2, 3), "bad")]


def test_an_event_marks_the_first_of_its_ranges_in_the_file_of_its_location() -> None:
    ranges = [[place(1, 2, 1), place(1, 9, 1)], [place(3, 3), place(3, 4)]]
    assert only(path=[event(5, 6, ranges=ranges)]).events == [Event(Location(5, 6, 0), Span(0, 1, 2, 1, 9), "here")]
    assert only(path=[event(5, 6, ranges=[])]).events == [Event(Location(5, 6, 0), Span(0, 5, 6, 5, 6), "here")]


def test_the_start_of_an_edge_is_a_position_only_when_it_does_not_continue_the_last_one() -> None:
    a, b, c, d = ((place(line, 1), place(line, 5)) for line in (1, 2, 3, 4))
    path = [control(a, b), control(b, c), event(3, 1), control(c, a), control(d, b)]
    assert [span.line for span in only(path=path).positions] == [1, 2, 3, 1, 4, 2]


def test_an_edge_in_another_file_does_not_continue_the_last_one() -> None:
    a, b, b_elsewhere = (place(1, 1), place(1, 2)), (place(2, 1), place(2, 2)), (place(2, 1, 1), place(2, 2, 1))
    positions = only(path=[control(a, b), control(b_elsewhere, a)]).positions
    assert positions == [Span(0, 1, 1, 1, 2), Span(0, 2, 1, 2, 2), Span(1, 2, 1, 2, 2), Span(0, 1, 1, 1, 2)]


def test_of_a_control_step_with_several_edges_the_first_counts() -> None:
    step = control((place(1, 1), place(1, 2)), (place(2, 1), place(2, 2)))
    step["edges"].append({"start": [place(3, 1), place(3, 1)], "end": [place(4, 1), place(4, 1)]})
    assert [span.line for span in only(path=[step]).positions] == [1, 2]
    assert only(path=[{"kind": "control", "edges": []}]).positions == []


def test_steps_of_other_kinds_are_passed_over() -> None:
    assert only(path=[{"kind": "pop-up", "x": 1}, event(1, 1), {"message": "no kind"}]).events == [
        Event(Location(1, 1, 0), Span(0, 1, 1, 1, 1), "here")
    ]


def test_between_events_without_edges_there_is_a_position_for_each_place_that_differs_from_the_last() -> None:
    path = [event(1, 1), event(1, 1), event(2, 1), event(2, 1), event(3, 1)]
    assert [span.line for span in positions_between(only(path=path).events)] == [1, 2, 3]
    assert positions_between(only(path=[event(1, 1), event(1, 1, file=1)]).events) == []
    assert positions_between(only().events) == []


def test_notes_and_macro_expansions_are_read_notes_first() -> None:
    read = only(
        macro_expansions=[{"location": place(1, 1, 1), "name": "ASSERT", "expansion": "if (x)"}],
        notes=[{"location": place(4, 4), "message": "n", "ranges": [[place(4, 1), place(4, 9)]]}],
    )
    assert read.extended == [Extended(0, Span(0, 4, 1, 4, 9), "n"), Extended(10, Span(1, 1, 1, 1, 1), "if (x)")]


@pytest.mark.parametrize("text", [None, "", "0"])
def test_a_hash_that_is_absent_empty_or_zero_is_none(text: str | None) -> None:
    assert only(issue_hash_content_of_line_in_context=text).report_hash is None


@pytest.mark.parametrize("name", [None, ""])
def test_a_diagnostic_without_checker_has_codecheckers_name_for_it(name: str | None) -> None:
    assert only(check_name=name).checker == "NOT FOUND"


def test_annotations_are_kept_verbatim_and_normalised() -> None:
    given = {"timestamp": "2024-05-01T10:20", "testcase": "t 1", "chronological_order": " 007"}
    read = only(**{"report-annotation": given})
    assert read.annotations == given
    assert read.stored_annotations == {
        "timestamp": "2024-05-01 10:20:00",
        "testcase": "t 1",
        "chronological_order": "7",
    }


@pytest.mark.parametrize(
    ("annotations", "detail"),
    [
        ({"colour": "red"}, "report-annotation 'colour' is not one of timestamp, testcase, chronological_order"),
        ({"timestamp": "yesterday"}, "report-annotation timestamp cannot be 'yesterday'"),
        ({"chronological_order": "1.5"}, "report-annotation chronological_order cannot be '1.5'"),
        ({"testcase": ["x"]}, "report-annotation testcase is an array, not a string or an integer"),
        (["testcase"], "report-annotation is an array, not a dict"),
    ],
)
def test_a_wrong_annotation_is_a_fault(annotations: Any, detail: str) -> None:
    assert fault(plist(diagnostic(**{"report-annotation": annotations}))) == f"diagnostic 1: {detail}"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"location": None}, "location is not a dict with line, col and file"),
        ({"location": {"line": 1, "col": 1}}, "location is not a dict with line, col and file"),
        ({"location": place(1, 1, 2)}, "names file 2, but there are 2 files"),
        ({"location": place(1, 1, -1)}, "location has file -1; files are counted from 0"),
        ({"location": place(2**31, 1)}, "location has 2147483648, where a 32 bit integer belongs"),
        ({"location": {"line": "1", "col": 1, "file": 0}}, "location has '1', where a 32 bit integer belongs"),
        ({"location": {"line": True, "col": 1, "file": 0}}, "location has True, where a 32 bit integer belongs"),
        ({"description": 5}, "description is an integer, not a string"),
        ({"check_name": ["x"]}, "check_name is an array, not a string"),
        ({"issue_hash_content_of_line_in_context": 7}, "issue_hash_content_of_line_in_context is an integer, not a "),
        ({"path": [event(1, 1, file=2)]}, "names file 2, but there are 2 files"),
        ({"path": [control([place(1, 1)] * 2, [place(1, 1, 3)] * 2)]}, "names file 3, but there are 2 files"),
        ({"notes": [{"location": place(1, 1, 4), "message": "n"}]}, "names file 4, but there are 2 files"),
        ({"path": {"a": 1}}, "path is a dict, not an array"),
        ({"path": [event(1, 1), "x"]}, "step 2: it is a string, not a dict"),
        ({"path": [{"kind": "event", "location": place(1, 1)}]}, "step 1: message is missing"),
        ({"path": [{"kind": "event", "message": "m"}]}, "step 1: location is not a dict with line, col and file"),
        ({"path": [event(1, 1, ranges=[[place(1, 1)]])]}, "step 1: ranges is not an array of two locations"),
        ({"path": [event(1, 1, ranges=[[place(1, 1), 5]])]}, "step 1: ranges is not a dict with line, col and file"),
        ({"path": [{"kind": "control"}]}, "step 1: edges is missing"),
        ({"path": [{"kind": "control", "edges": [{}]}]}, "step 1: start is not an array of two locations"),
        ({"notes": [{"location": place(1, 1)}]}, "note 1: message is missing"),
        ({"macro_expansions": [{"location": place(1, 1), "name": "M"}]}, "macro 1: expansion is missing"),
    ],
)
def test_a_fault_in_a_diagnostic_says_what_is_wrong_where(changes: dict[str, Any], detail: str) -> None:
    assert fault(plist(diagnostic(), diagnostic(**changes))).startswith(f"diagnostic 2: {detail}")


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"no xml", "not well-formed XML, or cut off: "),
        (b"\x00\xff", "not well-formed XML, or cut off: "),
        (b"bplist00\xd0", "not well-formed XML, or cut off: "),
        (b'<?xml version="1.0" encoding="klingon"?><plist/>', "not well-formed XML, or cut off: "),
        (b"<html><body/></html>", "not a plist: its root is not a <plist> with one value"),
        (b"<plist/>", "not a plist: its root is not a <plist> with one value"),
        (b"<x><plist><dict/></plist></x>", "not a plist: its root is not a <plist> with one value"),
        (b"<plist><dict/><dict/></plist>", "not a plist: its root is not a <plist> with one value"),
        (b"<plist><array/></plist>", "the plist's value is an array, not a dict"),
        (b"<plist><dict/></plist>", "files is missing"),
        (b"<plist><dict><key>files</key><array/></dict></plist>", "diagnostics is missing"),
        (b"<plist><dict><key>files</key></dict></plist>", "line 1: a <dict> is pairs of a <key> and a value"),
        (b"<plist><dict><string>files</string><array/></dict></plist>", "line 1: a <dict> is pairs of a <key> and a "),
        (b"<plist><dict><key>a</key><set/></dict></plist>", "line 1: set is no element of a plist"),
        (b"<plist><dict><key>a</key><integer>x</integer></dict></plist>", "line 1: <integer> has 'x'"),
        (b"<plist><dict><key>a</key><integer/></dict></plist>", "line 1: <integer> has None"),
        (
            b"<plist><dict><key>a</key><string>x<b/></string></dict></plist>",
            "line 1: a <string> has text, not elements",
        ),
        (plist(files=[1]), "one of files is an integer, not a string"),
        (plist("x"), "diagnostic 1: it is a string, not a dict"),
        (plist(metadata={"analyzer": "gcc"}), "analyzer is a string, not a dict"),
    ],
)
def test_what_is_no_result_file_is_a_fault_that_says_why(data: bytes, detail: str) -> None:
    assert fault(data).startswith(detail)


def test_a_date_where_a_text_belongs_is_a_fault() -> None:
    data = plist(diagnostic()).replace(b"<string>bad</string>", b"<date>2024-05-01T10:20:00Z</date>", 1)
    assert fault(data) == "diagnostic 1: description is a real, a date or data, not a string"


def test_declared_entities_are_refused_whether_they_are_used_or_not() -> None:
    declared = b'<!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa">]>'
    body = b"<plist><dict><key>files</key><array/><key>diagnostics</key><array/>%s</dict></plist>"
    expected = "its document type declares entities, which are not accepted"
    assert fault(declared + body % b"") == expected
    assert fault(declared + body % b"<key>x</key><string>&a;&a;</string>") == expected


def test_entities_that_point_at_files_are_refused() -> None:
    data = b'<!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/passwd">]><plist><string>&a;</string></plist>'
    assert fault(data) == "its document type declares entities, which are not accepted"


def test_apples_document_type_and_comments_are_fine() -> None:
    data = plist(diagnostic()).replace(b"<array>", b"<!-- a comment --><array>")
    assert b"<!DOCTYPE plist PUBLIC" in data
    assert len(read_plist("x.plist", data).diagnostics) == 1


def test_a_result_file_deeper_than_any_real_one_is_a_fault() -> None:
    data = b"<plist>" + b"<array>" * 5000 + b"</array>" * 5000 + b"</plist>"
    assert fault(data).startswith("not well-formed XML, or cut off: ")


def test_text_outside_ascii_is_read_in_any_encoding() -> None:
    data = plist(diagnostic(description="größer ✓"), files=FILES).decode()
    for encoding in ("UTF-8", "UTF-16"):
        encoded = data.replace('encoding="UTF-8"', f'encoding="{encoding}"').encode(encoding)
        assert read_plist("x.plist", encoded).diagnostics[0].message == "größer ✓"


def large(**changes: dict[str, Any]) -> bytes:
    """2000 diagnostics of all lengths; a change is one of the diagnostic whose number it is named by."""
    texts = (f"{number} " + "x" * (number % 700) for number in range(1, 2001))
    lines = enumerate(texts, 1)
    return plist(
        *(diagnostic(**{"description": text, "path": [event(n, 1)], **changes.get(f"n{n}", {})}) for n, text in lines)
    )


def test_a_large_result_file_is_read_like_a_small_one() -> None:
    data = large()
    assert len(data) > 3 * BLOCK_BYTES
    read = read_plist("x.plist", data).diagnostics
    assert [one.message for one in read] == [f"{number} " + "x" * (number % 700) for number in range(1, 2001)]
    assert [one.events[0].at.line for one in read] == list(range(1, 2001))


@pytest.mark.parametrize("number", [1, 1000, 2000])
def test_a_fault_deep_in_a_large_result_file_is_told_with_its_number(number: int) -> None:
    missing = fault(large(**{f"n{number}": {"location": None}}))
    assert missing == f"diagnostic {number}: location is not a dict with line, col and file"
    assert fault(large(**{f"n{number}": {"location": place(1, 1, 7)}})).startswith(f"diagnostic {number}: names file 7")


def test_the_files_may_stand_before_the_diagnostics_or_behind_them() -> None:
    data = plist(diagnostic())
    assert data.index(b"diagnostics") < data.index(b"files")
    files = data[data.index(b"<key>files") : data.index(b"</dict>\n</plist>")]
    turned = data.replace(files, b"").replace(b"<key>diagnostics", files + b"<key>diagnostics")
    assert turned.index(b"diagnostics") > turned.index(b"files")
    assert read_plist("x.plist", turned) == read_plist("x.plist", data)
