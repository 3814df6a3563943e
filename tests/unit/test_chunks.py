"""From result files in an archive to rows."""

import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from storaged.errors import BadArchive
from storaged.ingest.archive import survey
from storaged.ingest.chunks import parse_chunk, plan_chunks
from storaged.ingest.values import ArchiveLimits, ArchiveSurvey, ParsedChunk, ParseOptions, ResultEntry, StoreMetadata
from tests.archives import about, content_hashes, write_archive
from tests.copy_rows import read_files, read_reports
from tests.plists import HASH, control, diagnostic, event, place, plist

LEASE = "6b7a1a52-6d0f-4f6e-9a0e-0d3f8d3e5c11"
LIMITS = ArchiveLimits()
SOURCES = {"/src/a.c": b"int a;\nint  b;\n", "/src/b.h": b"int c;\n"}


def parsed(
    folder: Path,
    results: Mapping[str, bytes | str],
    *,
    trim: Sequence[str] = (),
    sources: Mapping[str, bytes] = SOURCES,
    left_out: Iterable[str] = (),
    given: Mapping[str, str | None] | None = None,
) -> ParsedChunk:
    """All result files in one chunk. Names without a slash are put into the report folder `0`."""
    entries: dict[str, bytes | str] = {name if "/" in name else f"reports/0/{name}": r for name, r in results.items()}
    entries |= {f"root{path}": data for path, data in sources.items() if path not in set(left_out)}
    entries |= {"content_hashes.json": content_hashes(sources), "storectl.json": about({"0": Path("/home/reports")})}
    archive = str(write_archive(folder / "archive.zip", entries))
    found = survey(archive, LIMITS)
    return parse_chunk(archive, LEASE, found.result_files, ParseOptions(tuple(trim)), given or {})


def reports(
    folder: Path, *diagnostics: Any, files: Sequence[str] = tuple(SOURCES), **more: Any
) -> list[dict[str, Any]]:
    return read_reports(parsed(folder, {"x.plist": plist(*diagnostics, files=files)}, **more).reports)


def md5_of(text: str) -> UUID:
    return UUID(md5(text.encode(), usedforsecurity=False).hexdigest())


def metadata(**checkers: Mapping[str, bool]) -> str:
    analyzers = {name.replace("_", "-"): {"checkers": named} for name, named in checkers.items()}
    return json.dumps({"version": 2, "tools": [{"name": "codechecker", "analyzers": analyzers}]})


def test_a_report_becomes_a_row_and_its_file_another(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"x.plist": plist(diagnostic())})
    assert read_reports(chunk.reports) == [
        {
            "lease_id": UUID(LEASE),
            "ordinal": 0,
            "report_hash": UUID(HASH),
            "path_hash": md5_of(f"2|3|bad|/src/a.ccore.Bad{HASH}"),
            "file_id": md5_of("/src/a.c"),
            "line": 2,
            "column": 3,
            "path_length": 1,
            "analyzer": "unknown",
            "checker": "core.Bad",
            "message": "bad",
            "foreign_hash": None,
            "annotations": None,
            "files": None,
            "steps": None,
            "review_status": None,
            "review_message": None,
            "review_in_source": None,
        }
    ]
    digest = json.loads(content_hashes(SOURCES))["/src/a.c"]
    assert read_files(chunk.files) == {md5_of("/src/a.c"): ("/src/a.c", digest)}
    assert (chunk.report_rows, chunk.file_rows, chunk.diagnostics) == (1, 1, 1)
    assert chunk.checkers == {("unknown", "core.Bad")}


def test_an_ordinal_is_the_result_file_and_the_diagnostic_in_it(tmp_path: Path) -> None:
    one, two = diagnostic(), diagnostic(path=[event(9, 9)])
    three = diagnostic(path=[event(8, 8)])
    rows = read_reports(parsed(tmp_path, {"b.plist": plist(one, two), "a.plist": plist(three)}).reports)
    assert [row["ordinal"] for row in rows] == [0, 1 << 32, (1 << 32) + 1]


