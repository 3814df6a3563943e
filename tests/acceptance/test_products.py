"""Products are added, edited and removed, by the API and by storectl; their limits hold."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.calls import (
    call,
    eventually,
    get,
    post_json,
    post_store,
    texts,
    until_ended,
)
from tests.acceptance.daemons import DaemonProcess, clean_environment, running_daemon
from tests.acceptance.uploads import many_reports, one_report

PRODUCTS = "/api/v1/products"


@pytest.fixture(scope="module")
def daemon(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running_daemon(shared_database_url, tmp_path_factory.mktemp("products")) as running:
        yield running


def add(daemon: DaemonProcess, endpoint: str, **values: Any) -> Any:
    answer = post_json(daemon, PRODUCTS, {"endpoint": endpoint, **values})
    assert answer.status == 201, answer.body
    return answer.json


def patch(daemon: DaemonProcess, endpoint: str, values: Any) -> Any:
    answer = call(daemon, "PATCH", f"{PRODUCTS}/{endpoint}", body=json.dumps(values).encode())
    return answer.json


def remove(daemon: DaemonProcess, endpoint: str) -> Any:
    return call(daemon, "DELETE", f"{PRODUCTS}/{endpoint}")


def test_a_product_is_added_with_what_is_given_and_changed_in_what_is_named(daemon: DaemonProcess) -> None:
    made = add(daemon, "edited", description="Front end", run_limit=3)
    assert (made["display_name"], made["run_limit"], made["report_limit"], made["weight"]) == ("edited", 3, None, 1)
    changed = patch(daemon, "edited", {"weight": 2.5, "run_limit": None, "display_name": "Edited"})
    assert changed == made | {"weight": 2.5, "run_limit": None, "display_name": "Edited"}
    assert get(daemon, f"{PRODUCTS}/edited") == changed
    assert changed in get(daemon, PRODUCTS)["products"]
    assert post_json(daemon, PRODUCTS, {"endpoint": "edited"}).json["type"].endswith(":product-exists")


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({"endpoint": "a b"}, "body/endpoint"),
        ({"endpoint": ""}, "body/endpoint"),
        ({"endpoint": "x" * 64}, "body/endpoint"),
        ({"endpoint": "Api"}, "body/endpoint"),
        ({"endpoint": "v6.58"}, "body/endpoint"),
        ({"endpoint": "Products"}, "body/endpoint"),
        ({}, "body/endpoint"),
        ({"endpoint": "ok", "run_limit": -1}, "body/run_limit"),
        ({"endpoint": "ok", "report_limit": 2**31}, "body/report_limit"),
        ({"endpoint": "ok", "weight": 0}, "body/weight"),
        ({"endpoint": "ok", "display_name": ""}, "body/display_name"),
        ({"endpoint": "ok", "colour": "red"}, "body/colour"),
    ],
)
def test_what_a_product_cannot_have_is_pointed_at(daemon: DaemonProcess, content: Any, pointer: str) -> None:
    answer = post_json(daemon, PRODUCTS, content)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]


def test_limits_hold_from_the_next_store_on(daemon: DaemonProcess) -> None:
    add(daemon, "limited", report_limit=2, run_limit=1)

    def stored(run: str, archive: bytes) -> Any:
        answer = post_store(daemon, run, archive, product="limited")
        return until_ended(daemon, answer.json["token"])

    refused = stored("one", many_reports(3))
    assert (refused["status"], "takes 2 in one store" in texts(refused)) == ("failed", True)
    patch(daemon, "limited", {"report_limit": 3})
    assert stored("one", many_reports(3))["status"] == "completed"
    assert stored("two", one_report())["status"] == "failed"
    patch(daemon, "limited", {"run_limit": 2})
    assert stored("two", one_report())["status"] == "completed"


def test_a_product_is_removed_with_its_jobs_once_it_has_no_runs(daemon: DaemonProcess) -> None:
    add(daemon, "removed")
    token = post_store(daemon, "a", one_report(), product="removed").json["token"]
    broken = post_store(daemon, "b", b"no zip", product="removed").json["token"]
    for job in (token, broken):
        until_ended(daemon, job)
    answer = remove(daemon, "removed")
    assert (answer.status, answer.json["type"]) == (409, "urn:storaged:problem:product-in-use")
    assert "it has runs (1)" in answer.json["detail"]
    deletion = call(daemon, "DELETE", f"{PRODUCTS}/removed/runs/a").json["token"]
    until_ended(daemon, deletion)
    assert remove(daemon, "removed").status == 204
    assert call(daemon, "GET", f"{PRODUCTS}/removed").status == 404
    assert call(daemon, "GET", f"/api/v1/jobs/{broken}").status == 404
    spool = daemon.data_dir / "spool"
    eventually(lambda: not (spool / f"{broken}.zip").exists())
    assert remove(daemon, "removed").status == 404
    # Nothing of it is in the way of another of the name.
    add(daemon, "removed")


def test_a_product_that_is_removed_during_an_upload_is_told(daemon: DaemonProcess) -> None:
    add(daemon, "vanishing")

    def body() -> Iterator[bytes]:
        yield one_report()[:10]
        assert remove(daemon, "vanishing").status == 204
        yield one_report()[10:]

    answer = post_store(daemon, "run", body(), product="vanishing")
    assert (answer.status, answer.json["type"]) == (404, "urn:storaged:problem:product-not-found")


# storectl


def test_storectl_adds_shows_edits_lists_and_removes_products(daemon: DaemonProcess) -> None:
    added = daemon.storectl(
        "product", "add", "shop", "--description", "The\tshop", "--report-limit", "10", "-o", "json"
    )
    assert (added.returncode, json.loads(added.stdout)["report_limit"]) == (0, 10)
    edited = daemon.storectl("product", "edit", "shop", "--no-report-limit", "--run-limit", "5", "--weight", "0.5")
    assert edited.returncode == 0, edited.stderr
    shown = daemon.storectl("product", "show", "shop").stdout.splitlines()
    assert shown == ["endpoint: shop", "display name: shop", "weight: 0.5", "run limit: 5", "description: The shop"]
    assert "shop\tshop\t0.5\t5\t\tThe shop\n" in daemon.storectl("product", "list").stdout
    table = daemon.storectl("product", "list", "-o", "table").stdout.splitlines()
    assert table[0].startswith("PRODUCT")
    assert max(map(len, table)) <= 80
    assert "shop" in [one["endpoint"] for one in json.loads(daemon.storectl("product", "list", "-o", "json").stdout)]
    asked = daemon.storectl("product", "remove", "shop")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    removed = daemon.storectl("product", "remove", "shop", "--yes")
    assert (removed.returncode, removed.stderr) == (0, "Product 'shop' was removed.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runs", "--url", "{daemon}/defualt"], "There is no product 'defualt'. Did you mean 'Default'?"),
        (["product", "show", "Defalt"], "There is no product 'Defalt'. Did you mean 'Default'?"),
        (["product", "remove", "Defalt", "--yes"], "Did you mean 'Default'?"),
        (["results", "Pantri"], "has no run 'Pantri'. Did you mean 'pantry'?"),
        (["history", "pantr"], "Did you mean 'pantry'?"),
        (["diff", "-b", "pantyr", "-n", "pantry", "--new"], "Did you mean 'pantry'?"),
        (["del", "pantryy"], "Did you mean 'pantry'?"),
        (["results", "entirely-different"], "no run 'entirely-different'. `storectl runs` lists the runs."),
    ],
)
def test_a_name_that_is_not_there_is_told_with_the_one_that_is_meant(
    daemon: DaemonProcess, arguments: list[str], told: str
) -> None:
    until_ended(daemon, post_store(daemon, "pantry", one_report()).json["token"])
    done = daemon.storectl(*(argument.format(daemon=daemon.url) for argument in arguments))
    assert done.returncode == 1
    assert told in done.stderr


# storaged


def storaged(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    variables = {f"STORAGED_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "storaged", "product", *arguments],
        env=clean_environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_storaged_does_the_same_on_the_database_of_a_running_daemon(
    daemon: DaemonProcess, shared_database_url: str
) -> None:
    def done(*arguments: str) -> str:
        result = storaged(*arguments, database_url=shared_database_url)
        assert result.returncode == 0, result.stderr
        return result.stdout

    added = json.loads(done("add", "direct", "--run-limit", "4", "-o", "json"))
    assert added == get(daemon, f"{PRODUCTS}/direct")
    done("edit", "direct", "--no-run-limit", "--display-name", "Direct")
    assert "direct\tDirect\t1\t\t\t\n" in done("list")
    assert done("list") == daemon.storectl("product", "list").stdout
    done("remove", "direct", "--yes")
    assert call(daemon, "GET", f"{PRODUCTS}/direct").status == 404


def test_storaged_does_it_on_the_embedded_database_beside_a_daemon_and_after_it(tmp_path: Path) -> None:
    with running_daemon(None, tmp_path) as daemon:
        assert storaged("add", "beside", data_dir=daemon.data_dir).returncode == 0
        assert get(daemon, f"{PRODUCTS}/beside")["endpoint"] == "beside"
        assert daemon.stop() == 0
    listed = storaged("list", data_dir=daemon.data_dir)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "beside\tbeside" in listed.stdout


def test_storaged_keeps_to_the_rules_of_the_api(daemon: DaemonProcess, shared_database_url: str) -> None:
    for arguments, code, told in (
        (["add", "api"], 1, "choose another name"),
        (["add", "Default"], 1, "There is a product 'Default' already"),
        (["show", "defualt"], 1, "Did you mean 'Default'?"),
        (["edit", "Default"], 2, "Nothing to change was given"),
        (["remove", "Default"], 2, "--yes"),
    ):
        result = storaged(*arguments, database_url=shared_database_url)
        assert (result.returncode, told in result.stderr) == (code, True), result.stderr


def test_storaged_needs_a_database_that_is_there_and_makes_none(empty_database_url: str, tmp_path: Path) -> None:
    nowhere = storaged("list", data_dir=tmp_path / "none")
    assert (nowhere.returncode, "There is no embedded database in" in nowhere.stderr) == (1, True)
    assert not (tmp_path / "none").exists()
    empty = storaged("list", database_url=empty_database_url)
    assert (empty.returncode, "`storaged migrate` applies it" in empty.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["add", "Default"], 1, "There is a product 'Default' already"),
        (["add", "api"], 1, "choose another name"),
        (["show", "nowhere"], 1, "There is no product 'nowhere'"),
        (["edit", "Default"], 2, "Nothing to change was given"),
        (["edit", "Default", "--run-limit", "1", "--no-run-limit"], 2, "contradict each other"),
        (["remove", "nowhere", "--yes"], 1, "There is no product 'nowhere'"),
    ],
)
def test_storectl_says_what_is_wrong_with_a_product(
    daemon: DaemonProcess, arguments: list[str], code: int, told: str
) -> None:
    done = daemon.storectl("product", *arguments)
    assert done.returncode == code
    assert told in done.stderr
