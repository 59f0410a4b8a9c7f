"""Below the graph of Query: the network polynomial, and names for the hidden variables of sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import streamlit as st

from pc_workbench import controls, errors, state, store
from pc_workbench.screens.query_session import Subject
from pc_workbench.views import query_evidence, sizes
from pc_workbench.views.query_evidence import Latent
from pccore.compile import Program
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.polynomial import Polynomial, network_polynomial
from pccore.queries import unit_values
from pccore.queries.steps import number

#: Monomials that are listed.
MOST = 100
TAB = "pcw_query_more"
POLYNOMIAL, HIDDEN = "Network polynomial", "Hidden variables"


@st.cache_resource(max_entries=8, show_spinner=False)
def _expanded(version: str, _circuit: Circuit) -> Polynomial | str:
    try:
        return network_polynomial(_circuit)
    except PCError as error:
        return str(error)


def _order(found: Polynomial, subject: Subject) -> list[int]:
    """The monomials in the order of the list: those that the evidence leaves come first."""
    left = set(found.covering(dict(subject.given.observed)))
    return sorted(range(len(found.monomials)), key=lambda i: (i not in left, i))[:MOST]


def covered(subject: Subject) -> Mapping[str, int]:
    """The states of the monomial that is selected, by variable name; {} if there is none."""
    if st.session_state.get(TAB) != POLYNOMIAL:
        return {}
    table = st.session_state.get(_table(subject))
    rows = table["selection"]["rows"] if table else []
    found = _expanded(subject.version, subject.circuit)
    if not rows or isinstance(found, str):
        return {}
    order = _order(found, subject)
    if rows[0] >= len(order):
        return {}
    one = found.monomials[order[rows[0]]].state
    names = subject.circuit.variables
    return {} if one is None else {names[v]: c for v, c in one.items()}


def bright(subject: Subject) -> frozenset[Unit]:
    """The units that take part in the induced trees of the selected monomial."""
    states = covered(subject)
    if not states:
        return frozenset()
    program = store.get_exact_program(subject.model)
    return _alive(subject.version, tuple(states.items()), program)


@st.cache_resource(max_entries=32, show_spinner=False)
def _alive(version: str, states: tuple[tuple[str, int], ...], _program: Program) -> frozenset[Unit]:
    values = unit_values(_program, dict(states))
    return frozenset(
        Unit(g, i)
        for g in values.planned
        for i, flow in enumerate(values.flow[g].tolist())
        if flow > 0
    )


def _table(subject: Subject) -> str:
    return f"pcw_monomials_{subject.version}_{subject.given.text()}"


def polynomial(subject: Subject) -> None:
    """The monomials; those that the evidence leaves are marked, a click shows one's states."""
    found = _expanded(subject.version, subject.circuit)
    if isinstance(found, str):
        st.caption(errors.plain(found))
        return
    observed = dict(subject.given.observed)
    left = set(found.covering(observed))
    row = query_evidence.as_row(subject.circuit, observed)
    log_value = found.log_value(observed)
    st.caption(
        f"S(e) is the sum of {len(found.monomials):,} monomials. The evidence leaves "
        f"{len(left):,} of them (✓), which add to {number(query_evidence.exp(log_value))}. "
        "Select one: its states and its induced trees are marked above."
    )
    rows = []
    for i in _order(found, subject):
        one = found.monomials[i]
        value = query_evidence.exp(one.log_value(row))
        rows.append(
            {
                "": "✓" if i in left else "",
                "Monomial": found.monomial_text(one),
                "Now": number(value),
                "Kind": "" if one.flag == "multilinear" else one.flag,
                "Induced trees": one.trees,
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        height=sizes.table(len(rows), 320),
        on_select="rerun",
        selection_mode="single-row",
        key=_table(subject),
    )
    controls.csv_button(rows, "monomials.csv")
    if len(found.monomials) > MOST:
        st.caption(f"{len(found.monomials) - MOST:,} more are not listed.")
    if not found.multilinear:
        st.caption(
            "Squares and contradictions (two states of one variable at once) are what a circuit "
            "has that is not decomposable or not consistent: with missing values they count, on "
            "complete states they do not."
        )
    states = covered(subject)
    if states:
        text = ", ".join(f"{name} = {c}" for name, c in states.items())
        st.button(
            f"Observe {errors.plain(text)}",
            key="pcw_take_monomial",
            on_click=take,
            args=({name: float(c) for name, c in states.items()},),
        )


def take(observed: Mapping[str, float]) -> None:
    """Make a state the hard evidence."""
    circuit = store.get_circuit(state.get().model)
    given = query_evidence.Given.of(circuit, observed)
    fields = query_evidence.write(given)
    try:
        state.update(evidence=fields["evidence"], soft=())
    except ValueError:
        st.toast("That is more evidence than a link can hold.")


# -- hidden variables --------------------------------------------------------------------------


def hidden(subject: Subject) -> None:
    """Name the hidden variable of a sum: it joins the list of variables."""
    circuit, given = subject.circuit, subject.given
    st.caption(
        "A sum is a choice among its children that nobody observed (Fig. 2 of the SPN paper). Give "
        "that hidden variable a name, and it can be observed and asked like any other."
    )
    if not subject.licensed("hidden"):
        st.caption(
            "✗ This circuit is not smooth and decomposable: its hidden variables can be observed, "
            "but have no posterior."
        )
    named = {one.unit for one in given.latents}
    for one in given.latents:
        line = st.container(horizontal=True, vertical_alignment="center")
        text = f"**{errors.plain(one.name)}**: hidden variable of {errors.plain(one.unit)}"
        line.markdown(text, width="stretch")
        line.button("Remove", key=f"pcw_latent_{one.unit}", on_click=_drop, args=(subject, one))
    sums = query_evidence.sums(circuit, subject.values)
    units = [name for unit in sums if (name := circuit.unit_name(unit)) not in named]
    if not units:
        st.caption("No other sum has between 2 and 24 children.")
        return
    with st.form("pcw_latent", border=False, clear_on_submit=True):
        line = st.container(horizontal=True, vertical_alignment="bottom")
        unit = line.selectbox("Sum", units, key="pcw_latent_unit")
        name = line.text_input("Name", key="pcw_latent_name", placeholder="Y", max_chars=30)
        if line.form_submit_button("Name it"):
            _name(subject, unit, name)


def _name(subject: Subject, unit: str, text: str) -> None:
    given = subject.given
    name = text.strip() or "Y"
    taken = {*subject.circuit.variables, *(one.name for one in given.latents)}
    if name in taken or set(name) & set("=~,"):
        st.warning(f"There is a variable {errors.plain(name)} already, or the name has = ~ or ,.")
        return
    latents = (*given.latents, Latent(unit, name))
    try:
        state.update(**query_evidence.write(dataclasses.replace(given, latents=latents)))
    except ValueError:
        st.warning("A link cannot hold this name.")
        return
    st.rerun()


def _drop(subject: Subject, one: Latent) -> None:
    latents = tuple(other for other in subject.given.latents if other != one)
    state.update(**query_evidence.write(dataclasses.replace(subject.given, latents=latents)))
