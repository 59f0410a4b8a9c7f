"""Models and datasets that the sessions share: on disk by content, in memory in bounded caches.
Drawings, which change, are in `drafts`.

What the caches hold is immutable (a Program is only evaluated, never trained here), so sessions
may use it at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import streamlit as st
import torch
from PIL import Image

from pc_workbench import datastore, drafts, errors, limits, paths, session, workspaces
from pc_workbench.views.sheets import contact_sheet
from pccore import datasets
from pccore.check import Report, check
from pccore.compile import Program, compile_circuit
from pccore.datasets import Dataset, DatasetInfo
from pccore.errors import NotFoundError
from pccore.files import SampleModel, load_model, sample_models, save_bytes
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit

#: Samples to start with, the best first.
FIRST_CHOICE = ("digits_pd", "digits_rat")
#: What the gallery says of a model.
Verdict = Literal["valid", "valid, not decomposable", "broken"]
_STORED = re.compile(r"m-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model of the store. created: seconds since the epoch."""

    id: str
    title: str
    variables: int
    parameters: int
    created: float


def put_model(circuit: Circuit, *, untrained: bool = False) -> str:
    """Keep a circuit in this visitor's workspace; the same content gets the same id.

    Raises FileError, ParameterError, QuotaError. untrained: noted beside the file, as what somebody
    makes of the file later is another matter.
    """
    limits.current().check_model(circuit.num_parameters)
    content = save_bytes(circuit, "model.pc.safetensors")
    model = "m-" + hashlib.sha256(content).hexdigest()[:16]
    facts = {
        "title": str(circuit.meta.get("title", "")),
        "variables": len(circuit.variables),
        "parameters": circuit.num_parameters,
        "untrained": untrained,
    }
    path = _stored_path(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    if session.workspace():
        if model not in workspaces.models(workspaces.folder(session.workspace())):
            workspaces.keep_model(session.room(len(content)), model, facts)
    elif not path.with_name(f"{model}.json").exists():
        _write(path.with_name(f"{model}.json"), json.dumps(facts).encode())
    if not path.exists():
        _write(path, content)
    return model


def model_path(model: str) -> Path:
    """The file of a sample model, a stored one or a drawing. Raises NotFoundError."""
    if drafts.is_drawing(model):
        return drafts.model_file(model)
    if _STORED.fullmatch(model):
        path = _stored_path(model)
        if not path.is_file():
            raise NotFoundError(
                f"the model {model} is not on this server", hint="choose another in the Gallery"
            )
        return path
    if not paths.is_id(model):
        raise NotFoundError("there is no model of this name", hint="choose one in the Gallery")
    for sample in samples():
        if sample.name == model:
            return sample.path
    raise NotFoundError(f"there is no model {model!r}", hint="choose one in the Gallery")


def model_reference(model: str) -> str:
    """What to write for a model in a command or in Python: a sample's name, else its path.

    Of a public server's paths only the file's name: the command is for another machine.
    """
    if not _STORED.fullmatch(model) and not drafts.is_drawing(model):
        return model
    path = model_path(model)
    return path.name if limits.is_public() else str(path)


def version(model: str) -> str:
    """For the key of a cache: the id, and for a drawing what changes with every edit."""
    return f"{model}@{drafts.stamp(model)}" if drafts.is_drawing(model) else model


def is_untrained(model: str) -> bool:
    """Whether a model was built here and has parameters that no data has shaped yet."""
    return bool(_STORED.fullmatch(model)) and _facts(model).get("untrained") is True


def facts_of(model: str) -> dict[str, Any] | None:
    """What is noted of a stored model, for a publication that keeps it; None for other models."""
    if not _STORED.fullmatch(model):
        return None
    circuit = get_circuit(model)
    counted = {"variables": len(circuit.variables), "parameters": circuit.num_parameters}
    return {"title": title_of(model), **counted, "untrained": False, **_facts(model)}


def _facts(model: str) -> dict[str, Any]:
    """What is noted of a model in this workspace, else by the server; nothing where it is not."""
    folders = [paths.models_folder()]
    if session.workspace():
        folders.insert(0, workspaces.folder(session.workspace()) / workspaces.MODELS)
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads((folder / f"{model}.json").read_text("utf-8"))
            if isinstance(facts, dict):
                return facts
    return {}


def models() -> tuple[StoredModel, ...]:
    """The models of this workspace, and those of the server that belong to none; newest first."""
    found = workspaces.models(paths.home())
    if session.workspace():
        found |= workspaces.models(workspaces.folder(session.workspace()))
    listed: list[StoredModel] = []
    for model, facts in found.items():
        if _STORED.fullmatch(model) and _stored_path(model).is_file():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                title = errors.short(str(facts["title"])) or model
                sizes = int(facts["variables"]), int(facts["parameters"])
                listed.append(StoredModel(model, title, *sizes, facts["created"]))
    return tuple(sorted(listed, key=lambda one: (-one.created, one.id)))


@st.cache_resource(max_entries=1, show_spinner=False)
def samples() -> tuple[SampleModel, ...]:
    """The models that ship with the package."""
    try:
        return sample_models()
    except NotFoundError:
        return ()


def default_model() -> str:
    """The sample that a visitor without a link starts with, "" where there is none."""
    names = [sample.name for sample in samples()]
    first = [name for name in FIRST_CHOICE if name in names]
    return next((name for name in first + names if is_valid(name)), "")


# stamp: "" for files that never change.
@st.cache_resource(max_entries=24, show_spinner=False)
def _circuit(path: str, stamp: str) -> Circuit:
    return load_model(Path(path))


@st.cache_resource(max_entries=24, show_spinner=False)
def _report(path: str, stamp: str) -> Report:
    return check(_circuit(path, stamp))


@st.cache_resource(max_entries=8, show_spinner=False)
def _program(path: str, stamp: str) -> Program:
    return compile_circuit(_circuit(path, stamp))


@st.cache_resource(max_entries=16, show_spinner=False)
def _exact_program(path: str, stamp: str) -> Program:
    return compile_circuit(_circuit(path, stamp), dtype=torch.float64)


def _file(model: str) -> tuple[str, str]:
    """The path of a model, and the stamp of its content."""
    stamp = drafts.stamp(model) if drafts.is_drawing(model) else ""
    return str(model_path(model)), stamp


@st.cache_resource(max_entries=8, show_spinner=False)
def _dataset(source: str) -> Dataset:
    return datasets.load(source)


@st.cache_resource(ttl=30, max_entries=1, show_spinner=False)
def _named_infos() -> tuple[DatasetInfo, ...]:
    return datasets.names()


def dataset_infos() -> tuple[DatasetInfo, ...]:
    """The datasets that may be chosen: uploaded ones, bundled ones, those below PCCORE_DATA."""
    return (*_named_infos(), *(one.info for one in datastore.listed()))


def get_circuit(model: str) -> Circuit:
    """The circuit of a sample's name or a stored id. Raises NotFoundError, FileError."""
    return _circuit(*_file(model))


def get_report(model: str) -> Report:
    """What `check` says of a model."""
    return _report(*_file(model))


def get_program(model: str) -> Program:
    """The model compiled in float32; only to be evaluated, as sessions share it."""
    return _program(*_file(model))


def get_exact_program(model: str) -> Program:
    """The model compiled in float64, for numbers that are shown; only to be evaluated."""
    return _exact_program(*_file(model))


@st.cache_resource(max_entries=64, show_spinner=False)
def _verdict(path: str, stamp: str) -> Verdict:
    report = check(_circuit(path, stamp), ("smooth", "consistent", "decomposable", "weights"))
    if not report.valid:
        return "broken"
    return "valid" if report.properties["decomposable"] == "yes" else "valid, not decomposable"


def is_valid(model: str) -> bool:
    """Whether a model is smooth, consistent and has legal parameters; quick."""
    return verdict(model) != "broken"


def verdict(model: str) -> Verdict:
    """A word for the gallery; samples and marginals need a decomposable circuit as well."""
    return _verdict(*_file(model))


def get_dataset(name: str) -> Dataset:
    """A dataset by name; a path is never taken, links are not to read files of the server.

    Raises NotFoundError, DataError.
    """
    if (stored := datastore.id_of(name)) is not None:
        return _dataset(str(datastore.path(stored)))
    if name not in {info.name for info in dataset_infos()}:
        raise NotFoundError(f"there is no dataset {name!r} here", hint="choose one in the Gallery")
    return _dataset(name)


def dataset_source(name: str) -> str:
    """What a run on this server is told to read: a dataset's name, else its path."""
    stored = datastore.id_of(name)
    return name if stored is None else str(datastore.path(stored))


def dataset_reference(name: str) -> str:
    """What to write for a dataset in a command or in Python; of a public server's paths only the
    file's name: the command is for another machine."""
    source = dataset_source(name)
    hidden = limits.is_public() and datastore.id_of(name) is not None
    return Path(source).name if hidden else source


@st.cache_resource(max_entries=64, show_spinner=False)
def picture(name: str) -> bytes:
    """Example rows of a dataset, as a PNG."""
    stream = io.BytesIO()
    Image.fromarray(contact_sheet(get_dataset(name))).save(stream, "png")
    return stream.getvalue()


def title_of(model: str) -> str:
    """A short name for people, "" where there is no model."""
    if not model:
        return ""
    if drafts.is_drawing(model):
        return errors.short(drafts.title(model))
    return errors.short(str(get_circuit(model).meta.get("title") or model))


def _write(path: Path, content: bytes) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(content)

    write_atomically(path, write)


def _stored_path(model: str) -> Path:
    return paths.below(paths.models_folder(), model + workspaces.MODEL_SUFFIX, "model")
