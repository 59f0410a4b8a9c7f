"""The part of Train that prunes or grows the model of a run that rests, and goes on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from pc_workbench import controls, errors, jobs, limits, runs, session, state, store
from pc_workbench.jobs import JobView
from pc_workbench.jobs_state import RESUMABLE
from pc_workbench.views import commands, reshape
from pc_workbench.views.reshape import Reshaped
from pccore.datasets.labels import only
from pccore.distillation import run_method
from pccore.distillation.job import NAME as DISTIL
from pccore.errors import PCError, RunError
from pccore.graph import Circuit
from pccore.learn import Origin, RunConfig, TrainOptions
from pccore.learn.directory import BEST
from pccore.options import parse_options

#: Circuits with more edges are not changed while a page is drawn.
MOST_EDGES = 1_000_000
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
GROWING = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
NOISES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_KIND, _SHARE, _GROUPS = "pcw_reshape_kind", "pcw_reshape_share", "pcw_reshape_groups"
_GROWN, _NOISE, _EPOCHS = "pcw_reshape_grown", "pcw_reshape_noise", "pcw_reshape_epochs"


def show(view: JobView) -> None:
    """Nothing while the run goes on, or before it has a model."""
    if view.state not in (*RESUMABLE, "finished"):
        return
    directory = runs.directory(view.id)
    if not (directory.path / BEST).exists():
        return
    box = st.expander("Prune or grow, and go on from here", key="pcw_reshape", on_change="rerun")
    if not box.open:
        return
    with box, errors.boundary():
        config = _again(directory.config())
        stamp = (directory.path / BEST).stat().st_mtime
        circuit, version = _best(view.id, stamp), f"{view.id}@{stamp}"
        if circuit.num_edges > MOST_EDGES:
            st.info(f"This model has {circuit.num_edges:,} edges: change it on the command line.")
            return
        left, right = st.columns([4, 6], gap="medium")
        with left:
            wanted = _wanted(version, circuit)
            epochs = st.number_input(
                "Epochs of the new run", 1, 100_000,
                int(config.train_options.get("epochs", 100)), key=_EPOCHS,
            )  # fmt: skip
        with right:
            if wanted is None:
                st.info("No group of this model can be split.")
                return
            with st.spinner("Measuring what the rows use …"):
                found = _reshaped(version, tuple(wanted.items()), circuit, config)
            st.dataframe(found.table(), hide_index=True)
            st.caption(errors.plain(found.verdict()))
            with st.container(horizontal=True):
                st.button(
                    "Go on as a new run", type="primary", on_click=_go_on,
                    args=(view, config, found, int(epochs)),
                    help="With the options of this run, which stays as it is",
                )  # fmt: skip
                controls.csv_button(found.table(), "before and after.csv")
                # Of a public server's paths nothing: the command is for another machine.
                best = BEST if limits.is_public() else str(directory.path / BEST)
                folder = runs.command_folder(f"{view.id}-{wanted['kind']}")
                code = _code(best, config, wanted, int(epochs), folder)
                controls.show_code(*code, width="content")


def _wanted(version: str, circuit: Circuit) -> dict[str, Any] | None:
    """What is to be done, hashable; None where nothing can grow."""
    kind = st.segmented_control(
        "Change", ("prune", "grow"), default="prune", format_func=str.capitalize, required=True,
        key=_KIND,
    )  # fmt: skip
    if kind != "grow":
        share = st.select_slider(
            "Edges to drop :gray[:small[those that the training rows use least]]",
            SHARES, 0.3, key=_SHARE, format_func="{:.0%}".format,
        )  # fmt: skip
        return {"kind": "prune", "share": share}
    places = _places(version, circuit)
    if not places:
        return None
    groups = st.multiselect(
        "Groups to split", list(places), key=_GROUPS, format_func=places.__getitem__,
        placeholder="All that can grow", help="What is bound to a group grows with it.",
    )  # fmt: skip
    share = st.select_slider(
        "Units to split in two :gray[:small[of each group, those used most]]",
        GROWING, 1.0, key=_GROWN, format_func="{:.0%}".format,
    )  # fmt: skip
    noise = st.select_slider(
        "Noise :gray[:small[that tells the halves apart; 0 changes nothing but the size]]",
        NOISES, 0.1, key=_NOISE,
    )  # fmt: skip
    return {
        "kind": "grow", "groups": tuple(groups), "share": share, "noise": noise,
        "seed": state.get().seed,
    }  # fmt: skip


@st.cache_resource(max_entries=4, show_spinner=False)
def _best(run: str, stamp: float) -> Circuit:
    found = runs.directory(run).best()
    if found is None:
        raise RunError("this run has no model yet")
    return found


@st.cache_resource(max_entries=4, show_spinner=False)
def _places(version: str, _circuit: Circuit) -> dict[str, str]:
    return reshape.places_to_grow(_circuit)


@st.cache_resource(max_entries=16, show_spinner=False)
def _reshaped(
    version: str, wanted: tuple[tuple[str, Any], ...], _circuit: Circuit, _config: RunConfig
) -> Reshaped:
    dataset = store.get_dataset(_config.data)
    seen = dataset if _config.label is None else only(dataset, _config.label)
    rows, chosen = seen.train[: reshape.ROWS], dict(wanted)
    if chosen["kind"] == "prune":
        return reshape.pruned(_circuit, rows, chosen["share"])
    return reshape.grown(
        _circuit, rows, chosen["groups"], chosen["share"], chosen["noise"], chosen["seed"]
    )


def _again(config: RunConfig) -> RunConfig:
    """What the new run does: the same, after a distillation its last stage."""
    if config.method != DISTIL:
        return config
    return replace(config, method="online-em", method_options={}, train_options={})


def _options(config: RunConfig, epochs: int) -> tuple[object, TrainOptions]:
    own = parse_options(run_method(config.method).options, config.method_options)
    shared: TrainOptions = parse_options(TrainOptions, config.train_options)
    return own, replace(shared, epochs=epochs)


def _code(
    best: str, config: RunConfig, wanted: dict[str, Any], epochs: int, folder: str
) -> tuple[str, str]:
    options = {**config.train_options, "epochs": epochs}
    data = store.dataset_reference(config.data)
    again = replace(config, model="reshaped.pc.safetensors", train_options=options, data=data)
    return reshape.code(best, again, wanted, commands.rerun(again, run=folder))


def _go_on(view: JobView, config: RunConfig, found: Reshaped, epochs: int) -> None:
    """Queue the new run, look at it, and let go of a paused one."""
    try:
        own, shared = _options(config, epochs)
        epoch = runs.directory(view.id).scores().best_epoch or 0
        run = jobs.registry().start(
            found.circuit,
            store.get_dataset(config.data),
            owner=session.token(),
            model=config.model,
            data=config.data,
            method=config.method,
            method_options=own,
            train_options=shared,
            title=f"{config.title or config.model}, {found.words}",
            label=config.label,
            origin=Origin(view.id, epoch, found.words),
        )
        if view.state == "paused" and runs.is_mine(view.id):
            runs.ask("stop", view.id)
        state.update(run=run)
    except PCError as error:
        st.toast(errors.sentence(error))
