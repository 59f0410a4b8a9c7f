"""The Compile view of Inspect: how the circuit became layers, and what each of them costs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pc_workbench import controls, datastore, errors, state, store
from pc_workbench.components import GraphEvent, circuit_graph
from pc_workbench.components.layers import layer_blocks
from pc_workbench.views import compile_costs, compile_facts, compile_view, sizes
from pc_workbench.views.compile_facts import Facts
from pc_workbench.views.outline import Outline, group_of, toggle
from pc_workbench.views.scene import circuit_scene
from pc_workbench.views.unit_details import unit_of
from pccore.compile import Program
from pccore.compile.profile import LayerCost, layer_costs, measure
from pccore.errors import PCError
from pccore.graph import Circuit, Unit

HEIGHT = 450  # pixels
#: Seconds of both passes up to which every layer is run five times more, for the best.
QUICK = 1.0
_MEASURED = "pcw_measured"  # (what was measured, costs, on which rows)


def show(model: str, circuit: Circuit, outline: Outline) -> None:
    """Graph and layers side by side, the numbers below."""
    try:
        with st.spinner("Compiling …"):
            program = store.get_program(model)
    except PCError as error:
        st.info(f"This circuit cannot be compiled. {errors.sentence(error)}")
        return
    version = store.version(model)
    found = _facts(version, program)
    _keep_batch(program)
    left, right = st.columns(2, gap="medium")
    numbers = st.container()
    # The button that measures is below what shows the times.
    with numbers:
        line = st.columns([1.3, 0.9, 6, 0.6], vertical_alignment="bottom")
        _actions(line, version, program, circuit)
    costs, source = _costs(version, program)
    chosen = _chosen(circuit, found, outline)
    with left:
        _graph(model, circuit, found, outline, chosen)
    with right:
        _blocks(version, model, circuit, found, outline, costs, chosen)
    with numbers:
        _numbers(line, program, found, costs, source)


def code(model: str) -> None:
    """'Show code' of this view."""
    reference, samples = store.model_reference(model), state.get().batch
    data = store.dataset_reference(state.get().dataset)
    try:
        dataset = store.get_dataset(state.get().dataset)
        fits = compile_costs.fits(store.get_circuit(model), dataset)
    except PCError:
        fits = False
    python = compile_costs.python(reference, samples, data if fits else "")
    controls.show_code(python, f"pccore info {reference} --batch {samples}")


@st.cache_resource(max_entries=8, show_spinner=False)
def _facts(version: str, _program: Program) -> Facts:
    return compile_facts.facts(_program)


@st.cache_resource(max_entries=16, show_spinner=False)
def _estimated(version: str, samples: int, _program: Program) -> tuple[LayerCost, ...]:
    return layer_costs(_program, samples)


def _costs(version: str, program: Program) -> tuple[tuple[LayerCost, ...], str]:
    """What the layers cost, with the last times if they are of this program and batch."""
    samples = state.get().batch
    key, costs, source = st.session_state.get(_MEASURED, (None, (), ""))
    if key == (version, samples):
        return costs, source
    return _estimated(version, samples, program), ""


def _keep_batch(program: Program) -> None:
    most = compile_costs.largest_batch(program)
    if state.get().batch > most:
        state.update(batch=most)


# -- graph and layers ------------------------------------------------------------------------


def _chosen(circuit: Circuit, found: Facts, outline: Outline) -> int | None:
    """The selected layer; without one that of the selected unit."""
    now = state.get()
    if now.layer and int(now.layer) < len(found.layers):
        return int(now.layer)
    return compile_facts.place(circuit, found, outline, now.unit)[1] if now.unit else None


def _graph(
    model: str, circuit: Circuit, found: Facts, outline: Outline, chosen: int | None
) -> None:
    now = state.get()
    scene = circuit_scene(circuit, outline=outline, view=now.view, name=model)
    if chosen is not None:
        scene = compile_facts.mark(scene, found, chosen, outline)
    circuit_graph(
        scene,
        key="pcw_compile_graph",
        selected=now.unit,
        height=HEIGHT,
        label=store.title_of(model),
        on_event=functools.partial(_on_event, circuit, found, outline),
    )
    text = compile_facts.place(circuit, found, outline, now.unit)[0] if now.unit else ""
    st.caption(errors.plain(text) or "Select a unit to see where it is computed.")


def _on_event(circuit: Circuit, found: Facts, outline: Outline, event: GraphEvent) -> None:
    now = state.get()
    if event.type != "select":
        if event.id is not None:
            state.update(view=toggle(outline, now.view, event.id)[-200:])
        return
    number = compile_facts.place(circuit, found, outline, event.id)[1] if event.id else None
    state.update(unit=event.id or "", layer="" if number is None else str(number))


def _blocks(
    version: str,
    model: str,
    circuit: Circuit,
    found: Facts,
    outline: Outline,
    costs: tuple[LayerCost, ...],
    chosen: int | None,
) -> None:
    node = state.get().unit
    group = group_of(node, outline) if node else None
    focus = None if group is None else unit_of(outline, node) or Unit(group, 0)
    drawn = compile_view.drawing(
        circuit, found, costs, selected=chosen, focus=focus, name=f"{version}-layers"
    )
    layer_blocks(
        drawn,
        selected=chosen,
        key="pcw_compile_layers",
        height=HEIGHT,
        label=f"Layers of {store.title_of(model)}",
        on_select=functools.partial(_on_layer, circuit, found, outline),
    )
    st.caption("A block is a group: its units high, its inputs wide. A cell is one child.")


def _on_layer(circuit: Circuit, found: Facts, outline: Outline, number: int | None) -> None:
    """Select a layer; a unit of another one is no longer selected."""
    unit = state.get().unit
    inside = unit and compile_facts.place(circuit, found, outline, unit)[1] == number
    state.update(
        layer="" if number is None else str(number),
        unit=unit if inside and number is not None else "",
    )


# -- numbers ---------------------------------------------------------------------------------


def _actions(line: Sequence[Any], version: str, program: Program, circuit: Circuit) -> None:
    """Batch size, and the button that measures."""
    most = compile_costs.largest_batch(program)
    line[0].number_input(
        "Rows in a batch",
        1,
        most,
        help=f"What the costs below are for; at most {most:,} here",
        **state.bind("batch"),
    )
    samples = state.get().batch
    pressed = line[1].button(
        "Measure",
        key="pcw_measure",
        type="primary",
        width="stretch",
        help="Run the up and the flow pass of every layer, and take the best times",
    )
    if not pressed:
        return
    with line[2], errors.boundary(), st.spinner("Measuring …"):
        rows, source = _rows(circuit, samples)
        costs = measure(program, rows, repeats=1)
        if sum(compile_costs.seconds_of(cost) or 0.0 for cost in costs) < QUICK:
            costs = measure(program, rows)
        st.session_state[_MEASURED] = ((version, samples), costs, source)


def _dataset_rows(circuit: Circuit, samples: int) -> np.ndarray | None:
    """Rows of the current dataset, None where it does not fit the circuit."""
    try:
        return compile_costs.rows_of(circuit, store.get_dataset(state.get().dataset), samples)
    except PCError:
        return None


def _rows(circuit: Circuit, samples: int) -> tuple[np.ndarray, str]:
    """Data to measure on, and what they are."""
    rows = _dataset_rows(circuit, samples)
    if rows is not None:
        return rows, f"rows of {datastore.title(state.get().dataset)}"
    return compile_costs.random_rows(circuit, samples), "random rows"


def _numbers(
    line: Sequence[Any],
    program: Program,
    found: Facts,
    costs: tuple[LayerCost, ...],
    source: str,
) -> None:
    samples = state.get().batch
    evaluating, training = (program.needs(samples, training=t) for t in (False, True))
    listed = compile_costs.totals(found, costs)
    listed.append(("Memory to evaluate", compile_costs.amount(evaluating.total, "B")))
    listed.append(("to train", compile_costs.amount(training.total, "B")))
    said = (f":gray[{name}] **{errors.plain(text)}**" for name, text in listed)
    line[2].markdown(f":small[{' · '.join(said)}]")
    line[3].download_button(
        "CSV",
        functools.partial(compile_costs.to_csv, found, costs, samples),
        file_name="layers.csv",
        mime="text/csv",
        on_click="ignore",
        type="tertiary",
    )
    shown = compile_costs.table(found, costs)
    st.dataframe(
        shown.rows,
        hide_index=True,
        height=sizes.table(len(shown.rows), 530),
        column_config=_columns(shown),
    )
    st.caption(_footnote(program, source))


def _columns(shown: compile_costs.Table) -> dict[str, Any]:
    made = st.column_config
    config: dict[str, Any] = {
        "Layer": made.NumberColumn(width=52),
        "Kind": made.TextColumn(width=122),
        "Groups": made.NumberColumn(width=62, format="localized"),
        "Units": made.TextColumn(width=54, alignment="right", help="Units of each group"),
        "Inputs": made.TextColumn(
            width=62,
            alignment="right",
            help="Child units that a group sees; of leaves the sufficient statistics",
        ),
        "Edges": made.NumberColumn(
            width=72, format="localized", help="With those of products fused into sums"
        ),
        "Padding": made.TextColumn(
            width=66, alignment="right", help="Share of the cells that only fill up rows"
        ),
        "Params": made.NumberColumn(
            width=66,
            format="localized",
            help="Parameters that the layer reads; tied ones count at every use",
        ),
        "GFLOP/s": made.NumberColumn(width=68, format="%.3g", help="Reached in the up pass"),
    }
    for name in shown.bars:
        top = max((float(row[name]) for row in shown.rows), default=0.0)
        config[name] = made.ProgressColumn(
            format="%.3g", min_value=0.0, max_value=top or 1.0, width=88
        )
    return config


def _footnote(program: Program, source: str) -> str:
    dtype = str(program.dtype).removeprefix("torch.")
    if not source:
        return (
            f"FLOPs and bytes of an up pass in {dtype}, from the shapes. Measure takes the times."
        )
    return (
        f"Measured on {errors.plain(source)}, {dtype} on the {program.device.type.upper()}, the "
        "best of several passes. FLOPs and bytes are those of an up pass, from the shapes."
    )
