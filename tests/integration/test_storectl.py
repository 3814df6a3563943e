"""storectl, command by command, against a server that answers by the API's contract."""

import asyncio
import hashlib
import io
import json
import plistlib
import random
import threading
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from storaged_cli.main import main
from storaged_cli.version import client_name

from tests.integration.storectl_daemon import PREFIX, TOKEN, Daemon, Handler, answering, hang_up, problem, serve

DONE = {"status": "completed", "result": {"reports": 3, "new": 2, "unresolved": 1, "resolved": 4, "warnings": []}}
HASH = "issue_hash_content_of_line_in_context"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A report folder of the run `shop`, with two result files on two sources."""
    for name in ("a.c", "b.c"):
        (tmp_path / name).write_text(f"int {name[0]};\n")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "metadata.json").write_text('{"version": 2, "tools": [{"name": "codechecker", "run_name": "shop"}]}')
    write_report(folder / "1.plist", "../a.c")
    write_report(folder / "2.plist", "../a.c", "../b.c")
    return folder


def write_report(path: Path, *files: str, report_hash: str = "ab" * 16) -> None:
    diagnostic = {"description": "bad", "check_name": "core.X", "location": {}, HASH: report_hash}
    path.write_bytes(plistlib.dumps({"files": list(files), "diagnostics": [diagnostic]}))


def storectl(daemon: Daemon, *arguments: str, **environment: str) -> Result:
    runner = CliRunner(env={"STORAGED_URL": daemon.url, **environment})
    return runner.invoke(main, arguments, catch_exceptions=False)


def upload(daemon: Daemon) -> ZipFile:
    [sent] = daemon.uploads
    return ZipFile(io.BytesIO(sent.body))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# store


def test_a_store_sends_the_archive_waits_and_sums_up(daemon: Daemon, reports: Path) -> None:
    daemon.script.extend([{"status": "running", "progress": {"phase": "parse", "done": 1, "total": 2}}, DONE])
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"Job {TOKEN}: running\n" in result.stderr
    assert "Stored run 'shop': 3 reports (2 new, 1 unresolved); 4 resolved." in result.stderr
    [sent] = daemon.uploads
    assert sent.query == [("run", "shop")]
    assert sent.headers["Content-Type"] == "application/zip"
    assert sent.headers["Transfer-Encoding"] == "chunked"
    assert sent.headers["User-Agent"] == client_name().replace(" ", "/")
    assert len(sent.headers["Idempotency-Key"]) == 36
    assert sorted(upload(daemon).namelist()) == [
        "content_hashes.json",
        "reports/0/1.plist",
        "reports/0/2.plist",
        "reports/0/metadata.json",
        f"root{reports.parent}/a.c",
        f"root{reports.parent}/b.c",
        "storectl.json",
    ]


def test_contents_that_the_daemon_has_are_not_sent(daemon: Daemon, reports: Path) -> None:
    daemon.known.add(sha256("int a;\n"))
    storectl(daemon, "store", str(reports), "--detach")
    assert sorted(map(sorted, daemon.asked)) == [sorted([sha256("int a;\n"), sha256("int b;\n")])]
    archive = upload(daemon)
    assert [name for name in archive.namelist() if name.startswith("root")] == [f"root{reports.parent}/b.c"]
    assert json.loads(archive.read("content_hashes.json")) == {
        f"{reports.parent}/a.c": sha256("int a;\n"),
        f"{reports.parent}/b.c": sha256("int b;\n"),
    }


def test_sources_of_a_report_without_hash_are_sent_though_the_daemon_has_them(daemon: Daemon, reports: Path) -> None:
    daemon.known.update({sha256("int a;\n"), sha256("int b;\n")})
    write_report(reports / "1.plist", "../a.c", report_hash="0")
    storectl(daemon, "store", str(reports), "--detach")
    assert [name for name in upload(daemon).namelist() if name.startswith("root")] == [f"root{reports.parent}/a.c"]


def test_all_options_of_a_store_reach_the_daemon(daemon: Daemon, reports: Path) -> None:
    options = ["-n", "my run", "--tag", "v1&2", "--description", "", "--force", "--keep-going", "--detach", "-j", "2"]
    trims = ["--trim-path-prefix", "/a/*", "--trim-path-prefix", "/b"]
    assert storectl(daemon, "store", str(reports), *options, *trims).exit_code == 0
    assert daemon.uploads[0].query == [
        ("run", "my run"),
        ("tag", "v1&2"),
        ("description", ""),
        ("trim_path_prefix", "/a/*"),
        ("trim_path_prefix", "/b"),
        ("force", "true"),
        ("keep_going", "true"),
    ]


def test_prefixes_may_follow_each_other_when_the_folder_comes_first(daemon: Daemon, reports: Path) -> None:
    assert storectl(daemon, "store", str(reports), "--trim-path-prefix", "/a", "*/b", "--detach").exit_code == 0
    assert storectl(daemon, "store", "--trim-path-prefix", "/a", str(reports), "--detach").exit_code == 0
    found = [[text for name, text in sent.query if name == "trim_path_prefix"] for sent in daemon.uploads]
    assert found == [["/a", "*/b"], ["/a"]]


@pytest.mark.parametrize(
    "command",
    [
        ["store", "x", "--timeout", "5x"],
        ["jobs", "wait", "x", "--timeout", "5x"],
        ["del", "x", "--give-up", "5x"],
        ["top", "--interval", "5x"],
    ],
)
def test_lengths_of_time_take_a_unit_and_what_is_none_says_so(daemon: Daemon, command: list[str]) -> None:
    wrong = storectl(daemon, *command)
    assert wrong.exit_code == 2
    assert "'5x' is no length of time. Say 300 (seconds), or 90s, 5m, 2h." in wrong.stderr
    assert "is no length" not in storectl(daemon, *command[:-1], "2m").stderr


def test_a_folder_is_not_taken_for_a_prefix(daemon: Daemon, reports: Path) -> None:
    result = storectl(daemon, "store", str(reports), "--trim-path-prefix", "/a", "./other")
    assert (result.exit_code, daemon.requests) == (2, [])
    assert "'./other' fits no path: they are absolute. If it is a DIR, put it before the options." in result.stderr


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["-t", "plist"], "There is no -t here. The name of a result file tells its format."),
        (["--type=plist"], "There is no --type here. The name"),
        (["--input-format", "plist"], "There is no --input-format here."),
        (["--config", "codechecker.json"], "There is no --config here. Give what the file has under `store`"),
        (["--verbose", "debug"], "There is no --verbose here. Leave it out"),
        (["--zip-loc", "elsewhere"], "There is no --zip-loc here. Leave it out"),
        (["--dryrun"], "No such option"),
    ],
)
def test_options_of_codechecker_that_mean_nothing_here_are_told_what_to_do_with(
    daemon: Daemon, reports: Path, option: list[str], told: str
) -> None:
    result = storectl(daemon, "store", str(reports), *option)
    assert (result.exit_code, daemon.requests) == (2, [])
    assert told in result.stderr


def test_detach_prints_the_token_alone(daemon: Daemon, reports: Path) -> None:
    result = storectl(daemon, "store", str(reports), "--detach")
    assert (result.exit_code, result.stdout) == (0, f"{TOKEN}\n")
    assert json.loads(storectl(daemon, "store", str(reports), "--detach", "-o", "json").stdout)["token"] == TOKEN
    assert daemon.queries(TOKEN) == []


def test_json_output_of_a_store_is_its_job(daemon: Daemon, reports: Path) -> None:
    daemon.script.append(DONE)
    job = json.loads(storectl(daemon, "store", str(reports), "-o", "json").stdout)
    assert (job["token"], job["status"], job["result"]["new"]) == (TOKEN, "completed", 2)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [("failed", 4, "failed"), ("cancelled", 16, "was cancelled"), ("dropped", 16, "was dropped")],
)
def test_a_store_that_does_not_complete_tells_why(
    daemon: Daemon, reports: Path, status: str, code: int, words: str
) -> None:
    comment = {"who": "daemon", "at": "2025-11-24T05:00:00Z", "text": "FAILED!\nreports/0/1.plist: not XML"}
    daemon.script.append({"status": status, "comments": [comment]})
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == code
    assert f"The store of run 'shop' {words}.\n" in result.stderr
    assert f"daemon at 2025-11-24T05:00:00Z:\n  FAILED!\n  {reports}/1.plist: not XML\n" in result.stderr


def test_missing_and_stale_sources_are_told_of(daemon: Daemon, reports: Path) -> None:
    write_report(reports / "3.plist", *(f"/nowhere/{number:02}.c" for number in range(12)), "../a.c")
    (reports.parent / "b.c").write_text("int changed;\n")
    daemon.script.append({"status": "completed", "result": {"missing_sources": ["/nowhere/00.c", "/other.c"]}})
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == 0
    assert "warning: 12 source files cannot be read" in result.stderr
    assert "  /nowhere/09.c\n  and 2 more\n" in result.stderr
    assert "warning: 1 source file cannot be read" in result.stderr
    assert result.stderr.endswith("  /other.c\n")
    assert f"warning: 1 source file changed after the analysis, so that lines may be off:\n  {reports.parent}/b.c" in (
        result.stderr
    )


def test_warnings_of_the_daemon_are_passed_on(daemon: Daemon, reports: Path) -> None:
    told = {"reports": 0, "warnings": ["skip_file: line 3 ignored"], "left_out": ["reports/0/1.plist: not XML"]}
    daemon.script.append({"status": "completed", "result": told})
    result = storectl(daemon, "store", str(reports))
    assert result.stderr.endswith(
        "Stored run 'shop': 0 reports.\n"
        "warning: skip_file: line 3 ignored\n"
        "warning: 1 result file left out:\n"
        f"  {reports}/1.plist: not XML\n"
    )


def test_open_reports_of_files_that_were_left_out_do_not_pass_for_what_came(daemon: Daemon, reports: Path) -> None:
    for numbers, told in (
        ({"reports": 0, "unresolved": 2}, "0 reports came; the run has 2 unresolved."),
        ({"reports": 1, "new": 1, "unresolved": 2, "off": 3}, "1 report came; the run has 1 new, 2 unresolved, 3 off."),
        ({"reports": 3, "new": 1, "unresolved": 2, "off": 3}, "3 reports (1 new, 2 unresolved); 3 off."),
    ):
        daemon.script.append({"status": "completed", "result": numbers})
        result = storectl(daemon, "store", str(reports), "--keep-going")
        assert result.stderr.endswith(f"Stored run 'shop': {told}\n")


def test_a_store_works_behind_a_path_prefix(daemon: Daemon, reports: Path) -> None:
    url = f"http://localhost:{daemon.port}{PREFIX}/Default"
    assert storectl(daemon, "store", str(reports), "--detach", "--url", url).exit_code == 0
    assert {request.path.removeprefix(PREFIX).split("/")[1] for request in daemon.requests} == {"api"}


def test_an_unknown_product_is_told_before_anything_is_sent(daemon: Daemon, reports: Path) -> None:
    result = storectl(daemon, "store", str(reports), "--url", f"localhost:{daemon.port}/Shop")
    assert (result.exit_code, result.stderr) == (1, "storectl: There is no product 'Shop'.\n")
    assert daemon.queries("stores") == []


def test_a_run_that_nobody_named_is_a_usage_error(daemon: Daemon, reports: Path) -> None:
    (reports / "metadata.json").unlink()
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == 2
    assert "No run name: give one with -n" in result.stderr
    assert daemon.requests == []


def test_folders_that_cannot_be_stored_are_usage_errors(daemon: Daemon, tmp_path: Path) -> None:
    assert storectl(daemon, "store", str(tmp_path), "-n", "shop").exit_code == 2
    assert storectl(daemon, "store", str(tmp_path / "gone"), "-n", "shop").exit_code == 2
    assert storectl(daemon, "store").exit_code == 2


def test_a_broken_connection_or_a_busy_daemon_gets_the_upload_again_under_one_key(
    daemon: Daemon, reports: Path
) -> None:
    keys: list[str] = []

    async def busy(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        await request.read()
        return problem(503, "The database is away.", {"Retry-After": "0"})

    async def cut_off(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        return await hang_up(request)

    daemon.replace_next("missing", answering(lambda: problem(503, "Not yet.", {"Retry-After": "0"})))
    daemon.replace_next("store", busy, cut_off)
    result = storectl(daemon, "store", str(reports), "--detach")
    assert (result.exit_code, result.stdout) == (0, f"{TOKEN}\n")
    assert result.stderr.count("The database is away.\nTrying again, for 900 s at most.\n") == 1
    assert keys == [daemon.uploads[0].headers["Idempotency-Key"]] * 2
    assert ZipFile(io.BytesIO(daemon.uploads[0].body)).testzip() is None


def test_a_daemon_that_stays_busy_ends_the_upload_with_its_reason(daemon: Daemon, reports: Path) -> None:
    full = answering(lambda: problem(503, "The queue is full.", {"Retry-After": "0"}))
    daemon.replace_next("store", *[full] * 1000)
    result = storectl(daemon, "store", str(reports), "--give-up", "1")
    assert result.exit_code == 1
    assert result.stderr.count("The queue is full.\nTrying again, for 1 s at most.\n") == 1
    assert "storectl: The queue is full.\nGiving up: the upload did not go through for 1 s. " in result.stderr
    assert 1 < len(daemon.queries("stores")) < 1000


def test_an_upload_stops_when_the_refusal_comes_before_its_end(daemon: Daemon, reports: Path) -> None:
    """The daemon answers on the headers and reads no further; the rest would not fit into the sockets' buffers."""
    (reports.parent / "a.c").write_bytes(random.Random(1).randbytes(64 << 20))

    async def too_large(_request: web.Request) -> web.StreamResponse:
        return problem(413, "The body is larger than the limit of 1 MB.")

    daemon.replace_next("store", too_large)
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == 1
    assert result.stderr.endswith("storectl: The body is larger than the limit of 1 MB.\n")
    assert "Trying again" not in result.stderr