def test_a_bug_path_names_its_files_once_each_the_reports_own_first(tmp_path: Path) -> None:
    path = [control([place(1, 1, 1)] * 2, [place(2, 3)] * 2), event(1, 1, file=1), event(2, 3, "bad")]
    (row,) = reports(tmp_path, diagnostic(path=path, notes=[{"location": place(5, 5, 1), "message": "n"}]))
    assert row["files"] == [md5_of("/src/a.c"), md5_of("/src/b.h")]
    assert row["steps"] == {
        "events": [[1, 1, 1, 1, 1, "here"], [0, 2, 3, 2, 3, "bad"]],
        "positions": [[1, 1, 1, 1, 1], [0, 2, 3, 2, 3]],
        "extended": [[0, 1, 5, 5, 5, 5, "n"]],
    }
    assert row["path_length"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"path": [event(2, 3, "another message")]},
        {"path": [event(2, 4, "bad")]},
        {"path": [event(2, 3, "bad", file=1)]},
        {"path": [event(2, 3, "bad", ranges=[[place(2, 3), place(2, 9)]])]},
        {"path": [event(2, 3, "bad"), event(2, 3, "bad")]},
        {"path": [control([place(1, 1)] * 2, [place(2, 3)] * 2), event(2, 3, "bad")]},
        {"notes": [{"location": place(5, 5), "message": "n"}]},
    ],
)
def test_steps_are_kept_when_they_tell_more_than_the_report(tmp_path: Path, changes: dict[str, Any]) -> None:
    (row,) = reports(tmp_path, diagnostic(**changes))
    assert row["steps"] is not None
    assert row["files"][0] == md5_of("/src/a.c")


def test_events_without_edges_get_positions_between_them(tmp_path: Path) -> None:
    (row,) = reports(tmp_path, diagnostic(path=[event(1, 1), event(2, 3, "bad")]))
    assert row["steps"]["positions"] == [[0, 1, 1, 1, 1], [0, 2, 3, 2, 3]]


def test_a_hash_that_is_no_md5_is_kept_as_it_is(tmp_path: Path) -> None:
    rows = reports(tmp_path, *(diagnostic(issue_hash_content_of_line_in_context=text) for text in ("ABC", "A" * 32)))
    assert [(row["report_hash"], row["foreign_hash"]) for row in rows] == [
        (md5_of("ABC"), "ABC"),
        (md5_of("A" * 32), "A" * 32),
    ]


def test_annotations_are_stored_normalised_and_tell_reports_apart(tmp_path: Path) -> None:
    texts = ("7", " 7", "7")
    rows = reports(tmp_path, *(diagnostic(**{"report-annotation": {"chronological_order": text}}) for text in texts))
    assert [row["annotations"] for row in rows] == [{"chronological_order": "7"}] * 2


def test_duplicates_within_a_chunk_are_dropped_the_first_stays(tmp_path: Path) -> None:
    first = diagnostic(location=place(1, 1))
    chunk = parsed(tmp_path, {"a.plist": plist(first, diagnostic()), "b.plist": plist(diagnostic())})
    assert [row["line"] for row in read_reports(chunk.reports)] == [1]
    assert (chunk.diagnostics, chunk.duplicates, chunk.report_rows) == (3, 2, 1)


def test_relative_files_are_in_the_folder_that_the_result_file_came_from(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"x.plist": plist(diagnostic(), files=["../src/a.c"])}, sources={"/home/src/a.c": b""})
    ((path, digest),) = read_files(chunk.files).values()
    assert path == "/home/src/a.c"
    assert digest is not None


def test_relative_files_of_an_unknown_folder_stay_relative(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"reports/other/x.plist": plist(diagnostic(), files=["./src//a.c"])})
    assert read_files(chunk.files) == {md5_of("src/a.c"): ("src/a.c", None)}
    assert chunk.sourceless == {"src/a.c"}


def test_paths_are_trimmed_before_they_are_hashed(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"x.plist": plist(diagnostic())}, trim=["/s*"])
    (row,) = read_reports(chunk.reports)
    assert row["path_hash"] == md5_of(f"2|3|bad|a.ccore.Bad{HASH}")
    assert row["file_id"] == md5_of("a.c")
    assert [path for path, _ in read_files(chunk.files).values()] == ["a.c"]


