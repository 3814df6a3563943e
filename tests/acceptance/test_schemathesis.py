"""The OpenAPI document against the daemon that serves it: schemathesis sends what it allows and what it forbids."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.calls import call, get
from tests.acceptance.daemons import DaemonProcess, clean_environment
from tests.archives import unpack_sample

HOOKS = "tests.acceptance.schemathesis_hooks"
EXAMPLES = 20
# What may be deleted; the rest is still to be read.
SPARED = """\
[dictionaries.spare]
values = ["spare"]
[[operations]]
include-name = "DELETE /api/v1/products/{product}"
parameters = { "path.product" = { dictionary = "spare" } }
[[operations]]
include-method = "DELETE"
parameters = { "path.run" = { dictionary = "spare" } }
"""
# Values that exist, taken often: what is made up is only ever not found.
OFTEN = 0.8


@pytest.fixture
def sample(shared_daemon: DaemonProcess, tmp_path: Path) -> DaemonProcess:
    """The daemon with the packaged sample as the runs `pantry` and `spare`."""
    folder = unpack_sample(tmp_path / "sample")
    for run in ("pantry", "spare"):
        done = shared_daemon.storectl("store", str(folder / "reports"), "--name", run, "--tag", "v1")
        assert done.returncode == 0, done.stderr
    return shared_daemon


def config_of(daemon: DaemonProcess) -> str:
    """schemathesis.toml: the same requests each time, and the names of what the daemon holds."""
    reports = get(daemon, "/api/v1/products/Default/reports?limit=5")["reports"]
    known = {
        "product": ["Default"],
        "run": ["pantry"],
        "token": [job["token"] for job in get(daemon, "/api/v1/jobs")["jobs"]],
        "report": [report["id"] for report in reports],
    }
    lists = "".join(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in known.items())
    # Not `query.run`: a store with `force=true` would take the sample away.
    places = {"query.product": "product", **{f"path.{name}": name for name in known}}
    bindings = "".join(
        f'"{place}" = {{ dictionary = "{name}", probability = {OFTEN} }}\n' for place, name in places.items()
    )
    return f"""\
hooks = "{HOOKS}"
continue-on-failure = true
warnings = false
[generation]
deterministic = true
max-examples = {EXAMPLES}
database = "none"
{lists}[parameters]
{bindings}{SPARED}"""


def test_the_daemon_does_what_its_document_says_and_refuses_what_it_forbids(
    sample: DaemonProcess, tmp_path: Path
) -> None:
    config, document = tmp_path / "schemathesis.toml", tmp_path / "openapi.json"
    config.write_text(config_of(sample), encoding="utf-8")
    # As a file: where schemathesis fetches the document, it leaves the document's own endpoint out.
    document.write_bytes(call(sample, "GET", "/api/v1/openapi.json").body)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", "--no-color"),
            *("--checks", "all", "--url", sample.url, document),
        ],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