def test_a_refusal_tells_each_of_its_faults(daemon: Daemon, reports: Path) -> None:
    faults = [{"pointer": "query/tag", "detail": "too short"}, {"pointer": "query/run", "detail": "has a NUL"}]
    daemon.replace_next("store", answering(lambda: problem(422, "The request is wrong.", errors=faults)))
    result = storectl(daemon, "store", str(reports))
    assert result.exit_code == 1
    assert result.stderr == "storectl: The request is wrong.\n  tag: too short\n  run: has a NUL\n"


# waiting


def test_waiting_asks_for_what_comes_after_the_last_change(daemon: Daemon, reports: Path) -> None:
    daemon.script.extend([{"status": "running"}, {"progress": {"phase": "merge", "done": 0, "total": 0}}, DONE])
    storectl(daemon, "store", str(reports))
    assert [dict(query)["since"] for query in daemon.queries(TOKEN)] == ["1", "2", "3"]
    assert {dict(query)["wait"] for query in daemon.queries(TOKEN)} == {"30"}


def test_waiting_outlasts_broken_connections_and_errors_of_the_daemon(daemon: Daemon) -> None:
    daemon.add_job()
    daemon.script.append(DONE)
    daemon.replace_next("job", daemon.job, hang_up, answering(lambda: web.Response(status=502, text="<html>")))
    result = storectl(daemon, "jobs", "wait", TOKEN)
    assert result.exit_code == 0
    assert "asking again until it can be reached.\nThe daemon answers again.\n" in result.stderr


