"""Below the graph of Inspect: what the selected unit is, and what it means."""

from __future__ import annotations

import functools
import math

import plotly.graph_objects as go
import streamlit as st

from pc_workbench import controls, errors, state, store
from pc_workbench.views import labels, sizes, unit_details
from pc_workbench.views.leaf_figure import leaf_figure
from pc_workbench.views.meaning_figure import meaning_figure
from pc_workbench.views.outline import Outline
from pc_workbench.views.unit_details import Details
from pccore.errors import PCError
from pccore.evidence import parse_evidence
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues, unit_values
from pccore.queries.meaning import Meaning, meaning

#: Edges of a circuit that is evaluated because somebody clicked on a unit.
MOST_EDGES = 500_000


def show(model: str, circuit: Circuit, outline: Outline) -> None:
    """The title, the facts beside the picture, and the table of children or parameters."""
    node = state.get().unit
    found = unit_details.details(circuit, outline, node) if node else None
    if found is None:
        st.caption("Select a unit to see its scope, its function and what it means.")
        return
    st.markdown(f"### {errors.plain(found.title)}")
    unit = unit_details.unit_of(outline, node)
    if unit is None:
        _facts(found)
    else:
        _unit(model, circuit, unit, found)
    _table(circuit, outline, node, found)


def _facts(found: Details) -> None:
    if found.formula:
        st.code(found.formula, language=None, wrap_lines=True)
    lines = [f"**{name}** {errors.plain(text)}" for name, text in found.facts]
    st.markdown("  \n".join(lines))


def _unit(model: str, circuit: Circuit, unit: Unit, found: Details) -> None:
    """One unit: facts and share of the flow on the left, its distribution on the right."""
    known, share, problem = _known(model, circuit, unit)
    figure: go.Figure | None = leaf_figure(circuit, unit)
    said = ""
    if figure is None and known is not None:
        figure = meaning_figure(known)
        said = _caption(circuit, known)
    left, right = st.columns([1, 1], gap="medium") if figure is not None else (st.container(),) * 2
    with left:
        _facts(found)
        written = unit_details.polynomial(circuit, unit)
        if written and written.replace(" ", "") != found.formula.replace(" ", ""):
            st.code(written, language=None, wrap_lines=True)
        if problem:
            st.caption(errors.plain(problem))
        else:
            _share(share)
    with right:
        if figure is not None:
            st.plotly_chart(figure, width="stretch", key="pcw_meaning")
        if said:
            st.caption(said)
        if known is not None and known.top and figure is None:
            _marginals(known)


def _caption(circuit: Circuit, known: Meaning) -> str:
    """What the picture shows, or why there is none."""
    name = errors.plain(known.name)
    if known.kind == "image":
        blank = len(known.scope) < len(circuit.variables)
        rest = " Pixels outside its scope are blank." if blank else ""
        return f"The mean of every pixel, were {name} the whole circuit.{rest}"
    if known.kind is not None:
        over = errors.plain(" and ".join(known.scope))
        return f"The distribution of {over}, were {name} the whole circuit."
    if known.top:
        return ""
    reason = known.reason.partition(": ")[2] or known.reason
    return f"No picture: {errors.plain(reason)}."


def _marginals(known: Meaning) -> None:
    """A line for each variable of a unit over several."""
    rows: list[dict[str, str | float]] = []
    for one in known.top:
        row: dict[str, str | float] = {"variable": one.variable, "mean": round(one.mean, 4)}
        row["deviation"] = round(one.deviation, 4)
        if one.state is not None and one.probability is not None:
            row["likeliest"] = str(one.state)
            row["its probability"] = round(one.probability, 4)
        rows.append(row)
    more = len(known.scope) - len(rows)
    st.caption(
        f"Marginals, were {errors.plain(known.name)} the whole circuit"
        + (f" ({len(rows)} of {len(known.scope)} variables)" if more > 0 else "")
    )
    st.dataframe(rows, hide_index=True, height=sizes.table(len(rows), 214))
    controls.csv_button(rows, "marginals.csv")


def _share(share: float) -> None:
    """How much of the root's value passes through the unit."""
    evidence = state.get().evidence
    given = f"given {evidence.replace(',', ', ')}" if evidence else "(nothing observed)"
    if math.isnan(share):
        text = "none: S(e) is 0, or no root reaches the unit"
        st.markdown(f"**Share of the root's flow** {errors.plain(text)}")
        return
    text = f"**Share of the root's flow** {share:.4g} {errors.plain(given)}"
    if share > 1 + 1e-9:  # a unit that occurs more than once in an induced tree
        st.markdown(text)
    else:
        st.progress(min(1.0, max(0.0, share)), text)


# -- what the engine says --------------------------------------------------------------------


def _known(model: str, circuit: Circuit, unit: Unit) -> tuple[Meaning | None, float, str]:
    """The meaning of a unit, its share of the flow, and why these are not known."""
    if circuit.num_edges > MOST_EDGES:
        edges = labels.count(circuit.num_edges, "edge")
        return None, math.nan, f"The circuit has {edges}: too many to evaluate at every click."
    version = store.version(model)
    try:
        evidence = parse_evidence(state.get().evidence, circuit)
    except PCError as error:
        return None, math.nan, error.message
    try:
        values = _values(version, tuple(sorted(evidence.items())), circuit)
        known = _meaning(version, unit, circuit, values)
        share = math.nan if values.log_root == -math.inf else values.flow_of(unit)
    except PCError as error:
        return None, math.nan, f"Not evaluated: {error.message}."
    return known, share, ""


def values_now(model: str, circuit: Circuit) -> UnitValues | None:
    """The value of every unit under the current evidence, None where it is not to be had."""
    if circuit.num_edges > MOST_EDGES:
        return None
    try:
        evidence = parse_evidence(state.get().evidence, circuit)
        return _values(store.version(model), tuple(sorted(evidence.items())), circuit)
    except PCError:
        return None


@st.cache_resource(max_entries=16, show_spinner=False)
def _values(version: str, evidence: tuple[tuple[str, float], ...], _circuit: Circuit) -> UnitValues:
    return unit_values(_circuit, dict(evidence))


@st.cache_resource(max_entries=128, show_spinner=False)
def _meaning(version: str, unit: Unit, _circuit: Circuit, _values: UnitValues) -> Meaning:
    return meaning(_circuit, unit, values=_values)


# -- the table -------------------------------------------------------------------------------


def _table(circuit: Circuit, outline: Outline, node: str, found: Details) -> None:
    table = found.children or found.parameters
    if not table:
        return
    title = "Children" if found.children else "Parameters"
    line = st.container(horizontal=True, vertical_alignment="center")
    more = f", {found.more:,} more in the CSV" if found.more else ""
    line.caption(f"{title} ({len(table)} shown{more})", width="stretch")
    line.download_button(
        "CSV",
        functools.partial(_csv, circuit, outline, node),
        file_name="unit.csv",
        mime="text/csv",
        on_click="ignore",
        type="tertiary",
    )
    st.dataframe(list(table), hide_index=True, height=sizes.table(len(table), 260))


def _csv(circuit: Circuit, outline: Outline, node: str) -> str:
    found = unit_details.details(circuit, outline, node, unit_details.CSV_ROWS)
    return unit_details.to_csv(found.children or found.parameters) if found else ""
