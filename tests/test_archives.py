"""Archives of unknown origin: what is refused before anything of it is written or allocated."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import archives
from pccore.archives import opened
from pccore.errors import FileError


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], deflated: bool = False) -> io.BytesIO:
    stream = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def test_what_is_in_it(tmp_path: Path) -> None:
    with opened(packed(("a/", b""), ("a/b.txt", b"hello"), ("c", b"")), "x.zip") as archive:
        assert [member.filename for member in archive.members] == ["a/b.txt", "c"]
        assert archive.read("a/b.txt") == b"hello" and archive.read("c") == b""
        archive.extract(archive.members[0], tmp_path / "out")
        with pytest.raises(FileError, match="no member 'd'"):
            archive.read("d")
    assert (tmp_path / "out").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../up", "C:\\x", "c:x", "a\\b", "line\nbreak", "x" * 500]
)
def test_names_that_lead_elsewhere(name: str) -> None:
    with (
        pytest.raises(FileError, match=r"x\.zip: the member"),
        opened(packed((name, b"")), "x.zip"),
    ):
        pass


def test_links_twins_and_encrypted_members() -> None:
    for stream in (packed((link("a"), b"/etc/passwd")), packed(("a", b""), ("A", b""))):
        with pytest.raises(FileError, match=r"link|twice"), opened(stream, "x.zip"):
            pass
    stream = packed(("a", b"secret"))
    content = bytearray(stream.getvalue())
    central = content.rindex(b"PK\x01\x02")
    content[central + 8] |= 1
    with pytest.raises(FileError, match="encrypted"), opened(io.BytesIO(content), "x.zip"):
        pass


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    many = packed(*((str(i), b"") for i in range(5)))
    monkeypatch.setenv("PCCORE_MAX_ARCHIVE_MEMBERS", "4")
    with pytest.raises(FileError, match="5 members"), opened(many, "x.zip"):
        pass
    large = packed(("a", b"0" * 600), ("b", b"0" * 600))
    with monkeypatch.context() as patch:
        patch.setenv("PCCORE_MAX_ARCHIVE_BYTES", "1000")
        with pytest.raises(FileError, match="limit is 1000"), opened(large, "x.zip"):
            pass
    bomb = packed(("a", bytes(2**20)), deflated=True)
    with opened(bomb, "x.zip") as archive:  # small enough to do no harm
        assert len(archive.read("a")) == 2**20
    monkeypatch.setattr(archives, "_RATIO_FROM", 2**16)
    with pytest.raises(FileError, match="unpacks to"), opened(bomb, "x.zip"):
        pass


@pytest.mark.parametrize("announced", [3, 7])
def test_sizes_that_are_not_true(announced: int) -> None:
    content = bytearray(packed(("a", b"hello")).getvalue())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", announced)
    with pytest.raises(FileError), opened(io.BytesIO(content), "x.zip") as archive:
        archive.read("a")


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
@settings(max_examples=60)
def test_any_bytes_are_an_archive_or_an_error(junk: bytes, place: int, byte: int) -> None:
    content = bytearray(packed(("a", b"hello"), deflated=True).getvalue())
    content[place % len(content)] = byte
    for data in (junk, bytes(content)):
        try:
            with opened(io.BytesIO(data), "x.zip") as archive:
                for member in archive.members:
                    archive.read(member.filename)
        except FileError as error:
            assert "x.zip" in str(error)
