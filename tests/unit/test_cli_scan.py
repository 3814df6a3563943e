"""The cheap scan: which result files there are, and which source files they name."""

import os
import plistlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from storaged_cli import scan
from storaged_cli.commands.diff import diff
from storaged_cli.errors import Unreadable, Usage
from storaged_cli.scan import find_report_folders, scan_result_file, scan_result_files

HASH = "issue_hash_content_of_line_in_context"
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict><key>diagnostics</key><array/>\n'
TAIL = b"</dict></plist>"


def diagnostic(**members: Any) -> dict[str, Any]:
    place = {"line": 1, "col": 1, "file": 0}
    event = {"kind": "event", "location": place, "message": "here"}
    return {"check_name": "core.X", "description": "bad", "location": place, "path": [event], HASH: "ab" * 16} | members


def without_hash() -> dict[str, Any]:
    return {name: value for name, value in diagnostic().items() if name != HASH}


def write(folder: Path, files: list[str], *diagnostics: dict[str, Any], name: str = "a.plist") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plistlib.dumps({"files": files, "diagnostics": list(diagnostics)}, sort_keys=False))
    return str(path)


def names_in(folder: Path, xml: bytes) -> frozenset[str]:
    path = folder / "a.plist"
    path.write_bytes(xml)
    return scan_result_file(str(path)).sources


def test_the_files_of_a_plist_are_found(tmp_path: Path) -> None:
    found = scan_result_file(write(tmp_path, ["/src/a.cpp", "/src/b.h"], diagnostic()))
    assert found.sources == {"/src/a.cpp", "/src/b.h"}
    assert not found.needs_sources


def test_relative_names_are_relative_to_the_folder_of_the_result_file(tmp_path: Path) -> None:
    found = scan_result_file(write(tmp_path, ["../src/a.cpp", "b.h", "/x/../c.h"], name="reports/sub/a.plist"))
    assert found.sources == {f"{tmp_path}/reports/src/a.cpp", f"{tmp_path}/reports/sub/b.h", "/c.h"}


def test_entities_in_names_are_read_as_xml_has_them(tmp_path: Path) -> None:
    xml = HEAD + b"<key>files</key><array><string>/a&amp;amp;&#233;&lt;&quot;.c</string></array>" + TAIL
    assert names_in(tmp_path, xml) == {'/a&amp;é<".c'}


def test_an_empty_list_of_files_in_either_form_names_nothing(tmp_path: Path) -> None:
    assert names_in(tmp_path, HEAD + b"<key>files</key><array/>" + TAIL) == frozenset()
    assert names_in(tmp_path, HEAD + b"<key>files</key>\n<array>\n</array>" + TAIL) == frozenset()


@pytest.mark.parametrize(
    "files",
    [
        b"<key>files</key><array><!-- <string>/no.c</string> --><string>/a.c</string></array>",
        b"<key>files</key><array><string><![CDATA[/a.c]]></string></array>",
        b"<key>files</key><array><integer>3</integer><string>/a.c</string></array>",
        b"<!-- <key>files</key><array/> --><key>files</key><array><string>/a.c</string></array>",
        b"<key>x</key><dict><key>files</key><true/></dict><key>files</key><array><string>/a.c</string></array>",
    ],
)
def test_unusual_layouts_are_parsed_in_full(tmp_path: Path, files: bytes) -> None:
    assert names_in(tmp_path, HEAD + files + TAIL) == {"/a.c"}


def test_binary_plists_and_other_encodings_are_read(tmp_path: Path) -> None:
    content = {"files": ["/ä.c"], "diagnostics": []}
    assert names_in(tmp_path, plistlib.dumps(content, fmt=plistlib.FMT_BINARY)) == {"/ä.c"}
    xml = plistlib.dumps(content).decode()
    latin = xml.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert names_in(tmp_path, latin) == {"/ä.c"}
    assert names_in(tmp_path, xml.replace("UTF-8", "UTF-16").encode("utf-16")) == {"/ä.c"}


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"no xml",
        b"<?xml version='1.0'?>",
        HEAD,
        b"<plist><array/></plist>",
        HEAD + b"<key>files</key><true/>" + TAIL,
    ],
)
def test_a_broken_result_file_names_nothing_and_its_fault_is_known(tmp_path: Path, xml: bytes) -> None:
    assert names_in(tmp_path, xml) == frozenset()
    assert scan_result_file(f"{tmp_path}/a.plist").fault is not None


