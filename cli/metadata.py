"""The run's name as the analysis left it in metadata.json."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .errors import Usage
from .scan import ReportFolder


def run_name(folders: Iterable[ReportFolder]) -> str:
    """The one name that the folders' metadata.json agree on; raises Usage when there is none, or more than one."""
    names = {name for folder in folders if "metadata.json" in folder.companions for name in _names(folder)}
    if not names:
        raise Usage("No run name: give one with -n, since no metadata.json of these folders has one.")
    if len(names) > 1:
        quoted = ", ".join(map(repr, sorted(names)))
        raise Usage(f"The metadata.json of these folders name different runs ({quoted}). Choose one with -n.")
    return names.pop()


def _names(folder: ReportFolder) -> Iterator[str]:
    path = Path(folder.path, "metadata.json")
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Usage(f"{path} cannot be read ({error}). With -n NAME it is not asked for the run's name.") from error
    for part in _tools(content):
        name = part.get("run_name") or part.get("name" if part is content else "")
        if isinstance(name, str) and name:
            yield name


def _tools(content: Any) -> list[dict[str, Any]]:
    """Where the names stand: in each tool since version 2, else at the top, under another name."""
    if not isinstance(content, dict):
        return []
    parts = content.get("tools", []) if "version" in content else [content]
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
