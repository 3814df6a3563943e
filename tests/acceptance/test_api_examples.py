"""Every example of docs/api.md is what a daemon answers, and every endpoint has one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from storaged.api.endpoints import Endpoint
from storaged.api.routes import ENDPOINTS
from tests.acceptance.calls import Answer, call
from tests.acceptance.daemons import DaemonProcess, running_daemon
from tests.acceptance.examples import Example, Meanings, differences, read_cut_json, read_examples, text_fits
from tests.archives import pack_folders, unpack_sample

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = read_examples(DOCUMENT.read_text(encoding="utf-8"))
# What the document calls the sample's archive and the folder that it was analysed in, and the daemon's address.
ARCHIVE, PROJECT, NODE = "@pantry.zip", "/home/ann/pantry", "127.0.0.1:8001"


@pytest.fixture(scope="module")
def found(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, list[str]]]:
    """What is wrong with each example; they are sent in their order to a daemon that holds nothing yet."""
    folder = tmp_path_factory.mktemp("examples")
    project = unpack_sample(folder / "pantry")
    archive = pack_folders(folder / "pantry.zip", [project / "reports"]).read_bytes()
    with running_daemon(shared_database_url, folder, workers=2) as daemon:
        meanings = Meanings({PROJECT: str(project), NODE: f"127.0.0.1:{daemon.port}"})
        yield {
            example.line: list(wrong_in(example, send(daemon, example, archive, meanings), meanings))
            for example in EXAMPLES
        }


def send(daemon: DaemonProcess, example: Example, archive: bytes, meanings: Meanings) -> Answer:
    body = archive if example.request_body == ARCHIVE else meanings.in_text(example.request_body).encode()
    headers = {name: meanings.in_text(value) for name, value in example.request_headers.items()}
    return call(daemon, example.method, meanings.in_path(example.path), body=body or None, headers=headers)


def wrong_in(example: Example, answer: Answer, meanings: Meanings) -> Iterator[str]:
    if answer.status != example.status:
        yield f"status: shown {example.status}, really {answer.status}: {answer.body.decode()}"
        return
    if answer.headers.get("Content-Type", "").partition(";")[0].endswith("json"):
        yield from differences(read_cut_json(example.body), answer.json, meanings)
    elif not text_fits(re.sub(r"\n +", "\n", example.body), answer.body.decode().strip(), meanings):
        yield f"shown:\n{example.body}\nreally:\n{answer.body.decode()}"
    for name, shown in example.headers.items():
        real = answer.headers.get(name.title(), "")
        if not text_fits(shown, real, meanings):
            yield f"header {name}: shown {shown!r}, really {real!r}"


def shows(example: Example, endpoint: Endpoint) -> bool:
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    return example.method == endpoint.method and re.fullmatch(pattern, example.path.partition("?")[0]) is not None


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_daemon_answers_as_the_documentation_shows(example: Example, found: dict[int, list[str]]) -> None:
    assert found[example.line] == []


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
def test_every_endpoint_has_an_example(endpoint: Endpoint) -> None:
    assert [str(example) for example in EXAMPLES if shows(example, endpoint)] != []