@pytest.mark.parametrize("bad", [{HASH: "0"}, {HASH: ""}, {HASH: 0}])
def test_a_diagnostic_whose_hash_cannot_be_used_needs_its_sources(tmp_path: Path, bad: dict[str, Any]) -> None:
    assert scan_result_file(write(tmp_path, ["/a.c"], diagnostic(), diagnostic(**bad))).needs_sources


def test_a_diagnostic_without_hash_needs_its_sources(tmp_path: Path) -> None:
    assert scan_result_file(write(tmp_path, ["/a.c"], diagnostic(), without_hash())).needs_sources


def test_a_hash_that_starts_with_zero_is_usable(tmp_path: Path) -> None:
    assert not scan_result_file(write(tmp_path, ["/a.c"], diagnostic(**{HASH: "0a" * 16}))).needs_sources


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12), max_size=4)


@given(names=NAMES, usable=st.lists(st.booleans(), max_size=4))
def test_the_scan_agrees_with_a_full_parse(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], usable: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("scan")
    path = write(folder, names, *(diagnostic() if good else without_hash() for good in usable))
    parsed = plistlib.loads(Path(path).read_bytes())["files"]
    found = scan_result_file(path)
    assert found.sources == {os.path.normpath(os.path.join(folder, name)) for name in parsed}  # noqa: PTH118
    assert found.needs_sources == (not all(usable))
    assert (found.reports, found.fault) == (len(usable), None)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_where_a_block_ends_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(scan, "BLOCK_SIZE", size)
    path = write(tmp_path, [f"/src/{number}.c" for number in range(40)], *[diagnostic()] * 9)
    found = scan_result_file(path)
    assert len(found.sources) == 40
    assert not found.needs_sources
    assert scan_result_file(write(tmp_path, ["/a.c"], *[diagnostic()] * 9, without_hash())).needs_sources


def sarif(tmp_path: Path, text: str) -> frozenset[str]:
    path = tmp_path / "a.sarif"
    path.write_text(text)
    found = scan_result_file(str(path))
    assert found.needs_sources
    return found.sources


def test_the_files_of_sarif_results_are_found_through_bases_and_indexes(tmp_path: Path) -> None:
    text = """{"version": "2.1.0", "runs": [{
        "originalUriBaseIds": {"ROOT": {"uri": "file:///pro%20ject/"}, "SRC": {"uri": "src/", "uriBaseId": "ROOT"}},
        "artifacts": [{"location": {"uri": "file:///by/index.c"}}, {"location": {"uri": "file:///of/no/result.c"}}],
        "results": [
            {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.c", "uriBaseId": "SRC"}}}],
             "codeFlows": [{"threadFlows": [{"locations": [{"location": {"physicalLocation": {
                 "artifactLocation": {"index": 0}}}}]}]}]},
            {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "near.c"}}},
                           {"physicalLocation": {"artifactLocation": {"uri": "https://example.org/far.c"}}}]}
        ]}]}"""
    assert sarif(tmp_path, text) == {"/pro ject/src/a.c", "/by/index.c", f"{tmp_path}/near.c"}


@pytest.mark.parametrize("text", ["", "[]", '{"runs": 1}', '{"runs": [{"results": [[[]]]}]}', "[" * 100_000])
def test_what_is_no_sarif_names_nothing(tmp_path: Path, text: str) -> None:
    assert sarif(tmp_path, text) == frozenset()


