"""What benchmarks.generate makes is an analysis that a daemon stores, with the numbers that it tells of."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.generate import Generated, Shape, change, generate, read_facts
from benchmarks.templates import Base, read_base
from storaged.ingest.archive import survey
from storaged.ingest.chunks import parse_chunk
from storaged.ingest.values import ArchiveLimits, ParseOptions
from storaged.quickstart import unpack_sample
from tests.acceptance.daemons import DaemonProcess
from tests.archives import pack_folders

SHAPE = Shape(reports=300, repeated=0.75, trees=2, analyzers=())
HASH = re.compile(rb"<key>issue_hash_content_of_line_in_context</key>\s*<string>[^<]*</string>\s*")
LEASE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return read_base(unpack_sample(tmp_path_factory.mktemp("sample")) / "reports")


@pytest.fixture
def made(tmp_path: Path, base: Base) -> Generated:
    return generate(tmp_path, SHAPE, base)


def store(daemon: DaemonProcess, folder: Path) -> dict[str, Any]:
    done = daemon.storectl("store", str(folder / "reports"))
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = daemon.get("/api/v1/jobs?limit=1")["jobs"][0]["result"]
    return result


def files_of(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def parsed_hashes(folder: Path, archive: Path) -> Counter[tuple[str, str]]:
    """Report hash and path hash of each row that the archive's result files become."""
    pack_folders(archive, [folder / "reports"])
    entries = survey(str(archive), ArchiveLimits()).result_files
    rows = parse_chunk(str(archive), LEASE, entries, ParseOptions(), {}).reports.decode().splitlines()
    return Counter((row.split("\t")[2], row.split("\t")[3]) for row in rows)


def test_a_store_counts_what_the_generator_says(daemon: DaemonProcess, tmp_path: Path, made: Generated) -> None:
    result = store(daemon, tmp_path)
    told = (made.result_files, made.diagnostics, made.reports, made.reports)
    assert (result["result_files"], result["diagnostics"], result["reports"], result["new"]) == told
    assert result["missing_sources"] == []
    assert made.diagnostics == 1200
    assert made.sources == 2 * len(files_of(tmp_path / "src" / "0"))
    assert read_facts(tmp_path) == made


def test_the_next_state_has_as_many_new_and_resolved_reports_as_changed(
    daemon: DaemonProcess, tmp_path: Path, base: Base, made: Generated
) -> None:
    store(daemon, tmp_path)
    before = files_of(tmp_path)
    for part in (0.1, 0.02):
        changed = change(tmp_path, part, base)
        result = store(daemon, tmp_path)
        assert changed.changed == round(made.reports * part)
        assert result["written"] == {
            "inserted": changed.changed, "replaced": 0, "opened": 0, "closed": changed.changed, "reviewed": 0
        }  # fmt: skip
        assert result["reports"] == made.reports
    after = files_of(tmp_path)
    assert after.keys() == before.keys()
    touched = [name for name in after if after[name] != before[name]]
    assert any(name.startswith("src/") for name in touched)
    assert sum(name.endswith(".plist") for name in touched) < made.result_files


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path, base: Base) -> None:
    generate(tmp_path, SHAPE, base)
    change(tmp_path, 0.05, base)
    first = files_of(tmp_path)
    generate(tmp_path, SHAPE, base)
    assert files_of(tmp_path) != first
    change(tmp_path, 0.05, base)
    assert files_of(tmp_path) == first
    generate(tmp_path, Shape(reports=300, repeated=0.75, trees=2, analyzers=(), seed=2), base)
    assert files_of(tmp_path).keys() != first.keys()


def test_the_report_hashes_are_those_that_the_rule_gives_for_these_sources(
    tmp_path: Path, base: Base, made: Generated
) -> None:
    told = parsed_hashes(tmp_path, tmp_path / "told.zip")
    assert len(told) == made.reports
    for path in _result_files(tmp_path):
        path.write_bytes(HASH.sub(b"", path.read_bytes()))
    assert parsed_hashes(tmp_path, tmp_path / "computed.zip") == told


def test_the_sources_of_each_copy_are_other_ones(tmp_path: Path, made: Generated) -> None:
    contents = Counter(files_of(tmp_path / "src").values())
    assert (len(contents), max(contents.values())) == (made.sources, 1)


@pytest.mark.parametrize("shape", [Shape(reports=1, repeated=0), Shape(reports=3), Shape(reports=700, repeated=0.1)])
def test_other_shapes_have_the_numbers_that_they_ask_for(tmp_path: Path, base: Base, shape: Shape) -> None:
    told = generate(tmp_path, shape, base)
    pack_folders(tmp_path / "all.zip", [tmp_path / "reports"])
    entries = survey(str(tmp_path / "all.zip"), ArchiveLimits()).result_files
    parsed = parse_chunk(str(tmp_path / "all.zip"), LEASE, entries, ParseOptions(), {})
    assert (parsed.report_rows, parsed.diagnostics) == (shape.reports, told.diagnostics)
    assert parsed.diagnostics == round(shape.reports / (1 - shape.repeated))
    each = (parse_chunk(str(tmp_path / "all.zip"), LEASE, [entry], ParseOptions(), {}).duplicates for entry in entries)
    assert set(each) == {0}, "no result file has a report twice"


def _result_files(folder: Path) -> Iterator[Path]:
    return (folder / "reports").glob("*.plist")
