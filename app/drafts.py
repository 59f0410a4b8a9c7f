"""Drawings on disk: models with an id `d-...` that are overwritten while somebody edits them.

A drawing is two files: `ID.pc.json`, the circuit that every page and command can load (missing
while nothing is finished), and `ID.draft.json`, the document with places and unfinished units,
with whose it is. `stamp` changes with every edit, so caches take it into their keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pc_workbench import paths
from pccore.draft import Draft, from_json, to_json
from pccore.errors import FileError, GraphError, NotFoundError
from pccore.files import save_bytes
from pccore.graph import Circuit

MODEL_SUFFIX, DRAFT_SUFFIX = ".pc.json", ".draft.json"
#: Drawings kept; when another is begun, those that were left alone longest go.
MOST_DRAWINGS = 300
_ID = re.compile(r"d-[0-9a-f]{16}")
_OWNER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing as it lies on disk. owner: a hash of its author's token."""

    id: str
    draft: Draft
    owner: str
    stamp: str


def is_drawing(model: str) -> bool:
    """Whether an id is that of a drawing."""
    return _ID.fullmatch(model) is not None


def new_id() -> str:
    """An id that nobody can guess."""
    return "d-" + secrets.token_hex(8)


def owner_of(author: str) -> str:
    """What is kept on disk of an author's token."""
    return hashlib.sha256(author.encode()).hexdigest()[:16]


def stamp(model: str) -> str:
    """A text that changes with every write. Raises NotFoundError for an unknown drawing."""
    try:
        facts = _document(model).stat()
    except OSError:
        raise _missing(model) from None
    return f"{facts.st_mtime_ns:x}-{facts.st_ino:x}"


def age(model: str) -> float:
    """Seconds since the last write. Raises NotFoundError for an unknown drawing."""
    try:
        return time.time() - _document(model).stat().st_mtime
    except OSError:
        raise _missing(model) from None


def model_file(model: str) -> Path:
    """The file of the drawing's circuit. Raises NotFoundError where nothing is finished."""
    stamp(model)
    path = paths.below(paths.models_folder(), model + MODEL_SUFFIX, "model")
    if not path.is_file():
        raise NotFoundError(
            "nothing of this drawing is finished yet", hint="draw on, on the page Build"
        )
    return path


def load(model: str) -> Drawing:
    """Read a drawing. Raises NotFoundError, FileError."""
    before = stamp(model)
    try:
        text = _document(model).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise _missing(model) from None
    first, _, rest = text.partition("\n")
    with contextlib.suppress(ValueError):
        head = json.loads(first)
        owner = head.get("owner") if isinstance(head, dict) else None
        if isinstance(owner, str) and _OWNER.fullmatch(owner):
            return Drawing(model, from_json(rest), owner, before)
    raise FileError("the drawing does not say whose it is", where=model)


def title(model: str) -> str:
    """What the drawing is called. Raises NotFoundError, FileError."""
    return str(load(model).draft.meta.get("title") or "Drawing")


def save(model: str, draft: Draft, author: str, among: Iterable[str] | None = None) -> str:
    """Write a drawing and its circuit; returns the stamp. Raises FileError.

    among: the drawings of which the oldest go where there are too many; None: all of the server.
    """
    folder = paths.models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    document = _document(model)
    if not document.exists():
        _forget(MOST_DRAWINGS - 1, among)
    target = folder / (model + MODEL_SUFFIX)
    content = _content(draft)
    if content is None:
        target.unlink(missing_ok=True)
    else:
        _write(target, content)
    # The document comes last: its stamp says that the circuit is there, too.
    head = json.dumps({"owner": owner_of(author)})
    _write(document, f"{head}\n{to_json(draft)}".encode())
    return stamp(model)


def circuit_of(draft: Draft) -> Circuit | None:
    """The circuit of the finished part, None where there is none."""
    try:
        return draft.circuit()
    except GraphError:
        return None


def _content(draft: Draft) -> bytes | None:
    circuit = circuit_of(draft)
    if circuit is None:
        return None
    return save_bytes(circuit, "drawing.pc.json")


def _forget(keep: int, among: Iterable[str] | None) -> None:
    """Remove the drawings that were left alone longest."""
    found: list[tuple[float, Path]] = []
    everything = paths.models_folder().glob("d-*" + DRAFT_SUFFIX)
    for path in everything if among is None else map(_document, among):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    for _, path in sorted(found, reverse=True)[keep:]:
        model = path.name.removesuffix(DRAFT_SUFFIX)
        if is_drawing(model):
            path.unlink(missing_ok=True)
            path.with_name(model + MODEL_SUFFIX).unlink(missing_ok=True)


def _document(model: str) -> Path:
    if not is_drawing(model):
        raise NotFoundError("there is no drawing of this name")
    return paths.below(paths.models_folder(), model + DRAFT_SUFFIX, "model")


def _missing(model: str) -> NotFoundError:
    return NotFoundError(
        f"the drawing {model} is not on this server", hint="choose another model in the Gallery"
    )


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once. Not flushed to the disk: an edit is written with every gesture."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FileError(f"cannot be written: {error.strerror}", where=str(path)) from None
