"""What the Train page knows of a run: its events, read on from where the last look ended."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import streamlit as st

from pc_workbench import datastore, errors, jobs, state, store
from pc_workbench.jobs import JobView
from pc_workbench.views import curves
from pc_workbench.views.curves import Past, Story
from pccore.errors import PCError, PropertyError, RunError
from pccore.graph import Circuit
from pccore.learn import Look, RunConfig, RunDirectory, Status, check_trainable
from pccore.learn.directory import LOOK, METRICS

_TAILS, _LOOKS = "pcw_tails", "pcw_looks"
#: Runs whose story, and whose look, a session remembers.
_REMEMBERED = 16
#: Runs that are drawn before one that goes on from them.
_MOST_BEFORE = 6


def story(view: JobView, depth: int = 0) -> Story:
    """What a run told so far, read on from where the last look ended, and the runs before it."""
    directory = jobs.registry().directory(view.id)
    tails: dict[str, tuple[int, Story]] = st.session_state.setdefault(_TAILS, {})
    offset, known = tails.pop(view.id, (0, Story()))
    try:
        length = (directory.path / METRICS).stat().st_size
    except OSError:
        length = 0
    # A resumed run rewrites the file up to its checkpoint: then from the start.
    if length < offset or view.state in ("queued", "starting"):
        offset, known = 0, Story()
    fresh, offset = directory.metrics(offset)
    known = curves.merge(known, fresh)
    _remember(tails, view.id, (offset, known))
    return replace(known, past=_past(directory, depth))


def _past(directory: RunDirectory, depth: int) -> Past | None:
    """What a run goes on from, None where it began by itself or that is gone."""
    if depth >= _MOST_BEFORE:
        return None
    try:
        origin = directory.config().origin
        if origin is None:
            return None
        before = story(jobs.registry().view(origin.run), depth + 1)
        return Past(before, origin.epoch, origin.change)
    except PCError:
        return None


def look(run: str) -> Look | None:
    """The last look at a run's model, None where there is none. Raises RunError."""
    directory = jobs.registry().directory(run)
    looks: dict[str, tuple[float, Look | None]] = st.session_state.setdefault(_LOOKS, {})
    try:
        stamp = (directory.path / LOOK).stat().st_mtime
    except OSError:
        return None
    known = looks.pop(run, None)
    found = known if known is not None and known[0] == stamp else (stamp, directory.look())
    _remember(looks, run, found)
    return found[1]


def _remember(kept: dict[str, Any], run: str, value: Any) -> None:
    """Keep a value as the newest of a few."""
    kept[run] = value
    for old in list(kept)[:-_REMEMBERED]:
        del kept[old]


def label(config: RunConfig) -> str:
    """A run in a few words: its method and model, as plain text."""
    return f"{config.method}, {errors.short(config.title or config.model, 28)}"


def use_best(run: str) -> str:
    """Make the best model of a run the current one and return its title.

    Raises RunError where the run has none yet, FileError where it cannot be read.
    """
    directory = jobs.registry().directory(run)
    circuit = directory.best()
    if circuit is None:
        raise RunError("this run has no model yet")
    title = trained_title(directory.config(), circuit)
    state.choose_model(store.put_model(circuit.with_meta({**circuit.meta, "title": title})))
    return title


def run_title(run: str) -> str:
    """What a run trains on what, as markdown. Raises RunError where it is not known any more."""
    config = jobs.registry().directory(run).config()
    model = errors.plain(errors.short(config.title or config.model))
    return f"**{model}** on {errors.plain(errors.short(datastore.title(config.data)))}"


def trained_title(config: RunConfig, circuit: Circuit) -> str:
    """The title of a trained model: trained twice is not said twice."""
    base = str(circuit.meta.get("title") or config.model).partition(", trained")[0]
    return f"{base}, trained on {datastore.title(config.data)}"


def finished(directory: RunDirectory) -> None:
    """Note of a run that came from elsewhere that nobody is at work on it."""
    epochs = directory.scores().epoch or 0
    directory.write_status(Status("stopped", time.time(), epoch=epochs, epochs=epochs))


@st.cache_data(max_entries=64, show_spinner=False)
def mismatch(model: str, dataset: str) -> str:
    """Why a model cannot learn from a dataset, in one sentence; empty where it can."""
    try:
        circuit, data = store.get_circuit(model), store.get_dataset(dataset)
        if len(circuit.variables) != data.num_variables:
            return (
                f"This model has {len(circuit.variables)} variables, "
                f"the dataset {errors.plain(datastore.title(dataset))} has {data.num_variables}."
            )
        check_trainable(circuit, data)
    except PropertyError as error:
        # Said of the query that learning asks; the visitor asked for training.
        needs = error.message.partition(" needs ")[2]
        return f"Training needs {errors.plain(needs)}." if needs else errors.sentence(error)
    except PCError as error:
        return errors.sentence(error)
    return ""


def fitting(circuit: Circuit) -> tuple[str, ...]:
    """Names of datasets with as many columns as a circuit has variables."""
    count = len(circuit.variables)
    return tuple(info.name for info in store.dataset_infos() if info.num_variables == count)
