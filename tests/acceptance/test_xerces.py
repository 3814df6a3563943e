"""The main job on a real analysis: stored by the real client in a real daemon, equal to what CodeChecker stores."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from tests.acceptance.conftest import Analysis, results_of
from tests.acceptance.daemons import DaemonProcess

ALL_STATUSES = [
    part
    for status in ("new", "reopened", "unresolved", "resolved", "off", "unavailable")
    for part in ("--detection-status", status)
]
# Tables that an unchanged store must not write to; history, queue and staging are not among them.
WATCHED = ("report", "report_path", "file", "run_file", "content", "checker", "checker_set")


def store(daemon: DaemonProcess, folder: Path, *options: str) -> None:
    done = daemon.storectl("store", str(folder), "-n", "xerces", *options)
    assert done.returncode == 0, done.stderr


def in_order(reports: list[dict[str, Any]], fields: list[str]) -> list[bytes]:
    return sorted(
        orjson.dumps({name: report[name] for name in fields}, option=orjson.OPT_SORT_KEYS) for report in reports
    )


def statuses(reports: list[dict[str, Any]]) -> Counter[str]:
    return Counter(report["detection_status"] for report in reports)


async def written_rows(database_url: str) -> dict[str, int]:
    """Rows inserted, updated and deleted so far, by table."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS written
               FROM pg_stat_user_tables WHERE relname = ANY($1)""",
            list(WATCHED),
        )
    finally:
        await connection.close()
    return {row["relname"]: row["written"] for row in rows}


async def settled_rows(database_url: str, daemon: DaemonProcess) -> dict[str, int]:
    """The counts once every backend has reported its part: the daemon is stopped, so its backends have ended."""
    daemon.stop()
    counts = await written_rows(database_url)
    daemon.start()
    return counts


def test_the_stored_reports_are_those_of_codechecker_field_by_field(daemon: DaemonProcess, xerces: Analysis) -> None:
    store(daemon, xerces.reports)
    found = results_of(daemon, "xerces", "--details")
    fields = list(xerces.expected[0])
    assert len(found) == len(xerces.expected) == 1253
    assert in_order(found, fields) == in_order(xerces.expected, fields)
    result = daemon.get("/api/v1/jobs")["jobs"][0]["result"]
    assert (result["diagnostics"], result["duplicates"], result["reports"]) == (2923, 1670, 1253)


async def test_the_same_store_again_writes_no_row_and_leaves_all_unresolved(
    daemon: DaemonProcess, xerces: Analysis, database_url: str
) -> None:
    store(daemon, xerces.reports)
    before = await settled_rows(database_url, daemon)
    store(daemon, xerces.reports)
    assert await settled_rows(database_url, daemon) == before
    assert before["report"] == 1253
    assert statuses(results_of(daemon, "xerces", *ALL_STATUSES)) == {"unresolved": 1253}


def test_files_taken_away_resolve_exactly_their_reports_and_given_back_reopen_them(
    daemon: DaemonProcess, xerces: Analysis, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    shutil.copytree(xerces.reports, reports)
    store(daemon, reports)
    gone = sorted(reports.glob("*.plist"), key=lambda path: (-path.stat().st_size, path.name))[:10]
    away = tmp_path / "away"
    away.mkdir()
    for path in gone:
        path.rename(away / path.name)
    lost = hashes_in(away) - hashes_in(reports)
    assert lost
    store(daemon, reports)
    found = results_of(daemon, "xerces", *ALL_STATUSES)
    assert {report["report_hash"] for report in found if report["detection_status"] == "resolved"} == lost
    assert set(statuses(found)) == {"resolved", "unresolved"}
    for path in away.iterdir():
        path.rename(reports / path.name)
    store(daemon, reports)
    found = results_of(daemon, "xerces", *ALL_STATUSES)
    assert {report["report_hash"] for report in found if report["detection_status"] == "reopened"} == lost
    assert set(statuses(found)) == {"reopened", "unresolved"}


def hashes_in(folder: Path) -> set[str]:
    """The report hashes that the folder's result files name, found as text."""
    key = "<key>issue_hash_content_of_line_in_context</key>"
    found = set()
    for path in folder.glob("*.plist"):
        lines = iter(path.read_text(encoding="utf-8").splitlines())
        found |= {next(lines).strip()[len("<string>") : -len("</string>")] for line in lines if line.strip() == key}
    return found


def test_a_diff_with_files_taken_away_has_exactly_their_reports(
    daemon: DaemonProcess, xerces: Analysis, tmp_path: Path
) -> None:
    """Both ways of comparing, run with run and folder with run, against the reports that CodeChecker stores."""
    fewer, away = tmp_path / "fewer", tmp_path / "away"
    shutil.copytree(xerces.reports, fewer)
    away.mkdir()
    for path in sorted(fewer.glob("*.plist"), key=lambda path: (-path.stat().st_size, path.name))[:10]:
        path.rename(away / path.name)
    lost = hashes_in(away) - hashes_in(fewer)
    gone = [report for report in xerces.expected if report["report_hash"] in lost]
    kept = [report for report in xerces.expected if report["report_hash"] not in lost]
    assert gone
    fields = [name for name in xerces.expected[0] if name not in {"detection_status", "detected_at", "fixed_at"}]
    store(daemon, xerces.reports)
    fewer_run = daemon.storectl("store", str(fewer), "-n", "fewer")
    assert fewer_run.returncode == 0, fewer_run.stderr
    for side in ("fewer", str(fewer)):
        assert in_order(diff_of(daemon, side, "xerces", "--new"), fields) == in_order(gone, fields)
        assert in_order(diff_of(daemon, "xerces", side, "--resolved"), fields) == in_order(gone, fields)
        assert diff_of(daemon, "xerces", side, "--new") == []
        shown = {report["report_hash"] for report in diff_of(daemon, "xerces", side, "--unresolved")}
        assert shown == {report["report_hash"] for report in kept}


def diff_of(daemon: DaemonProcess, base: str, new: str, which: str) -> list[dict[str, Any]]:
    done = daemon.storectl("diff", "-b", base, "-n", new, which, "--details", "-o", "json")
    found: list[dict[str, Any]] = orjson.loads(done.stdout)
    assert done.returncode == (2 if found else 0), done.stderr
    return found


@pytest.mark.parametrize("source", [True, False])
def test_one_report_comes_with_its_path_and_its_sources(daemon: DaemonProcess, xerces: Analysis, source: bool) -> None:
    store(daemon, xerces.reports)
    longest = max(results_of(daemon, "xerces"), key=lambda report: report["path_length"])
    report = daemon.get(f"/api/v1/products/Default/reports/{longest['id']}?source={str(source).lower()}")
    assert len(report["events"]) == longest["path_length"]
    if source:
        files = {event[0] for event in report["events"]}
        assert report["sources"].keys() >= files
        assert all(text == Path(path).read_bytes().decode(errors="replace") for path, text in report["sources"].items())
    else:
        assert "sources" not in report
