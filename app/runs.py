"""What the Train page knows of a run: its events, read on from where the last look ended."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Literal

import streamlit as st

from pc_workbench import datastore, errors, jobs, limits, session, state, store
from pc_workbench.jobs import JobView
from pc_workbench.views import commands, curves
from pc_workbench.views.commands import Code
from pc_workbench.views.curves import Past, Story
from pccore.errors import PCError, PropertyError, RunError
from pccore.graph import Circuit
from pccore.learn import Look, RunConfig, RunDirectory, Status, check_trainable
from pccore.learn.directory import INITIAL, LOOK, METRICS

_TAILS, _LOOKS = "pcw_tails", "pcw_looks"
#: Runs whose story, and whose look, a session remembers.
_REMEMBERED = 16
#: Runs that are drawn before one that goes on from them.
_MOST_BEFORE = 6


def directory(run: str) -> RunDirectory:
    """The directory of a run, as this session sees it. Raises NotFoundError, RunError."""
    return jobs.registry().directory(run, session.token())


def view(run: str) -> JobView:
    """Where a run stands. Raises as `directory` does."""
    return jobs.registry().view(run, session.token())


def listed() -> tuple[tuple[RunConfig, JobView], ...]:
    """The runs of this session's workspace and those that are for all."""
    return jobs.registry().runs(session.token())


def is_mine(run: str) -> bool:
    """Whether this session may pause, resume and stop a run. Raises as `directory` does."""
    return jobs.registry().may_change(run, session.token())


def ask(what: Literal["pause", "resume", "stop"], run: str) -> None:
    """Pause, resume or stop a run. Raises RunError, QuotaError."""
    registry = jobs.registry()
    act = {"pause": registry.pause, "resume": registry.resume, "stop": registry.stop}[what]
    act(run, session.token())


def command(run: str) -> Code:
    """(Python, command) that do a run once more; what the command writes appears here, too, unless
    the server is public: then it is for another machine. Raises RunError."""
    home = directory(run)
    config = replace(home.config(), data=store.dataset_reference(home.config().data))
    # One that goes on from another begins with what that became.
    named = config.origin is None and config.model in {one.name for one in store.samples()}
    model = "" if named or limits.is_public() else str(home.path / INITIAL)
    return commands.rerun(config, model, command_folder(f"{run}-again"))


def command_folder(name: str) -> str:
    """The directory that a command gives a run."""
    if limits.is_public():
        return f"runs/{name}"
    return str(jobs.registry().folders.home_of(session.token()) / name)


def story(view: JobView, depth: int = 0) -> Story:
    """What a run told so far, read on from where the last look ended, and the runs before it."""
    found = directory(view.id)
    tails: dict[str, tuple[int, Story]] = st.session_state.setdefault(_TAILS, {})
    offset, known = tails.pop(view.id, (0, Story()))
    try:
        length = (found.path / METRICS).stat().st_size
    except OSError:
        length = 0
    # A resumed run rewrites the file up to its checkpoint: then from the start.
    if length < offset or view.state in ("queued", "starting"):
        offset, known = 0, Story()
    fresh, offset = found.metrics(offset)
    known = curves.merge(known, fresh)
    _remember(tails, view.id, (offset, known))
    return replace(known, past=_past(found, depth))


def _past(run: RunDirectory, depth: int) -> Past | None:
    """What a run goes on from, None where it began by itself or that is gone."""
    if depth >= _MOST_BEFORE:
        return None
    try:
        origin = run.config().origin
        if origin is None:
            return None
        before = story(view(origin.run), depth + 1)
        return Past(before, origin.epoch, origin.change)
    except PCError:
        return None


def look(run: str) -> Look | None:
    """The last look at a run's model, None where there is none. Raises RunError."""
    home = directory(run)
    looks: dict[str, tuple[float, Look | None]] = st.session_state.setdefault(_LOOKS, {})
    try:
        stamp = (home.path / LOOK).stat().st_mtime
    except OSError:
        return None
    known = looks.pop(run, None)
    found = known if known is not None and known[0] == stamp else (stamp, home.look())
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
    home = directory(run)
    circuit = home.best()
    if circuit is None:
        raise RunError("this run has no model yet")
    title = trained_title(home.config(), circuit)
    state.choose_model(store.put_model(circuit.with_meta({**circuit.meta, "title": title})))
    return title


def run_title(run: str) -> str:
    """What a run trains on what, as markdown. Raises RunError where it is not known any more."""
    config = directory(run).config()
    model = errors.plain(errors.short(config.title or config.model))
    return f"**{model}** on {errors.plain(errors.short(datastore.title(config.data)))}"


def trained_title(config: RunConfig, circuit: Circuit) -> str:
    """The title of a trained model: trained twice is not said twice, pruned or grown is said."""
    base = str(circuit.meta.get("title") or config.model).partition(", trained")[0]
    if config.origin is not None:
        base = f"{base}, {config.origin.change}"
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