def test_of_files_that_are_trimmed_to_one_path_one_with_a_content_is_kept(tmp_path: Path) -> None:
    files = ["/1/a.c", "/2/a.c", "/3/a.c"]
    result = plist(*(diagnostic(location=place(1, 1, n), path=[event(n, n, file=n)]) for n in range(3)), files=files)
    chunk = parsed(tmp_path, {"x.plist": result}, trim=["/?"], sources={"/2/a.c": b"x"})
    ((path, digest),) = read_files(chunk.files).values()
    assert (path, digest) == ("a.c", json.loads(content_hashes({"": b"x"}))[""])


def test_a_source_that_never_came_leaves_the_report_and_is_told(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"x.plist": plist(diagnostic())}, sources={})
    assert chunk.report_rows == 1
    assert chunk.sourceless == {"/src/a.c"}
    assert read_files(chunk.files) == {md5_of("/src/a.c"): ("/src/a.c", None)}


def test_the_analyzer_is_told_by_the_folders_metadata_then_the_result_file_then_the_checkers_name(
    tmp_path: Path,
) -> None:
    def result(**more: Any) -> bytes:
        checkers = ("known", "other", "clang-diagnostic-x")
        return plist(*(diagnostic(check_name=name) for name in checkers), **more)

    chunk = parsed(
        tmp_path,
        {
            "reports/0/metadata.json": metadata(clang_tidy={"known": True}),
            "reports/0/a.plist": result(),
            "reports/1/b.plist": result(metadata={"analyzer": {"name": "gcc"}}),
        },
    )
    assert chunk.checkers == {
        ("clang-tidy", "known"),
        ("unknown", "other"),
        ("clang-tidy", "clang-diagnostic-x"),
        ("gcc", "known"),
        ("gcc", "other"),
        ("gcc", "clang-diagnostic-x"),
    }


def test_reports_that_the_folders_skip_file_names_are_left_out_but_their_checkers_count(tmp_path: Path) -> None:
    in_header = diagnostic(location=place(1, 1, 1), check_name="core.Other", path=[event(1, 1)])
    chunk = parsed(
        tmp_path,
        {
            "reports/0/skip_file": "-/src/*.h\n",
            "reports/0/x.plist": plist(diagnostic(), in_header),
            "reports/1/x.plist": plist(diagnostic(location=place(9, 9, 1), path=[event(9, 9, file=1)])),
        },
        trim=["/src"],
    )
    assert sorted(row["line"] for row in read_reports(chunk.reports)) == [2, 9]
    assert (chunk.diagnostics, chunk.skipped, chunk.duplicates) == (3, 1, 0)
    assert ("unknown", "core.Other") in chunk.checkers


@pytest.mark.parametrize("text", [None, "0"])
def test_a_report_without_hash_gets_one_from_the_line_of_its_last_event(tmp_path: Path, text: str | None) -> None:
    path = [control([place(1, 1), place(1, 2)], [place(2, 5), place(2, 6)]), event(1, 1, file=1), event(2, 3)]
    (row,) = reports(tmp_path, diagnostic(issue_hash_content_of_line_in_context=text, path=path))
    expected = md5_of("a.c|||core.Bad|||bad|||int  b;\n|||3|||3|||1|||2|||5|||6")
    assert row["report_hash"] == expected


def test_a_line_beyond_the_source_and_a_source_that_never_came_are_empty_in_a_hash(tmp_path: Path) -> None:
    expected = md5_of("a.c|||core.Bad|||bad||||||3|||3")
    beyond = diagnostic(issue_hash_content_of_line_in_context=None, path=[event(99, 3)])
    assert [row["report_hash"] for row in reports(tmp_path, beyond)] == [expected]
    unhashed = diagnostic(issue_hash_content_of_line_in_context=None)
    assert [row["report_hash"] for row in reports(tmp_path, unhashed, sources={})] == [expected]