def test_a_daemon_that_does_not_come_back_ends_the_wait(daemon: Daemon) -> None:
    daemon.add_job()
    daemon.replace_next("job", daemon.job, *[hang_up] * 100)
    result = storectl(daemon, "jobs", "wait", TOKEN, "--give-up", "1")
    assert result.exit_code == 1
    assert f"The job may go on. To wait for it again:\n  storectl jobs wait {TOKEN}\n" in result.stderr
    daemon.instead.clear()
    daemon.script.append(DONE)
    daemon.replace_next("job", answering(lambda: problem(503, "Not now.", {"Retry-After": "0"})))
    assert storectl(daemon, "jobs", "wait", TOKEN).exit_code == 0


def test_waiting_ends_when_its_time_is_over_and_the_job_goes_on(daemon: Daemon, reports: Path) -> None:
    result = storectl(daemon, "store", str(reports), "--timeout", "1")
    assert result.exit_code == 8
    assert f"storectl jobs wait {TOKEN}" in result.stderr
    assert daemon.jobs[TOKEN]["status"] == "enqueued"
    result = storectl(daemon, "store", str(reports), "--timeout", "1", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["token"]) == (8, TOKEN)


def test_an_answer_that_does_not_wait_is_not_asked_for_in_a_tight_loop(daemon: Daemon) -> None:
    daemon.add_job()
    assert storectl(daemon, "jobs", "wait", TOKEN, "--timeout", "1").exit_code == 8
    assert len(daemon.requests) < 8


def test_a_job_that_is_gone_ends_the_wait(daemon: Daemon) -> None:
    daemon.add_job()
    gone = answering(lambda: problem(404, "There is no job of this token."))
    daemon.replace_next("job", daemon.job, gone)
    result = storectl(daemon, "jobs", "wait", TOKEN)
    assert result.exit_code == 1
    assert "There is no job of this token." in result.stderr


# jobs


@pytest.mark.parametrize(
    ("status", "code"), [("completed", 0), ("failed", 4), ("running", 8), ("enqueued", 8), ("cancelled", 16)]
)
def test_showing_one_job_exits_with_the_code_of_its_status(daemon: Daemon, status: str, code: int) -> None:
    daemon.add_job(status=status)
    result = storectl(daemon, "jobs", "show", TOKEN)
    assert result.exit_code == code
    assert f"status: {status}\n" in result.stdout


