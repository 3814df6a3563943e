"""The source files that a SARIF 2.1.0 result file names."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

MAX_BASES = 16
"""Bases refer to bases (section 3.14.14); a circle among them ends here."""


def named_files(data: bytes) -> list[str]:
    """Paths, some relative to the result file; nothing for what is no SARIF. Only files of results count."""
    try:
        runs = json.loads(data)["runs"]
        return sorted({path for run in runs for path in _files_of_run(run)})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _files_of_run(run: dict[str, Any]) -> Iterator[str]:
    artifacts = [artifact.get("location", {}) for artifact in run.get("artifacts", [])]
    bases = run.get("originalUriBaseIds", {})
    for location in _artifact_locations(run.get("results", [])):
        index = location.get("index", -1)
        known = artifacts[index] if "uri" not in location and 0 <= index < len(artifacts) else location
        path = _path(known, bases)
        if path:
            yield path


def _artifact_locations(value: Any) -> Iterator[dict[str, Any]]:
    """Every `artifactLocation` at or below a value."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
            location = part.get("artifactLocation")
            if isinstance(location, dict):
                yield location


def _path(location: dict[str, Any], bases: dict[str, Any]) -> str | None:
    uri = str(location.get("uri", ""))
    base = location.get("uriBaseId")
    for _ in range(MAX_BASES):
        if base is None or urlsplit(uri).scheme:
            break
        parent = bases.get(base, {})
        uri = str(parent.get("uri", "")) + uri
        base = parent.get("uriBaseId")
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme in {"", "file"} and parts.path else None