def test_a_source_that_only_the_server_has_is_asked_for_when_a_hash_needs_it(tmp_path: Path) -> None:
    results = {"x.plist": plist(diagnostic(issue_hash_content_of_line_in_context=None))}
    first = parsed(tmp_path, results, left_out=["/src/a.c"])
    assert first.needs_sources == {"/src/a.c"}

    (tmp_path / "fetched").write_bytes(SOURCES["/src/a.c"])
    second = parsed(tmp_path, results, left_out=["/src/a.c"], given={"/src/a.c": str(tmp_path / "fetched")})
    assert second.needs_sources == frozenset()
    (row,) = read_reports(second.reports)
    assert row["report_hash"] == md5_of("a.c|||core.Bad|||bad|||int  b;\n|||3|||3")

    third = parsed(tmp_path, results, left_out=["/src/a.c"], given={"/src/a.c": None})
    assert third.needs_sources == frozenset()
    (row,) = read_reports(third.reports)
    assert row["report_hash"] == md5_of("a.c|||core.Bad|||bad||||||3|||3")


def test_a_source_that_no_hash_needs_is_not_asked_for(tmp_path: Path) -> None:
    assert parsed(tmp_path, {"x.plist": plist(diagnostic())}, left_out=SOURCES).needs_sources == frozenset()


def test_all_broken_result_files_are_told_and_the_others_are_parsed(tmp_path: Path) -> None:
    chunk = parsed(
        tmp_path,
        {
            "a.plist": "",
            "b.plist": plist(diagnostic()),
            "c.plist": plist(diagnostic(location=None)),
            "d.sarif": "{}",
        },
    )
    assert chunk.faults == (
        ("reports/0/a.plist", "the file is empty"),
        ("reports/0/c.plist", "diagnostic 1: location is not a dict with line, col and file"),
        ("reports/0/d.sarif", "SARIF is not supported yet; convert it to plist with report-converter"),
    )
    assert (chunk.report_rows, chunk.diagnostics) == (1, 1)


def test_a_broken_result_file_leaves_no_rows_of_its_good_diagnostics(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"a.plist": plist(diagnostic(), diagnostic(location=None))})
    assert (chunk.reports, chunk.files, chunk.checkers) == (b"", b"", frozenset())


def test_a_result_file_that_was_damaged_on_the_way_is_a_fault_of_it_alone(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    write_archive(archive, {"reports/0/a.plist": plist(diagnostic()), "reports/0/b.plist": plist(diagnostic())})
    entries = survey(str(archive), LIMITS).result_files
    data = bytearray(archive.read_bytes())
    data[60:80] = bytes(20)
    archive.write_bytes(data)
    chunk = parse_chunk(str(archive), LEASE, entries, ParseOptions(), {})
    assert [entry for entry, _ in chunk.faults] == ["reports/0/a.plist"]
    assert chunk.faults[0][1].startswith("damaged, ")
    assert chunk.report_rows == 1


def test_an_archive_that_is_no_zip_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"x")
    with pytest.raises(BadArchive):
        parse_chunk(str(tmp_path / "archive.zip"), LEASE, (), ParseOptions(), {})


def test_text_that_copy_takes_as_its_own_signs_arrives_as_it_was(tmp_path: Path) -> None:
    message = 'tab\there \\N \\. line\nend {a,"b"}'
    (row,) = reports(tmp_path, diagnostic(description=message, path=[event(1, 1, message)]))
    assert row["message"] == message
    assert row["steps"]["events"] == [[0, 1, 1, 1, 1, message]]


REVIEWED = b"// codechecker_intentional [core.Bad] so it\tis\nint  b;\n"
REVIEW_FILE = """
$version: 1
rules: [{filters: {filepath: "/src/*"}, actions: {review_status: suppress, reason: not ours}}]
"""


def reviews(folder: Path, *diagnostics: Any, source: bytes = REVIEWED, **others: str) -> ParsedChunk:
    """The chunk of reports in a source that was kept for its review comments."""
    archive = folder / "archive.zip"
    sources = {"/src/a.c": source, "/src/b.h": b""}
    names = {"review_file": "reports/0/review_status.yaml"}
    entries = {names[name]: text for name, text in others.items()}
    results = {"reports/0/x.plist": plist(*diagnostics), "content_hashes.json": content_hashes(sources)}
    write_archive(archive, results | entries)
    (folder / sha256(source).hexdigest()).write_bytes(source)
    options = ParseOptions(("/src",), reviewed=str(folder))
    return parse_chunk(str(archive), LEASE, survey(str(archive), LIMITS).result_files, options, {})


