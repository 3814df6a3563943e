"""Small result files for tests."""

import plistlib
from collections.abc import Sequence
from typing import Any, Final

FILES: Final = ("/src/a.c", "/src/b.h")
HASH: Final = "0123456789abcdef0123456789abcdef"


def place(line: int, column: int, file: int = 0) -> dict[str, int]:
    return {"line": line, "col": column, "file": file}


def event(line: int, column: int, message: str = "here", file: int = 0, **more: Any) -> dict[str, Any]:
    return {"kind": "event", "location": place(line, column, file), "message": message, **more}


def control(start: Sequence[dict[str, int]], end: Sequence[dict[str, int]]) -> dict[str, Any]:
    return {"kind": "control", "edges": [{"start": list(start), "end": list(end)}]}


def diagnostic(**changes: Any) -> dict[str, Any]:
    """A report at 2:3 of the first file; None takes a key away."""
    usual = {
        "location": place(2, 3),
        "description": "bad",
        "check_name": "core.Bad",
        "issue_hash_content_of_line_in_context": HASH,
        "path": [event(2, 3, "bad")],
    }
    return {key: value for key, value in (usual | changes).items() if value is not None}


def plist(*diagnostics: Any, files: Sequence[Any] = FILES, **more: Any) -> bytes:
    """A result file."""
    return plistlib.dumps({"files": list(files), "diagnostics": list(diagnostics), **more})
