"""A dataset that somebody sends: one file, a DEBD triple, or several pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pccore.datasets import images
from pccore.datasets.base import Dataset
from pccore.datasets.parquet import parquet_facts
from pccore.datasets.resolve import load
from pccore.datasets.tabular import csv_header
from pccore.datasets.types import ColumnType
from pccore.errors import DataError
from pccore.files.base import Companion
from pccore.limits import current_limits, narrowed

#: Endings of the files that are taken, without the dot.
ENDINGS = ("csv", "tsv", "parquet", "npz", "zip", "data", "png", "jpg", "jpeg", "bmp", "pgm", "ppm")
_TEXTS = (".csv", ".tsv", ".data")


def load_upload(
    files: Sequence[Companion], types: Mapping[str, ColumnType] | None = None
) -> Dataset:
    """The dataset in one file (.csv, .tsv, .parquet, .npz, .zip of images), in the three .data
    files of a DEBD set, or in several pictures.

    types: of single columns, as `load` takes them. Nothing is kept on the disk.

    Raises DataError that names the file, and line and column where these are at fault.
    """
    with tempfile.TemporaryDirectory(prefix="pccore-") as scratch:
        path = _written(files, Path(scratch))
        with narrowed(max_values="max_upload_values", max_table_cells="max_upload_values"):
            return load(path, types=types)


def upload_header(file: Companion) -> tuple[str, ...]:
    """The columns of a table, () where they cannot be told."""
    with tempfile.TemporaryDirectory(prefix="pccore-") as scratch:
        try:
            path = _written([file], Path(scratch))
            if path.suffix.lower() == ".parquet":
                return parquet_facts(path)[1]
            return csv_header(path) or ()
        except DataError:
            return ()


def _written(files: Sequence[Companion], scratch: Path) -> Path:
    """The files in a folder of their own, and what of them to load. Raises DataError."""
    names = [_safe_name(file.name) for file in files]
    endings = {Path(name).suffix.lower() for name in names}
    if not files or len(set(names)) < len(names):
        raise DataError("two files have the same name" if files else "there is no file")
    pictures = endings <= images.SUFFIXES
    folder = scratch / ("pictures" if pictures else "upload")
    folder.mkdir()
    limits = current_limits()
    for name, file in zip(names, files, strict=True):
        if Path(name).suffix.lower() in _TEXTS and len(file.data) > limits.max_upload_text:
            raise DataError(
                f"{len(file.data)} bytes of text are more than the limit of "
                f"{limits.max_upload_text}",
                where=name,
                hint="as .parquet or .npz it may be larger; " + limits.way_out("max_upload_text"),
            )
        (folder / name).write_bytes(file.data)
    if pictures or endings == {".data"}:
        return folder
    if len(files) > 1:
        raise DataError(
            f"{len(files)} files are more than one dataset",
            hint="several files are the three .data files of a set, or pictures",
        )
    return folder / names[0]


def _safe_name(name: str) -> str:
    """The last part of a name, without what a file system takes amiss."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last)
    return kept.lstrip(".")[-120:] or "file"
