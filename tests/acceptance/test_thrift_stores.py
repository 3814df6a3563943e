"""Stores by calls of CodeChecker's interface: what comes in, what is answered, what is left of what fails."""

import base64
import hashlib
import json
import shutil
import socket
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storaged.thrift.structs import ErrorCode, StoreLimitKind
from tests import apache
from tests.acceptance.calls import call, eventually, get, post_json, reports_of, texts, until_ended
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, answer_of, ask, method_of, path_of, post
from tests.acceptance.uploads import SOURCE, bulky_result_file, one_report, upload

SERVICE = "CodeCheckerService"
MIB = 1 << 20
BROKEN = upload({"a.plist": b"no plist"})


def packed(archive: bytes) -> str:
    return base64.b64encode(zlib.compress(archive)).decode()


def call_bytes(text: str, options: dict[str, Any]) -> bytes:
    """A call with an upload that Apache's library would write letter by letter."""
    method = method_of(SERVICE, "massStoreRunAsynchronous")
    body = apache.call_bytes(method, {"zipfileBlob": "HERE", "storeOpts": options}, 5)
    return body.replace(b"HERE", text.encode())


def send(daemon: DaemonProcess, text: str, options: dict[str, Any], product: str = "Default") -> str:
    """Send text as an upload; the token of its job."""
    status, answer = post(daemon, path_of(SERVICE, product), call_bytes(text, options))
    assert status == 200
    token: str = answer_of(method_of(SERVICE, "massStoreRunAsynchronous"), answer)
    return token


def refused(daemon: DaemonProcess, text: str, options: dict[str, Any], product: str = "Default") -> Failed:
    with pytest.raises(Failed) as caught:
        send(daemon, text, options, product)
    return caught.value


def store(daemon: DaemonProcess, run: str, text: str, **options: Any) -> str:
    return send(daemon, text, {"runName": run, "force": False, **options})


def store_and_wait(daemon: DaemonProcess, run: str, archive: bytes) -> Any:
    return ask(daemon, SERVICE, "massStoreRun", product="Default", runName=run, zipfile=packed(archive), force=False)


def missing(daemon: DaemonProcess, name: str, *hashes: str) -> Any:
    return ask(daemon, SERVICE, name, product="Default", fileHashes=list(hashes))


def spooled(daemon: DaemonProcess) -> set[Path]:
    """The files of the spool; those of jobs that have just ended may go yet."""
    return {path for path in (daemon.data_dir / "spool").rglob("*") if path.is_file()}


def test_a_store_is_done_as_its_options_say(shared_daemon: DaemonProcess) -> None:
    options = {"tag": "v1", "version": "6.29.1", "description": "first", "trimPathPrefixes": ["/src"]}
    job = until_ended(shared_daemon, store(shared_daemon, "all of them", packed(one_report()), **options))
    assert (job["status"], job["summary"]) == ("completed", "Store of results to 'Default' - 'all of them'")
    (stored,) = reports_of(shared_daemon, "all of them")
    assert stored["file"] == "a.c"
    (entry,) = get(shared_daemon, "/api/v1/products/Default/runs/all%20of%20them/history")["stores"]
    assert (entry["tag"], entry["description"], entry["client_version"]) == ("v1", "first", "6.29.1")
    again = store(shared_daemon, "all of them", packed(one_report()), force=True, tag="", description="")
    assert until_ended(shared_daemon, again)["result"]["new"] == 1
    (entry,) = get(shared_daemon, "/api/v1/products/Default/runs/all%20of%20them/history")["stores"]
    assert (entry["tag"], entry["description"]) == (None, None)


def test_the_blocking_call_is_answered_when_its_job_has_ended(shared_daemon: DaemonProcess) -> None:
    assert store_and_wait(shared_daemon, "blocking", one_report()) == -1
    assert len(reports_of(shared_daemon, "blocking")) == 1
    (job,) = get(shared_daemon, "/api/v1/jobs?run=blocking")["jobs"]
    assert (job["status"], job["summary"]) == ("completed", "Legacy store of results to 'Default' - 'blocking'")
    assert "legacy call massStoreRun" in texts(job)
    legacy, usual = "report_server::massStoreRun()", "report_server::massStoreRunAsynchronous()"
    assert ask(shared_daemon, "Tasks", "getTaskInfo", token=job["token"])["taskKind"] == legacy
    other = store(shared_daemon, "not blocking", packed(one_report()))
    assert ask(shared_daemon, "Tasks", "getTaskInfo", token=other)["taskKind"] == usual
    for kinds, expected in (
        ([legacy], [job["token"]]),
        ([usual], [other]),
        (["*massstorerun*"], [job["token"], other]),
        (["store"], [job["token"], other]),
        ([legacy, "delete_run"], [job["token"]]),
        (["delete_run"], []),
    ):
        found = ask(shared_daemon, "Tasks", "getTasks", filters={"kinds": kinds, "tokens": [job["token"], other]})
        assert [one["normalInfo"]["token"] for one in found] == expected, kinds


