"""Real analyses, parsed in this process, against what CodeChecker 6.29.1 stores of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from storaged.ingest.archive import read_contents, survey
from storaged.ingest.chunks import parse_chunk, plan_chunks
from storaged.ingest.pieces import cut
from storaged.ingest.values import ArchiveLimits, ParsedChunk, ParseOptions
from tests.archives import (
    expected_sample,
    expected_xerces,
    needs_real_data,
    pack_folders,
    unpack_sample,
    unpack_xerces,
)
from tests.copy_rows import read_files, read_reports

LEASE = "6b7a1a52-6d0f-4f6e-9a0e-0d3f8d3e5c11"
LIMITS = ArchiveLimits()


@pytest.fixture(scope="module")
def xerces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_xerces(tmp_path_factory.mktemp("xerces"))


@pytest.fixture(scope="module")
def archive(xerces: Path) -> str:
    return str(pack_folders(xerces / "archive.zip", [xerces / "reports"]))


@pytest.fixture(scope="module")
def chunks(archive: str) -> list[ParsedChunk]:
    return parsed(archive)


def parsed(archive: str) -> list[ParsedChunk]:
    planned = plan_chunks(survey(archive, LIMITS), workers=2, target_bytes=2 << 20)
    return [parse_chunk(archive, LEASE, entries, ParseOptions(), {}) for entries in planned]


def test_all_reports_of_the_sample_are_those_that_codechecker_stores(tmp_path: Path) -> None:
    folder = unpack_sample(tmp_path)
    chunks = parsed(str(pack_folders(tmp_path / "archive.zip", [folder / "reports"])))
    assert all_reports(chunks) == sorted((comparable(report) for report in expected_sample(folder)), key=order)


@needs_real_data
def test_all_reports_of_xerces_are_those_that_codechecker_stores(xerces: Path, chunks: Sequence[ParsedChunk]) -> None:
    assert all_reports(chunks) == sorted((comparable(report) for report in expected_xerces(xerces)), key=order)


@needs_real_data
def test_the_chunks_of_xerces_add_up(chunks: Sequence[ParsedChunk]) -> None:
    assert len(chunks) >= 8
    assert sum(chunk.diagnostics for chunk in chunks) == 2923
    assert all(chunk.report_rows + chunk.duplicates == chunk.diagnostics for chunk in chunks)
    assert not any(chunk.faults or chunk.needs_sources or chunk.sourceless or chunk.skipped for chunk in chunks)


@needs_real_data
def test_the_result_files_of_xerces_are_read_piece_by_piece(xerces: Path) -> None:
    results = [path.read_bytes() for path in (xerces / "reports").glob("*.plist")]
    assert all((cut(data) is not None) == (b"<dict>\n\t\t\t<key>category" in data) for data in results)
    assert sum(len(found.diagnostics) for found in map(cut, results) if found is not None) == 2923


@needs_real_data
def test_each_file_that_a_report_of_xerces_names_has_its_content(
    archive: str, xerces: Path, chunks: Sequence[ParsedChunk]
) -> None:
    found = survey(archive, LIMITS)
    names = [(path, entry.name, found.content_hashes[path]) for path, entry in found.sources.items()]
    contents = {content.hash.hex() for content in read_contents(archive, names, LIMITS)}
    files = [file for chunk in chunks for file in read_files(chunk.files).values()]
    assert len({path for path, _ in files}) == 137
    assert all(Path(path).is_relative_to(xerces) and digest in contents for path, digest in files)


@needs_real_data
def test_the_metadata_of_xerces_is_read(archive: str) -> None:
    metadata = survey(archive, LIMITS).metadata
    assert metadata.run_name == "xerces"
    assert metadata.client_version == "6.29.1 (2d666fd9333e69a0c48b5d31a64bd360d5984c20)"
    assert metadata.duration == pytest.approx(929.489, abs=0.001)
    assert [(a.name, a.version, a.successful, a.failed) for a in metadata.analyzers] == [
        ("clangsa", "19.1.7", 348, 0),
        ("clang-tidy", "19.1.7", 348, 0),
        ("cppcheck", "2.10.0", 348, 0),
    ]


def all_reports(chunks: Sequence[ParsedChunk]) -> list[dict[str, Any]]:
    """Of reports with one path hash the first stays, as the merge has it."""
    files = {key: file[0] for chunk in chunks for key, file in read_files(chunk.files).items()}
    rows = [row for chunk in chunks for row in read_reports(chunk.reports)]
    first = {row["path_hash"]: row for row in sorted(rows, key=lambda row: row["ordinal"], reverse=True)}
    return sorted((stored(row, files) for row in first.values()), key=order)


def stored(row: dict[str, Any], files: dict[UUID, str]) -> dict[str, Any]:
    path = files[row["file_id"]]
    names = [files[key] for key in row["files"] or [row["file_id"]]]
    place = [0, row["line"], row["column"], row["line"], row["column"]]
    steps = row["steps"] or {"events": [[*place, row["message"]]], "positions": [], "extended": []}
    return {
        **{key: row[key] for key in ("checker", "analyzer", "message", "line", "column", "path_length")},
        "report_hash": row["foreign_hash"] or row["report_hash"].hex,
        "file": path,
        "events": with_paths(steps["events"], names, 0),
        "positions": with_paths(steps["positions"], names, 0),
        "extended": with_paths(steps["extended"], names, 1),
    }


def with_paths(steps: Iterable[list[Any]], names: Sequence[str], at: int) -> list[list[Any]]:
    return [[*step[:at], names[step[at]], *step[at + 1 :]] for step in steps]


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key != "severity"}


def order(report: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(report[key] for key in ("report_hash", "file", "line", "column", "events"))
