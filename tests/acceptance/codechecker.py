"""A real CodeChecker server and client, driven as a reference for what a store does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import plistlib
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict, TypeVar

EXECUTABLE_VARIABLE: Final = "STORAGED_CODECHECKER"
API: Final = "v6.74"
DETECTION_STATUSES: Final = ("new", "resolved", "unresolved", "reopened", "off", "unavailable")
REVIEW_STATUSES: Final = ("unreviewed", "confirmed", "false_positive", "intentional")
ENDED: Final = frozenset({"completed", "failed", "cancelled", "dropped"})
START_SECONDS: Final = 60.0
STORE_SECONDS: Final = 120.0

Answer = TypeVar("Answer")


class CodeCheckerError(Exception):
    """The reference could not be started or asked; says what it printed."""


class Report(TypedDict):
    """A report as tests compare it.

    A range is `[file, start line, start column, end line, end column]`; an event is a range and its message, an entry
    of `extended` is its type (0 note, 10 macro), a range and its message. `severity` is CodeChecker's number. Times are
    UTC, `YYYY-MM-DD HH:MM:SS.ffffff`. `id` tells whether a row was kept or replaced.
    """

    checker: str
    analyzer: str
    report_hash: str
    file: str
    message: str
    line: int
    column: int
    severity: int
    path_length: int
    events: list[list[Any]]
    positions: list[list[Any]]
    extended: list[list[Any]]
    id: int
    detection_status: str
    detected_at: str
    fixed_at: str | None
    review_status: str
    annotations: dict[str, str]


class Counts(TypedDict):
    """How many sources an analyzer got through, and how many not."""

    successful: int
    failed: int


class Store(TypedDict):
    """One entry of a run's history, newest first; `time` is UTC, `YYYY-MM-DD HH:MM:SS.ffffff`."""

    id: int
    time: str
    tag: str | None
    description: str | None
    version: str | None
    user: str
    analyzers: dict[str, Counts]


class Outcome(TypedDict):
    """How a store ended.

    `refused` means that the client gave up before the server had a task; `comments` is what the task says of itself
    and `log` what the client printed.
    """

    status: str
    log: str
    comments: str


