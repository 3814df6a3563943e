"""Small uploads, as bytes."""

import plistlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tests.archives import about, content_hashes
from tests.plists import diagnostic, event, plist

SOURCE = b"int main() {\n  return 1 / 0;\n}\n"
Entries = Mapping[str, bytes | str]


def zipped(entries: Entries) -> bytes:
    """A zip of these entries, in this order; equal entries make equal bytes, whatever the time is."""
    target = BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED)
    return target.getvalue()


def upload(
    result_files: Mapping[str, bytes], sources: Mapping[str, bytes] | None = None, others: Entries | None = None
) -> bytes:
    """What a client sends: result files by their names, sources by their paths, and other entries."""
    sources = {"/src/a.c": SOURCE} if sources is None else sources
    return zipped(
        {
            "storectl.json": about({0: Path("/analysis")}),
            **{f"reports/0/{name}": data for name, data in result_files.items()},
            **{f"root{path}": data for path, data in sources.items()},
            "content_hashes.json": content_hashes(sources),
            **(others or {}),
        }
    )


def report(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A report that differs from those of other numbers by its hash and its message."""
    message = f"bad {number}"
    usual = {"description": message, "issue_hash_content_of_line_in_context": f"{number:032x}"}
    return diagnostic(**(usual | {"path": [event(2, 3, message)]} | changes))


def one_report(number: int = 0, **changes: Any) -> bytes:
    """The upload of one report."""
    return upload({"a.plist": plist(report(number, **changes), files=["/src/a.c"])})


def many_reports(count: int) -> bytes:
    return upload({"a.plist": plist(*(report(number) for number in range(count)), files=["/src/a.c"])})


def bulky_result_file(megabytes: int) -> bytes:
    """A result file whose parsing takes a while: about 0.1 s for each megabyte."""
    steps = [event(2, 3, "a step of a long path " * 20) for _ in range(1000 * megabytes)]
    return plistlib.dumps({"files": ["/src/a.c"], "diagnostics": [report(0, path=steps)]})
