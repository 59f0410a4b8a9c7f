"""Train: fit the current model to the current dataset and watch it learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pc_workbench import controls, datastore, errors, jobs, navigate, runs, session, state, store
from pc_workbench.jobs import JobView
from pc_workbench.screens import train_classes, train_compare, train_offer, train_run
from pc_workbench.views import commands
from pccore.distillation import DistilRunOptions, run_method, run_methods
from pccore.errors import NotFoundError, OptionError, PCError
from pccore.learn import Method, RunConfig, TrainOptions
from pccore.options import describe, parse_options
from pccore.presets import Facts, preset_options, presets

#: What the choice of settings says besides the names of presets.
DEFAULTS, OWN = "defaults", "your own"
_REFUSED = "pcw_train_refused"
_PRESET = "pcw_train_preset"


def page() -> None:
    """Draw the page."""
    jobs.registry().warm()
    now = state.get()
    heading, code, action = st.columns([3, 1, 1], vertical_alignment="center")
    heading.title("Train")
    side, right = st.columns([4, 8], gap="large")
    with side.container(gap="small"):
        method = _method()
        _settings(method)
        problem = _options(method)
    ready = False
    found: Sequence[tuple[RunConfig, JobView]] = ()
    with right, errors.boundary():
        found = runs.listed()
        if not now.run:  # of a run that is looked at, its own buttons say it
            train_offer.show(found)
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
            given = model, store.dataset_reference(now.dataset), method.name, mine, shared
            folder = runs.command_folder("mine")
            controls.show_code(*commands.train(*given, run=folder, threads=1))
    action.button("Start", type="primary", width="stretch", disabled=not ready, on_click=_start)
    with errors.boundary():
        own, common = (
            _parsed(method) if ready and method.options is not DistilRunOptions else (None, None)
        )
        train_classes.show(method.name, own, common)
        if now.run:
            train_offer.show(found)
        train_compare.show(found)


def _method() -> Method:
    known = list(run_methods())
    try:
        run_method(state.get().learner)
    except NotFoundError:
        state.update(learner="online-em")
    st.selectbox(
        "Method",
        known,
        format_func=lambda name: run_methods()[name].title,
        **state.bind("learner", among=known),
    )
    method = run_method(state.get().learner)
    st.caption(errors.plain(method.description))
    return method


def _settings(method: Method) -> None:
    """The published settings of a method, where there are any; choosing one sets the options."""
    known = presets(method.name)
    if not known:
        return
    given = {**controls.chosen("training", method.options),
             **controls.chosen("training", TrainOptions)}  # fmt: skip
    current = DEFAULTS if not given else OWN
    for name in known:
        if _texts(method.name, name) == given:
            current = name
    choices = [DEFAULTS, *known, *([OWN] if current == OWN else [])]
    st.session_state[_PRESET] = current
    st.selectbox(
        "Settings",
        choices,
        key=_PRESET,
        format_func=lambda name: known[name].name if name in known else name.capitalize(),
        on_change=_preset,
        args=(method.name,),
    )
    if current in known:
        st.caption(errors.plain(known[current].source))


def _texts(method: str, name: str) -> dict[str, str]:
    """The options of a preset that differ from their defaults, as the link has them."""
    kinds = (run_method(method).options, TrainOptions)
    defaults = {info.name: info.default for kind in kinds for info in describe(kind)}
    found = preset_options(method, name, Facts(0))
    return {key: str(value) for key, value in found.items() if value != defaults.get(key)}


def _preset(method: str) -> None:
    chosen = st.session_state[_PRESET]
    if chosen != OWN:
        given: Mapping[str, str] = {} if chosen == DEFAULTS else _texts(method, chosen)
        state.update(training=tuple(given.items()))


def _options(method: Method) -> OptionError | None:
    """The widgets, those that matter first; returns what is wrong with the options."""
    problem = None
    try:
        _parsed(method)
    except OptionError as error:
        problem = error
    batches = bool(getattr(method.make, "mini_batch", True))
    kinds = _kinds(method)
    infos = [(cls, info) for cls in kinds for info in describe(cls)]
    # A method whose batch is the whole data has no use for their size.
    infos = [(cls, info) for cls, info in infos if batches or info.name != "batch_size"]

    def show(advanced: bool) -> None:
        for cls in kinds:
            names = [i.name for kind, i in infos if kind is cls and i.advanced is advanced]
            controls.widgets("training", cls, names, problem, explain=True)

    show(False)
    with st.expander("More options"):
        show(True)
    return problem


def _kinds(method: Method) -> tuple[type, ...]:
    """The options that a method has; the stages of a distillation have options of their own."""
    own = method.options
    return (own,) if own is DistilRunOptions else (TrainOptions, own)


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
                    f"Use the dataset {errors.plain(datastore.title(name))}",
                    key=f"pcw_fit_{name}",
                    on_click=state.choose_dataset,
                    args=(name,),
                )
    navigate.links("build", label=f"Build a model for {errors.plain(datastore.title(dataset))}")
    return False


def _start() -> None:
    """Queue a run and look at it."""
    now = state.get()
    try:
        method = run_method(now.learner)
        own, shared = _parsed(method)
        run = jobs.registry().start(
            store.get_circuit(now.model),
            store.get_dataset(now.dataset),
            owner=session.token(),
            model=store.model_reference(now.model),
            data=store.dataset_source(now.dataset),
            method=method.name,
            method_options=own,
            train_options=shared,
            title=store.title_of(now.model),
        )
        state.update(run=run)
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)
