"""One file for all that somebody looks at: circuit, dataset, evidence and view, a run.

A `.pcbundle` is a zip archive:

    manifest.json             what is in it, see below
    circuit.pc.safetensors    the circuit
    dataset.npz               the dataset, as `datasets.save_dataset` writes it
    run/...                   the files of a run directory

    {"format": "pccore-bundle", "version": 1, "title": TEXT, "dataset_name": TEXT,
     "state": {NAME: TEXT, ...}, "files": {MEMBER: SHA256, ...}}

`state` is what a link of the workbench says, so that the same place opens again: "evidence" as
`parse_evidence` reads it, "seed", "view" and so on. Nothing in a bundle is executed; the archive is
checked as a whole before anything of it is read, and nothing is ever written under a name that it
brings along.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from pccore import archives
from pccore.archives import Archive
from pccore.datasets import Dataset, dataset_bytes, load, save_dataset
from pccore.errors import DataError, FileError
from pccore.files import load_bytes, save_bytes, save_model, strict_json
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit
from pccore.limits import current_limits, narrowed

SUFFIX = ".pcbundle"
FORMAT, VERSION = "pccore-bundle", 1
MANIFEST, CIRCUIT, DATASET, RUN = "manifest.json", "circuit.pc.safetensors", "dataset.npz", "run/"
#: The files of a run directory that are passed on.
RUN_FILES = (
    "config.json",
    "initial.pc.safetensors",
    "metrics.jsonl",
    "checkpoint.safetensors",
    "best.pc.safetensors",
    "look.safetensors",
)
_MEMBERS = frozenset({CIRCUIT, DATASET, *(RUN + name for name in RUN_FILES)})


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds. dataset_name: what the dataset was called, also where only its name is
    passed on. state: the parameters of a link. run: the files of a run directory by name."""

    title: str = ""
    circuit: Circuit | None = None
    dataset: Dataset | None = None
    dataset_name: str = ""
    state: Mapping[str, str] = field(default_factory=dict[str, str])
    run: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def read_run(folder: str | Path) -> dict[str, bytes]:
    """The files of a run directory that a bundle passes on. Raises FileError where it is none."""
    place = Path(folder)
    if not (place / RUN_FILES[0]).is_file():
        raise FileError("this is no run directory", where=str(folder))
    try:
        return {n: (place / n).read_bytes() for n in RUN_FILES if (place / n).is_file()}
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", where=str(folder)) from error


def write_bundle(bundle: Bundle, target: str | Path | BinaryIO) -> None:
    """Write a bundle; a file appears complete or not at all, the same for the same content.

    Raises FileError, DataError for what cannot be passed on.
    """
    members = _members(bundle)
    if isinstance(target, str | Path):
        path = Path(target)
        if path.suffix.lower() != SUFFIX:
            raise FileError(f"a bundle is called *{SUFFIX}", where=path.name)
        write_atomically(path, lambda stream: _write(members, stream))
    else:
        _write(members, target)


def bundle_bytes(bundle: Bundle) -> bytes:
    """The bytes of the file. Raises as `write_bundle`."""
    stream = io.BytesIO()
    write_bundle(bundle, stream)
    return stream.getvalue()


def read_bundle(source: str | Path | bytes, name: str = "") -> Bundle:
    """Read a bundle of unknown origin; name: what to call its bytes in messages.

    Raises FileError or DataError that say what is wrong with it.
    """
    where = name[:80] or (Path(source).name if not isinstance(source, bytes) else "the bundle")
    stream = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
    with archives.opened(stream, where) as archive:
        manifest = _manifest(archive)
        strange = {one.filename for one in archive.members} - _MEMBERS - {MANIFEST}
        if strange:
            raise FileError(f"the member {min(strange)[:80]!r} is not known", where=where)
        members: dict[str, bytes] = {}
        for member, digest in _texts(manifest, "files", archive.where).items():
            if member not in _MEMBERS:
                raise FileError(f"the member {member[:80]!r} is not known", where=where)
            members[member] = archive.read(member)
            if hashlib.sha256(members[member]).hexdigest() != digest:
                raise FileError(f"{member} is not what the manifest says", where=where)
    circuit = members.get(CIRCUIT)
    dataset = members.get(DATASET)
    called = _text(manifest, "dataset_name", where)
    return Bundle(
        title=_text(manifest, "title", where),
        circuit=None if circuit is None else load_bytes(circuit, CIRCUIT),
        dataset=None if dataset is None else _dataset(dataset),
        dataset_name=called,
        state=_texts(manifest, "state", where),
        run={n.removeprefix(RUN): data for n, data in members.items() if n.startswith(RUN)},
    )


