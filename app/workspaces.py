"""Workspaces: what a visitor makes belongs to a folder whose name nobody can guess.

HOME/workspaces/w-.../seen          touched while somebody uses it
                      last.json     what was looked at last
                      /models/      ID.json, facts of a model that belongs to it
                      /drawings/    ID, an empty file for each drawing
                      /datasets/    ID, an empty file for each dataset
                      /published/   ID, an empty file for each publication
                      /lessons/     lessons that others wrote and that were opened here
                      /runs/        run directories, also those that the command line puts here

The contents of models and drawings lie in HOME/models, those of datasets in HOME/datasets, the same
content once. Whoever knows an id can open the content, which never changes; lists, changes and
removals are those of the workspace alone. A workspace without anything in it has no folder.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pc_workbench import paths
from pccore.errors import NotFoundError
from pccore.files.atomic import write_atomically

MODELS, DRAWINGS, DATASETS = "models", "drawings", "datasets"
PUBLISHED, RUNS = "published", "runs"
MODEL_SUFFIX = ".pc.safetensors"
_ID = re.compile(r"w-[0-9a-f]{32}")
_SEEN, _LAST = "seen", "last.json"
_TOUCH_EVERY = 3600.0  # seconds
_MEASURE_EVERY = 30.0  # seconds that the size of everything is believed


@dataclass(frozen=True, slots=True)
class Usage:
    """What a workspace holds. disk: bytes."""

    disk: int
    models: int
    drawings: int
    datasets: int
    runs: int


def new_id() -> str:
    """The id of a workspace, 128 bits that nobody can guess."""
    return "w-" + secrets.token_hex(16)


def is_workspace(text: str) -> bool:
    """Whether a text is the id of a workspace."""
    return _ID.fullmatch(text) is not None


def folder(workspace: str) -> Path:
    """The folder of a workspace, which may not be there yet. Raises NotFoundError for no id."""
    if not is_workspace(workspace):
        raise NotFoundError("there is no workspace of this name")
    return paths.below(paths.workspaces_folder(), workspace, "workspace")


def runs_folder(workspace: str) -> Path:
    """Where the runs of a workspace are."""
    return folder(workspace) / RUNS


def exists(workspace: str) -> bool:
    """Whether anything was ever kept in it."""
    return folder(workspace).is_dir()


def touch(workspace: str) -> None:
    """Note that somebody uses a workspace; nothing where it holds nothing yet."""
    mark = folder(workspace) / _SEEN
    with contextlib.suppress(OSError):
        if not mark.parent.is_dir():
            return
        if not mark.exists() or time.time() - mark.stat().st_mtime > _TOUCH_EVERY:
            mark.touch()


def begin(workspace: str) -> Path:
    """Make the folder of a workspace, if need be."""
    place = folder(workspace)
    place.mkdir(parents=True, exist_ok=True)
    touch(workspace)
    return place


def remember(workspace: str, link: Mapping[str, str]) -> None:
    """Keep what was looked at last; nothing where the workspace holds nothing yet."""
    text = json.dumps(dict(link))
    path = folder(workspace) / _LAST
    with contextlib.suppress(OSError):
        if path.parent.is_dir() and not (path.is_file() and path.read_text("utf-8") == text):
            fresh = path.with_name(f".{secrets.token_hex(4)}.tmp")
            fresh.write_text(text, "utf-8")
            fresh.replace(path)


def last(workspace: str) -> dict[str, str]:
    """What was looked at last, as a link says it; nothing where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder(workspace) / _LAST).read_text("utf-8"))
        if isinstance(found, dict):
            return {name: text for name, text in found.items() if isinstance(text, str)}
    return {}


# -- models and drawings ---------------------------------------------------------------------


def keep_model(place: Path, model: str, facts: Mapping[str, Any]) -> None:
    """Note that a model belongs to a workspace or publication; before its content is written."""
    target = _facts_file(place, model)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(dict(facts)).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    write_atomically(target, write)