def test_the_blocking_call_tells_why_its_job_failed(shared_daemon: DaemonProcess) -> None:
    with pytest.raises(Failed, match="The store of run 'broken' ended failed") as caught:
        store_and_wait(shared_daemon, "broken", BROKEN)
    assert caught.value.code == ErrorCode.GENERAL
    assert "FAILED!\nException during execution:\n" in str(caught.value)
    assert "reports/0/a.plist" in str(caught.value)


def test_a_store_waits_for_the_older_one_of_its_run(shared_daemon: DaemonProcess) -> None:
    large = upload({"a.plist": bulky_result_file(5)})
    tokens = [store(shared_daemon, "twice", packed(archive)) for archive in (large, one_report(1))]
    first, second = (until_ended(shared_daemon, token) for token in tokens)
    assert [job["status"] for job in (first, second)] == ["completed", "completed"]
    assert first["finished_at"] <= second["started_at"]


def test_a_run_too_many_is_refused_unless_one_is_to_be_deleted_before(shared_daemon: DaemonProcess) -> None:
    product = "narrow"
    assert post_json(shared_daemon, "/api/v1/products", {"endpoint": product, "run_limit": 1}).status == 201
    until_ended(shared_daemon, send(shared_daemon, packed(one_report()), {"runName": "old"}, product))
    told = refused(shared_daemon, packed(one_report()), {"runName": "new"}, product)
    assert (told.code, "'new' cannot be made" in str(told)) == (ErrorCode.GENERAL, True)
    until_ended(shared_daemon, send(shared_daemon, packed(one_report(1)), {"runName": "old", "force": True}, product))
    busy = upload({"a.plist": bulky_result_file(20)})
    before = send(shared_daemon, packed(busy), {"runName": "old"}, product)
    deletion = call(shared_daemon, "DELETE", f"/api/v1/products/{product}/runs/old")
    assert deletion.status == 202
    after = send(shared_daemon, packed(one_report()), {"runName": "new"}, product)
    for token in (before, after):
        until_ended(shared_daemon, token)


def test_a_daemon_that_stops_tells_who_waits_for_a_store(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path, grace_seconds=0) as daemon:
        archive = upload({"a.plist": bulky_result_file(20)})
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(store_and_wait, daemon, "long", archive)
            eventually(lambda: bool(get(daemon, "/api/v1/jobs?status=running")["jobs"]))
            daemon.stop()
            with pytest.raises(Failed, match=r"storectl jobs show|SHUTDOWN!"):
                answer.result()


def test_only_contents_that_are_not_there_are_missing(shared_daemon: DaemonProcess) -> None:
    until_ended(shared_daemon, store(shared_daemon, "contents", packed(one_report())))
    there, new = (hashlib.sha256(data).hexdigest() for data in (SOURCE, b"nobody has this"))
    assert missing(shared_daemon, "getMissingContentHashes", there, new) == [new]
    assert missing(shared_daemon, "getMissingContentHashes") == []
    assert missing(shared_daemon, "getMissingContentHashesForBlameInfo", there, new) == []
    with pytest.raises(Failed, match="fileHashes/1"):
        missing(shared_daemon, "getMissingContentHashes", there, "mist")