@dataclass(frozen=True, slots=True)
class CodeChecker:
    """A running server with one product, `Default`."""

    executable: Path
    home: Path
    workspace: Path
    temporary: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/Default"

    def store(
        self,
        folders: Path | Sequence[Path],
        run: str,
        *,
        tag: str | None = None,
        description: str | None = None,
        force: bool = False,
        trim: Sequence[str] = (),
    ) -> Outcome:
        """Store report folders into a run, and wait until the server's task has ended.

        Uses `--detach` and looks at the task in the server's database: the client itself asks only every five seconds.
        """
        paths = [folders] if isinstance(folders, Path) else list(folders)
        options = ["-n", run, "-j", "1", "--detach", *(["--force"] if force else [])]
        options += ["--tag", tag] if tag else []
        options += ["--description", description] if description else []
        options += ["--trim-path-prefix", *trim] if trim else []
        before = self._tasks()
        done = self._run("store", *map(str, paths), *options, "--url", self.url)
        log = done.stdout + done.stderr
        new = self._tasks().keys() - before.keys()
        if done.returncode != 0 or not new:
            return Outcome(status="refused", log=log, comments="")
        return self._ended(new.pop(), log)

    def store_archive(self, archive: bytes, run: str) -> Outcome:
        """Store an archive that the client did not make (`pack`), and wait until the server's task has ended."""
        blob = base64.b64encode(zlib.compress(archive)).decode()
        arguments = {"1": {"str": blob}, "2": {"rec": {"1": {"str": run}, "4": {"tf": 0}, "5": {"lst": ["str", 0]}}}}
        answer = self._call("massStoreRunAsynchronous", arguments)
        if "0" not in answer:
            return Outcome(status="refused", log=json.dumps(answer), comments="")
        return self._ended(answer["0"]["str"], "")

    def reports(self, run: str) -> list[Report]:
        """Every report of a run, of every detection and review status, with its bug path; none of an unknown run."""
        if not self.rows("SELECT 1 FROM runs WHERE name = ?", [run]):
            return []
        filters = ["--detection-status", *DETECTION_STATUSES, "--review-status", *REVIEW_STATUSES, "--uniqueing", "off"]
        found = self._json("cmd", "results", run, "--details", "-o", "json", *filters, "--url", self.url)
        return sorted(map(report_of, found), key=sort_key)

    def history(self, run: str) -> list[Store]:
        """The stores of a run, newest first."""
        query = (
            "SELECT h.id, h.time, version_tag, description, cc_version, user FROM run_histories h"
            " JOIN runs r ON r.id = h.run_id WHERE r.name = ? ORDER BY h.id DESC"
        )
        return [store_of(row, self._analyzers(row[0])) for row in self.rows(query, [run])]

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Read the product's database, for what the client does not show."""
        return _select(self.workspace / "Default.sqlite", query, parameters)

    def log(self) -> str:
        """What the server has printed so far."""
        return (self.workspace / "server.log").read_text(errors="replace")

    def _analyzers(self, history: int) -> dict[str, Counts]:
        query = "SELECT analyzer_type, successful, failed FROM analyzer_statistics WHERE run_history_id = ?"
        return {name: Counts(successful=good, failed=bad) for name, good, bad in self.rows(query, [history])}

    def _call(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a function of the product's API in Thrift's JSON protocol; returns the fields of the result."""
        request = urllib.request.Request(
            f"{self.url}/{API}/CodeCheckerService",
            data=json.dumps([1, function, 1, 0, arguments], separators=(",", ":")).encode(),  # it takes no spaces
            headers={"Content-Type": "application/x-thrift"},
        )
        with urllib.request.urlopen(request, timeout=STORE_SECONDS) as answer:
            fields: dict[str, Any] = json.load(answer)[4]
        return fields

    def _ended(self, token: str, log: str) -> Outcome:
        def ended() -> tuple[str, str | None] | None:
            task = self._tasks()[token]
            return task if task[0] in ENDED else None

        status, comments = wait_for(ended, STORE_SECONDS, f"CodeChecker's task {token} did not end")
        return Outcome(status=status, log=log, comments=comments or "")

    def _tasks(self) -> dict[str, tuple[str, str | None]]:
        rows = _select(self.workspace / "config.sqlite", "SELECT token, status, comments FROM background_tasks")
        return {token: (status, comments) for token, status, comments in rows}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.executable), *arguments]
        return subprocess.run(command, env=_environment(self), capture_output=True, text=True, check=False)

    def _json(self, *arguments: str) -> Any:
        done = self._run(*arguments)
        if done.returncode != 0:
            raise CodeCheckerError(f"CodeChecker {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)


@contextlib.contextmanager
def running_codechecker(executable: Path, folder: Path) -> Iterator[CodeChecker]:
    """Start a server with its workspace and home below `folder`; stop it and its children on exit."""
    with tempfile.TemporaryDirectory(prefix="cc-") as temporary:  # not below `folder`: sockets in it need short paths
        reference = CodeChecker(executable, folder / "home", folder / "workspace", Path(temporary), _free_port())
        for path in (reference.home, reference.workspace):
            path.mkdir(parents=True)
        with _running_server(reference):
            yield reference


@contextlib.contextmanager
def _running_server(reference: CodeChecker) -> Iterator[None]:
    with (reference.workspace / "server.log").open("wb") as log:
        server = subprocess.Popen(  # its own session, so that its children can be stopped with it
            _server_command(reference), env=_environment(reference), stdout=log, stderr=log, start_new_session=True
        )
        try:
            _await_answer(reference, server)
            yield
        finally:
            _stop(server)


def wait_for(condition: Callable[[], Answer | None], seconds: float, failure: str) -> Answer:
    """Ask until the answer is not None; raises CodeCheckerError with `failure` after `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := condition()) is None:
        if time.monotonic() > deadline:
            raise CodeCheckerError(f"{failure} within {seconds:g} s")
        time.sleep(0.02)  # the pace of the asking; nothing relies on its length
    return answer


def report_of(raw: dict[str, Any]) -> Report:
    """Our plain form of a report as `CodeChecker cmd results --details -o json` shows it."""
    details = raw["details"]
    return Report(
        checker=raw["checkerId"],
        analyzer=raw["analyzerName"],
        report_hash=raw["bugHash"],
        file=raw["checkedFile"],
        message=raw["checkerMsg"],
        line=raw["line"],
        column=raw["column"],
        severity=raw["severity"],
        path_length=raw["bugPathLength"],
        events=[[*_range(event), event["msg"]] for event in details["pathEvents"]],
        positions=[_range(position) for position in details["executionPath"]],
        extended=[[data["type"], *_range(data), data["message"]] for data in details["extendedData"]],
        id=raw["reportId"],
        detection_status=DETECTION_STATUSES[raw["detectionStatus"]],
        detected_at=raw["detectedAt"],
        fixed_at=raw["fixedAt"],
        review_status=REVIEW_STATUSES[raw["reviewData"]["status"]],
        annotations=raw["annotations"],
    )


def store_of(row: tuple[Any, ...], analyzers: dict[str, Counts]) -> Store:
    """Our plain form of a row of the run's history."""
    number, time_, tag, description, version, user = row
    return Store(
        id=number,
        time=time_,
        tag=tag,
        description=description,
        version=version,
        user=user,
        analyzers=analyzers,
    )


def pack(folders: Sequence[Path], omitted: Sequence[str] = (), unlisted: Sequence[str] = ()) -> bytes:
    """An archive in the layout that CodeChecker's client sends, made without the client's checks and merging.

    Contents of sources whose paths end with one of `omitted` are left out, though their hashes are given; of those in
    `unlisted` the hash is left out as well.
    """
    hashes: dict[str, str] = {}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in folders:
            name = hashlib.md5(str(folder).encode(), usedforsecurity=False).hexdigest()
            for path in sorted(folder.iterdir()):
                archive.write(path, f"reports/{name}/{path.name}")
        for source in sources_of(folders):
            if not source.endswith(tuple(unlisted)):
                hashes[source] = hashlib.sha256(Path(source).read_bytes()).hexdigest()
            if not source.endswith((*omitted, *unlisted)):
                archive.write(source, f"root{source}")
        archive.writestr("content_hashes.json", json.dumps(hashes))
    return target.getvalue()


def sources_of(folders: Sequence[Path]) -> list[str]:
    """The sources that the result files of some folders name."""
    plists = [plistlib.loads(path.read_bytes()) for folder in folders for path in folder.glob("*.plist")]
    return sorted({file for plist in plists for file in plist["files"]})


def sort_key(report: Report) -> tuple[Any, ...]:
    """The order of the expected results beside the real analyses."""
    return report["report_hash"], report["file"], report["line"], report["column"], report["events"]


def _range(raw: dict[str, Any]) -> list[Any]:
    return [raw["filePath"], raw["startLine"], raw["startCol"], raw["endLine"], raw["endCol"]]


def _environment(reference: CodeChecker) -> dict[str, str]:
    """The environment of its processes: what they write goes to folders of their own, their times are UTC."""
    private = {"HOME": str(reference.home), "TMPDIR": str(reference.temporary), "TZ": "UTC"}
    return {**os.environ, **private, "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore"}


def _server_command(reference: CodeChecker) -> list[str]:
    place = ["--workspace", str(reference.workspace), "--host", "127.0.0.1", "--port", str(reference.port)]
    size = ["--api-handler-processes", "1", "--task-worker-processes", "1"]
    return [str(reference.executable), "server", *place, *size, "--skip-db-cleanup"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(reference: CodeChecker, server: subprocess.Popen[bytes]) -> None:
    def answered() -> bool | None:
        if server.poll() is not None:
            raise CodeCheckerError(f"CodeChecker's server ended with {server.returncode}: {reference.log()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{reference.port}/ready", timeout=5) as answer:
                return answer.status == 200 or None
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    wait_for(answered, START_SECONDS, f"CodeChecker's server on port {reference.port} did not answer")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Kill the server's session: it has nothing to save, and its own way out takes six seconds."""
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _select(database: Path, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query, tuple(parameters)).fetchall()
