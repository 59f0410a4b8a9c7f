"""How far apart the two circuits of the Compare page are, and the input that shows it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.screens.compare_subject import Subject
from pc_workbench.views import compare_texts
from pccore.errors import OptionError, PCError
from pccore.graph import Circuit
from pccore.queries.compare import Distance, Extreme, Figure, distance

#: Samples of each circuit where enumeration is out of reach: a second or two on digits.
SAMPLES = 1024
#: Edge visits that the samples may take, and edges beyond which nobody would wait for them.
WORK, MAX_EDGES = 2**28, 5_000_000


@st.cache_resource(max_entries=16, show_spinner="Comparing the distributions …")
def _found(versions: tuple[str, str], _first: Circuit, _second: Circuit) -> Distance:
    edges = _first.num_edges + _second.num_edges
    if edges > MAX_EDGES:
        raise OptionError(
            f"{edges:,} edges are more than the {MAX_EDGES:,} that this page compares",
            hint="pccore compare does it on the command line",
        )
    samples = max(64, min(SAMPLES, WORK // max(1, edges)))
    return distance(_first, _second, shared=True, samples=samples)


def show_distance(top: Any, one: Subject, other: Subject) -> None:
    """Divergences and total variation in the container `top`, the worst inputs here.

    Where the two cannot be compared, one sentence says why.
    """
    first, second = one.circuit, other.circuit
    with top:
        try:
            found = _found((one.version, other.version), first, second)
        except PCError as error:
            st.info(f"The distributions cannot be compared. {errors.sentence(error)}")
            return
        columns = st.columns([5, 5, 6], gap="small")
        _figure(
            columns[0], "KL(A ‖ B)", found.kl, "In nats: the mean of log A(x) − log B(x), x ~ A."
        )
        _figure(
            columns[1],
            "KL(B ‖ A)",
            found.reverse,
            "In nats: the mean of log B(x) − log A(x), x ~ B.",
        )
        _figure(
            columns[2],
            "Total variation",
            found.total_variation,
            "How far the probability of any event can differ: 0 alike, 1 nothing in common.",
        )
        st.caption(" ".join([compare_texts.verdict(found), *_summed_out(found, first, second)]))
    if found.same:
        return
    st.markdown("**Where they differ most**")
    gap, ratio = st.columns(2, gap="small")
    with gap:
        _extreme("Largest difference", found.gap, second)
    with ratio:
        _extreme("Largest ratio", found.ratio, second)


def _summed_out(found: Distance, first: Circuit, second: Circuit) -> list[str]:
    """What was left out, where one of the circuits has more variables."""
    more = {c.variables[v]: None for c in (first, second) for v in c.scope_of(0)}
    names = [name for name in more if name not in found.variables]
    if not names:
        return []
    listed = errors.plain(", ".join(names[:6]) + (", …" if len(names) > 6 else ""))
    return [f"Over the variables that both have; {listed} summed out."]


def _figure(column: Any, title: str, figure: Figure, about: str) -> None:
    with column.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        text = f":small[{title}] **{compare_texts.figure_text(figure)}**"
        st.markdown(text, width="stretch")
        st.badge(
            figure.quality, color="green" if figure.quality == "exact" else "orange", help=about
        )


def _extreme(title: str, extreme: Extreme, circuit: Circuit) -> None:
    with st.container(border=True, height="stretch"):
        line = st.container(horizontal=True, vertical_alignment="center")
        line.markdown(f"**{title}**", width="stretch")
        exact = extreme.quality == "exact"
        line.badge("exact" if exact else "among samples", color="green" if exact else "orange")
        kind = "density" if any(_real(circuit, name) for name in extreme.state) else "probability"
        st.markdown(
            f"A: {kind} **{compare_texts.probability_text(extreme.first)}** · "
            f"B: **{compare_texts.probability_text(extreme.second)}**"
        )
        picture = compare_texts.state_picture(circuit, extreme)
        if picture is not None:
            st.image(picture, width=128)
        else:
            st.markdown(errors.plain(compare_texts.state_text(circuit, extreme.state)))
        text = compare_texts.evidence_text(circuit, extreme.state)
        if text and state.get().evidence != text:
            st.button(
                "Take it as evidence",
                key=f"pcw_compare_{title}",
                type="tertiary",
                help="The Query page then shows it in the current circuit",
                on_click=_observe,
                args=(text,),
            )


def _observe(text: str) -> None:
    state.update(evidence=text)


def _real(circuit: Circuit, name: str) -> bool:
    return circuit.domain(circuit.variable_index(name)).kind == "real"
