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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, TypedDict, TypeVar

EXECUTABLE_VARIABLE: Final = "STORAGED_CODECHECKER"
API: Final = "v6.74"
DETECTION_STATUSES: Final = ("new", "resolved", "unresolved", "reopened", "off", "unavailable")
REVIEW_STATUSES: Final = ("unreviewed", "confirmed", "false_positive", "intentional")
ENDED: Final = frozenset({"completed", "failed", "cancelled", "dropped"})
START_SECONDS: Final = 60.0
STORE_SECONDS: Final = 120.0

PAGE: Final = 500
"""The most reports that its API gives at a time."""

Answer = TypeVar("Answer")
Struct = dict[int, Any]
"""A struct of CodeChecker's Thrift API: its fields by their numbers."""


class CodeCheckerError(Exception):
    """The reference could not be started or asked; says what it printed."""


class Report(TypedDict):
    """A report as tests compare it.

    A range is `[file, start line, start column, end line, end column]`; an event is a range and its message, an entry
    of `extended` is its type (0 note, 10 macro), a range and its message. `contents` has, by path, the SHA-256 of what
    each of its files held when the report was last seen in it. `severity` is CodeChecker's number. Times are UTC,
    `YYYY-MM-DD HH:MM:SS.ffffff`. `id` tells whether a row was kept or replaced.
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
    contents: dict[str, str | None]
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

        Uses `--detach`, which prints the task's token last, and looks at the task in the server's database: the client
        itself asks only every five seconds.
        """
        paths = [folders] if isinstance(folders, Path) else list(folders)
        options = ["-n", run, "-j", "1", "--detach", *(["--force"] if force else [])]
        options += ["--tag", tag] if tag else []
        options += ["--description", description] if description else []
        options += ["--trim-path-prefix", *trim] if trim else []
        done = self._run("store", *map(str, paths), *options, "--url", self.url)
        log = done.stdout + done.stderr
        if done.returncode != 0:
            return Outcome(status="refused", log=log, comments="")
        return self._ended(done.stdout.split()[-1], log)

    def store_archive(self, archive: bytes, run: str) -> Outcome:
        """Store an archive that the client did not make (`pack`), and wait until the server's task has ended."""
        blob = base64.b64encode(zlib.compress(archive)).decode()
        arguments = {"1": {"str": blob}, "2": {"rec": {"1": {"str": run}, "4": {"tf": 0}, "5": {"lst": ["str", 0]}}}}
        answer = self._call("massStoreRunAsynchronous", arguments)
        if "0" not in answer:
            return Outcome(status="refused", log=json.dumps(answer), comments="")
        return self._ended(answer["0"]["str"], "")

    def diff(self, base: Sequence[str], new: Sequence[str], which: str) -> subprocess.CompletedProcess[str]:
        """What `CodeChecker cmd diff` prints of a set (new, resolved, unresolved), as JSON."""
        return self._run("cmd", "diff", "-b", *base, "-n", *new, f"--{which}", "-o", "json", "--url", self.url)

    def reports(self, run: str) -> list[Report]:
        """Every report of a run, of every detection and review status, with its bug path; none of an unknown run."""
        runs = [number for (number,) in self.rows("SELECT id FROM runs WHERE name = ?", [run])]
        contents = dict(self.rows("SELECT id, content_hash FROM files"))
        return sorted((report_of(raw, contents) for number in runs for raw in self._results(number)), key=sort_key)

    def history(self, run: str) -> list[Store]:
        """The stores of a run, newest first."""
        query = (
            "SELECT h.id, h.time, version_tag, description, cc_version, user FROM run_histories h"
            " JOIN runs r ON r.id = h.run_id WHERE r.name = ? ORDER BY h.id DESC"
        )
        return [store_of(row, self._analyzers(row[0])) for row in self.rows(query, [run])]

    def duration(self, run: str) -> float | None:
        """How many seconds the analyses of the run's last store took together; None of an unknown run."""
        return next((seconds for (seconds,) in self.rows("SELECT duration FROM runs WHERE name = ?", [run])), None)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Read the product's database, for what the client does not show."""
        return _select(self.workspace / "Default.sqlite", query, parameters)

    def log(self) -> str:
        """What the server has printed so far."""
        return (self.workspace / "server.log").read_text(errors="replace")

    def _analyzers(self, history: int) -> dict[str, Counts]:
        query = "SELECT analyzer_type, successful, failed FROM analyzer_statistics WHERE run_history_id = ?"
        return {name: Counts(successful=good, failed=bad) for name, good, bad in self.rows(query, [history])}

    def _results(self, run: int) -> Iterator[Struct]:
        """What `CodeChecker cmd results --details` asks for, without the start of a client."""
        reports = {"6": _numbers("i32", range(len(REVIEW_STATUSES))), "11": {"tf": 0}}  # of all statuses, not uniqued
        reports["7"] = _numbers("i32", range(len(DETECTION_STATUSES)))
        arguments = {"1": _numbers("i64", [run]), "2": {"i64": PAGE}, "5": {"rec": reports}, "7": {"tf": 1}}
        page: list[Struct] = []
        for first in count(step=PAGE):
            page = _plain(self._call("getRunResults", {**arguments, "3": {"i64": first}})["0"])
            yield from page
            if len(page) < PAGE:
                return

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


def report_of(raw: Struct, contents: Mapping[int, str]) -> Report:
    """Our plain form of the API's ReportData; `contents` are hashes by the number of the file."""
    details = raw[16]
    events = [(event, event[6], event[7]) for event in details[1]]
    positions = [(position, position[5], position[6]) for position in details[2]]
    extended = [({n - 1: value for n, value in data.items()}, data[7], data[8]) for data in details[3]]
    named = {raw[4]: raw[7], **{path: number for _, number, path in (*events, *positions, *extended)}}
    return Report(
        checker=raw[2],
        analyzer=raw[17],
        report_hash=raw[3],
        file=raw[4],
        message=raw[5],
        line=raw[8],
        column=raw[9],
        severity=raw[10],
        path_length=raw[15],
        events=[[*_range(event, path), event[5]] for event, _, path in events],
        positions=[_range(position, path) for position, _, path in positions],
        extended=[[data[0], *_range(data, path), data[5]] for data, _, path in extended],
        contents={path: contents[number] for path, number in named.items()},
        id=raw[6],
        detection_status=DETECTION_STATUSES[raw[12]],
        detected_at=raw[13],
        fixed_at=raw.get(14),
        review_status=REVIEW_STATUSES[raw[11][1]],
        annotations=raw.get(18, {}),
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


def _range(raw: Struct, path: str) -> list[Any]:
    """Of a struct whose fields 1 to 4 are start line, start column, end line and end column."""
    return [path, raw[1], raw[2], raw[3], raw[4]]


def _numbers(kind: str, values: Iterable[int]) -> dict[str, Any]:
    """A list of integers in Thrift's JSON protocol."""
    listed = list(values)
    return {"lst": [kind, len(listed), *listed]}


def _plain(typed: dict[str, Any]) -> Any:
    """A typed value of Thrift's JSON protocol as a plain one; a struct becomes a dict of its fields by number."""
    ((kind, value),) = typed.items()
    if kind == "rec":
        return {int(number): _plain(field) for number, field in value.items()}
    if kind == "lst":
        return [_plain({value[0]: item}) for item in value[2:]]
    return value[3] if kind == "map" else value


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