def test_showing_several_jobs_succeeds_only_when_all_are_completed(daemon: Daemon) -> None:
    daemon.add_job("a", status="completed")
    daemon.add_job("b", status="completed")
    daemon.add_job("c", status="failed")
    assert storectl(daemon, "jobs", "show", "a", "b").exit_code == 0
    result = storectl(daemon, "jobs", "show", "a", "c", "-o", "json")
    assert result.exit_code == 1
    assert [job["token"] for job in json.loads(result.stdout)] == ["a", "c"]


def test_an_unknown_token_does_not_hide_the_other_jobs(daemon: Daemon) -> None:
    daemon.add_job("a", status="completed")
    result = storectl(daemon, "jobs", "show", "nobody", "a", "-o", "json")
    assert result.exit_code == 1
    assert [job["token"] for job in json.loads(result.stdout)] == ["a"]
    assert "There is no job 'nobody'." in result.stderr


def test_a_job_is_shown_with_its_comments_in_eighty_columns(daemon: Daemon) -> None:
    comment = {"who": "anna", "at": "2025-11-24T05:00:00.123456Z", "text": "CANCEL!\n" + "a long reason " * 12}
    daemon.add_job(status="running", comments=[comment], progress={"phase": "parse", "done": 3, "total": 9})
    result = storectl(daemon, "jobs", "show", TOKEN, "-o", "table", COLUMNS="80")
    lines = result.stdout.splitlines()
    assert "Progress  parse 3 of 9" in lines
    start = lines.index("Comment   anna at 2025-11-24 05:00:00 UTC:")
    assert lines[start + 1] == f"{'':10}CANCEL!"
    assert lines[start + 2].startswith(f"{'':10}a long reason a long reason")
    assert max(map(len, lines)) <= 80
    plain = storectl(daemon, "jobs", "show", TOKEN).stdout
    assert "\nprogress: parse 3 of 9\ncomment: anna at 2025-11-24T05:00:00.123456Z: CANCEL! a long reason" in plain


def test_a_job_that_waits_is_shown_with_its_place_in_the_queue(daemon: Daemon) -> None:
    daemon.add_job(position=1, estimated_seconds=42.4, cancel_requested=True)
    lines = storectl(daemon, "jobs", "show", TOKEN, "-o", "table").stdout.splitlines()
    assert "Queue     1 job before it" in lines
    assert "Starts    in about 42 s" in lines
    assert "Cancel    asked for; it ends at its next step" in lines


def test_a_job_that_runs_is_shown_with_when_it_ends(daemon: Daemon) -> None:
    daemon.add_job(status="running", position=None, estimated_seconds=7.6)
    lines = storectl(daemon, "jobs", "show", TOKEN, "-o", "table").stdout.splitlines()
    assert "Ends      in about 8 s" in lines


RESULT = {
    "reports": 30,
    "new": 20,
    "unresolved": 10,
    "reopened": 0,
    "resolved": 3,
    "off": 0,
    "unavailable": 0,
    "result_files": 14,
    "duplicates": 2,
    "skipped": 0,
    "written": {"inserted": 20, "closed": 3},
    "left_out": [f"reports/0/{number}.plist: is cut off" for number in range(12)],
    "missing_sources": ["/src/a.c"],
    "warnings": [],
}


def test_an_ended_store_is_shown_with_its_numbers_and_what_was_left_out(daemon: Daemon) -> None:
    times = {"started_at": "2025-11-24T05:00:02.5Z", "finished_at": "2025-11-24T05:01:05.5Z"}
    daemon.add_job(status="completed", position=None, result=RESULT, **times)
    lines = storectl(daemon, "jobs", "show", TOKEN, "-o", "table").stdout.splitlines()
    assert lines[6:15] == [
        "Attempt          0",
        "Enqueued         2025-11-24 05:00:00 UTC",
        "Started          2025-11-24 05:00:02 UTC, after 2.5s",
        "Finished         2025-11-24 05:01:05 UTC, after 1m03s",
        "Reports          30",
        "In the run       20 new, 10 unresolved, 3 resolved",
        "Duplicates       2",
        "Result files     14",
        "Left out         reports/0/0.plist: is cut off",
    ]
    assert lines[-2:] == [f"{'':17}and 2 more; -o json has all", "Missing sources  /src/a.c"]


def test_plain_output_has_each_number_of_a_result_under_its_name(daemon: Daemon) -> None:
    daemon.add_job(status="completed", result=RESULT)
    lines = storectl(daemon, "jobs", "show", TOKEN).stdout.splitlines()
    assert {"result.new: 20", "result.off: 0", "result.written.closed: 3", "result.missing_sources: /src/a.c"} < {
        *lines
    }
    assert sum(line.startswith("result.left_out: ") for line in lines) == 12


def test_the_result_of_any_other_job_is_shown_as_it_is(daemon: Daemon) -> None:
    daemon.add_job(status="completed", kind="delete_run", result={"reports": 5, "stores": 2})
    lines = storectl(daemon, "jobs", "show", TOKEN, "-o", "table").stdout.splitlines()
    assert lines[-2:] == ["Reports   5", "Stores    2"]


# several at once


