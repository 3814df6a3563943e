"""`await_job` and `await_job_async`: told of each change, not ended by what passes, and by nothing else for ever."""

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from storaged_cli.awaiting import await_job, await_job_async
from storaged_cli.errors import GaveUp, NotADaemon, Refused, UnknownHost, Usage, WaitTimedOut

from tests.acceptance.daemons import free_port
from tests.integration.storectl_daemon import TOKEN, Daemon, answering, hang_up, problem, serve

LIBRARY = Path(__file__).parents[2] / "docs" / "library.md"
DONE = {"status": "completed", "result": {"reports": 3}}
RUNNING = {"status": "running", "progress": {"phase": "parse", "done": 1, "total": 2}}

Await = Callable[..., Any]


def by_event_loop(*args: Any, **options: Any) -> Any:
    waiting: Coroutine[Any, Any, Any] = await_job_async(*args, **options)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, waiting).result()


@pytest.fixture(params=[await_job, by_event_loop], ids=["sync", "async"])
def wait(request: pytest.FixtureRequest) -> Await:
    found: Await = request.param
    return found


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with serve(Daemon()) as running:
        running.add_job()
        yield running


def busy() -> web.Response:
    return problem(503, "The database is away.", {"Retry-After": "0"})


def test_each_change_is_told_and_the_end_returned(daemon: Daemon, wait: Await) -> None:
    daemon.script.extend([RUNNING, DONE])
    seen: list[str] = []
    job = wait(TOKEN, url=daemon.url, on_change=lambda job: seen.append(job["status"]))
    assert (job["status"], job["result"]) == ("completed", {"reports": 3})
    assert seen == ["enqueued", "running", "completed"]


def test_a_job_that_failed_is_returned_as_it_is(daemon: Daemon, wait: Await) -> None:
    daemon.script.append({"status": "failed"})
    assert wait(TOKEN, url=daemon.url)["status"] == "failed"


def test_what_passes_does_not_end_the_wait(daemon: Daemon, wait: Await) -> None:
    daemon.script.append(DONE)
    html = answering(lambda: web.Response(status=502, text="<html>"))
    daemon.replace_next("job", answering(busy), daemon.job, hang_up, html, answering(busy))
    assert wait(TOKEN, url=daemon.url)["status"] == "completed"


def test_a_daemon_that_is_away_for_too_long_is_given_up(daemon: Daemon, wait: Await) -> None:
    daemon.replace_next("job", daemon.job, *[hang_up] * 100)
    with pytest.raises(GaveUp, match="Giving up: there was no answer for"):
        wait(TOKEN, url=daemon.url, give_up=1)
    # Whoever gives up in a second has not asked a hundred times.
    assert daemon.instead["job"]


def test_the_wait_ends_when_its_time_is_over(daemon: Daemon, wait: Await) -> None:
    with pytest.raises(WaitTimedOut) as error:
        wait(TOKEN, url=daemon.url, timeout=0.2)
    assert error.value.job["status"] == "enqueued"


def test_a_daemon_that_was_never_there_is_given_up_and_a_name_that_nobody_knows_at_once(wait: Await) -> None:
    with pytest.raises(GaveUp):
        wait(TOKEN, url=f"localhost:{free_port()}/Default", give_up=1)
    with pytest.raises(UnknownHost):
        wait(TOKEN, url="storaged.invalid/Default")


def test_an_unknown_job_is_refused(daemon: Daemon, wait: Await) -> None:
    with pytest.raises(Refused) as error:
        wait("0" * 64, url=daemon.url)
    assert error.value.status == 404


def test_something_else_at_the_address_is_told(daemon: Daemon, wait: Await) -> None:
    daemon.replace_next("job", answering(lambda: web.Response(text="Welcome!")))
    with pytest.raises(NotADaemon):
        wait(TOKEN, url=daemon.url)
    daemon.replace_next("job", answering(lambda: web.json_response(["no job"])))
    with pytest.raises(NotADaemon):
        wait(TOKEN, url=daemon.url)
    with pytest.raises(Usage):
        wait(TOKEN, url="ftp://localhost/Default")


async def test_cancelling_ends_the_wait_at_once(daemon: Daemon) -> None:
    asked, answer = threading.Event(), threading.Event()

    async def hold(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.to_thread(answer.wait, 60)
        return await daemon.job(request)

    daemon.replace_next("job", daemon.job, hold)
    waiting = asyncio.create_task(await_job_async(TOKEN, url=daemon.url))
    await asyncio.to_thread(asked.wait, 60)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not answer.is_set()
    answer.set()


def test_the_documented_examples_run(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORAGED_URL", daemon.url)
    sync, in_loop = re.findall(r"```python\n(.*?)```", LIBRARY.read_text(encoding="utf-8"), re.DOTALL)
    daemon.script.append(DONE)
    exec(sync.replace("storaged.example:8001/Default", daemon.url), {"token": TOKEN})  # noqa: S102 - our own text
    assert capsys.readouterr().out == "completed {'reports': 3}\n"
    lines = "".join(f"    {line}\n" for line in in_loop.splitlines())
    scope: dict[str, Any] = {"token": TOKEN, "await_job_async": await_job_async}
    exec(f"async def example():\n{lines}    return job", scope)  # noqa: S102 - our own text
    assert asyncio.run(scope["example"]())["status"] == "completed"
    assert "completed {" in capsys.readouterr().out