GOOD = packed(one_report())
RAW = {"runName": "raw", "force": False}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cut off"),
        ("%%%%", "no base64"),
        (GOOD[:-8], "cut off"),
        (GOOD[: len(GOOD) // 8 * 4], "cut off"),
        (base64.b64encode(one_report()).decode(), "no zlib stream"),
        (base64.b64encode(zlib.compress(one_report()) + b"more").decode(), "goes on behind"),
    ],
)
def test_an_upload_that_is_none_is_refused_and_leaves_nothing(
    shared_daemon: DaemonProcess, text: str, told: str
) -> None:
    before = spooled(shared_daemon)
    failed = refused(shared_daemon, text, {"runName": "none", "force": False})
    assert (failed.code, told in str(failed)) == (ErrorCode.GENERAL, True), failed
    assert spooled(shared_daemon) <= before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "storeOpts/runName"),
        ({"runName": ""}, "storeOpts/runName"),
        ({"runName": "r" * 5000, "tag": "t" * 5000}, "storeOpts/tag"),
    ],
)
def test_options_that_cannot_be_are_told(shared_daemon: DaemonProcess, options: dict[str, str], told: str) -> None:
    before = spooled(shared_daemon)
    failed = refused(shared_daemon, GOOD, options)
    assert (failed.code, told in str(failed)) == (ErrorCode.GENERAL, True), failed
    assert spooled(shared_daemon) <= before


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[: len(body) // 2],
        lambda body: body[:-1],
        lambda body: body.replace(b'"rec"', b'"lst"'),
        lambda body: body.replace(b'"1":{"str":"eJ', b'"9":{"str":"eJ'),
    ],
)
def test_a_call_that_is_none_around_its_upload_is_refused(
    shared_daemon: DaemonProcess, damage: Callable[[bytes], bytes]
) -> None:
    before = spooled(shared_daemon)
    status, answer = post(shared_daemon, path_of(SERVICE, "Default"), damage(call_bytes(GOOD, RAW)))
    _version, _name, kind, _sequence, fields = json.loads(answer)
    assert status == 200
    assert kind == 3 or "1" in fields
    assert "see its log" not in answer.decode()
    assert spooled(shared_daemon) <= before


def test_escapes_in_the_upload_are_those_of_any_string(shared_daemon: DaemonProcess) -> None:
    token = store(shared_daemon, "escaped", GOOD.replace("/", "\\/").replace("+", "\\u002b"))
    assert until_ended(shared_daemon, token)["status"] == "completed"


def test_a_client_that_leaves_in_the_middle_of_its_upload_leaves_nothing(shared_daemon: DaemonProcess) -> None:
    before = spooled(shared_daemon)
    body = call_bytes("A" * 3 * MIB, RAW)
    head = f"POST {path_of(SERVICE, 'Default')} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    incoming = shared_daemon.data_dir / "spool" / "incoming"
    with closing(socket.create_connection(("127.0.0.1", shared_daemon.port))) as connection:
        connection.sendall(head + body[:200])
        eventually(lambda: any(incoming.iterdir()))
    eventually(lambda: spooled(shared_daemon) <= before)


def test_an_upload_beyond_the_limits_is_refused_once_its_client_has_sent_it(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path, max_upload_bytes=MIB, max_unpacked_bytes=2 * MIB) as daemon:
        large = base64.b64encode(zlib.compress(bytes(20 * MIB), 0)).decode()
        bomb = packed(bytes(200 * MIB))
        for text, told in ((large, "more than 1048576 bytes"), (bomb, "unpacks to more than 2097152 bytes")):
            failed = refused(daemon, text, RAW)
            assert (failed.code, told in str(failed)) == (ErrorCode.GENERAL, True), failed
        # What is refused before it is read is read all the same.
        assert "no product 'Nowhere'" in str(refused(daemon, large, RAW, product="Nowhere"))
        assert [path.name for path in spooled(daemon)] == ["database"]
        assert until_ended(daemon, store(daemon, "small", GOOD))["status"] == "completed"


def send_statistics(daemon: DaemonProcess, run: str, archive: bytes) -> Any:
    return ask(daemon, SERVICE, "storeAnalysisStatistics", product="Default", runName=run, zipfile=packed(archive))


def test_statistics_of_analyses_are_kept_where_there_is_a_folder_for_them(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "statistics"
    with running_daemon(database_url, tmp_path, analysis_statistics_dir=folder) as daemon:
        assert ask(daemon, SERVICE, "allowsStoringAnalysisStatistics", product="Default") is True
        limits = ask(daemon, SERVICE, "getAnalysisStatisticsLimits", product="Default")
        assert limits == {
            StoreLimitKind.FAILURE_ZIP_SIZE: 50 * MIB,
            StoreLimitKind.COMPILATION_DATABASE_SIZE: 100 * MIB,
        }
        assert send_statistics(daemon, "a/../run", b"older") is True
        assert send_statistics(daemon, "a/../run", b"newer") is True
        assert send_statistics(daemon, "a_.._run", b"another") is True
        kept = list((folder / "Default").iterdir())
        assert sorted(path.read_bytes() for path in kept) == [b"another", b"newer"]
        assert {path.name.rpartition("-")[0] for path in kept} == {"a_.._run"}
        assert {path.name for path in spooled(daemon)} == {"database"}
        shutil.rmtree(folder)
        folder.write_text("in the way")
        assert send_statistics(daemon, "run", b"none") is False


def test_statistics_of_analyses_are_not_asked_for_where_there_is_none(shared_daemon: DaemonProcess) -> None:
    assert ask(shared_daemon, SERVICE, "allowsStoringAnalysisStatistics", product="Default") is False
    assert send_statistics(shared_daemon, "run", b"some") is False