def meeting(daemon: Daemon, count: int) -> Handler:
    """A handler of so many long polls, which answers none before all have come."""
    barrier = threading.Barrier(count)

    async def meet(request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(barrier.wait, 30)
        token = request.match_info["token"]
        daemon.jobs[token].update(status="failed" if token == "b" else "completed", sequence=2)
        return web.json_response(daemon.jobs[token])

    return meet


def test_several_jobs_are_waited_for_at_the_same_time(daemon: Daemon) -> None:
    for token in "abc":
        daemon.add_job(token)
    daemon.polls.extend([meeting(daemon, 3)] * 3)
    result = storectl(daemon, "jobs", "wait", "a", "b", "c", "a", "-o", "json")
    assert result.exit_code == 1
    assert [(job["token"], job["status"]) for job in json.loads(result.stdout)] == [
        ("a", "completed"),
        ("b", "failed"),
        ("c", "completed"),
    ]
    assert sorted(result.stderr.splitlines()) == [
        *("Job a: completed", "Job a: enqueued", "Job b: enqueued"),
        *("Job b: failed", "Job c: completed", "Job c: enqueued"),
    ]


def test_more_jobs_than_are_looked_at_at_once_are_all_waited_for(daemon: Daemon) -> None:
    tokens = [f"job{number}" for number in range(70)]
    for token in tokens:
        daemon.add_job(token)
    daemon.script.extend([{"status": "completed"}] * 70)
    result = storectl(daemon, "jobs", "wait", *tokens, "-o", "json")
    assert result.exit_code == 0, result.stderr
    assert [job["token"] for job in json.loads(result.stdout)] == tokens


def test_of_several_jobs_a_refused_one_and_a_late_one_are_told_apart(daemon: Daemon) -> None:
    daemon.add_job("a", status="completed")
    daemon.add_job("b")
    result = storectl(daemon, "jobs", "wait", "nobody", "a", "b", "--timeout", "0.2", "-o", "json")
    assert result.exit_code == 8
    assert [(job["token"], job["status"]) for job in json.loads(result.stdout)] == [
        ("a", "completed"),
        ("b", "enqueued"),
    ]
    assert "storectl: There is no job 'nobody'.\n" in result.stderr
    assert "1 of 3 jobs have not ended within 0.2 s; they go on. To wait for them again:\n  storectl jobs wait b\n" in (
        result.stderr
    )


def test_jobs_are_cancelled_with_a_comment(daemon: Daemon) -> None:
    daemon.add_job()
    assert storectl(daemon, "jobs", "cancel", TOKEN, "--comment", "wrong branch").exit_code == 0
    assert daemon.cancels == [{"comment": "wrong branch"}]
    result = storectl(daemon, "jobs", "cancel", TOKEN)
    assert result.exit_code == 1
    assert "nothing to cancel" in result.stderr


def test_a_dropped_job_is_retried_under_its_token(daemon: Daemon) -> None:
    daemon.add_job(status="dropped")
    result = storectl(daemon, "jobs", "retry", TOKEN, "-o", "json")
    assert result.exit_code == 0
    assert [(job["token"], job["status"]) for job in json.loads(result.stdout)] == [(TOKEN, "enqueued")]
    result = storectl(daemon, "jobs", "retry", TOKEN)
    assert result.exit_code == 1
    assert "Only failed and dropped" in result.stderr


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_run_name_is_not_taken_for_none_given(daemon: Daemon, tmp_path: Path, name: str) -> None:
    result = storectl(daemon, "store", str(tmp_path), "--name", name)
    assert result.exit_code == 2
    assert "name is empty" in result.stderr


# runs and results


def run(name: str, **counts: int) -> dict[str, Any]:
    return {"name": name, "stored_at": "2025-11-24T05:06:07.123456Z", "tag": "v1", "reports": counts}


def test_runs_are_listed_through_all_pages(daemon: Daemon) -> None:
    daemon.pages["runs"] = [run(f"run {number}", new=number, resolved=1) for number in range(5)]
    plain = storectl(daemon, "runs").stdout
    assert plain.splitlines()[4] == "run 4\t2025-11-24T05:06:07.123456Z\tv1\t4\t0\t0\t1\t0\t0"
    assert storectl(daemon, "runs", "-o", "plaintext").stdout == plain
    assert json.loads(storectl(daemon, "runs", "-o", "json").stdout) == daemon.pages["runs"]
    assert storectl(daemon, "runs", "-o", "table").stdout.splitlines()[:2] == [
        "RUN    STORED (UTC)      TAG  OPEN  NEW  REOPENED  CLOSED",
        "run 0  2025-11-24 05:06  v1      0    0         0       1",
    ]


def test_numbers_of_reports_stand_in_the_same_order_in_runs_sum_and_history(daemon: Daemon) -> None:
    counts = {"new": 1, "unresolved": 3, "reopened": 2, "resolved": 4, "off": 5, "unavailable": 6}
    daemon.pages["runs"] = [run("shop", **counts)]
    daemon.pages["history"] = [{"stored_at": "2026-11-24T08:30:00Z", "tag": "v1", "reports": counts}]
    row = {"severity": 40, "reports": 21, "open": 6, "statuses": counts}
    daemon.replace_next("summary", answering(lambda: web.json_response({"severities": [row]})))
    for command in (["runs"], ["history", "shop"], ["sum", "--by", "severity"]):
        assert "\t1\t2\t3\t4\t5\t6" in storectl(daemon, *command).stdout


def test_a_product_without_runs_is_an_empty_list(daemon: Daemon) -> None:
    for output in ("plain", "table"):
        result = storectl(daemon, "runs", "-o", output)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Product 'Default' has no runs.\n")
        result = storectl(daemon, "runs", "-n", "nightly*", "-o", output)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No run matches.\n")
    assert json.loads(storectl(daemon, "runs", "-o", "json").stdout) == []


@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_a_name_of_no_run_is_told_with_the_words_of_the_daemon_and_the_other_runs_are_listed(
    daemon: Daemon, output: str
) -> None:
    daemon.pages["runs"] = [run("shop")]
    result = storectl(daemon, "runs", "shop", "ship", "-o", output)
    assert (result.exit_code, result.stderr) == (1, "storectl: There is no run 'ship'.\n")
    assert "shop" in result.stdout


def test_a_run_that_is_there_and_was_stored_at_another_time_is_no_error(daemon: Daemon) -> None:
    daemon.pages["runs"] = [run("shop")]
    daemon.replace_next("runs", answering(lambda: web.json_response({"runs": [], "next": None})))
    result = storectl(daemon, "runs", "shop", "--all-after-time", "2026-11-24")
    assert (result.exit_code, result.stderr) == (0, "No run matches.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "There are no jobs.\n"),
        (("--status", "failed"), "No job matches.\n"),
        (("--status", "failed", "--kill"), "No job matches.\n"),
        (("-t", "ab"), "storectl: No job has the token ab and fits the other filters.\n"),
    ],
)
def test_jobs_that_are_none_are_told(daemon: Daemon, arguments: tuple[str, ...], told: str) -> None:
    for output in ("plain", "table"):
        result = storectl(daemon, "jobs", *arguments, "-o", output)
        assert (result.stdout, result.stderr) == ("", told)


