"""`CodeChecker store`, unmodified, into a daemon: what is stored, and what the client prints."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.calls import get, post_json, reports_of, until_ended
from tests.acceptance.codechecker_client import Client, Done
from tests.acceptance.conftest import Analysis, results_of
from tests.acceptance.daemons import DaemonProcess
from tests.acceptance.test_xerces import in_order
from tests.archives import unpack_sample

SAMPLE_REPORTS = 26


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report folder of a small analysis."""
    return unpack_sample(tmp_path_factory.mktemp("sample")) / "reports"


def test_the_stored_reports_are_those_of_codechecker_field_by_field(
    shared_daemon: DaemonProcess, each_client: Client, xerces: Analysis
) -> None:
    run = f"xerces {each_client.version}"
    done = each_client.store(shared_daemon, xerces.reports, "-n", run)
    assert done.code == 0, done.out
    assert "finished successfully." in done.out
    found = results_of(shared_daemon, run, "--details")
    fields = list(xerces.expected[0])
    assert in_order(found, fields) == in_order(xerces.expected, fields)
    result = get(shared_daemon, f"/api/v1/jobs?run={quote(run)}")["jobs"][0]["result"]
    assert (result["reports"], result["missing_sources"], result["warnings"]) == (1253, [], [])


@pytest.fixture(scope="module")
def detached(shared_daemon: DaemonProcess, codechecker_client: Client, sample: Path) -> Done:
    """A store that its client does not wait for, with every option."""
    options = ["--tag", "v1", "--description", "of a test", "--trim-path-prefix", str(sample.parent)]
    return codechecker_client.store(shared_daemon, sample, "-n", "sample", "--detach", *options)


def test_a_detached_store_prints_the_token_of_its_job_last(shared_daemon: DaemonProcess, detached: Done) -> None:
    assert detached.code == 0, detached.out
    job = until_ended(shared_daemon, detached.out.split()[-1])
    assert (job["status"], job["result"]["new"]) == ("completed", SAMPLE_REPORTS)
    (entry,) = get(shared_daemon, "/api/v1/products/Default/runs/sample/history")["stores"]
    assert (entry["tag"], entry["description"]) == ("v1", "of a test")
    assert entry["client_version"].startswith("6.29.1")
    assert {report["file"].split("/")[0] for report in reports_of(shared_daemon, "sample")} == {"src"}


def test_the_blocking_call_sends_no_source_again_and_waits(
    shared_daemon: DaemonProcess, codechecker_client: Client, sample: Path, detached: Done
) -> None:
    until_ended(shared_daemon, detached.out.split()[-1])
    done = codechecker_client.store(
        shared_daemon, sample, "-n", "sample", "--trim-path-prefix", str(sample.parent), CC_FORCE_SYNC_STORE="yes"
    )
    assert done.code == 0, done.out
    assert "Number of source files                           │ 0" in done.out
    job = get(shared_daemon, "/api/v1/jobs?run=sample")["jobs"][0]
    assert (job["status"], job["summary"].split()[0]) == ("completed", "Legacy")
    assert (job["result"]["unresolved"], job["result"]["new"]) == (SAMPLE_REPORTS, 0)


def test_a_product_that_is_not_there_is_told(
    shared_daemon: DaemonProcess, codechecker_client: Client, sample: Path
) -> None:
    done = codechecker_client.store(shared_daemon, sample, "-n", "sample", product="Defautl")
    assert done.code == 1
    assert "There is no product 'Defautl'. Did you mean 'Default'?" in done.out


def test_limits_are_told(shared_daemon: DaemonProcess, codechecker_client: Client, sample: Path) -> None:
    for product, limits in (("few", {"report_limit": SAMPLE_REPORTS - 1}), ("full", {"run_limit": 0})):
        assert post_json(shared_daemon, "/api/v1/products", {"endpoint": product, **limits}).status == 201
    done = codechecker_client.store(shared_daemon, sample, "-n", "sample", product="few")
    assert done.code == 1
    assert f"Configured report limit for this product: {SAMPLE_REPORTS - 1}" in done.out
    done = codechecker_client.store(shared_daemon, sample, "-n", "sample", product="full")
    assert done.code == 1
    assert "Error during API call: massStoreRunAsynchronous" in done.out
    assert "Product 'full' has as many runs as it takes (0), so 'sample' cannot be made." in done.out
    assert get(shared_daemon, "/api/v1/jobs?product=full")["jobs"] == []
