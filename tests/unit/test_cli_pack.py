"""The archive as a stream."""

import gc
import hashlib
import io
import json
import os
import plistlib
from collections.abc import Collection
from pathlib import Path
from zipfile import ZipFile

import pytest
from storaged_cli.errors import FileChanged
from storaged_cli.pack import CHUNK_SIZE, Archive, Zip
from storaged_cli.scan import find_report_folders, scan_result_files
from storaged_cli.sources import hash_sources


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_report(folder: Path, *sources: Path, name: str = "a.plist") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"files": [str(path) for path in sources], "diagnostics": []}
    (folder / name).write_bytes(plistlib.dumps(content))


def pack(*folders: Path, wanted: Collection[str] | None = None) -> Archive:
    """An archive of the folders; of all their sources, unless some are named."""
    found = find_report_folders(map(str, folders))
    results = scan_result_files(found, 1)
    sources = hash_sources(frozenset[str]().union(*(result.sources for result in results)), 1)
    return Archive("storectl 9.9", found, results, sources, sources.keys() if wanted is None else wanted)


def unpack(archive: Archive) -> ZipFile:
    opened = ZipFile(io.BytesIO(b"".join(archive)))
    assert opened.testzip() is None
    return opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "src" / "a.c"
    path.parent.mkdir()
    path.write_bytes(b"int a;\n")
    return path


def test_the_archive_has_reports_companions_sources_and_hashes(tmp_path: Path, source: Path) -> None:
    reports = tmp_path / "reports"
    write_report(reports, source)
    write_report(reports / "sub", source, name="b.plist")
    (reports / "metadata.json").write_text("{}")
    (reports / "sub" / "skip_file").write_text("-*/x")
    opened = unpack(pack(reports))
    assert opened.namelist() == [
        "storectl.json",
        "reports/0/metadata.json",
        "reports/0/a.plist",
        "reports/1/skip_file",
        "reports/1/b.plist",
        f"root{source}",
        "content_hashes.json",
    ]
    assert opened.read("reports/0/a.plist") == (reports / "a.plist").read_bytes()
    assert opened.read(f"root{source}") == b"int a;\n"
    assert json.loads(opened.read("content_hashes.json")) == {str(source): sha256(b"int a;\n")}
    assert json.loads(opened.read("storectl.json")) == {
        "version": 1,
        "client": "storectl 9.9",
        "report_dirs": {"0": str(reports), "1": f"{reports}/sub"},
    }


def test_a_source_that_is_not_wanted_is_told_by_its_hash_alone(tmp_path: Path, source: Path) -> None:
    write_report(tmp_path / "reports", source)
    opened = unpack(pack(tmp_path / "reports", wanted=[]))
    assert f"root{source}" not in opened.namelist()
    assert str(source) in json.loads(opened.read("content_hashes.json"))


def test_a_source_that_cannot_be_read_is_in_neither_list(tmp_path: Path, source: Path) -> None:
    gone, folder, pipe = tmp_path / "gone.c", tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    write_report(tmp_path / "reports", source, gone, folder, pipe)
    opened = unpack(pack(tmp_path / "reports"))
    assert json.loads(opened.read("content_hashes.json")).keys() == {str(source)}
    assert [name for name in opened.namelist() if name.startswith("root/")] == [f"root{source}"]


def test_equal_files_make_an_equal_archive_and_it_can_be_made_again(tmp_path: Path, source: Path) -> None:
    write_report(tmp_path / "reports", source)
    archive = pack(tmp_path / "reports")
    first = b"".join(archive)
    os.utime(source, ns=(1, 1))
    assert b"".join(archive) == first
    assert archive.finished
    assert archive.sent == len(first)


def test_a_source_that_changes_after_it_was_hashed_is_told_by_the_hash_of_what_is_sent(
    tmp_path: Path, source: Path
) -> None:
    write_report(tmp_path / "reports", source)
    archive = pack(tmp_path / "reports")
    source.write_bytes(b"int changed;\n")
    opened = unpack(archive)
    assert opened.read(f"root{source}") == b"int changed;\n"
    assert json.loads(opened.read("content_hashes.json")) == {str(source): sha256(b"int changed;\n")}


def test_a_source_that_goes_away_after_it_was_hashed_is_left_out_and_named(tmp_path: Path, source: Path) -> None:
    write_report(tmp_path / "reports", source)
    archive = pack(tmp_path / "reports")
    source.unlink()
    opened = unpack(archive)
    assert json.loads(opened.read("content_hashes.json")) == {}
    assert f"root{source}" not in opened.namelist()
    assert archive.vanished == [str(source)]


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"longer" * 100), Path.unlink])
def test_a_result_file_that_changes_after_the_scan_ends_the_upload(
    tmp_path: Path, source: Path, change: object
) -> None:
    write_report(tmp_path / "reports", source)
    archive = pack(tmp_path / "reports")
    assert callable(change)
    change(tmp_path / "reports" / "a.plist")
    with pytest.raises(FileChanged, match=r"a\.plist changed while it was being sent"):
        b"".join(archive)
    assert not archive.finished


def test_two_spellings_of_a_path_are_one_entry(tmp_path: Path, source: Path) -> None:
    write_report(tmp_path / "reports", source, Path(f"//{str(source)[1:]}"))
    names = unpack(pack(tmp_path / "reports")).namelist()
    assert len(names) == len(set(names))


def test_names_that_no_archive_can_bear_do_not_stop_a_store(tmp_path: Path) -> None:
    odd = tmp_path / "a\\b.c"
    odd.write_text("int a;")
    write_report(tmp_path / "reports", odd, name=os.fsdecode(b"\xff\\x.plist"))
    names = unpack(pack(tmp_path / "reports")).namelist()
    assert names == ["storectl.json", "reports/0/\N{REPLACEMENT CHARACTER}_x.plist", "content_hashes.json"]


def test_no_more_than_a_chunk_or_two_is_held_at_a_time(tmp_path: Path) -> None:
    large = tmp_path / "large.c"
    large.write_bytes(os.urandom(20 * CHUNK_SIZE))
    write_report(tmp_path / "reports", large)
    sizes = [len(chunk) for chunk in pack(tmp_path / "reports")]
    assert len(sizes) > 15
    assert max(sizes) <= 2 * CHUNK_SIZE


def test_progress_goes_from_nothing_to_the_total(tmp_path: Path, source: Path) -> None:
    write_report(tmp_path / "reports", source)
    archive = pack(tmp_path / "reports")
    assert archive.packed == 0
    b"".join(archive)
    assert archive.packed == archive.total


def test_a_zip_whose_opening_was_interrupted_goes_without_a_word() -> None:
    half_open = Zip.__new__(Zip)
    half_open.fp = io.BytesIO()
    # pytest makes an error of what a deleter raises.
    del half_open
    gc.collect()
