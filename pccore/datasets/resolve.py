"""From a name or a path to a Dataset.

A name is, in this order: a bundled dataset; a file or folder at that path; a file or folder below
the folder that the environment variable PCCORE_DATA names (at most 4 levels down), by its name
without the ending (`nltcs`), or by its path below that folder (`debd/nltcs`, `debd/nltcs.npz`).
Without that variable, the folder is the one that `pccore datasets fetch` writes to, if it is there.
`+mirror` after any of them adds the mirror images of the training images.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pccore import npy
from pccore.datasets import assemble, images, npz, parquet, shards, tabular, zipped
from pccore.datasets.augment import MIRROR, mirrored
from pccore.datasets.base import SPLITS, Bundled, Dataset, Split
from pccore.datasets.cells import Reading
from pccore.datasets.types import ColumnType, reading_of, retype
from pccore.discovery import instances_in
from pccore.errors import DataError, NotFoundError

Kind = Literal["npz", "csv", "parquet", "zip", "debd", "images", "shards"]

ENVIRONMENT = "PCCORE_DATA"
_DEPTH = 4
_MAX_ENTRIES = 20_000
_DEBD = re.compile(r"(.+)\.(?:train|ts|valid|test)\.data")
_READERS: Mapping[str, Callable[[Path], assemble.Parts]] = {
    "npz": assemble.from_npz,
    "zip": assemble.from_zip,
    "debd": assemble.from_debd,
    "images": assemble.from_images,
}
_TABLES: Mapping[str, Callable[[Path, Reading], assemble.Parts]] = {
    "csv": assemble.from_csv,
    "parquet": assemble.from_parquet,
}
#: What is taken of equal names.
_KINDS: tuple[Kind, ...] = ("npz", "debd", "csv", "parquet", "images", "zip", "shards")
#: What the ending of a single file says.
_ENDINGS: Mapping[str, Kind] = {
    ".npz": "npz",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".zip": "zip",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset on disk. path: the file or folder; for "debd" the common prefix of the files."""

    kind: Kind
    path: Path

    @property
    def stem(self) -> str:
        """The name without the ending."""
        return self.path.stem if self.kind in _ENDINGS.values() else self.path.name


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of a listing; rows (of all splits) and num_variables are None where not cheap."""

    name: str
    kind: Literal["bundled"] | Kind
    description: str
    rows: int | None
    num_variables: int | None
    path: Path | None = None


def load(
    name_or_path: str | Path,
    root: Path | None = None,
    *,
    valid: bool = True,
    limit: int | None = None,
    types: Mapping[str, ColumnType] | None = None,
    orders: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """The dataset of a bundled name, a path, or a name below `root` (default: PCCORE_DATA).

    valid: False puts the validation rows into train (protocols that know only train and test);
    the validation split then has no rows. limit: only the first `limit` rows of each split. types,
    orders: of single columns, as `retype` takes them; a column of a table is read accordingly, so
    that a number may be a word.

    Raises NotFoundError where nothing has this name, DataError where what it names is unusable.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit} rows leaves nothing")
    name = str(name_or_path)
    if name.endswith(MIRROR):
        plain = name.removesuffix(MIRROR)
        return mirrored(load(plain, root, valid=valid, limit=limit, types=types, orders=orders))
    dataset, left = _read(name, _root(root), valid, limit, types or {})
    return retype(dataset, left, orders) if left or orders else dataset


def _read(
    name: str,
    root: Path | None,
    valid: bool,
    limit: int | None,
    types: Mapping[str, ColumnType],
) -> tuple[Dataset, Mapping[str, ColumnType]]:
    """A dataset, and the types that are left to be given to its variables."""
    for bundled in _bundled():
        if bundled.name == name:
            return assemble.restrict(bundled.make(), valid=valid, limit=limit), types
    found = _at_path(name) or _below(name, root)
    if found is None:
        raise _not_found(name, root)
    if found.kind == "shards":
        return shards.read(found.path, valid=valid, limit=limit), types
    if found.kind in _TABLES:
        parts = _TABLES[found.kind](found.path, reading_of(types))
        types = {name: one for name, one in types.items() if one != "ignore"}
    else:
        parts = _READERS[found.kind](found.path)
    return assemble.assemble(parts, valid=valid, limit=limit), types


def parse_reference(text: str) -> tuple[str, Split | None]:
    """Take "digits:test" apart: ("digits", "test"); without a known split, (text, None)."""
    name, colon, last = text.rpartition(":")
    for split in SPLITS:
        if colon and name and last == split:
            return name, split
    return text, None


def names(root: Path | None = None) -> tuple[DatasetInfo, ...]:
    """What `load` knows by name: bundled datasets, then those below `root` (PCCORE_DATA).

    Cheap: of files only the headers are read. An unreadable file is listed with the reason.
    """
    infos = [
        DatasetInfo(b.name, "bundled", b.description, sum(b.rows), b.num_variables)
        for b in _bundled()
    ]
    folder = _root(root)
    if folder is None:
        return tuple(infos)
    found = _scan(folder)
    stems = [info.name for info in infos] + [item.stem for item in found]
    for item in found:
        relative = item.path.relative_to(folder)
        unique = stems.count(item.stem) == 1
        name = item.stem if unique else relative.as_posix()
        infos.append(_info(name, item))
    return tuple(infos)


def info_of(path: Path) -> DatasetInfo:
    """One line of a listing for a file or folder. Raises NotFoundError where it is no dataset."""
    found = _detect(path) if path.exists() else None
    if found is None:
        raise NotFoundError("there is no dataset here", hint=path.name)
    return _info(found.stem, found)


def _bundled() -> list[Bundled]:
    return instances_in("pccore.datasets.bundled", Bundled)


