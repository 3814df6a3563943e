"""`storectl store --dry-run` beside the store itself, on a real daemon."""

import json
import plistlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, free_port
from tests.acceptance.uploads import SOURCE, report

TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with two reports in one result file, on a source."""
    (tmp_path / "a.c").write_bytes(SOURCE)
    (tmp_path / "reports").mkdir()
    write(tmp_path / "reports/a.plist", tmp_path / "a.c")
    return tmp_path


def write(path: Path, *sources: Path, count: int = 2) -> None:
    files = [str(source) for source in sources]
    path.write_bytes(plistlib.dumps({"files": files, "diagnostics": [report(number) for number in range(count)]}))


def run(daemon: DaemonProcess, project: Path, *options: str, name: str = "shop") -> subprocess.CompletedProcess[str]:
    return daemon.storectl("store", str(project / "reports"), "-n", name, *options)


def dry(daemon: DaemonProcess, project: Path, *options: str, code: int = 0, name: str = "shop") -> dict[str, Any]:
    done = run(daemon, project, "--dry-run", "-o", "json", *options, name=name)
    assert done.returncode == code, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def limit(daemon: DaemonProcess, **limits: int | None) -> None:
    options = [
        part
        for name, value in limits.items()
        for part in ([f"--no-{name}-limit"] if value is None else [f"--{name}-limit", str(value)])
    ]
    assert daemon.storectl("product", "edit", "Default", *options).returncode == 0


def kept(daemon: DaemonProcess, database_url: str) -> Mapping[str, object]:
    """How many rows each table has, but for what lives by itself, and what the spool has."""
    tables = [row["relname"] for row in run_sql(database_url, TABLES)]
    count = 'SELECT count(*) FROM "{}"'
    rows: dict[str, object] = {
        table: run_sql(database_url, count.format(table))[0][0] for table in tables if table != "node"
    }
    spool = sorted(str(path) for path in (daemon.data_dir / "spool").rglob("*"))
    return rows | {"spool": spool}


def test_a_dry_run_writes_nothing_and_makes_no_job(daemon: DaemonProcess, database_url: str, project: Path) -> None:
    before = kept(daemon, database_url)
    assert "job" in before
    assert run(daemon, project, "--dry-run").returncode == 0
    assert run(daemon, project, "--dry-run", "--force", "--detach").returncode == 0
    assert kept(daemon, database_url) == before
    assert run(daemon, project).returncode == 0
    assert kept(daemon, database_url) != before


def test_a_dry_run_tells_what_the_store_then_does(shared_daemon: DaemonProcess, project: Path) -> None:
    write(project / "reports/b.plist", project / "a.c", project / "gone.c", count=1)
    told = dry(shared_daemon, project, "--tag", "v1", "--trim-path-prefix", str(project), name="told")
    assert told["run_exists"] is False
    assert (told["product"], told["run"], told["tag"]) == ("Default", "told", "v1")
    assert (told["trim_path_prefixes"], told["force"], told["keep_going"]) == ([str(project)], False, False)
    assert (told["report_folders"], told["result_files"], told["reports"]) == ([f"{project}/reports"], 2, 3)
    assert (told["sources"], told["sources_to_send"]) == (2, 1)
    assert told["missing_sources"] == [f"{project}/gone.c"]
    assert (told["obstacles"], told["broken_result_files"]) == ([], [])
    assert 0 < told["upload_bytes"] < told["unpacked_bytes"]
    assert run(shared_daemon, project, name="told").returncode == 0
    after = dry(shared_daemon, project, name="told")
    assert (after["run_exists"], after["sources_to_send"]) == (True, 0)
    assert after["unpacked_bytes"] == told["unpacked_bytes"] - len(SOURCE)


def test_the_other_outputs_tell_the_same(shared_daemon: DaemonProcess, project: Path) -> None:
    plain = run(shared_daemon, project, "--dry-run", "-o", "plain", name="outputs")
    lines = plain.stdout.splitlines()
    assert {"run: outputs", "run_exists: no", "result_files: 1", "reports: 2", "force: no"} <= {*lines}
    assert plain.stderr.endswith("Nothing was stored: this is a dry run.\n")
    table = run(shared_daemon, project, "--dry-run", "-o", "table", "--force", name="outputs").stdout
    assert [line.split()[0] for line in table.splitlines()][:3] == ["Product", "Run", "Report"]
    assert "outputs (new)\n" in table
    assert all(len(line) <= 80 for line in table.splitlines() if str(project) not in line)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"hello", "it is no plist"),
        (b"<?xml version='1.0'?><plist><array/></plist>", "it is not the plist of an analysis"),
        (None, "it is cut off"),
    ],
)
def test_broken_result_files_fail_as_the_store_does(
    shared_daemon: DaemonProcess, project: Path, content: bytes | None, fault: str
) -> None:
    whole = (project / "reports/a.plist").read_bytes()
    (project / "reports/b.plist").write_bytes(whole.rstrip().removesuffix(b"</plist>") if content is None else content)
    facts = dry(shared_daemon, project, code=4, name="broken")
    [told] = facts["broken_result_files"]
    assert told.startswith(f"{project}/reports/b.plist: {fault}")
    assert facts["obstacles"][0].startswith("1 of 2 result files cannot be read")
    assert run(shared_daemon, project, name="broken").returncode == 4
    assert dry(shared_daemon, project, "--keep-going", name="broken")["obstacles"] == []


def test_what_the_daemon_cannot_read_yet_is_told(shared_daemon: DaemonProcess, project: Path) -> None:
    (project / "reports/a.sarif").write_text('{"version": "2.1.0", "runs": []}')
    [told] = dry(shared_daemon, project, code=4, name="sarif")["broken_result_files"]
    assert told == f"{project}/reports/a.sarif: this daemon reads only .plist"


def test_a_run_that_is_too_many_fails_as_the_store_does(daemon: DaemonProcess, project: Path) -> None:
    assert run(daemon, project).returncode == 0
    limit(daemon, run=1)
    [obstacle] = dry(daemon, project, code=4, name="other")["obstacles"]
    assert "as many runs as it takes (1), so 'other' cannot be made" in obstacle
    assert run(daemon, project, name="other").returncode == 4
    assert dry(daemon, project)["obstacles"] == []
    assert dry(daemon, project, "--force")["obstacles"] == []
    assert run(daemon, project, "--force").returncode == 0
    limit(daemon, run=None)
    assert dry(daemon, project, name="other")["obstacles"] == []


def test_reports_over_the_limit_are_a_warning_since_duplicates_do_not_count(
    daemon: DaemonProcess, project: Path
) -> None:
    limit(daemon, report=3)
    write(project / "reports/b.plist", project / "a.c")
    assert "There are 4 reports, and the product takes 3" in dry(daemon, project)["warnings"][0]
    assert run(daemon, project).returncode == 0
    limit(daemon, report=4)
    assert dry(daemon, project)["warnings"] == []


@pytest.mark.parametrize(
    ("setting", "code", "told"),
    [
        ("max_upload_bytes=100", 1, "bytes, this daemon takes 100"),
        ("max_unpacked_bytes=100", 4, "bytes when it is unpacked, this daemon takes 100"),
        ("max_entries=3", 4, "The upload has 4 entries, this daemon takes 3"),
    ],
)
def test_limits_of_an_upload_fail_as_the_store_does(
    daemon: DaemonProcess, project: Path, setting: str, code: int, told: str
) -> None:
    daemon.stop()
    name, _, value = setting.partition("=")
    daemon.settings[name] = value
    daemon.start()
    done = run(daemon, project, "--dry-run")
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert run(daemon, project).returncode == code


def test_what_is_refused_is_refused_as_by_the_store(shared_daemon: DaemonProcess, project: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/Default"
    for options in (
        ["--tag", "t" * 1001],
        ["--url", f"{shared_daemon.url}/Nothing"],
        ["--url", nowhere, "--give-up", "0.1"],
        ["-n", " "],
        [str(project / "gone")],
    ):
        dry_run = run(shared_daemon, project, "--dry-run", *options)
        store = run(shared_daemon, project, *options)
        assert store.returncode != 0
        assert (dry_run.returncode, dry_run.stdout, dry_run.stderr) == (store.returncode, "", store.stderr)
