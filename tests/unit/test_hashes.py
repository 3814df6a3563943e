"""Hashes, against values that CodeChecker 6.29.1 computed."""

import pytest

from storaged.ingest.hashes import md5_hex, path_hash, report_hash, source_lines, stored_hash

A32 = "a" * 32


def test_a_report_hash_is_made_of_place_in_line_checker_message_and_positions() -> None:
    # of a diagnostic `desc` of core.X in a.c with one event at 3:1 in it, then one at 2:3, and no edges
    source = "int main() {\n  int x = 0;\n return x;\n}\n"
    computed = report_hash(
        "/src/a.c", "core.X", "desc", source_line=source_lines(source.encode())[1], column=3, position_columns=[]
    )
    assert computed == "b753877fc5bcf89476de81c9de2d0555"


def test_a_report_hash_ends_with_the_columns_of_the_positions() -> None:
    computed = report_hash("/x/a.c", "c", "m", source_line="", column=3, position_columns=[1, 2, 5, 6])
    assert computed == md5_hex("a.c|||c|||m||||||3|||3|||1|||2|||5|||6")


def test_a_path_hash_is_made_of_events_annotations_checker_and_report_hash() -> None:
    events = [(1, 1, "m", "/src/a.c")]
    assert path_hash(events, {}, "core.X", A32) == "7bf1f43effd072a26580da813fd56d67"
    assert path_hash(events * 2, {}, "core.X", A32) == "a0ed3fc62b647b5a4ded1e7440ed3977"
    assert path_hash([(1, 1, " x ", "/src/a.c")], {}, "core.X", A32) == "f2533464ba684e9cd11466f56608b5d9"


def test_a_path_hash_has_the_annotations_in_their_order() -> None:
    events = [(1, 1, "m", "/src/a.c"), (2, 3, "ev", "/src/b.c")]
    annotations = {"chronological_order": "1", "testcase": "b"}
    turned_round = dict(reversed(annotations.items()))
    assert path_hash(events, annotations, "core.X", A32) == "981acc6bd94e5321b99cbfc7a0635abe"
    assert path_hash(events, turned_round, "core.X", A32) != path_hash(events, annotations, "core.X", A32)


@pytest.mark.parametrize("text", ["A" * 32, "a" * 31, "a" * 33, A32 + "\n", "ABC", "٣" * 32])
def test_a_report_hash_that_is_no_md5_in_lower_case_is_found_by_its_md5(text: str) -> None:
    assert stored_hash(text) == (md5_hex(text), text)


def test_a_report_hash_that_is_an_md5_is_stored_as_it_is() -> None:
    assert stored_hash("0123456789abcdef0123456789abcdef") == ("0123456789abcdef0123456789abcdef", None)


def test_lines_end_as_python_reads_text_files_and_keep_their_ends() -> None:
    content = b"a \r\nb\xff\xc3\xa9\rc\x0cd\xe2\x80\xa8e\n\nlast"
    assert source_lines(content) == ["a \n", "bé\n", "c\x0cd\u2028e\n", "\n", "last"]
    assert source_lines(b"") == []