def report(number: int, **members: Any) -> dict[str, Any]:
    return {
        "id": number,
        "checker": "core.DivideZero",
        "file": f"/a/long/way/down/to/the/folder/of/the/source/file/number{number}.cpp",
        "line": 12,
        "column": 3,
        "severity": 40,
        "detection_status": "new",
        "review_status": "unreviewed",
        "message": "Division by zero, which is said at some length so that it does not fit into the line",
        **members,
    }


def test_results_as_json_are_one_list_of_what_the_daemon_has(daemon: Daemon) -> None:
    daemon.pages["reports"] = [report(number, message="ünï\n") for number in range(5)]
    assert json.loads(storectl(daemon, "results", "shop", "-o", "json").stdout) == daemon.pages["reports"]
    assert len(daemon.requests) == 3


@pytest.mark.parametrize("output", ["plain", "table"])
def test_results_that_are_none_are_told_with_what_was_not_looked_for(daemon: Daemon, output: str) -> None:
    result = storectl(daemon, "results", "shop", "-o", output)
    assert result.exit_code == 0
    hint = "Only open ones were looked for; --detection-status all looks for the others, too."
    more = "False positives and intentional ones were left out; --review-status all has them, too."
    assert result.stderr == f"No reports of 'shop' match. {hint} {more}\n"
    for options in (["--detection-status", "all", "--review-status", "all"], ["--tag", "v1"]):
        result = storectl(daemon, "results", "shop", "nightly*", "-o", output, *options)
        assert result.stderr == "No reports of 'shop', 'nightly*' match.\n"
    daemon.pages["reports"] = [report(1)]
    assert storectl(daemon, "results", "shop", "-o", output).stderr == ""


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--file", "recipe.cpp"], "--file '*recipe.cpp*'"),
        (["--checker", "*.x", "core"], "--checker-name 'core*'"),
        (["--checker-msg", "leak", "--analyzer", "clang"], "--analyzer-name 'clang*', --checker-msg '*leak*'"),
        (["--report-hash", "c4ca42"], "--report-hash 'c4ca42*'"),
    ],
)
def test_patterns_that_may_be_meant_for_a_part_are_told_how_to_be_written(
    daemon: Daemon, options: list[str], hint: str
) -> None:
    result = storectl(daemon, "results", "shop", *options)
    told = f"No reports of 'shop' match. A pattern is for the whole value: try {hint}. Only open ones were looked for; "
    assert result.stderr.startswith(told)


@pytest.mark.parametrize(
    "options", [["--file", "/src/a.c"], ["--file", "*.c"], ["--report-hash", "ab" * 16], ["--severity", "high"]]
)
def test_what_is_a_whole_value_or_has_a_star_is_told_nothing_of_patterns(daemon: Daemon, options: list[str]) -> None:
    assert "pattern" not in storectl(daemon, "results", "shop", *options).stderr


def test_a_sum_of_nothing_is_told(daemon: Daemon) -> None:
    for output, told in (("plain", "No reports match. Only"), ("table", "No reports match. Only"), ("json", "")):
        daemon.replace_next("summary", answering(lambda: web.json_response({"checkers": []})))
        result = storectl(daemon, "sum", "-o", output)
        assert (result.exit_code, result.stderr[: len("No reports match. Only")]) == (0, told)


def test_a_table_of_a_history_has_the_open_reports_of_each_store(daemon: Daemon) -> None:
    counts = {"new": 2, "unresolved": 30, "reopened": 4, "resolved": 5}
    daemon.pages["history"] = [{"stored_at": "2026-11-24T08:30:00Z", "tag": "v1", "reports": counts}]
    title, row = storectl(daemon, "history", "shop", "-o", "table").stdout.splitlines()
    assert title.split()[3:] == ["USER", "OPEN", "NEW", "REOPENED", "RESOLVED", "DESCRIPTION"]
    assert row.split() == ["2026-11-24", "08:30", "v1", "36", "2", "4", "5"]


def test_results_are_the_open_ones_by_default(daemon: Daemon) -> None:
    storectl(daemon, "results", "shop")
    statuses = [("detection_status", status) for status in ("new", "reopened", "unresolved")]
    statuses += [("review_status", "unreviewed"), ("review_status", "confirmed")]
    assert daemon.queries("reports") == [[("run", "shop"), *statuses, ("sort", "severity"), ("limit", "500")]]
    storectl(daemon, "results", "shop", "--tag", "v1", "--sort", "file", "--reverse")
    assert daemon.queries("reports")[1] == [
        *(("run", "shop"), ("tag", "v1"), ("sort", "file"), ("reverse", "true"), ("limit", "500")),
    ]


def test_pages_of_reports_grow_since_each_is_sorted_anew(daemon: Daemon) -> None:
    daemon.pages["reports"] = [report(number) for number in range(9)]
    storectl(daemon, "results", "shop")
    storectl(daemon, "results", "shop", "--details")
    limits = [dict(query)["limit"] for query in daemon.queries("reports")]
    assert limits == ["500", "5000", "20000", "20000", "20000", "250", "2000", "5000", "5000", "5000"]


