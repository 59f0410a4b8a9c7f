"""Below the graph of Query: completions, enumeration, the polynomial, hidden variables."""

from __future__ import annotations

import functools
import math

import numpy as np
import streamlit as st

from pc_workbench import controls, errors, state
from pc_workbench.screens import query_symbols
from pc_workbench.screens.query_session import Subject
from pc_workbench.screens.query_symbols import HIDDEN, POLYNOMIAL, TAB, take
from pc_workbench.views import query_answers, query_board, query_truth, sizes
from pccore.errors import PCError
from pccore.queries import licence_of
from pccore.queries.steps import Walk, number
from pccore.queries.trace import MAX_EDGES

BEST, ENUMERATION = "MPE and sample", "Check by enumeration"


def show(subject: Subject) -> None:
    """The tabs; what is expensive is computed when its tab is open."""
    line = st.container(horizontal=True, vertical_alignment="center")
    chosen = line.segmented_control(
        "More", (BEST, ENUMERATION, POLYNOMIAL, HIDDEN), label_visibility="collapsed", key=TAB
    )
    if subject.circuit.num_edges <= MAX_EDGES:
        line.download_button(
            "Trace (JSON)",
            functools.partial(query_answers.trace_file, subject.values, state.get().seed),
            file_name=f"{subject.model}.trace.json",
            mime="application/json",
            on_click="ignore",
            key="pcw_query_trace",
            help="The value, derivative and flow of every unit under this evidence, and the edges "
            "of the most probable and of the drawn state",
        )
    if chosen is None:
        return
    with st.container(border=True), errors.boundary():
        if chosen == BEST:
            _best(subject)
        elif chosen == ENUMERATION:
            _enumeration(subject)
        elif chosen == POLYNOMIAL:
            query_symbols.polynomial(subject)
        else:
            query_symbols.hidden(subject)


# -- completions -----------------------------------------------------------------------------


def _best(subject: Subject) -> None:
    """The most probable explanation and one sample, to be taken as evidence."""
    licence = licence_of(subject.values, "mpe")
    if not licence.granted:
        st.caption(f":gray-badge[✗ refused] {errors.plain(query_answers.refusal(licence))}")
        return
    seed = state.get().seed
    best = subject.walk("mpe", "linear", 0, None)
    drawn = subject.walk("sample", "linear", seed, None)
    if best.walk is None or drawn.walk is None:
        st.caption(errors.plain(best.reason or drawn.reason))
        return
    colour = "green" if licence.quality == "exact" else "orange"
    _completion(
        subject, "Most probable (MPE)", best.walk, f":{colour}-badge[{licence.quality}]", "mpe"
    )
    _gap(subject, best.walk)
    _completion(subject, f"Sample (seed {seed})", drawn.walk, ":green-badge[exact]", "sample")
    st.button("Resample", key="pcw_draw_again", on_click=_draw)


def _completion(subject: Subject, title: str, walk: Walk, badge: str, key: str) -> None:
    circuit = subject.circuit
    line = st.container(horizontal=True, vertical_alignment="center")
    text = errors.plain(query_board.assignment_text(circuit, walk.assignment))
    value = number(math.exp(walk.log_value)) if -690 < walk.log_value < 690 else ""
    worth = f", induced tree {value}" if value else f", log {number(walk.log_value)}"
    line.markdown(f"**{title}** {text}{worth} {badge}", width="stretch")
    named = {n: x for n, x in zip(circuit.variables, walk.assignment.tolist(), strict=True)}
    observed = {n: x for n, x in named.items() if not math.isnan(x)}
    line.button("Observe it", key=f"pcw_take_{key}", on_click=take, args=(observed,))


def _gap(subject: Subject, walk: Walk) -> None:
    """How far the bound is from the enumerated maximum."""
    if query_truth.feasible(subject.circuit) or _real(subject):
        return
    try:
        found = subject.truth()
    except PCError:
        return
    gap = found.log_best - walk.log_value
    same = bool(np.array_equal(found.best, walk.assignment, equal_nan=True))
    text = query_board.assignment_text(subject.circuit, found.best)
    which = "the same state" if same else errors.plain(text)
    worth = f"S = {number(math.exp(min(found.log_best, 700)))}"
    if gap <= 1e-9:
        st.caption(f"Enumeration finds {which}, {worth}: the gap is 0.")
        return
    st.caption(
        f"Enumeration finds {which}, {worth}. The bound is {number(gap)} nats below it, a factor "
        f"of {number(math.exp(min(gap, 700)))}."
    )


def _real(subject: Subject) -> bool:
    """Whether a state is a point of a grid: its mass is no density."""
    domains = subject.circuit.domains
    return any(domains[v].kind == "real" for v in subject.circuit.scope_of(0))


def _draw() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31)


# -- enumeration -----------------------------------------------------------------------------


def _enumeration(subject: Subject) -> None:
    """The fast answers beside those of brute force."""
    reason = query_truth.feasible(subject.circuit)
    if reason:
        st.caption(errors.plain(reason))
        return
    values = subject.values
    try:
        found = subject.truth()
    except PCError as error:  # a grid of real variables is larger than it looked
        st.caption(errors.sentence(error))
        return
    lines = query_truth.compare(values, subject.posterior[0], found)
    refused = not licence_of(values, "marginals").granted
    wrong = [one for one in lines if one.differs]
    if wrong:
        many = f"{len(wrong)} of {len(lines)} answers differ"
        st.markdown(f":red[**≠ {many} from enumeration.**]")
    elif len(lines) == 1:
        st.markdown(":green[**= The answer equals enumeration.**]")
    else:
        st.markdown(f":green[**= All {len(lines)} answers equal enumeration to 1e-9.**]")
    if refused:
        st.caption(
            "This circuit does not license every answer: in the first column is what its passes "
            "would say all the same."
        )
    rows = [
        {
            "": "≠" if one.differs else "=",
            "Answer": one.what,
            "One pass": _shown(one.fast),
            "Enumerated": _shown(one.true),
            "Difference": "" if one.fast is None else _signed(one.fast - one.true),
        }
        for one in lines
    ]
    st.dataframe(rows, hide_index=True, height=sizes.table(len(lines), 300))
    controls.csv_button(rows, "enumeration.csv")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.9g}" if math.isfinite(value) else number(value)


def _signed(difference: float) -> str:
    if abs(difference) < 1e-15 or np.isnan(difference):
        return "0"
    return f"{difference:+.3g}"
