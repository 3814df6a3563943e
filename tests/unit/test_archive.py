"""What an archive has, and what it may not have."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from storaged.errors import BadArchive
from storaged.ingest.archive import read_contents, survey
from storaged.ingest.values import ArchiveLimits, ArchiveSurvey, ResultEntry, SourceEntry
from tests.archives import about, content_hashes, write_archive
from tests.plists import plist

LIMITS = ArchiveLimits()
SOURCE = b"int main() {}\n"
DIGEST = hashlib.sha256(SOURCE).hexdigest()


def surveyed(folder: Path, entries: Mapping[str, bytes | str], limits: ArchiveLimits = LIMITS) -> ArchiveSurvey:
    return survey(str(write_archive(folder / "archive.zip", entries)), limits)


def refusal(folder: Path, entries: Mapping[str, bytes | str], limits: ArchiveLimits = LIMITS) -> str:
    with pytest.raises(BadArchive) as caught:
        surveyed(folder, entries, limits)
    return str(caught.value)


def test_a_survey_tells_result_files_sources_and_hashes(tmp_path: Path) -> None:
    result = plist()
    entries: dict[str, bytes | str] = {
        "storectl.json": about({"b": tmp_path / "from"}),
        "reports/b/y.plist": result,
        "reports/b/x.sarif": "{}",
        "reports/a/z.plist": result,
        "reports/a/compiler_info.json": "{}",
        "reports/a/review_status.yaml": "",
        "root/src/": "",
        "root/src/a.c": SOURCE,
        "blame/src/a.c": "{}",
        "content_hashes.json": json.dumps({"/src/a.c": DIGEST.upper(), "/src/./known.c": DIGEST}),
    }
    found = surveyed(tmp_path, entries)
    assert found.result_files == (
        ResultEntry("reports/a/z.plist", 0, len(result), "a", None),
        ResultEntry("reports/b/x.sarif", 1, 2, "b", str(tmp_path / "from")),
        ResultEntry("reports/b/y.plist", 2, len(result), "b", str(tmp_path / "from")),
    )
    assert found.sources == {"/src/a.c": SourceEntry("root/src/a.c", len(SOURCE))}
    assert found.content_hashes == {"/src/a.c": DIGEST, "/src/known.c": DIGEST}
    assert found.warnings == ()


def test_an_empty_archive_is_a_store_without_reports(tmp_path: Path) -> None:
    found = surveyed(tmp_path, {"content_hashes.json": "{}"})
    assert (found.result_files, found.sources, found.warnings) == ((), {}, ())


def test_a_skip_file_of_nonsense_brings_few_warnings(tmp_path: Path) -> None:
    entries: dict[str, bytes | str] = {"reports/0/skip_file": "nonsense\n" * 5000, "content_hashes.json": "{}"}
    *named, rest = surveyed(tmp_path, entries).warnings
    assert (len(named), rest) == (10, "reports/0/skip_file: 4990 more lines are ignored.")


def test_what_is_odd_but_does_no_harm_is_told(tmp_path: Path) -> None:
    entries: dict[str, bytes | str] = {
        "reports/0/skip_file": "-/a\nnonsense\n",
        "root/a.c": SOURCE,
        "notes.txt": "hello",
    }
    assert surveyed(tmp_path, entries).warnings == (
        "reports/0/skip_file: line 2 is ignored, it starts with no + or -: nonsense",
        "The archive has no content_hashes.json, so its reports are stored without sources.",
        "1 entries of the archive are not known here, and are left out: first notes.txt",
    )
    entries = {"root/a.c": SOURCE, "content_hashes.json": json.dumps({"/b.c": DIGEST})}
    assert surveyed(tmp_path, entries).warnings == (
        "content_hashes.json does not name 1 sources of the archive, which are left out: first /a.c",
    )


def test_the_metadata_of_all_report_folders_counts(tmp_path: Path) -> None:
    entries = {
        f"reports/{number}/metadata.json": json.dumps(
            {"version": 2, "tools": [{"name": name, "checkers": {f"{name}-x": True}}]}
        )
        for number, name in enumerate(("gcc", "pylint"))
    }
    metadata = surveyed(tmp_path, entries).metadata
    assert [analyzer.name for analyzer in metadata.analyzers] == ["gcc", "pylint"]
    assert metadata.enabled == {"gcc-x", "pylint-x"}


def test_an_archive_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    assert len(surveyed(tmp_path, {"reports/0/a.plist": "x"}).result_files) == 1
    assert len(surveyed(tmp_path, {"reports/0/a.plist": "x", "reports/0/b.plist": "y"}).result_files) == 2


@pytest.mark.parametrize(
    "name", ["../a", "root/../../a", "root/..", "/a", "root\\a", "C:/a", "c:a", "reports/0/a\0.plist", ""]
)
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "archive.zip"
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name  # past what ZipInfo itself makes of names
        archive.writestr(info, "x")
    with pytest.raises(BadArchive) as caught:
        survey(str(target), LIMITS)
    expected = "Entries of the archive lead out of it (absolute, `..`, a backslash, a drive or a NUL): "
    assert str(caught.value) == f"{expected}{name!r}."


def test_dots_within_a_name_are_fine(tmp_path: Path) -> None:
    found = surveyed(tmp_path, {"root/a..b/..c": SOURCE, "content_hashes.json": json.dumps({"/a..b/..c": DIGEST})})
    assert list(found.sources) == ["/a..b/..c"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "archive.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(24):
            archive.writestr(f"root/{number % 12:02}", "x")
    with pytest.raises(BadArchive) as caught:
        survey(str(target), LIMITS)
    assert str(caught.value).startswith("Entries of the archive come more than once: 'root/00', 'root/01', ")
    assert str(caught.value).endswith("'root/09' and 2 more.")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    entries = {f"root/{number}": b"\0" * 1_000_000 for number in range(3)}
    limits = ArchiveLimits(unpacked_bytes=2_999_999)
    assert refusal(tmp_path, entries, limits) == "The archive unpacks to 3000000 bytes; the limit is 2999999."
    limits = ArchiveLimits(entry_bytes=999_999)
    assert refusal(tmp_path, entries, limits) == (
        "Entries of the archive unpack to more than 999999 bytes, the limit: 'root/0', 'root/1', 'root/2'."
    )
    limits = ArchiveLimits(entries=2)
    assert refusal(tmp_path, entries, limits).startswith("The archive has more than 2 entries, the limit.")


def test_a_document_over_its_limit_is_refused(tmp_path: Path) -> None:
    entries = {"content_hashes.json": json.dumps({"/a.c": DIGEST})}
    limits = ArchiveLimits(metadata_bytes=50)
    assert refusal(tmp_path, entries, limits) == "content_hashes.json: 76 bytes, which is over the limit of 50."


@pytest.mark.parametrize(
    ("hashes", "fault"),
    [
        ("{", "content_hashes.json is not JSON: "),
        ("[]", "content_hashes.json is an array, not an object."),
        ({"/a.c": 5}, "content_hashes.json: /a.c is a whole number, not a string."),
        ({"/a.c": None}, "content_hashes.json: /a.c is null, not a string."),
        ({"/a.c": "x"}, "content_hashes.json: /a.c: 'x' is no SHA-256, which has 64 hex digits."),
        ({"/a.c": DIGEST[1:]}, f"content_hashes.json: /a.c: '{DIGEST[1:]}' is no SHA-256, which has 64 hex digits."),
        ({"/a\0.c": DIGEST}, "content_hashes.json: '/a\\x00.c' is no path."),
        ({"": DIGEST}, "content_hashes.json: '' is no path."),
    ],
)
def test_wrong_content_hashes_are_refused_with_the_key(tmp_path: Path, hashes: Any, fault: str) -> None:
    text = hashes if isinstance(hashes, str) else json.dumps(hashes)
    assert refusal(tmp_path, {"content_hashes.json": text}).startswith(fault)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "storectl.json is not JSON: "),
        ({}, "storectl.json: version is None, not 1. Is the client newer than the server?"),
        ({"version": 2}, "storectl.json: version is 2, not 1. Is the client newer than the server?"),
        ({"version": 1, "report_dirs": []}, "storectl.json: report_dirs is an array, not an object."),
        ({"version": 1, "report_dirs": {"0": 1}}, "storectl.json: report_dirs: 0 is a whole number, not a string."),
        (
            {"version": 1, "report_dirs": {"0": "a"}},
            "storectl.json: report_dirs: 0 is 'a', which is not an absolute path.",
        ),
    ],
)
def test_a_wrong_storectl_json_is_refused(tmp_path: Path, content: Any, fault: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    assert refusal(tmp_path, {"storectl.json": text}).startswith(fault)


def test_malformed_metadata_is_refused_with_its_name(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"reports/7/metadata.json": "[]"}) == (
        "reports/7/metadata.json is an array, not an object."
    )


def test_contents_are_read_once_each_and_packed(tmp_path: Path) -> None:
    sources = {"/a.c": SOURCE, "/same.c": SOURCE, "/b.c": b"\0\xff" * 1000, "/empty.c": b""}
    entries = {f"root{path}": data for path, data in sources.items()} | {"content_hashes.json": content_hashes(sources)}
    target = str(write_archive(tmp_path / "archive.zip", entries))
    found = survey(target, LIMITS)
    names = [(path, entry.name, found.content_hashes[path]) for path, entry in found.sources.items()]
    contents = read_contents(target, names, LIMITS)
    assert [(zlib.decompress(content.packed), content.size) for content in contents] == [
        (data, len(data)) for data in (SOURCE, sources["/b.c"], b"")
    ]
    assert all(content.hash == hashlib.sha256(zlib.decompress(content.packed)).digest() for content in contents)


def test_a_content_that_is_not_what_its_hash_says_is_refused(tmp_path: Path) -> None:
    target = str(write_archive(tmp_path / "archive.zip", {"root/a.c": SOURCE}))
    with pytest.raises(BadArchive) as caught:
        read_contents(target, [("/a.c", "root/a.c", "0" * 64)], LIMITS)
    assert str(caught.value) == (
        f"/a.c: content_hashes.json says {'0' * 64}, the file in the archive has {DIGEST}. "
        "If it changed while it was stored, store again."
    )