def test_an_option_may_have_several_values_once_runs_are_named(daemon: Daemon) -> None:
    storectl(daemon, "results", "shop", "mall*", "--severity", "high", "low", "--file", "*.c", "*.h")
    storectl(daemon, "results", "--severity", "high", "shop")
    first, second = (
        [pair for pair in query if pair[0] in {"run", "severity", "file"}] for query in daemon.queries("reports")
    )
    assert first == [
        *(("run", "shop"), ("run", "mall*"), ("severity", "HIGH"), ("severity", "LOW")),
        *(("file", "*.c"), ("file", "*.h")),
    ]
    assert second == [("run", "shop"), ("severity", "HIGH")]


def test_runs_of_results_may_be_named_by_an_option_as_elsewhere(daemon: Daemon) -> None:
    storectl(daemon, "results", "-n", "shop", "mall*", "--name", "shop", "--severity", "high", "low")
    [query] = daemon.queries("reports")
    assert [pair for pair in query if pair[0] in {"run", "severity"}] == [
        *(("run", "shop"), ("run", "mall*"), ("severity", "HIGH"), ("severity", "LOW")),
    ]
    nothing = storectl(daemon, "results")
    assert (nothing.exit_code, nothing.stderr) == (2, "storectl: Say of which runs: RUN..., or -n RUN.\n")


def test_runs_are_chosen_by_name_and_by_when_they_were_stored(daemon: Daemon) -> None:
    daemon.pages["runs"] = [run("a"), run("b")]
    result = storectl(daemon, "runs", "-n", "a*", "b", "--all-after-time", "2025-11-24", "--sort", "open", "--reverse")
    assert result.exit_code == 0
    assert daemon.queries("runs")[0] == [
        *(("name", "a*"), ("name", "b"), ("stored_after", "2025-11-24T00:00:00+00:00")),
        *(("sort", "open"), ("reverse", "true"), ("limit", "1000")),
    ]


def test_runs_before_a_run_are_those_stored_until_it_without_it(daemon: Daemon) -> None:
    daemon.pages["runs"] = [run("a"), run("b"), run("c")]
    result = storectl(daemon, "runs", "--all-before-run", "b", "-o", "json")
    assert [found["name"] for found in json.loads(result.stdout)] == ["a", "c"]
    assert ("stored_before", run("b")["stored_at"]) in daemon.queries("runs")[0]
    assert storectl(daemon, "runs", "--all-before-run", "b", "--all-before-time", "1h").exit_code == 2


def test_reports_are_counted_by_file_and_by_severity(daemon: Daemon) -> None:
    answers: list[dict[str, Any]] = [
        {"files": [{"file": "/src/a.c", "reports": 3, "open": 1, "statuses": {"new": 1, "off": 2}}]},
        {"severities": [{"severity": 40, "reports": 3, "open": 1, "statuses": {"reopened": 1, "off": 2}}]},
    ]
    for answer in (*answers, *answers):
        daemon.replace_next("summary", answering(lambda answer=answer: web.json_response(answer)))
    assert storectl(daemon, "sum", "-a", "--by", "file", "--top", "5").stdout == "/src/a.c\t3\t1\t0\t0\t0\t2\t0\n"
    assert ("files", "5") in daemon.queries("summary")[0]
    assert storectl(daemon, "sum", "--by", "severity").stdout == "HIGH\t3\t0\t1\t0\t0\t2\t0\n"
    lines = storectl(daemon, "sum", "--by", "file", "-o", "table").stdout.splitlines()
    assert lines == ["FILE      OPEN  NEW  REOPENED  CLOSED", "/src/a.c     1    1         0       2"]
    lines = storectl(daemon, "sum", "--by", "severity", "-o", "table").stdout.splitlines()
    assert [line.split() for line in lines[1:]] == [["HIGH", "1", "0", "1", "2"], ["all", "1", "0", "1", "2"]]
    assert storectl(daemon, "sum", "-a", "shop").exit_code == 2


def test_a_history_is_of_one_run_however_it_is_named(daemon: Daemon) -> None:
    assert storectl(daemon, "history", "-n", "shop").exit_code == 0
    assert storectl(daemon, "history").exit_code == 2
    assert storectl(daemon, "history", "shop", "-n", "mall").exit_code == 2


def test_filters_of_results_reach_the_daemon(daemon: Daemon) -> None:
    storectl(
        daemon,
        *("results", "my shop", "--details", "--detection-status", "all", "--review-status", "intentional"),
        *("--severity", "high", "--severity", "LOW", "--checker", "core.*", "--file", "*/a b/*", "--report-hash", "ab"),
    )
    [query] = daemon.queries("reports")
    every = ["new", "reopened", "unresolved", "resolved", "off", "unavailable"]
    assert sorted(query) == sorted(
        [
            ("run", "my shop"),
            ("details", "true"),
            *(("detection_status", status) for status in every),
            ("review_status", "intentional"),
            ("severity", "HIGH"),
            ("severity", "LOW"),
            ("checker", "core.*"),
            ("file", "*/a b/*"),
            ("report_hash", "ab"),
            ("sort", "severity"),
            ("limit", "250"),
        ]
    )


def test_plain_results_are_one_line_a_report(daemon: Daemon) -> None:
    events = [["/a.c", 1, 2, 3, 4, "here it\nstarts"], ["/b.c", 5, 6, 7, 8, "and ends"]]
    daemon.pages["reports"] = [report(1, file="/b.c", message="bad\nthing"), report(2, file="/c.c", events=events)]
    lines = storectl(daemon, "results", "shop").stdout.splitlines()
    assert lines[0] == "/b.c:12:3: HIGH core.DivideZero new bad thing"
    assert lines[1].startswith("/c.c:12:3: ")
    assert lines[2:] == ["\t/a.c:1:2: here it starts", "\t/b.c:5:6: and ends"]


@pytest.mark.parametrize(("output", "first"), [("plain", "/src/1.c"), ("json", '{"id": 1')])
def test_a_limit_shows_the_first_reports_only(daemon: Daemon, output: str, first: str) -> None:
    daemon.pages["reports"] = [report(number, id=number, file=f"/src/{number}.c") for number in range(1, 4)]
    shown = storectl(daemon, "results", "shop", "--limit", "2", "-o", output).stdout
    assert (shown.count(".c:12") or shown.count('"id"'), "3.c" in shown) == (2, False)
    assert first in shown


