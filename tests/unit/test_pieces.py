"""A result file that is cut into pieces has what it has as a whole, or is not cut."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storaged.errors import BadResultFile
from storaged.ingest.archive import survey
from storaged.ingest.chunks import Seen, parse_chunk
from storaged.ingest.pieces import cut
from storaged.ingest.plist import Diagnostic, Malformed, ResultFile, read_diagnostic, read_plist
from storaged.ingest.plistlib_layout import read_written
from storaged.ingest.values import ArchiveLimits, ParsedChunk, ParseOptions
from tests.archives import write_archive
from tests.copy_rows import read_files, read_reports
from tests.plists import control, diagnostic, event, place, plist

LEASE = "6b7a1a52-6d0f-4f6e-9a0e-0d3f8d3e5c11"
LONG = diagnostic(
    path=[control((place(1, 1), place(1, 2)), (place(2, 1), place(2, 2))), event(2, 3, "a < b && c")],
    notes=[{"location": place(4, 4), "message": "n"}],
    category="logic",
    type="bug",
    **{"report-annotation": {"testcase": "größer"}},
)
WHOLE = plist(
    diagnostic(category="logic", type="bug"),
    LONG,
    diagnostic(location=place(9, 9, 1)),
    metadata={"analyzer": {"name": "clangsa"}},
)
AS_CLANG = re.sub(rb"</key>\s+<(integer|string)>", rb"</key><\1>", WHOLE).replace(b"\t", b" ")
DECEITS = [
    b"<!-- x -->", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x ?>", b"&lt;", b"&x;", b"&#60;", b"<", b">", b"\0",
    b"\x0c", b"\xff", b" x='y'", b'encoding="latin-1"', b'<!DOCTYPE plist [<!ENTITY x "y">]>', b"<plist>", b"</array>",
    b"\n\t\t</dict>\n\t\t<dict>", b"\n\t\t</dict>", b"\n\t\t<dict>", b"</dict><dict>", b"<dict/>", b"<array>",
    b"<key>diagnostics</key>", b"<key>diagnostics</key>\n\t<array>\n\t\t<dict>\n\t\t</dict>\n\t</array>",
    b"<key>file</key><integer>1</integer>", b"<key>file</key><integer>7</integer>", b"<integer>-1</integer>",
]  # fmt: skip


def by_pieces(data: bytes) -> ResultFile | None:
    """None where it is not cut, or a piece cannot be read."""
    pieces = cut(data)
    if pieces is None:
        return None
    frame = pieces.frame
    found = [read_piece(piece, len(frame.files)) for piece in pieces.diagnostics]
    return None if None in found else ResultFile(frame.files, frame.analyzer, [each for each in found if each])


def read_piece(piece: bytes, files: int) -> Diagnostic | None:
    """As any layout is read; what is read without a parser must be the same. None when it is malformed."""
    written = read_written(piece, files)
    try:
        expected = read_diagnostic(piece, files)
    except Malformed:
        expected = None
    assert written is None or written == expected
    return expected


@pytest.mark.parametrize("data", [WHOLE, AS_CLANG], ids=["plistlib", "Clang"])
def test_the_layouts_of_plistlib_and_of_clang_are_cut(data: bytes) -> None:
    assert by_pieces(data) == read_plist("x.plist", data)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([WHOLE, AS_CLANG]),
    st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 40), st.sampled_from(DECEITS) | st.binary(max_size=4)),
        min_size=1,
        max_size=3,
    ),
)
@example(WHOLE, [(0, 0, b"<!-- "), (len(WHOLE), 0, b"-->")])
def test_whatever_is_done_to_a_file_its_pieces_tell_what_it_tells(
    data: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for start, length, instead in changes:
        data = data[:start] + instead + data[start + length :]
    found = by_pieces(data)
    assert found is None or found == read_plist("x.plist", data)


@pytest.mark.parametrize(
    "deceit",
    [
        pytest.param(lambda data: data.replace(b"\t<key>diag", b"\t<!-- x --><key>diag"), id="comment"),
        pytest.param(lambda data: data.replace(b"\n\t\t<dict>", b"\n<dict>", 2)[:-1] + b" ", id="another indentation"),
        pytest.param(lambda data: data.replace(b"UTF-8", b"ISO-8859-1"), id="another encoding"),
        pytest.param(lambda data: data.replace(b"<key>files", b"<key>diagnostics</key><array/><key>files"), id="two"),
        pytest.param(
            lambda data: data.replace(b"<key>files", b"<key >diagnostics</key><array/><key>files"), id="as two"
        ),
        pytest.param(lambda data: data.replace(b"<key>files", b"<key>&#100;</key><array/><key>files"), id="by number"),
        pytest.param(lambda data: data.replace(b"\n\t\t<", b"\x0c<").replace(b"\n\t\t</", b"\x0c</"), id="form feed"),
        pytest.param(lambda data: data.replace(b">bad<", b">\0<"), id="the byte 0"),
    ],
)
def test_what_could_deceive_is_not_cut(deceit: Any) -> None:
    assert by_pieces(WHOLE) is not None
    assert by_pieces(deceit(WHOLE)) is None


def test_a_list_of_diagnostics_beside_that_of_the_plist_is_not_read_for_it() -> None:
    nested = WHOLE.replace(b"<key>diagnostics", b"<key>x</key><dict><key>diagnostics")
    data = nested.replace(b"<key>files", b"</dict><key >diagnostics</key><array><dict/></array><key>files")
    with pytest.raises(BadResultFile, match="location is not"):
        read_plist("x.plist", data)
    assert by_pieces(data) is None


@pytest.mark.parametrize("odd", [b"\xff", b"\x0c", b"\xef\xbf\xbf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("place", [b"logic<", b"bug<", b"bad<", b"</dict>"])
def test_what_is_no_xml_is_not_read_without_a_parser(odd: bytes, place: bytes) -> None:
    pieces = cut(plist(diagnostic(category="logic", type="bug")))
    assert pieces is not None
    (piece,) = pieces.diagnostics
    assert read_piece(piece, 2) is not None
    assert read_piece(piece.replace(place, odd + place), 2) is None


TEXTS = st.text(st.sampled_from("ab<>&'\"\n\t \\é✓\ufffd\ufffe"), max_size=6) | st.sampled_from(["", "0", "&lt;"])
NUMBERS = st.integers(0, 3) | st.sampled_from([-1, 2**31 - 1, 2**31, 999_999_999])
ANYWHERE = st.builds(place, NUMBERS, NUMBERS, st.integers(0, 2))
PAIRS = st.tuples(ANYWHERE, ANYWHERE)
EVENTS = st.builds(lambda at, text: event(at["line"], at["col"], text, at["file"]), ANYWHERE, TEXTS)
MARKED = st.builds(lambda step, pairs: {**step, "ranges": [list(pair) for pair in pairs]}, EVENTS, st.lists(PAIRS))
STEPS = EVENTS | MARKED | st.builds(control, PAIRS, PAIRS) | st.just({"kind": "pop-up"})
WRITTEN = st.builds(
    diagnostic,
    location=ANYWHERE,
    check_name=TEXTS,
    description=TEXTS,
    issue_hash_content_of_line_in_context=TEXTS,
    path=st.lists(STEPS, max_size=4),
    category=st.none() | TEXTS,
    type=st.none() | TEXTS,
)


@settings(deadline=None, max_examples=300)
@given(WRITTEN)
def test_what_plistlib_writes_is_read_without_a_parser_as_with_one(report: dict[str, Any]) -> None:
    pieces = cut(plist(report))
    assert pieces is not None
    for piece in pieces.diagnostics:
        read_piece(piece, 2)


def test_what_the_report_converter_writes_needs_no_parser() -> None:
    steps = [
        event(1, 1, "a < b && c", depth=0),
        control((place(1, 1), place(1, 2)), (place(2, 1), place(2, 2))),
        event(2, 3, "here", 1, ranges=[[place(2, 3, 1), place(2, 9, 1)]]),
    ]
    pieces = cut(plist(diagnostic(path=steps, category="Logic error")))
    assert pieces is not None
    (piece,) = pieces.diagnostics
    assert read_written(piece, 2) == read_diagnostic(piece, 2)
    assert read_written(piece, 1) is None


# In chunks


def chunk_of(folder: Path, *results: bytes, only: slice = slice(None), seen: Seen | None = None) -> ParsedChunk:
    entries = {f"reports/0/{number}.plist": result for number, result in enumerate(results)}
    archive = str(write_archive(folder / "archive.zip", {**entries, "content_hashes.json": "{}"}))
    found = survey(archive, ArchiveLimits()).result_files
    return parse_chunk(archive, LEASE, found[only], ParseOptions(), {}, seen=seen or Seen())


def uncut(data: bytes) -> bytes:
    """The same content, which is read whole."""
    return data.replace(b"<dict>", b"<dict><!-- -->", 1)


IN_HEADER = diagnostic(location=place(7, 1, 1), path=[event(7, 1, "bad", 1), event(2, 3, "from here")])
PLACES = st.builds(place, st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
REPORTS = st.builds(
    lambda at, hash_, events: diagnostic(location=at, issue_hash_content_of_line_in_context=hash_, path=events),
    PLACES,
    st.sampled_from(["0" * 32, "1" * 32]),
    st.lists(st.builds(lambda at, text: event(at["line"], at["col"], text, at["file"]), PLACES, st.sampled_from("ab"))),
)
ANALYSES = st.lists(
    st.tuples(st.lists(REPORTS, max_size=4), st.permutations(["/src/a.c", "/src/b.h"])), min_size=1, max_size=4
)


@settings(deadline=None)
@given(ANALYSES)
def test_repeated_reports_come_to_the_same_rows_as_read_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, analyses: list[tuple[list[dict[str, Any]], list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("chunk")
    results = [plist(*reports, files=files) for reports, files in analyses]
    pieces, whole = chunk_of(folder, *results), chunk_of(folder, *map(uncut, results))
    assert pieces == whole


def test_a_report_that_another_file_numbers_otherwise_is_a_repetition(tmp_path: Path) -> None:
    turned = diagnostic(location=place(7, 1, 0), path=[event(7, 1, "bad", 0), event(2, 3, "from here", 1)])
    first, second = plist(IN_HEADER), plist(turned, diagnostic(), files=["/src/b.h", "/src/a.c"])
    chunk = chunk_of(tmp_path, first, second)
    assert (chunk.diagnostics, chunk.duplicates, chunk.report_rows) == (3, 1, 2)


@pytest.mark.parametrize(
    "number",
    [b"<integer> 1</integer>", b"<integer >1</integer>", b"<integer>+1</integer>", b"<integer>&#49;</integer>",
     b"<integer><![CDATA[1]]></integer>", b"<integer>0000000001</integer>"],
)  # fmt: skip
def test_a_number_of_a_file_that_is_written_otherwise_is_seen_all_the_same(tmp_path: Path, number: bytes) -> None:
    results = [plist(IN_HEADER), plist(IN_HEADER, files=["/src/a.c", "/src/c.h"])]
    odd = [re.sub(rb"(<key>file</key>\s*)<integer>1</integer>", rb"\1" + number, result) for result in results]
    assert odd[0] != results[0]
    chunk = chunk_of(tmp_path, *odd)
    assert (chunk.faults, chunk.duplicates, chunk.report_rows) == ((), 0, 2)


def test_what_only_looks_like_a_number_of_a_file_is_text(tmp_path: Path) -> None:
    def said(number: int) -> bytes:
        text = b"<![CDATA[<key>file</key><integer>%d</integer>]]>" % number
        return plist(diagnostic(path=[event(2, 3, "TEXT")]), files=["/src/a.c", "/src/a.c"]).replace(b"TEXT", text)

    assert chunk_of(tmp_path, said(0), said(1)).report_rows == 2


def test_a_process_that_remembers_enough_stages_again(tmp_path: Path) -> None:
    seen = Seen(most=2)
    results = [plist(diagnostic()), plist(IN_HEADER), plist(diagnostic(), IN_HEADER)]
    chunks = [chunk_of(tmp_path, *results, only=slice(at, at + 1), seen=seen) for at in range(3)]
    assert [(chunk.report_rows, chunk.duplicates) for chunk in chunks] == [(1, 0), (1, 0), (1, 1)]


def test_a_report_of_an_earlier_chunk_is_not_staged_again(tmp_path: Path) -> None:
    seen = Seen()
    results = [plist(IN_HEADER), plist(IN_HEADER, diagnostic())]
    first = chunk_of(tmp_path, *results, only=slice(0, 1), seen=seen)
    second = chunk_of(tmp_path, *results, only=slice(1, 2), seen=seen)
    assert [first.report_rows, second.report_rows, second.duplicates] == [1, 1, 1]
    assert [path for path, _ in read_files(second.files).values()] == ["/src/a.c"]


def test_a_report_that_stands_before_what_was_seen_is_staged_all_the_same(tmp_path: Path) -> None:
    seen = Seen()
    results = [plist(IN_HEADER), plist(IN_HEADER)]
    chunk_of(tmp_path, *results, only=slice(1, 2), seen=seen)
    early = chunk_of(tmp_path, *results, only=slice(0, 1), seen=seen)
    assert [report["ordinal"] for report in read_reports(early.reports)] == [0]


def test_of_a_file_with_a_malformed_report_nothing_is_stored_and_the_fault_is_told(tmp_path: Path) -> None:
    chunk = chunk_of(tmp_path, plist(IN_HEADER, diagnostic(location=place(1, 1, 5))), plist(IN_HEADER))
    assert [fault.partition(":")[0] for _, fault in chunk.faults] == ["diagnostic 2"]
    assert (chunk.diagnostics, chunk.duplicates, chunk.report_rows) == (1, 0, 1)


def test_repeated_reports_in_skipped_files_are_counted_as_skipped(tmp_path: Path) -> None:
    entries = {f"reports/0/{number}.plist": plist(IN_HEADER) for number in range(2)}
    archive = str(
        write_archive(tmp_path / "a.zip", {**entries, "reports/0/skip_file": "-*.h", "content_hashes.json": "{}"})
    )
    found = survey(archive, ArchiveLimits()).result_files
    chunk = parse_chunk(archive, LEASE, found, ParseOptions(), {})
    assert (chunk.diagnostics, chunk.skipped, chunk.duplicates, chunk.report_rows) == (2, 2, 0, 0)


def test_files_that_are_refused_are_refused_by_the_reader_of_whole_files() -> None:
    with pytest.raises(BadResultFile, match="diagnostic 2"):
        read_plist("x.plist", plist(diagnostic(), diagnostic(location=place(1, 1, 5))))
