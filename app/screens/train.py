"""Train: fit the current model to the current dataset and watch it learn."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from pc_workbench import controls, errors, jobs, navigate, runs, session, state, store
from pc_workbench.screens import train_run
from pc_workbench.views import commands
from pccore.errors import NotFoundError, OptionError, PCError
from pccore.learn import Method, TrainOptions, method_named, methods
from pccore.options import parse_options

FURTHER = frozenset({"weight_decay", "tolerance", "seed"})
_REFUSED = "pcw_train_refused"


def page() -> None:
    """Draw the page."""
    jobs.registry().warm()
    now = state.get()
    heading, code, action = st.columns([3, 1, 1], vertical_alignment="center")
    heading.title("Train")
    side, right = st.columns([4, 8], gap="large")
    with side.container(gap="small"):
        method = _method()
        problem = _options(method)
    ready = False
    with right, errors.boundary():
        ready = problem is None and _ready(now.model, now.dataset)
        refused = st.session_state.pop(_REFUSED, "")
        if refused:
            st.error(refused)
        if now.run:
            train_run.show(now.run)
        elif ready:
            title = errors.plain(store.title_of(now.model))
            fresh = " is **untrained**" if store.is_untrained(now.model) else ""
            st.info(
                f"**{title}**{fresh or ' is the model'}. Press Start: "
                "the curves of training and validation appear here."
            )
    mine = controls.chosen("training", method.options)
    shared = controls.chosen("training", TrainOptions)
    if ready:
        with code:
            model = store.model_reference(now.model)
            controls.show_code(*commands.train(model, now.dataset, method.name, mine, shared))
    action.button("Start", type="primary", width="stretch", disabled=not ready, on_click=_start)
    with errors.boundary():
        train_run.earlier()


def _method() -> Method:
    known = list(methods())
    try:
        method_named(state.get().learner)
    except NotFoundError:
        state.update(learner="online-em")
    st.selectbox(
        "Method",
        known,
        format_func=lambda name: methods()[name].title,
        **state.bind("learner", among=known),
    )
    method = method_named(state.get().learner)
    st.caption(errors.plain(method.description))
    return method


def _options(method: Method) -> OptionError | None:
    """The widgets; returns what is wrong with the options."""
    problem = None
    try:
        _parsed(method)
    except OptionError as error:
        problem = error
    own = [field.name for field in fields(method.options)]
    shared = [field.name for field in fields(TrainOptions)]
    if method.name == "em":
        shared.remove("batch_size")  # its batch is the whole data
    for cls, names in ((TrainOptions, shared), (method.options, own)):
        controls.widgets("training", cls, [n for n in names if n not in FURTHER], problem)
    with st.expander("More options"):
        for cls, names in ((TrainOptions, shared), (method.options, own)):
            controls.widgets("training", cls, [n for n in names if n in FURTHER], problem)
    return problem


def _parsed(method: Method) -> tuple[object, TrainOptions]:
    own = controls.chosen("training", method.options)
    shared = controls.chosen("training", TrainOptions)
    return parse_options(method.options, own), parse_options(TrainOptions, shared)


def _ready(model: str, dataset: str) -> bool:
    """Whether training can start; says what is missing and how to get it."""
    if not model:
        st.info("Choose a model in the Gallery, or build one for your data.")
        navigate.links("gallery", "build")
        return False
    circuit = store.get_circuit(model)
    store.get_dataset(dataset)  # what is missing altogether is an error of another kind
    problem = runs.mismatch(model, dataset)
    if not problem:
        return True
    st.warning(problem)
    if not store.is_valid(model):
        navigate.links("inspect", label="See the violations on {}")
        return False
    with st.container(horizontal=True):
        for name in runs.fitting(circuit)[:3]:
            if name != dataset:
                st.button(
                    f"Use the dataset {errors.plain(name)}",
                    key=f"pcw_fit_{name}",
                    on_click=state.choose_dataset,
                    args=(name,),
                )
    navigate.links("build", label=f"Build a model for {errors.plain(dataset)}")
    return False


def _start() -> None:
    """Queue a run and look at it."""
    now = state.get()
    try:
        method = method_named(now.learner)
        own, shared = _parsed(method)
        run = jobs.registry().start(
            store.get_circuit(now.model),
            store.get_dataset(now.dataset),
            owner=session.token(),
            model=store.model_reference(now.model),
            data=now.dataset,
            method=method.name,
            method_options=own,
            train_options=shared,
            title=store.title_of(now.model),
        )
        state.update(run=run)
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)