def test_a_table_of_results_fits_into_eighty_columns(daemon: Daemon) -> None:
    daemon.pages["reports"] = [report(1, checker="bugprone-narrowing-conversions-and-more"), report(2)]
    lines = storectl(daemon, "results", "shop", "-o", "table", COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["FILE", "SEVERITY", "CHECKER", "STATUS"]
    assert "number1.cpp:12:3  HIGH      bugprone-narrow" in lines[1]
    assert lines[1].endswith("new")
    assert lines[2].startswith("    Division by zero")


def test_a_table_with_details_has_paths_and_messages_whole(daemon: Daemon) -> None:
    event = [
        "/src/" + "way/" * 20 + "a.c",
        1,
        2,
        3,
        4,
        "it begins here, which is told at some length, and then it goes on",
    ]
    daemon.pages["reports"] = [report(1, events=[event])]
    shown = storectl(daemon, "results", "shop", "--details", "-o", "table", COLUMNS="60").stdout
    below = " ".join(shown.partition("\n    ")[2].split())
    whole = report(1)
    assert below == f"{whole['file']}:12:3 {whole['message']} a.c:1: {event[-1]}"


def test_a_table_of_several_runs_names_the_run(daemon: Daemon) -> None:
    daemon.pages["reports"] = [report(1, run="a" * 60)]
    for runs in (("a", "b"), ("a*",)):
        lines = storectl(daemon, "results", *runs, "-o", "table", COLUMNS="80").stdout.splitlines()
        assert lines[0].split() == ["RUN", "FILE", "SEVERITY", "CHECKER", "STATUS"]
        assert lines[1].startswith("aaaaa")
        assert max(map(len, lines)) <= 80


def test_an_unknown_run_is_told_with_the_words_of_the_daemon(daemon: Daemon) -> None:
    text = "Product 'Default' has no run 'x'. `storectl runs` lists the runs."
    daemon.replace_next("reports", answering(lambda: problem(404, text)))
    result = storectl(daemon, "results", "x", "-o", "json")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"storectl: {text}\n")


# what else may answer


def test_a_server_that_is_no_daemon_is_recognised(daemon: Daemon) -> None:
    page = answering(lambda: web.Response(text="<html>", content_type="text/html"))
    daemon.replace_next("runs", page, answering(lambda: web.json_response({"hello": "world"})))
    first = storectl(daemon, "runs")
    assert first.exit_code == 1
    assert "no storaged daemon: 200 OK with text/html" in first.stderr
    second = storectl(daemon, "runs")
    assert second.exit_code == 1
    assert "is it a storaged daemon?" in second.stderr


def test_where_nothing_listens_it_says_what_to_start() -> None:
    with serve(Daemon()) as stopped:
        pass
    result = storectl(stopped, "runs")
    assert result.exit_code == 1
    assert result.stderr == (
        f"storectl: No daemon answers at http://localhost:{stopped.port} (connection refused). "
        "Is `storaged serve` running?\n"
    )


def test_a_wrong_url_is_a_usage_error(daemon: Daemon) -> None:
    result = storectl(daemon, "runs", "--url", "localhost:8001")
    assert result.exit_code == 2
    assert "names no product" in result.stderr


def test_jobs_without_a_command_lists_them(daemon: Daemon) -> None:
    daemon.pages["jobs"] = [daemon.add_job()]
    result = storectl(daemon, "jobs")
    assert (result.exit_code, result.stdout.split("\t")[0]) == (0, TOKEN)


# sum, history


def test_reports_are_counted_by_checker_with_a_line_for_all(daemon: Daemon) -> None:
    rows = [
        {"checker": "core.A", "analyzer": "clangsa", "severity": 40, "reports": 5, "statuses": {"new": 2, "off": 3}},
        {"checker": "core.B", "analyzer": "clangsa", "severity": 20, "reports": 1, "statuses": {"unresolved": 1}},
    ]
    for _ in range(3):
        daemon.replace_next("summary", answering(lambda: web.json_response({"checkers": rows})))
    table = storectl(daemon, "sum", "a", "-n", "b", "--severity", "high", "-o", "table").stdout.splitlines()
    assert [line.split() for line in table[1:]] == [
        ["HIGH", "core.A", "2", "2", "0", "3"],
        ["LOW", "core.B", "1", "0", "0", "0"],
        ["2", "checkers", "3", "2", "0", "3"],
    ]
    [query] = daemon.queries("summary")
    assert [pair for pair in query if not pair[0].endswith("_status")] == [
        ("run", "b"),
        ("run", "a"),
        ("severity", "HIGH"),
        ("files", "0"),
    ]
    plain = storectl(daemon, "sum").stdout.splitlines()
    assert plain[0].split("\t") == ["HIGH", "core.A", "clangsa", "5", "2", "0", "0", "0", "3", "0"]
    assert json.loads(storectl(daemon, "sum", "-o", "json").stdout) == rows


def test_the_stores_of_a_run_are_listed(daemon: Daemon) -> None:
    daemon.pages["history"] = [
        {
            "id": 1,
            "stored_at": "2025-11-24T05:06:07.123456Z",
            "tag": "v1",
            "user": None,
            "job": TOKEN,
            "reports": {"new": 3, "resolved": 1},
            "description": "a\tb",
            "client_version": "1.0",
        }
    ]
    plain = storectl(daemon, "history", "a/b").stdout
    numbers = ["3", "0", "0", "1", "0", "0"]
    assert plain.split("\t") == ["2025-11-24T05:06:07.123456Z", "v1", "", *numbers, "1.0", TOKEN, "a b\n"]
    table = storectl(daemon, "history", "a/b", "-o", "table").stdout.splitlines()
    assert table[1].split() == ["2025-11-24", "05:06", "v1", "3", "3", "0", "1", "a", "b"]
    assert json.loads(storectl(daemon, "history", "a/b", "-o", "json").stdout) == daemon.pages["history"]
