"""Reading zip archives of unknown origin: nothing is written or allocated before it was checked.

An archive is refused as a whole where a member lies outside its folder (an absolute path, `..`, a
drive, a backslash), is a link or encrypted, comes twice, or where number, size or ratio of
compression exceed the limits. Sizes that the archive announces are only believed as far as the
bytes confirm them.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pccore.errors import FileError
from pccore.limits import Limits, current_limits

_CHUNK = 2**20
#: What reading an archive that is not what it seems may raise.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    NotImplementedError,  # a compression method that Python does not have
    RuntimeError,  # an encrypted member
    OverflowError,
)
#: Bytes of a member from which on its ratio of compression is looked at.
_RATIO_FROM = 2**24


@dataclass(frozen=True)
class Archive:
    """An archive whose table of contents has passed the checks; folders are left out."""

    file: zipfile.ZipFile
    members: Sequence[zipfile.ZipInfo]
    where: str

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises FileError where there is none, or it is damaged."""
        member = next((one for one in self.members if one.filename == name), None)
        if member is None:
            raise FileError(f"there is no member {name[:80]!r}", where=self.where)
        pieces: list[bytes] = []
        self._copy(member, pieces.append)
        return b"".join(pieces)

    def extract(self, member: zipfile.ZipInfo, target: Path) -> None:
        """Write a member to a path of the caller's choice. Raises FileError."""
        with target.open("xb") as stream:
            self._copy(member, stream.write)

    def _copy(self, member: zipfile.ZipInfo, write: Callable[[bytes], object]) -> None:
        """Hand on the bytes of a member, as many as were announced and no more."""
        left = member.file_size
        with _blaming(f"{self.where}, {member.filename}"), self.file.open(member) as stream:
            # One byte further: the checksum is compared at the end.
            while piece := stream.read(min(_CHUNK, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise FileError("is longer than it says", where=self.where)
                write(piece)
        if left:
            raise FileError(f"{member.filename} is cut off", where=self.where)


@contextmanager
def opened(source: Path | BinaryIO, where: str) -> Generator[Archive]:
    """A checked archive. Raises FileError where it is damaged or breaks a limit."""
    with _blaming(where):
        file = zipfile.ZipFile(source)
    with file:
        yield Archive(file, _checked(file.infolist(), where), where)


def _checked(members: Sequence[zipfile.ZipInfo], where: str) -> list[zipfile.ZipInfo]:
    """The members that are files. Raises FileError at the first that may not be there."""
    limits = current_limits()
    if len(members) > limits.max_archive_members:
        raise FileError(
            f"{len(members)} members are more than the limit of {limits.max_archive_members}",
            where=where,
            hint=limits.way_out("max_archive_members"),
        )
    total = 0
    seen: set[str] = set()
    files: list[zipfile.ZipInfo] = []
    for member in members:
        name = member.filename
        problem = _problem(member, limits)
        if problem is None and name.casefold() in seen:
            problem = "is there twice"
        if problem is not None:
            raise FileError(f"the member {name[:80]!r} {problem}", where=where)
        seen.add(name.casefold())
        total += member.file_size
        if total > limits.max_archive_bytes:
            raise FileError(
                f"unpacked it has {total} bytes or more, the limit is {limits.max_archive_bytes}",
                where=where,
                hint=limits.way_out("max_archive_bytes"),
            )
        if not member.is_dir():
            files.append(member)
    return files


def _problem(member: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Why a member may not be there, or None."""
    name = member.filename
    path = PurePosixPath(name)
    # zipfile cuts a name at its first NUL; the whole one is in orig_filename.
    if not name.isprintable() or "\0" in member.orig_filename:
        return "has no usable name"
    if len(name) > limits.max_archive_name:
        return f"has a name of {len(name)} characters, {limits.way_out('max_archive_name')}"
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        return "lies outside the archive's folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 1:
        return "is encrypted"
    packed = max(1, member.compress_size)
    if member.file_size > _RATIO_FROM and member.file_size > limits.max_archive_ratio * packed:
        ratio = member.file_size // packed
        return f"unpacks to {ratio} times its size, {limits.way_out('max_archive_ratio')}"
    return None


@contextmanager
def _blaming(where: str) -> Generator[None]:
    try:
        yield
    except FileError:
        raise
    except _BROKEN as error:
        reason = str(error).strip("'\"").split("\n")[0][:120] or type(error).__name__
        raise FileError(f"this is no readable zip archive: {reason}", where=where) from error