def _root(root: Path | None) -> Path | None:
    """The folder to search, or None where there is none."""
    if root is None:
        text = os.environ.get(ENVIRONMENT, "")
        root = Path(text) if text else downloads()
    return root if root.is_dir() else None


def downloads() -> Path:
    """Where fetched sets go without PCCORE_DATA: below the user's folder for data."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home else Path.home() / ".local" / "share") / "pccore" / "datasets"


def _at_path(text: str) -> Found | None:
    """What lies at a path. Raises DataError where something lies there but is no dataset."""
    try:
        path = Path(text).expanduser()
        if not text or not (path.exists() or assemble.debd_files(path)):
            return None
    except (OSError, ValueError, RuntimeError):  # a NUL in the text, too long, no home
        return None
    found = _detect(path)
    plain_name = path.name == text  # such a folder may lie here by chance: look further
    if found is None and not plain_name:
        raise DataError(
            "this is no dataset: neither .npz, .csv, .parquet, .train.data or a .zip of images, "
            "nor a folder of images or .npy files",
            where=path.name,
        )
    return found


def _detect(path: Path) -> Found | None:
    """What kind of dataset a file, a folder or a prefix of files is, or None."""
    if path.is_dir():
        prefixes = sorted({m[1] for f in path.iterdir() if (m := _DEBD.fullmatch(f.name))})
        if len(prefixes) > 1:
            raise DataError(
                f"the folder holds several datasets: {', '.join(prefixes[:10])}", where=path.name
            )
        if prefixes:
            return Found("debd", path / prefixes[0])
        if shards.is_shard_folder(path):
            return Found("shards", path)
        return Found("images", path) if images.is_image_folder(path) else None
    match = _DEBD.fullmatch(path.name)
    if match:
        return Found("debd", path.with_name(match[1]))
    if not path.exists():
        return Found("debd", path) if assemble.debd_files(path) else None
    kind = _ENDINGS.get(path.suffix.lower())
    return None if kind is None else Found(kind, path)


def _below(name: str, root: Path | None) -> Found | None:
    """The dataset of this name in the folder. Raises DataError where two places have one."""
    if root is None:
        return None
    matches = [
        item
        for item in _scan(root)
        if name
        in (
            item.stem,
            item.path.name,
            (relative := item.path.relative_to(root)).as_posix(),
            relative.with_name(item.stem).as_posix(),
        )
    ]
    if len({item.path.parent for item in matches}) > 1:
        places = ", ".join(sorted(i.path.relative_to(root).as_posix() for i in matches))
        raise DataError(f"several datasets have this name: {places}", where=name)
    return min(matches, key=lambda item: _KINDS.index(item.kind), default=None)


def _scan(root: Path) -> list[Found]:
    """The datasets below a folder, sorted by path; bounded in depth and number of entries."""
    found: set[Found] = set()
    level = [root]
    entries = 0
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            try:
                inside = sorted(folder.iterdir())
            except OSError:
                continue
            entries += len(inside)
            if entries > _MAX_ENTRIES:
                return sorted(found, key=lambda item: str(item.path))
            for path in inside:
                if path.is_dir():
                    if path.is_symlink() or path.name.startswith("."):
                        continue
                    if images.is_image_folder(path):
                        found.add(Found("images", path))
                    elif shards.is_shard_folder(path):
                        found.add(Found("shards", path))
                    else:
                        below.append(path)
                elif (item := _detect(path)) is not None and _worth_listing(item):
                    found.add(item)
        level = below
    return sorted(found, key=lambda item: str(item.path))


def _worth_listing(item: Found) -> bool:
    """Whether a file is a dataset for all that is cheap to know: most archives hold no images."""
    if item.kind != "zip":
        return True
    try:
        return zipped.count_images(item.path) > 0
    except DataError:
        return False


def _info(name: str, item: Found) -> DatasetInfo:
    """What can be said of a file without reading its values."""
    rows: int | None = None
    columns: int | None = None
    described = {
        "npz": f"{item.path.name}",
        "csv": f"{item.path.name}",
        "parquet": f"{item.path.name}",
        "zip": f"images in {item.path.name}",
        "debd": f"{item.path.name}.train.data and its kin",
        "images": "a folder of images",
        "shards": "files read a batch at a time",
    }[item.kind]
    try:
        if item.kind == "npz":
            found = npy.headers(item.path)
            layout = npz.layout(found, item.path.name)
            shapes = [found[key].shape for key in layout.data.values()]
            rows = sum(shape[0] for shape in shapes)
            columns = math.prod(shapes[0][1:])
            sides = "x".join(str(side) for side in shapes[0][1:])
            described = f"images of {sides}" if len(shapes[0]) > 2 else "table"
        elif item.kind == "csv":
            columns = tabular.csv_columns(item.path)
        elif item.kind == "parquet":
            rows, header = parquet.parquet_facts(item.path)
            columns = len(header)
        elif item.kind == "zip":
            rows = zipped.count_images(item.path)
        elif item.kind == "shards":
            rows, shape = shards.rows_of(item.path)
            columns = math.prod(shape)
        elif item.kind == "images":
            rows = images.count_images(item.path)
    except (DataError, OSError) as error:
        described = f"cannot be read: {error}"
    return DatasetInfo(name, item.kind, described, rows, columns, item.path)


def _not_found(name: str, root: Path | None) -> NotFoundError:
    known = [info.name for info in names(root)]
    close = difflib.get_close_matches(name, known, n=1)
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    guess = f", did you mean {close[0]!r}?" if close else f", known are: {', '.join(known[:20])}"
    hint = None if root is not None else f"more are found in the folder {ENVIRONMENT} names"
    return NotFoundError(f"there is no dataset {shown!r}{guess}", hint=hint)
