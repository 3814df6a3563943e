"""The upload: one zip, made while it is sent, never whole in memory or on disk."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

from .errors import FileChanged
from .scan import ReportFolder, ResultFile
from .sources import Source

CHUNK_SIZE = 1 << 18
FASTEST = 1
ZIP64_SIZE = 1 << 30
"""Well below where zip64 is a must (2 GiB in zipfile): a file may grow while it is read."""


class Zip(ZipFile):
    """One that is closed by `with` only."""

    def __del__(self) -> None:
        """Nothing: ZipFile's prints a traceback when Ctrl-C came while it was being opened."""


class Archive:
    """The files of one store, as a zip that can be sent again.

    Layout: `storectl.json` (which report folder is which), `reports/<index>/` with the result files and their
    companions, `root/<absolute path>` for the sources in `wanted`, and last `content_hashes.json` with the SHA-256 of
    every source that there is. As long as no file changes, each pass gives the same bytes.

    A source that changes after it was hashed is told by the hash of what is sent; one that has gone is left out and
    named by `vanished`. A result file that changes raises FileChanged: the scan of it holds no more.

    `entries` counts what is in the zip, `sources` those that are sources.
    """

    def __init__(
        self,
        client: str,
        folders: Sequence[ReportFolder],
        results: Sequence[ResultFile],
        sources: Mapping[str, Source],
        wanted: Collection[str],
    ) -> None:
        self._client = client
        self._folders = folders
        self._results = {result.path: result for result in results}
        self._sources = sources
        chosen = (source for path, source in sources.items() if path in wanted and source.digest is not None)
        # `//a` and `/a` are one file in the archive, which may have a name but once.
        self._wanted = {"root/" + source.path.lstrip("/"): source for source in chosen}
        self.sources = len(self._wanted)
        self.entries = 2 + len(results) + sum(len(folder.companions) for folder in folders) + self.sources
        self.total = sum(result.size for result in results) + sum(source.size for source in self._wanted.values())
        self.packed = 0
        self.sent = 0
        self.finished = False
        self.vanished: list[str] = []

    def __iter__(self) -> Iterator[bytes]:
        """The zip in chunks. `packed` (of `total`, in bytes before compression) and `sent` tell how far it is.

        `finished` stays: a pass that came to its end may have arrived, whatever becomes of the next.
        """
        self.packed, self.sent, self.vanished = 0, 0, []
        sink = _Sink()
        with Zip(sink, "w", ZIP_DEFLATED, compresslevel=FASTEST) as archive:
            for _ in self._write(archive):
                if len(sink.waiting) >= CHUNK_SIZE:
                    yield self._take(sink)
        yield self._take(sink)
        self.finished = True

    def larger_than(self, size: int) -> list[str]:
        """Result files and sources to send with more bytes."""
        files: list[ResultFile | Source] = [*self._results.values(), *self._wanted.values()]
        return [file.path for file in files if file.size > size]

    def _take(self, sink: "_Sink") -> bytes:
        chunk = bytes(sink.waiting)
        sink.waiting.clear()
        self.sent += len(chunk)
        return chunk

    def _write(self, archive: ZipFile) -> Iterator[None]:
        """Write the entries one after the other; gives way whenever a chunk may be full."""
        _write_text(archive, "storectl.json", self._about())
        for index, folder in enumerate(self._folders):
            for name in (*folder.companions, *folder.files):
                yield from self._write_report_file(archive, f"reports/{index}/{printable(name)}", folder, name)
        digests = {path: source.digest for path, source in self._sources.items() if source.digest is not None}
        for entry, source in self._wanted.items():
            yield from self._write_source(archive, entry, source, digests)
        _write_text(archive, "content_hashes.json", json.dumps(digests))

    def _about(self) -> str:
        folders = {str(index): printable(folder.path) for index, folder in enumerate(self._folders)}
        return json.dumps({"version": 1, "client": self._client, "report_dirs": folders})

    def _write_report_file(self, archive: ZipFile, entry: str, folder: ReportFolder, name: str) -> Iterator[None]:
        path = f"{folder.path}/{name}"
        expected = self._results.get(path)
        with _open(path) as file:
            state = os.fstat(file.fileno())
            if expected and (state.st_size, state.st_mtime_ns) != (expected.size, expected.changed_ns):
                raise FileChanged(path)
            size = 0
            for block in self._copy(archive, entry, file, state.st_size):
                size += len(block)
                yield
        if size != state.st_size:
            raise FileChanged(path)

    def _write_source(self, archive: ZipFile, entry: str, source: Source, digests: dict[str, str]) -> Iterator[None]:
        hasher = hashlib.sha256()
        try:
            file = _open(source.path)
        except FileChanged:
            del digests[source.path]
            self.vanished.append(source.path)
            return
        with file:
            for block in self._copy(archive, entry, file, source.size):
                hasher.update(block)
                yield
        digests[source.path] = hasher.hexdigest()

    def _copy(self, archive: ZipFile, name: str, file: BinaryIO, size: int) -> Iterator[bytes]:
        # Opened by name an entry has the archive's level, and no time: equal contents make an equal archive.
        with archive.open(name, "w", force_zip64=size >= ZIP64_SIZE) as out:
            for block in _blocks(file):
                out.write(block)
                self.packed += len(block)
                yield block


class _Sink:
    """Where the zip is written to: what was not taken yet. It cannot seek, so sizes follow each entry."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes, /) -> int:
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""


def _write_text(archive: ZipFile, name: str, text: str) -> None:
    with archive.open(name, "w") as out:
        out.write(text.encode())


def _open(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise FileChanged(path) from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    try:
        while block := file.read(CHUNK_SIZE):
            yield block
    except OSError as error:
        raise FileChanged(str(file.name)) from error


def printable(name: str) -> str:
    """A file's name as the archive can bear it: what is no UTF-8 is replaced, and so are backslashes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\\", "_")
