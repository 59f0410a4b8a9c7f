"""The part of Train that learns one circuit for each class and holds them against each other."""

from __future__ import annotations

import streamlit as st

from pc_workbench import controls, errors, jobs, runs, session, state, store
from pc_workbench.jobs import JobView
from pc_workbench.jobs_state import LIVE
from pc_workbench.views import class_figure, commands
from pccore.classify import Classifier, Report, assess, curves_csv, curves_svg
from pccore.datasets import Dataset
from pccore.datasets.labels import class_name, classes_of, labelled, shares_of
from pccore.distillation import run_method
from pccore.errors import PCError, RunError
from pccore.learn import RunConfig, TrainOptions
from pccore.learn.directory import BEST

TICK = 1.0  # seconds between looks while the classes learn
#: Rows that are told apart; a server has more to do.
MOST_ROWS = 2000
#: Classes that one press may queue.
MOST_CLASSES = 40
_REFUSED = "pcw_classes_refused"


def show(method: str, own: object, shared: TrainOptions | None) -> None:
    """Nothing where the data have no labels. shared: None where training cannot start."""
    now = state.get()
    try:
        dataset = store.get_dataset(now.dataset)
        labels = classes_of(dataset)
    except PCError:
        return
    if len(labels) > MOST_CLASSES:
        return
    with st.expander("One class against the rest", expanded=bool(now.classes)):
        st.caption(
            f"A circuit for each of the {len(labels)} classes learns from the rows of its class "
            "alone, beginning with the current model. A row is scored by log p(row | class) − "
            "log p(row | the other classes); precision and recall are those of the test rows."
        )
        with st.container(horizontal=True):
            st.button(
                "Train one circuit for each class",
                disabled=shared is None,
                on_click=_start,
                args=(method, own, shared, labels),
            )
            if shared is not None:
                model = store.model_reference(now.model)
                mine = controls.chosen("training", run_method(method).options)
                common = controls.chosen("training", TrainOptions)
                code = commands.classify(
                    model, store.dataset_reference(now.dataset), method, mine, common
                )
                controls.show_code(*code, width="content")
        refused = st.session_state.pop(_REFUSED, "")
        if refused:
            st.error(refused)
        if now.classes:
            live = any(view.state in LIVE for _, view in _runs())
            st.fragment(_progress, run_every=TICK if live else None)(live)


def _start(method: str, own: object, shared: TrainOptions, labels: tuple[int, ...]) -> None:
    """Queue a run for each class."""
    now = state.get()
    try:
        circuit, dataset = store.get_circuit(now.model), store.get_dataset(now.dataset)
        title = store.title_of(now.model)
        made = [
            jobs.registry().start(
                circuit,
                dataset,
                owner=session.token(),
                model=store.model_reference(now.model),
                data=store.dataset_source(now.dataset),
                method=method,
                method_options=own,
                train_options=shared,
                title=f"{title}, class {class_name(dataset, label)}",
                label=label,
            )
            for label in labels
        ]
        state.update(classes=tuple(made))
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)


def _runs() -> list[tuple[RunConfig, JobView]]:
    """The runs of the link that are there and learn a class."""
    found: list[tuple[RunConfig, JobView]] = []
    for run in state.get().classes:
        try:
            config = runs.directory(run).config()
            if config.label is not None:
                found.append((config, runs.view(run)))
        except PCError:
            continue
    return found


def _progress(live: bool) -> None:
    """How far the classes are; the curves once all have a model. live: when the page was drawn."""
    with errors.boundary():
        found = _runs()
        if live and not any(view.state in LIVE for _, view in found):
            st.rerun()
        over = sum(view.state not in LIVE for _, view in found)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(over / max(1, len(found)), text=f"{over} of {len(found)} classes are done")
            if live:
                st.button("Stop all", on_click=_stop)
            else:
                st.button("Close", key="pcw_classes_close", on_click=_close)
        if not live:
            _result(found)


def _stop() -> None:
    for _, view in _runs():
        if view.state in LIVE:
            try:
                runs.ask("stop", view.id)
            except PCError as error:
                st.toast(errors.sentence(error))


def _close() -> None:
    state.update(classes=())


def _result(found: list[tuple[RunConfig, JobView]]) -> None:
    data = {config.data for config, _ in found}
    if len(data) != 1 or len(found) < 2:
        st.warning("These runs do not belong together, or are not on this server any more.")
        return
    name = data.pop()
    dataset = store.get_dataset(name)
    trained = tuple(view.id for _, view in found)
    with st.spinner("Scoring the test rows ..."):
        report = _report(name, trained, tuple(_stamp(run) for run in trained))
    names = [class_name(dataset, label) for label in report.labels]
    cells = st.columns(3)
    cells[0].metric("Accuracy", f"{100 * report.accuracy:.1f} %")
    area = report.mean_area
    cells[1].metric("Mean area", "–" if area is None else f"{area:.3f}",
                    help="Mean over the classes of the area under precision-recall.")  # fmt: skip
    cells[2].metric("Test rows", f"{len(report.predicted):,}")
    st.plotly_chart(class_figure.figure(report, names), width="stretch", key="pcw_classes_curves")
    st.dataframe(class_figure.table(report, names), hide_index=True)
    with st.container(horizontal=True):
        svg, table = curves_svg(report, names), curves_csv(report, names)
        st.download_button("Save the curves (SVG)", svg, "precision-recall.svg", "image/svg+xml",
                           on_click="ignore")  # fmt: skip
        st.download_button("Save the points (CSV)", table, "precision-recall.csv", "text/csv",
                           on_click="ignore")  # fmt: skip
        controls.csv_button(class_figure.table(report, names), "classes.csv", label="Table (CSV)")


def _stamp(run: str) -> float:
    """When the best model of a run was written. Raises RunError where there is none."""
    try:
        return (runs.directory(run).path / BEST).stat().st_mtime
    except OSError:
        raise RunError("a class has no model yet: its run was stopped too early") from None


@st.cache_resource(max_entries=4, show_spinner=False)
def _report(data: str, names: tuple[str, ...], stamps: tuple[float, ...]) -> Report:
    """The test rows told apart by the best models of the runs. Raises PCError."""
    dataset: Dataset = store.get_dataset(data)
    directories = [runs.directory(run) for run in names]
    shares = dict(zip(classes_of(dataset), shares_of(dataset), strict=True))
    labels: list[int] = []
    experts = []
    for directory in directories:
        label, circuit = directory.config().label, directory.best()
        if label is None or label not in shares or circuit is None:
            raise RunError("a class of these runs is not among those of the data")
        labels.append(label)
        experts.append((circuit, 0))
    total = sum(shares[label] for label in labels)
    prior = tuple(shares[label] / total for label in labels)
    rows, truth = dataset.test[:MOST_ROWS], labelled(dataset, "test")[:MOST_ROWS]
    return assess(Classifier(tuple(labels), tuple(experts), prior), rows, truth)
