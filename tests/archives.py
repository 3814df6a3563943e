"""Archives as clients upload them; real analyses, one in the package, a larger one beside the project."""

import hashlib
import json
import lzma
import os
import plistlib
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

REAL_DATA: Final = Path(__file__).parents[2] / "shared" / "data"
SAMPLE: Final = Path(__file__).parents[1] / "storaged" / "sample"
# What stands in both for the folder it is unpacked to.
ROOT: Final = "@ROOT@"
NOT_SENT: Final = frozenset({"compiler_info.json", "unique_compile_commands.json"})

# In CI the data has to be there, elsewhere the tests that need it say why they did not run.
needs_real_data: Final = pytest.mark.skipif(
    not REAL_DATA.is_dir() and "CI" not in os.environ, reason=f"there is no {REAL_DATA}"
)


def unpack_sample(folder: Path) -> Path:
    """Put the analysis that the package carries, `reports` and `src`, into a folder; returns the folder."""
    for part in ("src", "reports"):
        shutil.copytree(SAMPLE / part, folder / part)
    _fill_in_root(folder)
    return folder


def expected_sample(folder: Path) -> list[dict[str, Any]]:
    """The reports that a store of it has, in the file's order."""
    lines = (Path(__file__).parent / "data" / "sample.expected.jsonl").read_text().splitlines()
    return [json.loads(line.replace(ROOT, str(folder))) for line in lines]


def unpack_xerces(folder: Path) -> Path:
    """Unpack the real analysis: `reports` and the sources that they name; returns the folder."""
    with tarfile.open(REAL_DATA / "xerces.tar.xz") as tar:
        # Not the argument `filter`: it came with 3.11.4 only.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)  # noqa: S202 - our own archive
    _fill_in_root(folder)
    return folder


def expected_xerces(folder: Path) -> list[dict[str, Any]]:
    """The reports that a store of it has, in the file's order."""
    with lzma.open(REAL_DATA / "xerces.expected.jsonl.xz", "rt") as file:
        return [json.loads(line.replace(ROOT, str(folder))) for line in file]


def _fill_in_root(folder: Path) -> None:
    for path in (folder / "reports").iterdir():
        path.write_bytes(path.read_bytes().replace(ROOT.encode(), bytes(folder)))


def write_archive(target: Path, entries: Mapping[str, bytes | str]) -> Path:
    """A zip of these entries, in this order."""
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return target


def pack_folders(target: Path, folders: Sequence[Path], *, left_out: Iterable[str] = ()) -> Path:
    """What `storectl store` uploads of some report folders.

    `left_out` are sources whose content is on the server already.
    """
    entries: dict[str, bytes | str] = {"storectl.json": about(dict(enumerate(folders)))}
    for number, folder in enumerate(folders):
        sent = (path for path in sorted(folder.iterdir()) if path.name not in NOT_SENT)
        entries |= {f"reports/{number}/{path.name}": path.read_bytes() for path in sent}
    sources = {path: Path(path).read_bytes() for path in named_sources(folders) if Path(path).is_file()}
    entries |= {f"root{path}": data for path, data in sources.items() if path not in set(left_out)}
    entries["content_hashes.json"] = content_hashes(sources)
    return write_archive(target, entries)


def about(folders: Mapping[Any, Path]) -> str:
    """A storectl.json that says where the report folders came from."""
    return json.dumps({"version": 1, "report_dirs": {str(name): str(path) for name, path in folders.items()}})


def content_hashes(sources: Mapping[str, bytes]) -> str:
    """A content_hashes.json of these sources."""
    return json.dumps({path: hashlib.sha256(data).hexdigest() for path, data in sources.items()})


def named_sources(folders: Iterable[Path]) -> list[str]:
    """The absolute paths of the files that the result files of some folders name."""
    plists = [(folder, plistlib.loads(path.read_bytes())) for folder in folders for path in folder.glob("*.plist")]
    return sorted({os.path.normpath(folder / file) for folder, plist in plists for file in plist["files"]})
