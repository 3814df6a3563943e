"""What `storectl store --dry-run` makes of limits that a real daemon does not let be set, or does not have yet."""

import json
import plistlib
from pathlib import Path

from click.testing import CliRunner, Result
from storaged_cli.main import main

from tests.integration.storectl_daemon import Daemon


def dry_run(daemon: Daemon, folder: Path) -> Result:
    (folder / "a.c").write_text("int a;\n" * 1000)
    (folder / "a.plist").write_bytes(plistlib.dumps({"files": ["a.c"], "diagnostics": []}))
    arguments = ["store", str(folder), "-n", "shop", "--dry-run", "-o", "json", "--url", daemon.url]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_each_file_that_is_larger_than_the_daemon_takes_is_named(daemon: Daemon, tmp_path: Path) -> None:
    assert json.loads(dry_run(daemon, tmp_path).stdout)["obstacles"] == []
    daemon.limits["entry_bytes"] = 6000
    result = dry_run(daemon, tmp_path)
    told = f"{tmp_path}/a.c has more than 6000 bytes, which is what this daemon takes in a file."
    assert (result.exit_code, json.loads(result.stdout)["obstacles"]) == (4, [told])


def test_a_daemon_that_does_not_tell_a_limit_is_not_taken_for_one(daemon: Daemon, tmp_path: Path) -> None:
    del daemon.limits["entry_bytes"]
    result = dry_run(daemon, tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not the limits of a store: is it a storaged daemon?" in result.stderr
