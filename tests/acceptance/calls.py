"""Plain HTTP calls to a daemon, as any client may make them; nothing here mends a path or hides a status."""

import http.client
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.acceptance.contract import check_answer
from tests.acceptance.daemons import DaemonProcess

PATIENCE = 60.0

Body = bytes | Iterable[bytes] | None


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    daemon: DaemonProcess,
    method: str,
    path: str,
    *,
    body: Body = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> Answer:
    """One request on a connection of its own; `path` goes out as it is, the answer must be as OpenAPI tells."""
    with closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=timeout)) as connection:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        headers = {name.title(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
    check_answer(method, path, answer.status, answer.headers, answer.body)
    return answer


def get(daemon: DaemonProcess, path: str) -> Any:
    """The JSON of a good answer."""
    answer = call(daemon, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json


def post_json(daemon: DaemonProcess, path: str, content: Any) -> Answer:
    return call(daemon, "POST", path, body=json.dumps(content).encode())


def post_store(
    daemon: DaemonProcess,
    run: str,
    archive: Body,
    *,
    product: str = "Default",
    headers: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Answer:
    query = urlencode({"run": run, **(options or {})})
    return call(daemon, "POST", f"/api/v1/products/{product}/stores?{query}", body=archive, headers=headers)


def store(daemon: DaemonProcess, run: str, archive: Body, options: Mapping[str, str] | None = None) -> str:
    """Send a store that must be accepted; its token."""
    answer = post_store(daemon, run, archive, options=options)
    assert answer.status == 202, answer.body
    token: str = answer.json["token"]
    return token


def get_job(daemon: DaemonProcess, token: str, query: str = "") -> Any:
    return get(daemon, f"/api/v1/jobs/{token}{query}")


def until(daemon: DaemonProcess, token: str, fits: Callable[[Any], bool]) -> Any:
    """The job as soon as it is as wanted, by long polls; fails when it ends otherwise, or takes too long."""
    deadline = time.monotonic() + PATIENCE
    job = get_job(daemon, token)
    while not fits(job):
        assert job["finished_at"] is None, f"ended {job['status']}: {job['comments']}"
        assert time.monotonic() < deadline, job
        job = get_job(daemon, token, f"?wait=20&since={job['sequence']}")
    return job


def until_ended(daemon: DaemonProcess, token: str) -> Any:
    return until(daemon, token, lambda job: job["finished_at"] is not None)


def until_status(daemon: DaemonProcess, token: str, status: str) -> Any:
    return until(daemon, token, lambda job: job["status"] == status)


def texts(job: Any) -> str:
    """All comments of a job."""
    return "\n".join(comment["text"] for comment in job["comments"])


def reports_of(daemon: DaemonProcess, run: str, product: str = "Default") -> list[Any]:
    found: list[Any] = get(daemon, f"/api/v1/products/{product}/reports?run={quote(run, safe='')}&details=true")[
        "reports"
    ]
    return found


def eventually(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for what brings no event: a process, a file, a row."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
