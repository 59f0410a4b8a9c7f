"""A .zip of images: what `images` reads from a folder, packed; a folder around all is taken off."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from zipfile import ZipInfo

from pccore import archives
from pccore.archives import Archive
from pccore.datasets import images
from pccore.datasets.images import Folder
from pccore.errors import DataError, FileError

#: What computers put beside pictures.
_LITTER = ("__MACOSX",)


def read_zip(path: Path) -> Folder:
    """All images of the archive. Raises DataError that names the member that does not fit."""
    try:
        with (
            archives.opened(path, path.name) as archive,
            tempfile.TemporaryDirectory(prefix="pccore-") as scratch,
        ):
            folder = Path(scratch) / path.stem
            folder.mkdir()
            _unpack(archive, _images(archive), folder)
            return images.read_folder(folder)
    except FileError as error:
        raise DataError(error.message, where=error.where or path.name, hint=error.hint) from error


def count_images(path: Path) -> int:
    """The number of images, by the table of contents alone. Raises DataError."""
    try:
        with archives.opened(path, path.name) as archive:
            return len(_images(archive))
    except FileError as error:
        raise DataError(error.message, where=path.name) from error


def _images(archive: Archive) -> list[ZipInfo]:
    return [member for member in archive.members if _is_image(PurePosixPath(member.filename))]


def _is_image(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part in _LITTER for part in path.parts)
    return not hidden and path.suffix.lower() in images.SUFFIXES


def _unpack(archive: Archive, members: Sequence[ZipInfo], folder: Path) -> None:
    """Write the images below the folder, as deep as `images` looks. Raises DataError."""
    paths = [PurePosixPath(member.filename) for member in members]
    around = _around(paths)
    for member, path in zip(members, paths, strict=True):
        inner = path.relative_to(around)
        if len(inner.parts) > 3:
            raise DataError(
                f"{member.filename} lies in too many folders: of a split, of a label, no more",
                where=archive.where,
            )
        target = folder.joinpath(*inner.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        archive.extract(member, target)


def _around(paths: Sequence[PurePosixPath]) -> PurePosixPath:
    """The folders that all images are in, unless it is the one of a single label."""
    common = paths[0].parent if paths else PurePosixPath()
    for path in paths:
        while not path.is_relative_to(common):
            common = common.parent
    return common