def test_each_folder_with_result_files_is_a_report_folder_with_its_own_companions(tmp_path: Path) -> None:
    write(tmp_path, [], name="top/b.plist")
    write(tmp_path, [], name="top/a.plist")
    write(tmp_path, [], name="top/sub/c.plist")
    (tmp_path / "top/sub/skip_file").touch()
    (tmp_path / "top/metadata.json").touch()
    (tmp_path / "top/other.txt").touch()
    (tmp_path / "top/nothing").mkdir()
    found = find_report_folders([f"{tmp_path}/top", f"{tmp_path}/top/../top/sub"])
    assert [(folder.path, folder.files, folder.companions) for folder in found] == [
        (f"{tmp_path}/top", ("a.plist", "b.plist"), ("metadata.json",)),
        (f"{tmp_path}/top/sub", ("c.plist",), ("skip_file",)),
    ]


def test_one_result_file_comes_with_the_companions_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    write(tmp_path, [], name="other.plist")
    (tmp_path / "metadata.json").touch()
    [folder] = find_report_folders([path])
    assert (folder.files, folder.companions) == (("a.plist",), ("metadata.json",))


def test_a_folder_with_metadata_alone_is_an_analysis_that_found_nothing(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean/metadata.json").touch()
    [folder] = find_report_folders([f"{tmp_path}"])
    assert (folder.path, folder.files, folder.companions) == (f"{tmp_path}/clean", (), ("metadata.json",))


def test_a_folder_without_results_of_an_analysis_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [], name="good/a.plist")
    (tmp_path / "empty/sub").mkdir(parents=True)
    (tmp_path / "empty/skip_file").touch()
    with pytest.raises(Usage, match=r"empty has no results of an analysis: .* and no metadata.json"):
        find_report_folders([f"{tmp_path}/good", f"{tmp_path}/empty"])
    with pytest.raises(Usage, match="There is no file or folder"):
        find_report_folders([f"{tmp_path}/gone"])
    with pytest.raises(Usage, match="is no result file"):
        find_report_folders([__file__])


def test_only_regular_files_are_results_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    write(tmp_path, [])
    (tmp_path / "link.plist").symlink_to("a.plist")
    os.mkfifo(tmp_path / "pipe.plist")
    (tmp_path / "device.sarif").symlink_to("/dev/zero")
    told: list[str] = []
    [folder] = find_report_folders([f"{tmp_path}", f"{tmp_path}/a.plist"], told.append)
    assert folder.files == ("a.plist", "link.plist")
    assert sorted(told) == [
        f"warning: {tmp_path}/{name} is left out: it is no regular file." for name in ("device.sarif", "pipe.plist")
    ]


def test_a_pipe_that_is_given_alone_is_no_result_of_an_analysis(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.plist")
    with pytest.raises(Usage, match=r"pipe\.plist has no results of an analysis"):
        find_report_folders([f"{tmp_path}/pipe.plist"], lambda _: None)


@pytest.fixture
def locked() -> Iterator[str]:
    """A folder that we cannot read; whoever may read all is somebody else meanwhile."""
    folder = Path(mkdtemp())
    try:
        write(folder / "locked", [])
        folder.chmod(0o755)
        (folder / "locked").chmod(0)
        # What an import or a look for the version finds with our own rights.
        CliRunner().invoke(diff, ["-b", "main", "-n", f"{folder}/gone", "--url", "localhost:1/Default", "--new"])
        with somebody_else():
            yield f"{folder}/locked"
    finally:
        shutil.rmtree(folder)


@contextmanager
def somebody_else() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("below", ["", "/a.plist", "/gone"])
def test_what_cannot_be_read_is_said_to_be_so_and_not_to_be_missing(locked: str, below: str) -> None:
    with pytest.raises(Unreadable, match=r"locked.* cannot be read: Permission denied\."):
        find_report_folders([locked + below])
    compared = CliRunner().invoke(diff, ["-b", "main", "-n", locked + below, "--new"])
    assert compared.exit_code == 1
    assert "cannot be read: Permission denied." in compared.stderr
    assert "Taken for the name of a run" not in compared.stderr


def test_results_come_in_the_order_of_the_folders_whatever_the_threads(tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path, [f"/{number}.c"], name=f"{number:03}.plist")
    done: list[int] = []
    found = scan_result_files(find_report_folders([str(tmp_path)]), 4, done.append)
    assert [result.sources for result in found] == [{f"/{number}.c"} for number in range(100)]
    assert done == sorted(done)
    assert done[-1] == 100