def models(place: Path) -> dict[str, dict[str, Any]]:
    """The facts of the models of a workspace or publication by id; damaged ones are left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in (place / MODELS).glob("m-*.json"):
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads(path.read_text("utf-8"))
            if isinstance(facts, dict):
                found[path.stem] = {**facts, "created": path.stat().st_mtime}
    return found


def forget_model(place: Path, model: str) -> None:
    """Remove a model; its content goes with the last that it belongs to."""
    _facts_file(place, model).unlink(missing_ok=True)
    pool = paths.models_folder()
    owners = [_facts_file(other, model) for other in _owners()]
    if not any(one.exists() for one in (*owners, pool / f"{model}.json")):
        (pool / (model + MODEL_SUFFIX)).unlink(missing_ok=True)


def add_drawing(workspace: str, drawing: str) -> None:
    """Note that a drawing belongs to a workspace."""
    _mark(begin(workspace) / DRAWINGS, drawing)


def drawings(workspace: str) -> tuple[str, ...]:
    """The drawings of a workspace, the newest first."""
    marks = _marks(folder(workspace) / DRAWINGS)
    return tuple(one for one in marks if _drawing_files(one)[0].is_file())


def forget_drawing(workspace: str, drawing: str) -> None:
    """Remove a drawing of this workspace."""
    if drawing in drawings(workspace):
        (folder(workspace) / DRAWINGS / drawing).unlink(missing_ok=True)
        for path in _drawing_files(drawing):
            path.unlink(missing_ok=True)


def add_dataset(place: Path, dataset: str) -> None:
    """Note that a dataset belongs to a workspace or publication; before its content is written."""
    _mark(place / DATASETS, dataset)


def datasets(place: Path) -> tuple[str, ...]:
    """The datasets of a workspace or publication, the newest first."""
    return _marks(place / DATASETS)


def forget_dataset(place: Path, dataset: str) -> None:
    """Remove a dataset; its content goes with the last that it belongs to."""
    paths.below(place / DATASETS, dataset, "dataset").unlink(missing_ok=True)
    if not any((other / DATASETS / dataset).exists() for other in _owners()):
        _dataset_file(dataset).unlink(missing_ok=True)


def add_publication(workspace: str, publication: str) -> None:
    """Note that a publication was made here."""
    _mark(begin(workspace) / PUBLISHED, publication)


def publications(workspace: str) -> tuple[str, ...]:
    """The ids of what was published here."""
    return _marks(folder(workspace) / PUBLISHED)


def forget_publication(workspace: str, publication: str) -> None:
    """Remove the note, not the publication."""
    if publication in publications(workspace):
        (folder(workspace) / PUBLISHED / publication).unlink(missing_ok=True)


def forget_everywhere(publication: str) -> None:
    """Remove the notes of a publication that is gone, whichever workspace made it."""
    for place in _folders(paths.workspaces_folder()):
        (place / PUBLISHED / publication).unlink(missing_ok=True)


def remove_run(workspace: str, run: str) -> None:
    """Remove the directory of a run, which nobody may be at work on. Raises NotFoundError."""
    place = paths.below(runs_folder(workspace), run, "run")
    if not place.is_dir():
        raise NotFoundError("this run is not in this workspace")
    shutil.rmtree(place, ignore_errors=True)


# -- sizes and ends --------------------------------------------------------------------------


def usage(workspace: str) -> Usage:
    """What a workspace holds, publications included."""
    place = folder(workspace)
    pool = paths.models_folder()
    shared = [paths.published_folder() / name for name in publications(workspace)]
    held = {model for one in (place, *shared) for model in models(one)}
    files = [pool / (model + MODEL_SUFFIX) for model in held]
    files += map(_dataset_file, {data for one in (place, *shared) for data in datasets(one)})
    own = drawings(workspace)
    files += [path for one in own for path in _drawing_files(one)]
    disk = sum(_size(path) for path in files) + sum(map(tree_size, (place, *shared)))
    counts = len(models(place)), len(own), len(datasets(place)), len(_folders(place / RUNS))
    return Usage(disk, *counts)


def total() -> int:
    """Bytes of all workspaces, measured not more often than twice a minute."""
    return _total(str(paths.home()), int(time.monotonic() / _MEASURE_EVERY))


@functools.lru_cache(maxsize=2)
def _total(home: str, moment: int) -> int:
    return tree_size(Path(home))


def remove(workspace: str) -> None:
    """Remove a workspace with everything in it; what was published stays."""
    place = folder(workspace)
    for model in models(place):
        forget_model(place, model)
    for drawing in drawings(workspace):
        forget_drawing(workspace, drawing)
    for dataset in datasets(place):
        forget_dataset(place, dataset)
    shutil.rmtree(place, ignore_errors=True)


def expire(seconds: float) -> tuple[str, ...]:
    """Remove the workspaces that nobody has used for so long; returns them."""
    gone: list[str] = []
    for place in _folders(paths.workspaces_folder()):
        if is_workspace(place.name):
            mark = place / _SEEN
            with contextlib.suppress(OSError):
                last = (mark if mark.exists() else place).stat().st_mtime
                if time.time() - last > seconds:
                    remove(place.name)
                    gone.append(place.name)
    return tuple(gone)


def tree_size(place: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(_size(path) for path in _below(place))


def _below(place: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in place.rglob("*") if not path.is_symlink())


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size if path.is_file() else 0
    return 0


def _folders(parent: Path) -> tuple[Path, ...]:
    with contextlib.suppress(OSError):
        return tuple(path for path in parent.iterdir() if path.is_dir())
    return ()


def _owners() -> list[Path]:
    """The folders of all workspaces and publications."""
    parents = (paths.workspaces_folder(), paths.published_folder())
    return [folder_ for parent in parents for folder_ in _folders(parent)]


def _dataset_file(dataset: str) -> Path:
    return paths.below(paths.datasets_folder(), dataset + ".npz", "dataset")


def _facts_file(place: Path, model: str) -> Path:
    return paths.below(place / MODELS, model + ".json", "model")


def _drawing_files(drawing: str) -> tuple[Path, Path]:
    pool = paths.models_folder()
    document, circuit = (drawing + end for end in (".draft.json", ".pc.json"))
    return paths.below(pool, document, "drawing"), paths.below(pool, circuit, "drawing")


def _mark(parent: Path, name: str) -> None:
    target = paths.below(parent, name, "id")
    parent.mkdir(parents=True, exist_ok=True)
    target.touch()


def _marks(parent: Path) -> tuple[str, ...]:
    """The names in a folder of empty files, the newest first."""
    found: list[tuple[float, str]] = []
    with contextlib.suppress(OSError):
        found = [(one.stat().st_mtime, one.name) for one in parent.iterdir()]
    return tuple(name for _, name in sorted(found, reverse=True))
