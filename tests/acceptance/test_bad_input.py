"""What is wrong is refused with a clear error, and nothing of it is stored."""

import json
import random
import socket
import struct
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.calls import (
    call,
    eventually,
    get,
    get_job,
    post_store,
    reports_of,
    store,
    texts,
    until_ended,
)
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.uploads import SOURCE, many_reports, one_report, report, upload, zipped
from tests.plists import event, place, plist

MIB = 1 << 20
UPLOAD_LIMIT = 4 * MIB
UNPACKED_LIMIT = 32 * MIB
ENTRY_LIMIT = 2000
REPORT_LIMIT = 1500
HASHES = {"content_hashes.json": "{}"}


@pytest.fixture(scope="module")
def careful(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon with low limits, and a run `kept` of one report."""
    with running_daemon(
        shared_database_url,
        tmp_path_factory.mktemp("careful"),
        max_upload_bytes=UPLOAD_LIMIT,
        max_unpacked_bytes=UNPACKED_LIMIT,
        max_entries=ENTRY_LIMIT,
        report_limit=REPORT_LIMIT,
    ) as daemon:
        assert until_ended(daemon, store(daemon, "kept", one_report(7)))["status"] == "completed"
        yield daemon


@pytest.fixture
def refusing(careful: DaemonProcess, shared_database_url: str) -> Iterator[DaemonProcess]:
    """The daemon, of which nothing may have changed afterwards, and which must still store."""
    before = contents_of(careful)
    yield careful
    assert contents_of(careful) == before
    eventually(lambda: staged_rows(shared_database_url) == 0)
    assert until_ended(careful, store(careful, "kept", one_report(7)))["status"] == "completed"


def contents_of(daemon: DaemonProcess) -> Any:
    """What a failed store must leave alone; `unresolved` of the one report is what the first store after it makes."""
    reports = [found | {"detection_status": "open"} for found in reports_of(daemon, "kept")]
    return reports, [run["name"] for run in get(daemon, "/api/v1/products/Default/runs")["runs"]]


def staged_rows(database_url: str) -> int:
    (row,) = run_sql(
        database_url, "SELECT (SELECT count(*) FROM staged_report) + (SELECT count(*) FROM staged_file) AS rows"
    )
    rows: int = row["rows"]
    return rows


def spooled(daemon: DaemonProcess) -> list[str]:
    """Names of what is in the spool, uploads under way included."""
    spool = daemon.data_dir / "spool"
    return sorted(path.name for folder in (spool, spool / "incoming") for path in folder.iterdir() if path.is_file())


def accepted(daemon: DaemonProcess) -> set[str]:
    """Names in the spool, and tokens of jobs; an upload of before may go meanwhile, as its job ends."""
    return {*spooled(daemon), *(job["token"] for job in get(daemon, "/api/v1/jobs?limit=1000")["jobs"])}


def fail(daemon: DaemonProcess, archive: bytes, run: str = "kept", options: dict[str, str] | None = None) -> str:
    """Store what cannot be stored; what the job says of it."""
    token = store(daemon, run, archive, options)
    job = until_ended(daemon, token)
    assert job["status"] == "failed", job
    assert job["result"] is None
    assert f"{token}.zip" in spooled(daemon)
    text = texts(job)
    assert text.startswith("FAILED!\nException during execution:\n")
    assert "fault of storaged" not in text
    return text


# Archives


def patched(archive: bytes, *, declared: int) -> bytes:
    """The archive with another unpacked size declared for its last entry."""
    at = archive.rindex(b"PK\1\2")
    return archive[: at + 24] + struct.pack("<L", declared) + archive[at + 28 :]


def with_flag(archive: bytes, flag: int) -> bytes:
    at = archive.rindex(b"PK\1\2")
    return archive[: at + 8] + struct.pack("<H", flag) + archive[at + 10 :]


def zipped_as(name: str, *, method: int = zipfile.ZIP_STORED, attributes: int = 0) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr, info.create_system = method, attributes, 3
        archive.writestr(info, b"x" * 100)
    return target.getvalue()


def doubled() -> bytes:
    """An archive with one name twice."""
    return zipped({"reports/a": b"x", "reports/b": b"y"}).replace(b"reports/b", b"reports/a")


WHOLE = one_report()
ZEROS = b"\0" * (UNPACKED_LIMIT // 2 + 1)

BAD_ARCHIVES = {
    "nothing": (b"", ["not a zip"]),
    "text": (b"These are my reports.", ["not a zip"]),
    "a plist": (plist(report()), ["not a zip"]),
    "an empty zip": (zipped({}), ["not an analysis"]),
    "a zip of something else": (zipped({"holiday/beach.jpg": b"\xff\xd8"}), ["not an analysis"]),
    "cut at its end": (WHOLE[:-30], ["cut off"]),
    "cut in its middle": (WHOLE[: len(WHOLE) // 2], ["cut off"]),
    "cut at its front": (WHOLE[100:], ["damaged"]),
    "damaged in its middle": (WHOLE[:60] + b"\xff\xff\xff" + WHOLE[63:], ["damaged"]),
    "bomb": (zipped({"root/a": ZEROS, "root/b": ZEROS}), [str(2 * len(ZEROS)), str(UNPACKED_LIMIT)]),
    "bomb that lies": (
        patched(zipped({**HASHES, "reports/a.plist": ZEROS}), declared=10),
        ["reports/a.plist", "damaged"],
    ),
    "one entry that claims all": (patched(zipped({"root/a": b"x"}), declared=2**31), ["root/a", "limit"]),
    "too many entries": (zipped({f"root/{n}": b"" for n in range(ENTRY_LIMIT + 1)}), ["entries", str(ENTRY_LIMIT)]),
    "up": (zipped({"../evil": b""}), ["../evil", "lead out"]),
    "down and up": (zipped({"root/a/../../../evil": b""}), ["evil", "lead out"]),
    "absolute": (zipped({"/etc/passwd": b""}), ["/etc/passwd", "lead out"]),
    "drive": (zipped({"C:/evil": b""}), ["C:/evil", "lead out"]),
    "backslashes": (zipped({"root/x..x..xevil": b""}).replace(b"x..x..x", b"\\..\\..\\"), ["lead out"]),
    "symbolic link": (zipped_as("root/link", attributes=0o120777 << 16), ["root/link", "symbolic link"]),
    "bzip2": (zipped_as("root/a", method=zipfile.ZIP_BZIP2), ["root/a", "method 12"]),
    "encrypted": (with_flag(zipped({"root/a": b"x"}), 1), ["root/a", "encrypted"]),
    "one name twice": (doubled(), ["reports/a", "more than once"]),
}


@pytest.mark.parametrize("name", list(BAD_ARCHIVES))
def test_an_archive_that_cannot_be_stored_fails_its_job_and_says_why(refusing: DaemonProcess, name: str) -> None:
    archive, words = BAD_ARCHIVES[name]
    told = fail(refusing, archive)
    assert [word for word in words if word not in told] == [], told
    assert not list(refusing.data_dir.rglob("evil*"))


# Documents of the archive


def with_document(name: str, data: bytes | str) -> bytes:
    return upload({"a.plist": plist(report(1), files=["/src/a.c"])}, others={name: data})


SHA256 = "a" * 64
METADATA = "reports/0/metadata.json"
BAD_DOCUMENTS: dict[str, tuple[str, bytes | str, list[str]]] = {
    "hashes not JSON": ("content_hashes.json", "{", ["content_hashes.json", "not JSON"]),
    "hashes empty": ("content_hashes.json", "", ["content_hashes.json", "not JSON"]),
    "hashes not UTF-8": ("content_hashes.json", b'{"/a": "\xff"}', ["content_hashes.json", "not JSON"]),
    "hashes a list": ("content_hashes.json", f'["{SHA256}"]', ["content_hashes.json", "an array", "an object"]),
    "hash a number": ("content_hashes.json", '{"/src/a.c": 1}', ["/src/a.c", "a whole number", "a string"]),
    "hash too short": ("content_hashes.json", '{"/src/a.c": "abc"}', ["/src/a.c", "'abc'", "SHA-256"]),
    "hash of another source": ("content_hashes.json", f'{{"/src/a.c": "{SHA256}"}}', ["/src/a.c", SHA256]),
    "hash of no path": ("content_hashes.json", f'{{"": "{SHA256}"}}', ["content_hashes.json", "no path"]),
    "very deep hashes": ("content_hashes.json", "[" * 100_000, ["content_hashes.json", "not JSON"]),
    "metadata not JSON": (METADATA, "<xml/>", [METADATA, "not JSON"]),
    "metadata a list": (METADATA, "[]", [METADATA, "an array"]),
    "tools an object": (METADATA, '{"version": 2, "tools": {}}', [METADATA, "tools", "an object"]),
    "checkers numbers": (
        METADATA,
        json.dumps({"version": 2, "tools": [{"name": "x", "checkers": {"c": 1}}]}),
        [METADATA, "c", "a whole number", "true or false"],
    ),
    "client of the future": ("storectl.json", '{"version": 99, "report_dirs": {}}', ["storectl.json", "99", "newer"]),
    "relative origin": ("storectl.json", '{"version": 1, "report_dirs": {"0": "here"}}', ["here", "absolute"]),
}


@pytest.mark.parametrize("name", list(BAD_DOCUMENTS))
def test_a_document_of_the_archive_that_is_wrong_is_named_with_the_place_in_it(
    refusing: DaemonProcess, name: str
) -> None:
    entry, data, words = BAD_DOCUMENTS[name]
    told = fail(refusing, with_document(entry, data))
    assert [word for word in words if word not in told] == [], told


# Result files

HEAD = b'<?xml version="1.0"?>\n'
BOMB = (
    HEAD
    + b'<!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    + b"<plist><dict><key>files</key><array/><key>diagnostics</key><array><string>&b;</string></array></dict></plist>"
)
FILE_ENTITY = BOMB.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "file:///etc/passwd">')
DEEP = HEAD + b"<plist>" + b"<array>" * 100_000 + b"</array>" * 100_000 + b"</plist>"
GOOD = plist(report(1), files=["/src/a.c"])

BAD_RESULT_FILES = {
    "empty": (b"", ["empty"]),
    "blank": (b" \n\n", ["empty"]),
    "cut off": (GOOD[:-40], ["cut off"]),
    "not XML": (b"{}", ["not well-formed XML"]),
    "binary": (bytes(range(256)), ["not well-formed XML"]),
    "another root": (HEAD + b"<html><body/></html>", ["not a plist"]),
    "an empty plist": (HEAD + b"<plist/>", ["not a plist"]),
    "entities": (BOMB, ["entities"]),
    "an entity that is a file": (FILE_ENTITY, ["entities"]),
    "very deep": (DEEP, ["depth"]),
    "an unknown encoding": (GOOD.replace(b"UTF-8", b"EBCDIC-X"), ["not well-formed XML"]),
    "bytes that are no UTF-8": (GOOD.replace(b"bad 1", b"bad \xff"), ["not well-formed XML"]),
    "an array": (HEAD + b"<plist><array/></plist>", ["an array", "a dict"]),
    "no files": (HEAD + b"<plist><dict><key>diagnostics</key><array/></dict></plist>", ["files", "missing"]),
    "no diagnostics": (HEAD + b"<plist><dict><key>files</key><array/></dict></plist>", ["diagnostics", "missing"]),
    "files a string": (plist(files=[]).replace(b"<array/>", b"<string>x</string>", 1), ["a string", "an array"]),
    "a file a number": (plist(files=[1]), ["one of files", "an integer"]),
    "a diagnostic a string": (plist("bad", files=["/a.c"]), ["diagnostic 1", "a string"]),
    "a message a number": (plist(report(description=1), files=["/a.c"]), ["diagnostic 1", "description", "an integer"]),
    "a checker a list": (plist(report(check_name=[]), files=["/a.c"]), ["diagnostic 1", "check_name", "an array"]),
    "no location": (plist(report(), report(location=None), files=["/a.c"]), ["diagnostic 2", "location"]),
    "a line a string": (
        plist(report(location={"line": "1", "col": 1, "file": 0}), files=["/a.c"]),
        ["diagnostic 1", "location", "'1'"],
    ),
    "a line past 32 bits": (plist(report(location=place(2**40, 1)), files=["/a.c"]), [str(2**40), "32 bit"]),
    "an index past the files": (plist(report(location=place(1, 1, 5)), files=["/a.c"]), ["file 5", "1 files"]),
    "an index before the files": (plist(report(location=place(1, 1, -1)), files=["/a.c"]), ["file -1"]),
    "an event past the files": (
        plist(report(path=[event(1, 1), event(1, 1, file=9)]), files=["/a.c"]),
        ["diagnostic 1", "file 9"],
    ),
    "an unknown annotation": (
        plist(report() | {"report-annotation": {"mood": "bad"}}, files=["/a.c"]),
        ["diagnostic 1", "mood", "timestamp"],
    ),
    "a timestamp that is none": (
        plist(report() | {"report-annotation": {"timestamp": "yesterday"}}, files=["/a.c"]),
        ["timestamp", "yesterday"],
    ),
}


@pytest.mark.parametrize("name", list(BAD_RESULT_FILES))
def test_a_broken_result_file_fails_the_store_and_is_named_with_what_is_wrong(
    refusing: DaemonProcess, name: str
) -> None:
    data, words = BAD_RESULT_FILES[name]
    told = fail(refusing, upload({"good.plist": GOOD, "broken.plist": data}))
    assert "1 of 2 result files cannot be read, so nothing was stored" in told
    assert "reports/0/broken.plist: " in told
    assert "reports/0/good.plist" not in told
    assert [word for word in words if word not in told] == [], told


def test_sarif_is_refused_by_name_until_it_can_be_read(refusing: DaemonProcess) -> None:
    assert "SARIF" in fail(refusing, upload({"a.sarif": b'{"version": "2.1.0", "runs": []}'}))


def test_names_that_no_index_can_hold_are_refused(refusing: DaemonProcess) -> None:
    noise = random.Random(0).randbytes(3000).hex()
    told = fail(refusing, one_report(1, check_name=noise))
    assert "checker" in told
    assert noise[:50] in told
    assert len(told) < 2000


def test_all_broken_files_of_many_are_counted_and_the_first_are_named(refusing: DaemonProcess) -> None:
    told = fail(refusing, upload({f"{number:03}.plist": b"" for number in range(120)}))
    assert "120 of 120 result files cannot be read" in told
    assert told.count(": the file is empty") == 50
    assert "reports/0/000.plist: the file is empty" in told
    assert "and 70 more" in told


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a thousand result files, of which one is broken."""
    folder = tmp_path_factory.mktemp("thousand")
    for number in range(1000):
        data = plist(report(number), files=[str(folder / "a.c")])
        (folder / f"{number:03}.plist").write_bytes(data[:-9] if number == 500 else data)
    (folder / "a.c").write_bytes(SOURCE)
    return folder


def test_one_broken_file_in_a_thousand_fails_the_store_with_its_path(refusing: DaemonProcess, thousand: Path) -> None:
    done = refusing.storectl("store", str(thousand), "-n", "kept")
    assert done.returncode == 4
    assert "1 of 1000 result files cannot be read, so nothing was stored" in done.stderr
    assert f"{thousand}/500.plist: " in done.stderr
    assert "--keep-going" in done.stderr


def test_keep_going_stores_the_rest_and_says_what_was_left_out(careful: DaemonProcess, thousand: Path) -> None:
    done = careful.storectl("store", str(thousand), "-n", "rest", "--keep-going", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stderr
    assert f"{thousand}/500.plist: " in done.stderr
    result = json.loads(done.stdout)["result"]
    assert (result["reports"], result["new"], result["result_files"]) == (999, 999, 1000)
    (left_out,) = result["left_out"]
    assert left_out.startswith("reports/0/500.plist: ")
    found = reports_of(careful, "rest")
    assert len(found) == 500  # a page
    assert "bad 500" not in {one["message"] for one in found}


# Limits


def test_more_reports_than_the_limit_fail_the_store(refusing: DaemonProcess) -> None:
    told = fail(refusing, many_reports(REPORT_LIMIT + 1))
    assert str(REPORT_LIMIT + 1) in told
    assert str(REPORT_LIMIT) in told


def test_a_product_has_limits_of_its_own(refusing: DaemonProcess, shared_database_url: str) -> None:
    run_sql(
        shared_database_url,
        "INSERT INTO product (endpoint, display_name, report_limit, run_limit) VALUES ('Small', 'Small', 2, 1)",
    )
    kept = store_in(refusing, "first", many_reports(2))
    assert kept["status"] == "completed"
    many = store_in(refusing, "first", many_reports(3))
    assert many["status"] == "failed"
    assert "3 reports" in texts(many)
    other = store_in(refusing, "second", many_reports(1))
    assert other["status"] == "failed"
    assert "'second'" in texts(other)
    assert "as many runs as it takes (1)" in texts(other)
    assert store_in(refusing, "first", many_reports(1))["status"] == "completed"
    assert [run["name"] for run in get(refusing, "/api/v1/products/Small/runs")["runs"]] == ["first"]
    run_sql(shared_database_url, "DELETE FROM product WHERE endpoint = 'Small'")


def store_in(daemon: DaemonProcess, run: str, archive: bytes) -> Any:
    answer = post_store(daemon, run, archive, product="Small")
    assert answer.status == 202
    return until_ended(daemon, answer.json["token"])


def test_a_failed_job_that_is_retried_after_its_limit_was_raised_completes(
    careful: DaemonProcess, shared_database_url: str
) -> None:
    run_sql(shared_database_url, "UPDATE product SET report_limit = 1")
    token = store(careful, "raised", many_reports(2))
    assert until_ended(careful, token)["status"] == "failed"
    run_sql(shared_database_url, "UPDATE product SET report_limit = NULL")
    assert call(careful, "POST", f"/api/v1/jobs/{token}/retry").status == 200
    job = until_ended(careful, token)
    assert (job["status"], job["attempt"]) == ("completed", 2)
    eventually(lambda: f"{token}.zip" not in spooled(careful))


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(refusing: DaemonProcess) -> None:
    before = accepted(refusing)
    with socket.create_connection(("127.0.0.1", refusing.port), timeout=30) as connection:
        head = (
            f"POST /api/v1/products/Default/stores?run=kept HTTP/1.1\r\nHost: x\r\nContent-Length: {UPLOAD_LIMIT + 1}"
        )
        connection.sendall(f"{head}\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert b" 413 " in answer.splitlines()[0]
    assert str(UPLOAD_LIMIT).encode() in answer
    assert accepted(refusing) <= before


def test_a_body_that_turns_out_too_large_is_refused_and_forgotten(refusing: DaemonProcess) -> None:
    before = accepted(refusing)
    answer = post_store(refusing, "kept", iter([b"x" * MIB] * 4 + [b"x"]))
    assert answer.status == 413
    assert answer.json["type"] == "urn:storaged:problem:upload-too-large"
    assert str(UPLOAD_LIMIT) in answer.json["detail"]
    eventually(lambda: accepted(refusing) <= before)


def test_a_body_of_just_the_limit_is_taken(refusing: DaemonProcess) -> None:
    assert "not a zip" in fail(refusing, b"x" * UPLOAD_LIMIT)


@pytest.mark.parametrize("name", ["run", "tag"])
def test_a_name_that_no_index_can_hold_is_pointed_at(refusing: DaemonProcess, name: str) -> None:
    noise = random.Random(0)
    value = "".join(chr(noise.randrange(0x1F300, 0x1F600)) for _ in range(900))
    query = {"run": "kept"} | {name: value}
    answer = post_store(refusing, query.pop("run"), one_report(), options=query)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [f"query/{name}"]


# The client tells all of it


def test_the_client_tells_of_an_unknown_product_and_of_refused_options(refusing: DaemonProcess, thousand: Path) -> None:
    done = refusing.storectl("store", str(thousand), "-n", "x", "--url", f"{refusing.url}/Nowhere")
    assert done.returncode == 1
    assert "There is no product 'Nowhere'" in done.stderr
    done = refusing.storectl("store", str(thousand), "-n", "x", "--tag", "t" * 1001, "--description", "d" * 10_001)
    assert done.returncode == 1
    assert "storectl: tag: String should" in done.stderr
    assert "description: String should" in done.stderr


# Uploads that end too soon


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_client_that_goes_away_in_mid_upload_leaves_nothing(refusing: DaemonProcess, framing: str) -> None:
    before = accepted(refusing)
    incoming = refusing.data_dir / "spool" / "incoming"
    with socket.create_connection(("127.0.0.1", refusing.port), timeout=30) as connection:
        head = "POST /api/v1/products/Default/stores?run=kept HTTP/1.1\r\nHost: x\r\n"
        if framing == "chunked":
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{2 * MIB:x}\r\n".encode())
        else:
            connection.sendall(f"{head}Content-Length: {3 * MIB}\r\n\r\n".encode())
        connection.sendall(b"x" * (2 * MIB - 10))
        eventually(lambda: any(path.stat().st_size >= MIB for path in incoming.iterdir()))
    eventually(lambda: accepted(refusing) <= before)


def test_an_upload_that_goes_on_slowly_is_not_given_up(careful: DaemonProcess) -> None:
    incoming = careful.data_dir / "spool" / "incoming"

    def slowly() -> Iterator[bytes]:
        for at in range(0, len(WHOLE), 100):
            yield WHOLE[at : at + 100]
            eventually(lambda: len(list(incoming.iterdir())) == 1)

    job = until_ended(careful, store(careful, "slow", slowly()))
    assert job["status"] == "completed"
    assert get_job(careful, job["token"])["result"]["reports"] == 1


def test_a_nul_in_the_words_of_a_fault_does_not_keep_the_job_from_ending(refusing: DaemonProcess) -> None:
    tools = [{"name": "codechecker", "analyzers": {"clangsa": {"checkers": {"a\0b": "yes"}}}}]
    metadata = json.dumps({"version": 2, "tools": tools})
    result = plist(report(1), files=["/src/a.c"])
    text = fail(refusing, upload({"a.plist": result}, others={"reports/0/metadata.json": metadata}))
    assert "a\ufffdb" in text
