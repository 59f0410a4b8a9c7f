"""Below the graph of Query: the best explanation, enumeration, the polynomial, hidden variables."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.views import query_view
from pc_workbench.views.query_view import Asked
from pccore.errors import PCError
from pccore.graph import Circuit
from pccore.polynomial import Polynomial, network_polynomial
from pccore.queries import UnitValues, sample

MONOMIALS = 40  # listed
_BADGES: Mapping[str, str] = {"exact": "green", "bound": "orange", "estimate": "orange"}


def show(model: str, values: UnitValues, asked: Asked) -> None:
    """The tabs; what is expensive is computed when its tab is open."""
    names = ("Best and drawn", "Beside enumeration", "Network polynomial", "Hidden variables")
    chosen = st.segmented_control(
        "More",
        names,
        label_visibility="collapsed",
        key="pcw_query_more",
    )
    if chosen is None:
        return
    with st.container(border=True), errors.boundary():
        if chosen == names[0]:
            _best(values, asked)
        elif chosen == names[1]:
            _enumeration(values, asked)
        elif chosen == names[2]:
            _polynomial(values.circuit, asked)
        else:
            _hidden(values, asked)


# -- completions -----------------------------------------------------------------------------


def _best(values: UnitValues, asked: Asked) -> None:
    """The most probable explanation and one sample, to be taken as evidence."""
    circuit = values.circuit
    if asked.soft or asked.hidden:
        st.caption("Under the hard evidence alone.")
    try:
        found = query_view.best(values, asked)
    except PCError as error:
        st.caption(f":gray-badge[✗ refused] {errors.sentence(error)}")
        return
    line = st.container(horizontal=True, vertical_alignment="center")
    text = errors.plain(query_view.assignment_text(circuit, found.assignment))
    colour = _BADGES[found.quality]
    line.markdown(
        f"**Most probable** {text}, S = {query_view.linear(found.log_value)} "
        f":{colour}-badge[{found.quality}]",
        width="stretch",
    )
    line.button("Observe it", key="pcw_take_mpe", on_click=_take, args=(asked, found.assignment))
    if found.gap is not None and found.quality != "exact":
        gap = f"{found.gap:.3g} nats" if found.gap > 1e-9 else "none here"
        st.caption(f"Max-product gives a bound; the gap to the enumerated best is {gap}.")
    seed = state.get().seed
    drawn = sample(values.program, 1, dict(asked.hard), seed=seed)[0].tolist()
    named = {n: x for n, x in zip(circuit.variables, drawn, strict=True) if x == x}
    line = st.container(horizontal=True, vertical_alignment="center")
    text = errors.plain(query_view.assignment_text(circuit, named))
    line.markdown(f"**Drawn** with seed {seed}: {text} :green-badge[exact]", width="stretch")
    line.button("Draw again", key="pcw_draw_again", on_click=_draw)
    line.button("Observe it", key="pcw_take_sample", on_click=_take, args=(asked, named))


def _draw() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31)


def _take(asked: Asked, assignment: dict[str, float]) -> None:
    known = Asked(dict(assignment), {}, asked.latents, asked.hidden)
    try:
        state.update(**query_view.write(known), step=0)
    except ValueError:
        st.toast("The evidence is too long for a link.")


# -- enumeration -----------------------------------------------------------------------------


def _enumeration(values: UnitValues, asked: Asked) -> None:
    """The fast answers beside those of brute force."""
    found = query_view.comparisons(values, asked)
    if isinstance(found, str):
        st.caption(errors.plain(found))
        return
    wrong = [one for one in found if not one.equal]
    if wrong:
        st.markdown(f":red[**≠ {len(wrong)} of {len(found)} answers differ from enumeration.**]")
    else:
        st.markdown(f":green[**= All {len(found)} answers equal enumeration.**]")
    st.dataframe(
        [
            {
                "": "=" if one.equal else "≠",
                "Answer": one.what,
                "One pass": one.fast,
                "Enumerated": one.enumerated,
            }
            for one in found
        ],
        hide_index=True,
        height=min(300, 38 + 35 * len(found)),
    )


# -- the network polynomial --------------------------------------------------------------------


@st.cache_resource(max_entries=8, show_spinner=False)
def _expanded(identity: int, _circuit: Circuit) -> Polynomial:
    return network_polynomial(_circuit)


def _polynomial(circuit: Circuit, asked: Asked) -> None:
    """The monomials; those that the evidence leaves are marked, a click observes one."""
    try:
        found = _expanded(id(circuit), circuit)
    except PCError as error:
        st.caption(errors.sentence(error))
        return
    left = set(found.covering(dict(asked.hard)))
    st.caption(
        f"S(e) is the sum of {len(found.monomials):,} monomials; the evidence leaves {len(left):,} "
        "of them (✓). Choose one to observe its state."
    )
    rows = [
        {
            "": "✓" if i in left else "",
            "Monomial": found.monomial_text(one),
            "Kind": "" if one.flag == "multilinear" else one.flag,
            "Induced trees": one.trees,
        }
        for i, one in enumerate(found.monomials[:MONOMIALS])
    ]
    picked = st.dataframe(
        rows,
        hide_index=True,
        height=min(320, 38 + 35 * len(rows)),
        on_select="rerun",
        selection_mode="single-row",
        key=f"pcw_monomials_{id(circuit)}",
    )
    if len(found.monomials) > MONOMIALS:
        st.caption(f"{len(found.monomials) - MONOMIALS:,} more are not listed.")
    chosen = picked["selection"]["rows"]
    if not chosen:
        return
    one = found.monomials[chosen[0]]
    if one.state is None:
        st.caption("This monomial contradicts itself: no state makes all its indicators 1.")
        return
    observed = {circuit.variables[v]: float(c) for v, c in one.state.items()}
    text = errors.plain(query_view.assignment_text(circuit, observed))
    st.button(f"Observe {text}", on_click=_take, args=(asked, observed), key="pcw_take_monomial")


# -- hidden variables --------------------------------------------------------------------------


def _hidden(values: UnitValues, asked: Asked) -> None:
    """Name the hidden variable of a sum: it joins the list of variables."""
    circuit = values.circuit
    st.caption(
        "A sum with several children is a choice that nobody observed. Name that hidden variable, "
        "and it can be observed and asked like any other."
    )
    sums = [
        circuit.unit_name(unit)
        for unit in query_view.sums_of(circuit)
        if circuit.unit_name(unit) not in asked.latents
    ]
    for name, latent in asked.latents.items():
        line = st.container(horizontal=True, vertical_alignment="center")
        line.markdown(errors.plain(f"{latent}: hidden variable of {name}"), width="stretch")
        line.button("Remove", key=f"pcw_latent_{name}", on_click=_drop, args=(asked, name))
    if not sums:
        st.caption("No other sum has more than one child.")
        return
    with st.form("pcw_latent", border=False, clear_on_submit=True):
        line = st.container(horizontal=True, vertical_alignment="bottom")
        unit = line.selectbox("Sum", sums, key="pcw_latent_unit")
        latent = line.text_input("Name", key="pcw_latent_name", placeholder="Y", max_chars=30)
        if line.form_submit_button("Name it"):
            _name(circuit, asked, unit, latent)


def _name(circuit: Circuit, asked: Asked, unit: str, latent: str) -> None:
    name = latent.strip() or "Y"
    if name in circuit.variables or name in asked.latents.values() or set(name) & set("=~,"):
        st.warning(f"There is a variable {errors.plain(name)} already, or the name has = ~ or ,.")
        return
    known = Asked(asked.hard, asked.soft, {**asked.latents, unit: name}, asked.hidden)
    try:
        state.update(**query_view.write(known))
    except ValueError:
        st.warning("A link cannot hold this name.")
        return
    st.rerun()


def _drop(asked: Asked, name: str) -> None:
    latents = {k: v for k, v in asked.latents.items() if k != name}
    hidden = {k: v for k, v in asked.hidden.items() if k != name}
    state.update(**query_view.write(Asked(asked.hard, asked.soft, latents, hidden)))
