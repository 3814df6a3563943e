"""storaged as one of the systems that sequences of stores are played in: a real daemon, its client, its HTTP API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from .codechecker import DETECTION_STATUSES, STORE_SECONDS, Counts, Outcome, Report, Store, sort_key
from .daemons import DaemonProcess

PRODUCT: Final = "/api/v1/products/Default"
PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Storaged:
    """A running daemon as a System; see CodeChecker for what its methods mean."""

    daemon: DaemonProcess
    # kept open: a report's sources are asked for one by one
    _connections: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def store(
        self,
        folders: Sequence[Path],
        run: str,
        *,
        tag: str | None = None,
        force: bool = False,
        trim: Sequence[str] = (),
    ) -> Outcome:
        """Store report folders by `storectl store`, which waits until the job has ended."""
        options = ["-n", run, "-o", "json", *(["--force"] if force else [])]
        options += ["--tag", tag] if tag else []
        options += [part for prefix in trim for part in ("--trim-path-prefix", prefix)]
        done = self.daemon.storectl("store", *map(str, folders), *options, timeout=STORE_SECONDS)
        if not done.stdout:
            return Outcome(status="refused", log=done.stderr, comments="")
        return _outcome(json.loads(done.stdout), done.stderr)

    def store_archive(self, archive: bytes, run: str) -> Outcome:
        """Store an archive by the endpoint that the client uses, and wait until the job has ended."""
        job = self._ask("POST", f"{PRODUCT}/stores?{urlencode({'run': run})}", archive)
        return _outcome(self._ask("GET", f"/api/v1/jobs/{job['token']}?wait={STORE_SECONDS:g}"), "")

    def reports(self, run: str) -> list[Report]:
        """Every report of a run, of every detection status, with its bug path; none of an unknown run."""
        query: dict[str, Any] = {"run": run, "details": "true", "limit": PAGE, "detection_status": DETECTION_STATUSES}
        found: list[dict[str, Any]] = []
        while query:
            page = self._get(f"{PRODUCT}/reports?{urlencode(query, doseq=True)}")
            found += page["reports"] if page else []
            query = query | {"after": page["next"]} if page and page["next"] else {}
        return sorted((_report(raw, self._sources(raw["id"])) for raw in found), key=sort_key)

    def history(self, run: str) -> list[Store]:
        """The stores of a run, newest first."""
        page = self._get(f"{PRODUCT}/runs/{quote(run)}/history?limit={PAGE}")
        return [_store(raw) for raw in page["stores"]] if page else []

    def duration(self, run: str) -> float | None:
        found = self._get(f"{PRODUCT}/runs/{quote(run)}")
        return found["duration"] if found else None

    def _sources(self, report: int) -> dict[str, str | None]:
        sources: dict[str, str | None] = self._get(f"{PRODUCT}/reports/{report}")["sources"]
        return sources

    def _get(self, path: str) -> Any:
        """The answer, or None when there is no such thing."""
        return self._ask("GET", path, none=404)

    def _ask(self, method: str, path: str, body: bytes | None = None, *, none: int | None = None) -> Any:
        answer = self._connections.request(method, self.daemon.url + path, body=body, timeout=STORE_SECONDS)
        if answer.status == none:
            return None
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.data!r:.1000}"
        return answer.json()


def _outcome(job: dict[str, Any], log: str) -> Outcome:
    return Outcome(status=job["status"], log=log, comments="\n".join(comment["text"] for comment in job["comments"]))


def _report(raw: dict[str, Any], sources: dict[str, str | None]) -> Report:
    return Report(
        checker=raw["checker"],
        analyzer=raw["analyzer"],
        report_hash=raw["report_hash"],
        file=raw["file"],
        message=raw["message"],
        line=raw["line"],
        column=raw["column"],
        severity=raw["severity"],
        path_length=raw["path_length"],
        events=raw["events"],
        positions=raw["positions"],
        extended=raw["extended"],
        contents={path: None if text is None else _sha256(text) for path, text in sources.items()},
        id=raw["id"],
        detection_status=raw["detection_status"],
        detected_at=_time(raw["detected_at"]),
        fixed_at=None if raw["fixed_at"] is None else _time(raw["fixed_at"]),
        review_status=raw["review_status"],
        annotations=raw["annotations"],
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _store(raw: dict[str, Any]) -> Store:
    return Store(
        id=raw["id"],
        time=_time(raw["stored_at"]),
        tag=raw["tag"],
        description=raw["description"],
        version=raw["client_version"],
        user=raw["user"],
        analyzers={one["name"]: Counts(successful=one["successful"], failed=one["failed"]) for one in raw["analyzers"]},
    )


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S.%f")
