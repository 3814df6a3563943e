"""Products as CodeChecker's clients know them: their names are base64, and what they tell of databases is ignored."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storaged.thrift.structs import Confidentiality, ProductSortMode
from tests import apache
from tests.acceptance.calls import call, get, store, until_ended
from tests.acceptance.conftest import run_sql
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.thrift_calls import Failed, answer_of, ask, method_of, path_of, post
from tests.acceptance.uploads import one_report

DATABASE = {"engine": "sqlite", "host": "", "port": 0, "username_b64": "", "password_b64": "", "database": "x.sqlite"}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def add(daemon: DaemonProcess, new: dict[str, Any]) -> Any:
    """What addProduct answers; its argument has the name that `ask` has for the product of the URL."""
    method = method_of("Products", "addProduct")
    _status, body = post(daemon, path_of("Products"), apache.call_bytes(method, {"product": new}, 5))
    return answer_of(method, body)


def refusal(daemon: DaemonProcess, name: str, **arguments: Any) -> str:
    with pytest.raises(Failed) as caught:
        ask(daemon, "Products", name, **arguments)
    return str(caught.value)


def listed(daemon: DaemonProcess, **filters: Any) -> list[str]:
    return [product["endpoint"] for product in ask(daemon, "Products", "getProducts", **filters)]


@pytest.fixture
def zoo(shared_daemon: DaemonProcess, shared_database_url: str) -> Iterator[int]:
    """The id of a product that is gone after the test."""
    new = {
        "endpoint": "zoo",
        "displayedName_b64": base64_of("Zoo in Köln"),
        "description_b64": base64_of("beasts"),
        "connection": DATABASE,
        "runLimit": 0,
        "reportLimit": 7,
        "confidentiality": Confidentiality.OPEN,
    }
    assert add(shared_daemon, new) is True
    [found] = ask(shared_daemon, "Products", "getProducts", productEndpointFilter="zoo")
    yield found["id"]
    run_sql(shared_database_url, "DELETE FROM product WHERE id = $1", found["id"])


def test_a_product_that_was_added_is_there_for_all_clients(shared_daemon: DaemonProcess, zoo: int) -> None:
    native = get(shared_daemon, "/api/v1/products/zoo")
    assert (native["display_name"], native["description"]) == ("Zoo in Köln", "beasts")
    assert (native["run_limit"], native["report_limit"]) == (None, 7)
    current = ask(shared_daemon, "Products", "getCurrentProduct", product="zoo")
    assert current["id"] == zoo
    assert (current["displayedName_b64"], current["description_b64"]) == (base64_of("Zoo in Köln"), base64_of("beasts"))
    assert (current["reportLimit"], current["confidentiality"]) == (7, Confidentiality.OPEN)
    assert current["connected"]
    assert current["accessible"]
    assert current["administrating"]
    assert "latestStoreToProduct" not in current
    configuration = ask(shared_daemon, "Products", "getProductConfiguration", productId=zoo)
    assert (configuration["endpoint"], configuration["reportLimit"]) == ("zoo", 7)
    assert "runLimit" not in configuration
    assert "password_b64" not in configuration["connection"]


def test_a_product_without_a_limit_of_its_own_has_the_settings(shared_daemon: DaemonProcess) -> None:
    assert ask(shared_daemon, "Products", "getCurrentProduct", product="Default")["reportLimit"] == 500_000


def test_runs_and_the_latest_store_are_counted(shared_daemon: DaemonProcess) -> None:
    for run in ("one", "two"):
        until_ended(shared_daemon, store(shared_daemon, run, one_report()))
    found = ask(shared_daemon, "Products", "getCurrentProduct", product="Default")
    [newest] = get(shared_daemon, "/api/v1/products/Default/runs/two/history")["stores"]
    assert found["runCount"] == 2
    assert found["runStoreInProgress"] == []
    assert found["latestStoreToProduct"].replace(" ", "T") == newest["stored_at"].removesuffix("Z")
    assert "runs (2)" in refusal(shared_daemon, "removeProduct", productId=found["id"])


def test_a_run_that_is_being_stored_is_named(shared_daemon: DaemonProcess, shared_database_url: str, zoo: int) -> None:
    run_sql(
        shared_database_url,
        """
        INSERT INTO job (
            token, kind, product_id, run, summary, status, head, node, node_instance, lease_id, heartbeat_at, started_at
        )
        SELECT
            repeat('5', 64), 'store', $1, 'den', 'Store', 'running', true, id, instance, gen_random_uuid(), now(), now()
        FROM node
        """,
        zoo,
    )
    assert ask(shared_daemon, "Products", "getCurrentProduct", product="zoo")["runStoreInProgress"] == ["den"]


def test_a_product_is_edited_as_a_whole_and_may_move(shared_daemon: DaemonProcess, zoo: int) -> None:
    new = {"endpoint": "park", "runLimit": 3, "connection": DATABASE}
    assert ask(shared_daemon, "Products", "editProduct", productId=zoo, newConfiguration=new) is True
    native = get(shared_daemon, "/api/v1/products/park")
    assert (native["display_name"], native["description"]) == ("park", "")
    assert (native["run_limit"], native["report_limit"]) == (3, None)
    assert call(shared_daemon, "GET", "/api/v1/products/zoo").status == 404
    assert ask(shared_daemon, "Products", "getCurrentProduct", product="park")["confidentiality"] == 2


def test_products_are_found_by_names_with_stars_and_come_in_the_order_asked_for(
    shared_daemon: DaemonProcess, zoo: int
) -> None:
    assert zoo > 0
    assert listed(shared_daemon) == ["Default", "zoo"]
    assert listed(shared_daemon, productEndpointFilter="ZOO") == ["zoo"]
    assert listed(shared_daemon, productEndpointFilter="zo") == []
    assert listed(shared_daemon, productEndpointFilter="z_o") == []
    assert listed(shared_daemon, productNameFilter="*köln") == ["zoo"]
    assert listed(shared_daemon, sortingMode=ProductSortMode.NAMES_DESC) == ["zoo", "Default"]
    assert listed(shared_daemon, sortingMode=ProductSortMode.NAMES_DESC, limit=1, offset=1) == ["Default"]
    # Nothing was ever stored there.
    for order in (ProductSortMode.LATEST_STORE_ASC, ProductSortMode.LATEST_STORE_DESC):
        assert listed(shared_daemon, sortingMode=order) == ["Default", "zoo"]
    assert ask(shared_daemon, "Products", "getProductCount") == 2
    assert ask(shared_daemon, "Products", "getProductCount", productNameFilter="*oo*") == 1
    assert "negative" in refusal(shared_daemon, "getProducts", offset=-1)


def test_a_product_is_removed_by_its_id(shared_daemon: DaemonProcess) -> None:
    assert add(shared_daemon, {"endpoint": "short"}) is True
    [found] = ask(shared_daemon, "Products", "getProducts", productEndpointFilter="short")
    assert ask(shared_daemon, "Products", "removeProduct", productId=found["id"]) is True
    assert "no product with the id" in refusal(shared_daemon, "removeProduct", productId=found["id"])
    assert "no product with the id" in refusal(shared_daemon, "getProductConfiguration", productId=2**62)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({"endpoint": "Default"}, "There is a product 'Default' already"),
        ({"endpoint": "a b"}, "endpoint:"),
        ({"endpoint": "live"}, "stands for something else in URLs"),
        ({}, "endpoint:"),
        ({"endpoint": "x", "reportLimit": -1}, "report_limit:"),
        ({"endpoint": "x", "runLimit": 2**40}, "run_limit:"),
        ({"endpoint": "x", "displayedName_b64": "no base64"}, "displayedName_b64 is not base64"),
        ({"endpoint": "x", "displayedName_b64": base64_of("a\0b")}, "display_name:"),
        ({"endpoint": "x", "isReviewStatusChangeDisabled": True}, "storaged does not support"),
    ],
)
def test_a_product_that_cannot_be_is_refused(shared_daemon: DaemonProcess, new: dict[str, Any], told: str) -> None:
    with pytest.raises(Failed, match=re.escape(told)):
        add(shared_daemon, new)
    assert listed(shared_daemon, productEndpointFilter="x") == []


def test_a_product_cannot_move_to_where_another_is(shared_daemon: DaemonProcess, zoo: int) -> None:
    told = refusal(shared_daemon, "editProduct", productId=zoo, newConfiguration={"endpoint": "Default"})
    assert "There is a product 'Default' already" in told
    assert "endpoint:" in refusal(shared_daemon, "editProduct", productId=zoo, newConfiguration={"endpoint": "a b"})
    assert listed(shared_daemon) == ["Default", "zoo"]


def test_what_clients_ask_before_anything_else_is_answered(shared_daemon: DaemonProcess) -> None:
    assert ask(shared_daemon, "Products", "getPackageVersion").startswith("storaged ")
    assert ask(shared_daemon, "Products", "isAdministratorOfAnyProduct") is True
    assert "URL must name one" in refusal(shared_daemon, "getCurrentProduct")
    assert call(shared_daemon, "GET", "/ready").body == b"CODECHECKER_SERVER_IS_READY"


def test_limits_of_the_settings_are_told_and_only_tests_make_dummy_tasks(database_url: str, tmp_path: Path) -> None:
    with running_daemon(database_url, tmp_path, run_limit=3, report_limit=9) as daemon:
        current = ask(daemon, "Products", "getCurrentProduct", product="Default")
        assert (current["runLimit"], current["reportLimit"]) == (3, 9)
        with pytest.raises(Failed, match="only there while testing"):
            ask(daemon, "Tasks", "createDummyTask", timeout=1, shouldFail=False)
        assert get(daemon, "/api/v1/jobs")["jobs"] == []
