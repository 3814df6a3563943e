"""The reader of zips, fed by the standard library's writer, and by hand with what that would not write."""

import contextlib
import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storaged.errors import BadArchive
from storaged.ingest.zips import CENTRAL, END, ZipEntry, read_directory, read_entry

SIZE = 1 << 20


class Unseekable(io.BytesIO):
    """A target that makes the writer put the sizes behind the entries."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, target: io.BytesIO | None = None) -> bytes:
    target = target or io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return target.getvalue()


def directory(data: bytes, max_entries: int = 100) -> list[ZipEntry]:
    return list(read_directory(io.BytesIO(data), max_entries))


def unzipped(data: bytes, max_bytes: int = SIZE) -> dict[str, bytes]:
    return {entry.name: read_entry(io.BytesIO(data), entry, max_bytes) for entry in directory(data)}


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(BadArchive) as caught:
        read()
    return str(caught.value)


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


CONTENTS = {"a.txt": b"", "reports/ä.plist": b"x" * 5000, "b": bytes(range(256))}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("target", [io.BytesIO, Unseekable])
def test_what_was_zipped_is_read(method: int, target: type[io.BytesIO]) -> None:
    assert unzipped(zipped(CONTENTS, method, target())) == CONTENTS


@settings(deadline=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.binary())
)
def test_any_names_and_contents_are_read(contents: dict[str, bytes]) -> None:
    assert unzipped(zipped(contents)) == contents


def test_an_empty_zip_has_no_entries() -> None:
    assert directory(zipped({})) == []


def test_a_comment_behind_the_directory_is_passed_over() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", b"x")
        archive.comment = b"c" * 60_000
    assert unzipped(target.getvalue()) == {"a": b"x"}


def test_a_zip64_directory_is_read() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(b"x" * 100)
    plain = target.getvalue()
    assert unzipped(plain) == {"a": b"x" * 100}
    assert unzipped(as_zip64(plain)) == {"a": b"x" * 100}


def as_zip64(data: bytes) -> bytes:
    """The one entry's sizes and offset, and the directory's, moved to where larger numbers would be."""
    end = data.rindex(b"PK\5\6")
    offset = END.unpack_from(data, end)[6]
    head = list(CENTRAL.unpack_from(data, offset))
    name = data[offset + CENTRAL.size : offset + CENTRAL.size + head[11]]
    extra = struct.pack("<2H", 0x9999, 3) + b"abc" + struct.pack("<2H3Q", 1, 24, head[10], head[9], head[17])
    head[9] = head[10] = head[17] = 0xFFFFFFFF
    head[12] = len(extra)
    central = CENTRAL.pack(*head) + name + extra
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + len(central), 1)
    return (
        data[:offset] + central + end64 + locator
        + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )  # fmt: skip


def test_what_is_no_zip_is_refused() -> None:
    assert refusal(lambda: directory(b"")) == "The upload is not a zip archive."
    assert refusal(lambda: directory(b"\x1f\x8b" + b"x" * 100)) == "The upload is not a zip archive."


def test_a_zip_that_is_cut_off_is_told_from_what_is_no_zip() -> None:
    data = zipped(CONTENTS)
    expected = "The archive is cut off: it starts as a zip, but its end is missing. Upload it again."
    assert refusal(lambda: directory(data[:-30])) == expected
    assert refusal(lambda: directory(data[:50])) == expected


@settings(deadline=None)
@given(st.integers(0, len(zipped(CONTENTS)) - 1))
def test_a_zip_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    refusal(lambda: directory(zipped(CONTENTS)[:length]))


@settings(deadline=None)
@given(st.integers(0, len(zipped(CONTENTS)) - 1), st.integers(0, 60), st.binary(max_size=6))
def test_a_damaged_zip_raises_nothing_but_bad_archive(start: int, length: int, instead: bytes) -> None:
    data = zipped(CONTENTS)
    with contextlib.suppress(BadArchive):
        unzipped(data[:start] + instead + data[start + length :])


def test_more_entries_than_the_limit_are_refused() -> None:
    data = zipped({str(number): b"" for number in range(5)})
    assert len(directory(data, max_entries=5)) == 5
    assert refusal(lambda: directory(data, max_entries=4)).startswith("The archive has more than 4 entries, the limit.")


def test_an_entry_over_the_limit_is_refused_unread() -> None:
    data = zipped({"a": b"x" * 5000})
    assert refusal(lambda: unzipped(data, max_bytes=4999)) == "a: 5000 bytes, which is over the limit of 4999."


def test_an_entry_that_unpacks_to_more_than_it_says_is_refused() -> None:
    data = zipped({"a": b"x" * 500_000})
    said = changed(data, data.rindex(b"PK\1\2") + 24, struct.pack("<L", 100))
    assert refusal(lambda: unzipped(said)) == "a: damaged, size or checksum differ from the archive's directory."


def test_an_entry_with_another_checksum_is_refused() -> None:
    data = zipped({"a": b"some text"}, zipfile.ZIP_STORED)
    other = changed(data, data.index(b"some"), b"SOME")
    assert refusal(lambda: unzipped(other)) == "a: damaged, size or checksum differ from the archive's directory."


def test_an_entry_that_points_past_the_archive_is_refused() -> None:
    data = zipped({"a": b"some text"})
    at = data.rindex(b"PK\1\2")
    expected = "'a': damaged, it goes past the end of the archive."
    assert refusal(lambda: unzipped(changed(data, at + 42, struct.pack("<L", 10**9)))) == expected
    assert refusal(lambda: unzipped(changed(data, at + 20, struct.pack("<L", 10**9)))) == expected


def test_encrypted_entries_are_refused() -> None:
    data = zipped({"a": b"some text"})
    encrypted = changed(data, data.rindex(b"PK\1\2") + 8, b"\x01")
    assert refusal(lambda: directory(encrypted)) == "'a': encrypted entries cannot be read."


def test_symbolic_links_are_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("root/link")
        link.external_attr = 0o120777 << 16
        link.create_system = 3
        archive.writestr(link, "/etc/passwd")
    expected = "'root/link': symbolic links are not accepted; store the file it points at."
    assert refusal(lambda: directory(target.getvalue())) == expected


def test_other_compressions_are_refused() -> None:
    data = zipped({"a": b"x"}, zipfile.ZIP_LZMA)
    expected = "'a': compression method 14 is not supported; use deflate or none."
    assert refusal(lambda: directory(data)) == expected