def unpack(bundle: Bundle, folder: str | Path) -> dict[str, Path]:
    """Write the parts as ordinary files into a folder, which must be empty or new.

    Returns the paths: circuit, dataset, run, state. Raises FileError.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise FileError("the folder is not empty", where=str(folder))
    except OSError as error:
        raise FileError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    made: dict[str, Path] = {}
    if bundle.circuit is not None:
        made["circuit"] = place / CIRCUIT
        save_model(bundle.circuit, made["circuit"])
    if bundle.dataset is not None:
        made["dataset"] = place / DATASET
        save_dataset(bundle.dataset, made["dataset"])
    if bundle.run:
        made["run"] = place / "run"
        write_run(bundle.run, made["run"])
    if bundle.state:
        made["state"] = place / "state.json"
        text = json.dumps(dict(bundle.state), indent=1, ensure_ascii=False)
        write_atomically(made["state"], lambda stream: stream.write(text.encode()))
    return made


def write_run(run: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a run into a new folder. Raises FileError."""
    try:
        folder.mkdir(parents=True)
        for name in RUN_FILES:
            if name in run:
                (folder / name).write_bytes(run[name])
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror}", where=str(folder)) from error


# -- writing ---------------------------------------------------------------------------------


def _members(bundle: Bundle) -> dict[str, bytes]:
    """The members by name, the manifest first."""
    files: dict[str, bytes] = {}
    if bundle.circuit is not None:
        files[CIRCUIT] = save_bytes(bundle.circuit, CIRCUIT)
    if bundle.dataset is not None:
        files[DATASET] = dataset_bytes(bundle.dataset)
    strange = set(bundle.run) - set(RUN_FILES)
    if strange:
        raise FileError(f"{min(strange)!r} is no file of a run")
    files |= {RUN + name: data for name, data in bundle.run.items()}
    longest = current_limits().max_title
    if not files and not bundle.state:
        raise FileError("there is nothing to put into the bundle")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "title": bundle.title[:longest],
        "dataset_name": (bundle.dataset_name or (bundle.dataset.name if bundle.dataset else ""))[
            :longest
        ],
        "state": dict(bundle.state),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    _texts(manifest, "state", "state")
    text = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    return {MANIFEST: text, **files}


def _write(members: Mapping[str, bytes], stream: BinaryIO) -> None:
    # Arrays hardly get smaller by compression, and what is stored can be no bomb.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)  # with a date that is always the same
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)


# -- reading ---------------------------------------------------------------------------------


def _manifest(archive: Archive) -> dict[str, Any]:
    member = next((one for one in archive.members if one.filename == MANIFEST), None)
    if member is None:
        raise FileError("there is no manifest of a bundle", where=archive.where)
    limits = current_limits()
    if member.file_size > limits.max_manifest_bytes:
        raise FileError(
            f"the manifest has {member.file_size} bytes, more than the "
            f"{limits.max_manifest_bytes} allowed",
            where=archive.where,
            hint=limits.way_out("max_manifest_bytes"),
        )
    found = strict_json.parse(archive.read(MANIFEST), limits)
    if not isinstance(found, dict):
        raise FileError("the manifest is no object", where=archive.where)
    manifest = cast("dict[str, Any]", found)
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise FileError(
            f"version {str(manifest.get('version'))[:20]} of a bundle, version {VERSION} is read "
            "here",
            where=archive.where,
        )
    return manifest


def _text(manifest: Mapping[str, Any], key: str, where: str) -> str:
    value = manifest.get(key, "")
    if not isinstance(value, str) or not value.isprintable():
        raise FileError(f"{key} of the manifest is no text", where=where)
    limits = current_limits()
    if len(value) > limits.max_title:
        raise FileError(
            f"{key} of the manifest has {len(value)} characters, more than the "
            f"{limits.max_title} allowed",
            where=where,
            hint=limits.way_out("max_title"),
        )
    return value


def _texts(manifest: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    """A mapping of texts. Raises FileError."""
    found = manifest.get(key, {})
    if not isinstance(found, dict):
        raise FileError(f"{key} of the manifest is no list of texts by name", where=where)
    texts = cast("dict[str, object]", found)
    limits = current_limits()
    if len(texts) > limits.max_link_texts:
        raise FileError(
            f"{key} of the manifest has {len(texts)} texts, more than the "
            f"{limits.max_link_texts} allowed",
            where=where,
            hint=limits.way_out("max_link_texts"),
        )
    for name, value in texts.items():
        if not isinstance(value, str):
            raise FileError(f"{key} of the manifest: {name[:40]!r} is no text", where=where)
        if len(name) + len(value) > limits.max_link_text:
            raise FileError(
                f"{key} of the manifest: {name[:40]!r} has {len(value)} characters, more than the "
                f"{limits.max_link_text} allowed",
                where=where,
                hint=limits.way_out("max_link_text"),
            )
    return cast("dict[str, str]", found)


def _dataset(content: bytes) -> Dataset:
    with tempfile.TemporaryDirectory(prefix="pccore-") as scratch:
        path = Path(scratch) / DATASET
        path.write_bytes(content)
        try:
            with narrowed(max_values="max_bundle_values"):
                return load(path)
        except DataError as error:
            raise DataError(error.message, where=error.where or DATASET, hint=error.hint) from error
