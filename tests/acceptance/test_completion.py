"""bash, zsh and fish complete both command lines, with what the daemon has."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from storaged_cli.completion import PARAMETERS
from storaged_cli.limits import ANSWER_SECONDS
from storaged_cli.main import COMMANDS, main

from tests.acceptance.calls import post_json, store, until_ended
from tests.acceptance.daemons import DaemonProcess, clean_environment, free_port, running_daemon
from tests.acceptance.shells import Shell, open_shell
from tests.acceptance.uploads import report, upload
from tests.plists import plist

ODD, QUOTED = "odd: name & more", """Bob's "$5" fix"""


@pytest.fixture(scope="module")
def daemon(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running_daemon(shared_database_url, tmp_path_factory.mktemp("completion")) as running:
        analysis = plist(report(), files=["/src/a.c"], metadata={"analyzer": {"name": "clangsa"}})
        named = upload({"a.plist": analysis})
        for run, tag in (("shop", "v1"), ("shop", "v2-beta"), (ODD, "v3"), ("shop/nightly", "n1"), (QUOTED, "v4")):
            until_ended(running, store(running, run, named, {"tag": tag}))
        assert post_json(running, "/api/v1/products", {"endpoint": "web"}).status == 201
        yield running


@pytest.fixture(params=["bash", "zsh", "fish"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def shell(kind: str, daemon: DaemonProcess, tmp_path: Path) -> Iterator[Shell]:
    with open_shell(kind, tmp_path, {"STORAGED_URL": f"{daemon.url}/Default"}) as shell:
        yield shell


def test_commands_and_options_are_completed(shell: Shell) -> None:
    assert shell.words("storectl res\t") == ["storectl", "results"]
    assert shell.words("storectl product ed\t") == ["storectl", "product", "edit"]
    assert shell.words("storectl runs --insec\t") == ["storectl", "runs", "--insecure"]
    assert shell.words("storectl jobs list --only-can\t") == ["storectl", "jobs", "list", "--only-cancelled"]
    assert shell.words("storectl jobs wa\t") == ["storectl", "jobs", "wait"]
    assert shell.words("storectl jobs --only-can\t") == ["storectl", "jobs", "--only-cancelled"]
    assert shell.words("storaged quick\t") == ["storaged", "quickstart"]
    assert shell.words("storaged product ed\t") == ["storaged", "product", "edit"]
    assert shell.words("storaged serve --data-\t") == ["storaged", "serve", "--data-dir"]


def test_names_of_the_daemon_are_completed(shell: Shell, daemon: DaemonProcess) -> None:
    assert shell.words("storectl results shop/\t") == ["storectl", "results", "shop/nightly"]
    assert shell.words("storectl product show we\t") == ["storectl", "product", "show", "web"]
    token = daemon.get("/api/v1/jobs?run=shop")["jobs"][0]["token"]
    assert shell.words(f"storectl jobs show {token[:12]}\t") == ["storectl", "jobs", "show", token]


def test_tags_of_the_runs_on_the_line_are_completed(shell: Shell) -> None:
    assert shell.words("storectl diff -b shop:v2\t")[-1] == "shop:v2-beta"
    assert shell.words("storectl diff -b shop/nightly:\t")[-1] == "shop/nightly:n1"
    assert shell.words("storectl results shop --tag v2\t")[-1] == "v2-beta"
    assert shell.words("storectl sum -n 'shop/*' --tag \t")[-1] == "n1"


def test_checkers_and_analyzers_of_the_reports_are_completed(shell: Shell) -> None:
    assert shell.words("storectl results shop --checker-name co\t")[-1] == "core.Bad"
    assert shell.words("storectl sum --checker x,co\t")[-1] == "x,core.Bad"
    assert shell.words("storectl diff -b shop:v1 -n shop --new --analyzer-name c\t")[-1] == "clangsa"


def test_a_name_is_inserted_so_that_it_is_one_word(shell: Shell) -> None:
    assert shell.words("storectl history odd\t") == ["storectl", "history", ODD]
    assert shell.words("storectl history Bob\t") == ["storectl", "history", QUOTED]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_name_may_begin_with_a_quote(shell: Shell, quote: str) -> None:
    for typed, name in (("odd:", ODD), ("Bo", QUOTED), ("shop/", "shop/nightly")):
        assert shell.words(f"storectl history {quote}{typed}\t")[-1] == name


def test_the_url_on_the_line_says_which_daemon_is_asked(daemon: DaemonProcess, kind: str, tmp_path: Path) -> None:
    with open_shell(kind, tmp_path, {"STORAGED_URL": f"localhost:{free_port()}/Default"}) as shell:
        assert shell.words(f"storectl results --url {daemon.url}/Default shop/\t")[-1] == "shop/nightly"


def test_folders_are_completed_where_they_fit(shell: Shell) -> None:
    (shell.folder / "reports").mkdir()
    assert shell.words("storectl store repo\t")[-1].rstrip("/") == "reports"
    assert shell.words("storectl diff -b repo\t")[-1].rstrip("/") == "reports"


def test_a_daemon_that_does_not_answer_is_not_waited_for_and_says_nothing(tmp_path: Path) -> None:
    def complete(url: str) -> tuple[str, str, float]:
        asking = {"_STORECTL_COMPLETE": "bash_complete", "COMP_LINE": "storectl results s", "COMP_WORD": "s"}
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "storaged_cli"],
            env=clean_environment() | asking | {"STORAGED_URL": url},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip(), done.stderr, time.monotonic() - started

    assert complete(f"localhost:{free_port()}/Default")[:2] == ("", "")
    assert complete("no such url")[:2] == ("", "")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stdout, stderr, seconds = complete(f"localhost:{silent.getsockname()[1]}/Default")
    assert (stdout, stderr) == ("", "")
    # The client by itself would have waited so long.
    assert seconds < ANSWER_SECONDS


def test_every_parameter_that_is_completed_exists() -> None:
    context = main.make_context("storectl", ["runs"], resilient_parsing=True)
    found = set()
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        subcommands = getattr(command, "commands", {})
        for path, one in ((name, command), *((f"{name} {key}", value) for key, value in subcommands.items())):
            found.update((path, param.name) for param in one.params)
    assert set(PARAMETERS) <= found


def test_a_shell_that_is_not_known_is_refused_with_those_that_are() -> None:
    arguments = [sys.executable, "-m", "storaged_cli", "completion", "tcsh"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
