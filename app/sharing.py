"""Passing on what this session looks at: a link for small circuits, one file for everything."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from pc_workbench import datastore, errors, jobs, paths, runs, session, state, store
from pc_workbench.views import inline
from pccore.bundle import Bundle, bundle_bytes, read_bundle, read_run, write_run
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.learn import RunConfig

_PLACES = frozenset(
    {"model", "dataset", "run", "circuit", "classes", "beside", "other", "rivals", "workspace"}
)


def link() -> str:
    """The address that opens this place anywhere, "" where the circuit is too large for one.

    A sample is named; another circuit is inside the link. A dataset of this server is left out.
    """
    now = state.get()
    said = dict(state.encode(now))
    for name in ("run", "classes", "beside", "other", "rivals", "workspace", "open"):
        said.pop(name, None)
    if datastore.id_of(now.dataset) is not None:
        said.pop("dataset", None)
    if now.model not in {sample.name for sample in store.samples()}:
        text = _inline(store.version(now.model), store.get_circuit(now.model))
        if not text:
            return ""
        said.pop("model", None)
        said["circuit"] = text
    base = str(st.context.url or "").partition("?")[0]
    return f"{base}?{urlencode(said)}"


@st.cache_data(max_entries=32, show_spinner=False)
def _inline(version: str, _circuit: Circuit) -> str:
    return inline.write(_circuit)


def open_inline() -> None:
    """The circuit that the link holds becomes a model of this session. Raises PCError."""
    text = state.get().circuit
    if not text:
        return
    state.update(circuit="")
    circuit = inline.read(text)
    # What the link says of the circuit stays.
    state.update(model=store.put_model(circuit))


def file_name() -> str:
    """What to call the bundle."""
    title = store.title_of(state.get().model) or "workbench"
    kept = "".join(c if c.isalnum() else "_" for c in title.lower())
    return f"{'_'.join(filter(None, kept.split('_')))[:60] or 'workbench'}.pcbundle"


def pack(*, data: bool, run: bool) -> bytes:
    """What this session looks at, as one file. data, run: with the dataset, with the run.

    Raises PCError.
    """

    now = state.get()
    said = {n: v for n, v in state.encode(now).items() if n not in _PLACES}
    directory = runs.directory(now.run).path if run and now.run else None
    return bundle_bytes(
        Bundle(
            title=store.title_of(now.model),
            circuit=store.get_circuit(now.model),
            dataset=store.get_dataset(now.dataset) if data else None,
            dataset_name=datastore.title(now.dataset),
            state=said,
            run={} if directory is None else read_run(directory),
        )
    )


def unpack(content: bytes, name: str) -> str:
    """Open a bundle at the place where it was made; returns the title. Raises PCError."""
    found = read_bundle(content, name)
    said: dict[str, str] = {n: v for n, v in found.state.items() if n not in _PLACES}
    title = errors.short(found.title) or errors.short(name)
    if found.circuit is not None:
        circuit = found.circuit
        if not circuit.meta.get("title"):
            circuit = circuit.with_meta({**circuit.meta, "title": title})
        said["model"] = store.put_model(circuit)
    if found.dataset is not None:
        called = found.dataset_name or found.dataset.name
        said["dataset"] = datastore.put(replace(found.dataset, name=called), called)
    elif found.dataset_name in {info.name for info in store.dataset_infos()}:
        said["dataset"] = found.dataset_name
    run = _adopt(found.run, said.get("dataset", "")) if found.run else ""
    state.follow(said)
    if run:
        state.update(run=run)
    return title


def _adopt(run: Mapping[str, bytes], dataset: str) -> str:
    """Keep a run under an id of its own; its data are those of the bundle, and no file that it
    names. Raises PCError where the run cannot be read."""

    one = f"r-{secrets.token_hex(8)}"
    if session.workspace():
        session.room(sum(map(len, run.values())))
    home = jobs.registry().folders.home_of(session.token())
    folder = paths.below(home, one, "run")
    write_run(run, folder)
    try:
        directory = runs.directory(one)
        data = store.dataset_source(dataset) if dataset else ""
        directory.write_config(_here(directory.config(), data))
        directory.initial()
        runs.finished(directory)
    except PCError:
        _remove(folder)
        raise
    return one


def _here(config: RunConfig, data: str) -> RunConfig:
    """The settings of a run with other data, and on a device that every machine has."""
    plain = paths.is_id(config.data) and datastore.id_of(config.data) is None
    return replace(config, data=data or (config.data if plain else "not passed on"), device="cpu")


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()
