"""Datasets that were uploaded or prepared here: on disk by content, as `NAME-HASH.npz`.

What a file is called after the hash of its content never changes, so caches and runs may name it.
`listed` alone decides which of them a visitor sees.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pc_workbench import paths, session, workspaces
from pccore import datasets
from pccore.datasets import Dataset, DatasetInfo
from pccore.errors import DataError
from pccore.files.atomic import write_atomically
from pccore.limits import current_limits

_SUFFIX = ".npz"
_STORED = re.compile(r"([a-z0-9_]{1,40})-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset of the store. created: seconds since the epoch."""

    id: str
    info: DatasetInfo
    created: float


def put(dataset: Dataset, name: str) -> str:
    """Keep a dataset under a name in this visitor's workspace; the same content and name get the
    same id.

    Raises DataError where it is too large or cannot be copied, FileError where the disk refuses,
    QuotaError.
    """
    content = datasets.dataset_bytes(replace(dataset, name=slug(name)))
    limits = current_limits()
    if len(content) > limits.max_kept_bytes:
        raise DataError(
            f"{len(content)} bytes are more than the limit of {limits.max_kept_bytes}",
            where=dataset.name,
            hint=limits.way_out("max_kept_bytes"),
        )
    one = f"{slug(name)}-{hashlib.sha256(content).hexdigest()[:12]}"
    target = path(one)
    if session.workspace() and one not in _mine():
        workspaces.add_dataset(session.room(len(content)), one)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)

        def write(stream: BinaryIO) -> None:
            stream.write(content)

        write_atomically(target, write)
    return one


def id_of(name: str) -> str | None:
    """The id of a dataset that is here, given that or the path that runs name; None for others."""
    one = Path(name).name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else name
    if _STORED.fullmatch(one) is None or not path(one).is_file():
        return None
    return one if name in (one, str(path(one))) else None


def path(one: str) -> Path:
    """The file of a dataset. Raises NotFoundError where the name is no id."""
    return paths.below(paths.datasets_folder(), one + _SUFFIX, "dataset")


def title(name: str) -> str:
    """What to call a dataset: an id, or the path of one, without folder and hash."""
    stem = Path(name).name.removesuffix(_SUFFIX)
    match = _STORED.fullmatch(stem)
    return match[1] if match else name


def listed() -> tuple[StoredDataset, ...]:
    """The datasets that may be chosen here, the newest first: those of this workspace."""
    mine = _mine() if session.workspace() else None
    found: list[StoredDataset] = []
    with contextlib.suppress(OSError):
        for file in paths.datasets_folder().iterdir():
            one = file.name.removesuffix(_SUFFIX)
            known = file.name.endswith(_SUFFIX) and _STORED.fullmatch(one)
            if known and (mine is None or one in mine):
                with contextlib.suppress(OSError):
                    found.append(StoredDataset(one, _info(str(file)), file.stat().st_mtime))
    return tuple(sorted(found, key=lambda stored: (-stored.created, stored.id)))


def _mine() -> tuple[str, ...]:
    return workspaces.datasets(workspaces.folder(session.workspace()))


@functools.lru_cache(maxsize=256)
def _info(file: str) -> DatasetInfo:
    """By the headers of a file, which never changes."""
    return datasets.info_of(Path(file))


def slug(name: str) -> str:
    """Letters and digits of a name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40].strip("_") or "data"
