"""The drawn circuit as a file: SVG, PNG, PDF, LaTeX and DOT, with weights and values or without."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import streamlit as st

from pc_workbench import state
from pccore.drawing import MAX_EDGES, MAX_UNITS, picture, to_pdf, to_png, to_svg, to_tikz
from pccore.errors import PCError
from pccore.evidence import parse_evidence
from pccore.files.dot import to_dot
from pccore.graph import Circuit, Unit
from pccore.queries import unit_values

Values = Mapping[Unit, float | str]

#: Endings, titles and media types of what can be downloaded.
KINDS = (
    ("svg", "SVG", "image/svg+xml"),
    ("png", "PNG", "image/png"),
    ("pdf", "PDF", "application/pdf"),
    ("tex", "LaTeX (TikZ)", "application/x-tex"),
    ("dot", "Graphviz DOT", "text/vnd.graphviz"),
)


def show(
    model: str,
    circuit: Circuit,
    values: Values | Callable[[], Values] | None = None,
    *,
    key: str = "picture",
) -> None:
    """Checkboxes and download buttons, in the container of the caller (a popover, say).

    values: of the units under the current evidence, or a function that computes them when a file
    is asked for; None offers no values. key: tells several of these on one page apart.
    """
    if circuit.num_units > MAX_UNITS or circuit.num_edges > MAX_EDGES:
        st.caption(
            f"A picture shows at most {MAX_UNITS:,} units and {MAX_EDGES:,} edges; this circuit "
            f"has {circuit.num_units:,} and {circuit.num_edges:,}. The SVG and PNG buttons on the "
            "graph save what is on the screen."
        )
        return
    st.caption("The drawn circuit, as in papers")
    with st.container(horizontal=True, gap="small"):
        weights = st.checkbox("Weights", value=True, key=f"pcw_{key}_weights")
        names = st.checkbox("Names", value=False, key=f"pcw_{key}_names")
        beside = values is not None and st.checkbox(
            "Values", value=True, key=f"pcw_{key}_values", help="Under the current evidence"
        )
    shown = values if beside else None
    with st.container(horizontal=True, gap="small"):
        for ending, title, media in KINDS:
            st.download_button(
                title,
                functools.partial(render, ending, circuit, shown, weights=weights, names=names),
                file_name=f"{model}.{ending}",
                mime=media,
                on_click="ignore",
                key=f"pcw_{key}_{ending}",
            )


def current_values(circuit: Circuit) -> Callable[[], Values] | None:
    """The value of every unit under the evidence of the state, computed when it is asked for.

    None where there are none: evidence that is not of this circuit, illegal parameters. Logarithms
    where the state shows values on a log scale.
    """
    now = state.get()
    try:
        circuit.validate_params()
        evidence = parse_evidence(now.evidence, circuit)
    except PCError:
        return None

    def compute() -> Values:
        found = unit_values(circuit, evidence)
        return {
            Unit(g, i): float(log) if now.scale == "log" else math.exp(log)
            for g, logs in enumerate(found.log_value)
            for i, log in enumerate(logs.tolist())
            if log == log  # NaN: no root reaches the unit
        }

    return compute


def render(
    ending: str,
    circuit: Circuit,
    values: Values | Callable[[], Values] | None,
    *,
    weights: bool,
    names: bool,
) -> bytes:
    """The bytes of one file. Raises OptionError for a circuit that is too large."""
    shown = values() if callable(values) else values
    if ending == "dot":
        return to_dot(circuit, values=shown, weights=weights).encode(errors="replace")
    drawn = picture(circuit, values=shown, weights=weights, names=names)
    if ending == "png":
        return to_png(drawn, 3.0)
    if ending == "pdf":
        return to_pdf(drawn)
    text = to_svg(drawn) if ending == "svg" else to_tikz(drawn)
    return text.encode()
