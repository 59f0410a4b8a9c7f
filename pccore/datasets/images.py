"""A folder of images: png, jpg, bmp, pgm or ppm, all of one size.

All grey, or all colour (then three values a pixel, transparency is ignored); values 0..255.
Subfolders are labels, in sorted order; folders train, valid, test inside are the splits. The
files are taken in the sorted order of their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pccore.datasets.base import SPLITS, Split
from pccore.errors import DataError
from pccore.limits import current_limits

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm"})
_FORMATS = ("PNG", "JPEG", "BMP", "PPM")
_GREY = frozenset({"1", "L"})
_COLOUR = frozenset({"RGB", "RGBA", "P", "LA", "CMYK", "YCbCr"})


@dataclass(frozen=True, slots=True)
class Folder:
    """The pictures of a folder: pixels uint8 [N, H, W, C] and labels int64 [N] by split."""

    pixels: dict[Split, NDArray[np.uint8]]
    labels: dict[Split, NDArray[np.int64]]
    label_names: tuple[str, ...]


def is_image_folder(path: Path) -> bool:
    """Whether the folder holds images, or only subfolders that do (labels or splits)."""
    try:
        if not path.is_dir():
            return False
        if _images(path):
            return True
        inner = _folders(path)
        return bool(inner) and (
            _split_folders(inner) is not None or all(_images(folder) for folder in inner)
        )
    except OSError:
        return False


def count_images(path: Path) -> int:
    """The number of image files that reading the folder would take."""
    return sum(1 for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)


def read_folder(path: Path) -> Folder:
    """All images of the folder. Raises DataError that names the file that does not fit."""
    try:
        inner = _split_folders(_folders(path))
        groups: dict[Split, list[tuple[Path, str | None]]] = (
            {"train": _labelled(path)}
            if inner is None
            else {split: _labelled(folder) for split, folder in inner.items()}
        )
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=path.name) from error
    files = [file for group in groups.values() for file, _ in group]
    if not files:
        raise DataError("the folder holds no images", where=path.name)
    limits = current_limits()
    if len(files) > limits.max_files:
        raise DataError(
            f"{len(files)} images are more than the {limits.max_files} allowed",
            where=path.name,
            hint=limits.way_out("max_files"),
        )
    height, width, channels = _common_shape(files, path)
    values = len(files) * height * width * channels
    if values > limits.max_values:
        raise DataError(
            f"the images have {values} values in all, more than the {limits.max_values} allowed",
            where=path.name,
            hint=limits.way_out("max_values"),
        )
    names = sorted({label for group in groups.values() for _, label in group if label is not None})
    pixels: dict[Split, NDArray[np.uint8]] = {}
    labels: dict[Split, NDArray[np.int64]] = {}
    for split, group in groups.items():
        block = np.empty((len(group), height, width, channels), dtype=np.uint8)
        for row, (file, _) in enumerate(group):
            block[row] = _decode(file, path, (height, width, channels))
        pixels[split] = block
        if names:
            labels[split] = np.array([names.index(str(label)) for _, label in group], np.int64)
    return Folder(pixels, labels, tuple(names))


def _images(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _split_folders(folders: Iterable[Path]) -> dict[Split, Path] | None:
    """The folders by split, where they are train and perhaps valid and test, else None."""
    by_name = {folder.name: folder for folder in folders}
    if "train" not in by_name or not set(by_name) <= set(SPLITS):
        return None
    return {split: by_name[split] for split in SPLITS if split in by_name}


def _labelled(folder: Path) -> list[tuple[Path, str | None]]:
    """Image files with their label: the name of the subfolder, or None. Raises DataError."""
    plain = _images(folder)
    inner = [(file, sub.name) for sub in _folders(folder) for file in _images(sub)]
    if plain and inner:
        raise DataError(
            f"{plain[0].name} lies beside the labelled subfolder {inner[0][1]}: either all images "
            "are in subfolders or none",
            where=folder.name,
        )
    return [*((file, None) for file in plain), *inner]


def _common_shape(files: list[Path], root: Path) -> tuple[int, int, int]:
    """Height, width, channels, from the file headers. Raises DataError naming the odd one."""
    limits = current_limits()
    shapes: list[tuple[int, int, int]] = []
    for file in files:
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                width, height = picture.size
                mode = picture.mode
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError("this is no readable image", where=_place(file, root)) from error
        if mode not in _GREY | _COLOUR:
            raise DataError(
                f"pixels of kind {mode!r} are not read here, only 8 bits a channel",
                where=_place(file, root),
            )
        if max(width, height) > limits.max_side:
            raise DataError(
                f"{height}x{width} pixels are too many, more than {limits.max_side} a side",
                where=_place(file, root),
                hint=limits.way_out("max_side"),
            )
        shapes.append((height, width, 1 if mode in _GREY else 3))
    common, _ = Counter(shapes).most_common(1)[0]
    for file, shape in zip(files, shapes, strict=True):
        if shape != common:
            raise DataError(
                f"the image is {_in_words(shape)}, the others are {_in_words(common)}",
                where=_place(file, root),
            )
    return common


def _decode(file: Path, root: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(file, formats=_FORMATS) as picture:
            mode = "L" if shape[2] == 1 else "RGB"
            return np.asarray(picture.convert(mode), dtype=np.uint8).reshape(shape)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError("the image is cut off or damaged", where=_place(file, root)) from error


def _place(file: Path, root: Path) -> str:
    return (Path(root.name) / file.relative_to(root)).as_posix()


def _in_words(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]}x{shape[1]} {'grey' if shape[2] == 1 else 'colour'}"