def review_of(chunk: ParsedChunk) -> tuple[Any, ...]:
    (row,) = read_reports(chunk.reports)
    return row["review_status"], row["review_message"], row["review_in_source"]


def test_a_comment_above_the_report_is_its_review(tmp_path: Path) -> None:
    assert review_of(reviews(tmp_path, diagnostic())) == ("intentional", "so it is", True)
    assert review_of(reviews(tmp_path, diagnostic(check_name="other"))) == (None, None, None)
    assert review_of(reviews(tmp_path, diagnostic(location=place(1, 1)))) == (None, None, None)
    assert review_of(reviews(tmp_path, diagnostic(location=place(2, 1, file=1)))) == (None, None, None)


def test_the_review_file_of_the_folder_counts_where_no_comment_does(tmp_path: Path) -> None:
    other = diagnostic(check_name="other")
    assert review_of(reviews(tmp_path, diagnostic(), review_file=REVIEW_FILE)) == ("intentional", "so it is", True)
    assert review_of(reviews(tmp_path, other, review_file=REVIEW_FILE)) == ("false_positive", "not ours", False)


def test_comments_that_contradict_each_other_are_told_with_file_and_lines(tmp_path: Path) -> None:
    source = b"// codechecker_confirmed [core]\n// codechecker_intentional [all]\nint b;\n"
    chunk = reviews(tmp_path, diagnostic(location=place(3, 1)), source=source)
    told = "/src/a.c:3: core.Bad: comments above it say both intentional (line 2) and confirmed (line 1)"
    assert chunk.contradictions == (told,)
    assert review_of(chunk) == (None, None, None)


def test_a_malformed_comment_is_told_once_and_counts_for_nothing(tmp_path: Path) -> None:
    source = b"// codechecker_intentional all\nint b;\n"
    chunk = reviews(tmp_path, diagnostic(), diagnostic(check_name="other"), source=source)
    (told,) = chunk.malformed
    assert told.startswith("/src/a.c:1: codechecker_intentional all is no review comment")
    assert (chunk.report_rows, chunk.contradictions) == (2, ())


def survey_of(sizes: Iterable[int]) -> ArchiveSurvey:
    entries = tuple(ResultEntry(f"reports/0/{n}.plist", n, size, "0") for n, size in enumerate(sizes))
    return ArchiveSurvey(entries, {}, {}, StoreMetadata())


@pytest.mark.parametrize("sizes", [[], [5], [10] * 1000, [10_000_000, 5, 5], [5, 10_000_000, 5], [1_000_000] * 40])
def test_chunks_have_all_result_files_in_their_order(sizes: list[int]) -> None:
    plan = plan_chunks(survey_of(sizes), workers=2, target_bytes=2_000_000)
    assert [entry.index for chunk in plan for entry in chunk] == list(range(len(sizes)))
    assert all(plan)


def test_chunks_are_no_larger_than_the_target_unless_a_file_is() -> None:
    plan = plan_chunks(survey_of([700_000] * 40 + [9_000_000]), workers=2, target_bytes=2_000_000)
    assert [sum(entry.size for entry in chunk) for chunk in plan] == [1_400_000] * 20 + [9_000_000]


def test_a_small_store_is_divided_among_all_workers() -> None:
    plan = plan_chunks(survey_of([1000] * 80), workers=4, target_bytes=2_000_000)
    assert 16 <= len(plan) <= 20


def test_what_a_worker_answers_survives_the_way_between_processes(tmp_path: Path) -> None:
    chunk = parsed(tmp_path, {"x.plist": plist(diagnostic()), "y.plist": ""})
    found = survey(str(tmp_path / "archive.zip"), LIMITS)
    assert pickle.loads(pickle.dumps((chunk, found))) == (chunk, found)  # noqa: S301
