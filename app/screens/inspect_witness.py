"""The violation that is looked at: its two paths, what it breaks, and how to repair it."""

from __future__ import annotations

import streamlit as st

from pc_workbench import errors, store
from pc_workbench.screens import repair_panel
from pc_workbench.views import effect
from pccore.check import Witness
from pccore.consequence import Consequence, Validity, consequence, validity
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.queries import unit_values

#: States or pieces of evidence, times edges, that are evaluated after a click.
BUDGET = 4_000_000


def show(model: str, circuit: Circuit, witness: Witness) -> None:
    """The card: paths, the wrong answer beside the truth, and whether the whole is still right."""
    with st.container(border=True, gap="small"):
        lines = [
            f"**Path {number}** {errors.plain(line)}"
            for number, line in enumerate(effect.paths(circuit, witness), start=1)
        ]
        if lines:
            st.markdown("  \n".join(lines))
        place = (witness.property, witness.unit, witness.variables)
        found, computed = _found(store.version(model), place, circuit, witness)
        if found is not None:
            shown = effect.effect(circuit, found, computed)
            given = errors.plain(shown.given) or "nothing"
            who = errors.plain(shown.who)
            st.markdown(f"**What it breaks** Observe {given}, and {who} **{shown.wrong}**.")
            st.html(effect.bars(shown))
        if witness.property in ("smooth", "consistent", "decomposable"):
            whole = _validity(store.version(model), circuit)
            if found is None:
                nothing = "no answer is wrong" if whole.verdict == "valid" else "not enumerated"
                st.markdown(f"**What it breaks** {nothing}")
            st.caption(_verdict(whole, found is not None and found.unit == circuit.root))


def show_repairs(model: str, circuit: Circuit, witness: Witness) -> None:
    """The repairs of the violation, below the graph."""
    st.markdown("### Repair")
    repair_panel.show(model, circuit, witness)


def _verdict(found: Validity, shown: bool) -> str:
    """Whether the whole circuit still answers right. shown: a wrong answer of the root is."""
    said = "" if shown else errors.plain(found.sentence)
    if found.verdict == "valid":
        return f"✓ The circuit as a whole is valid all the same. {said}"
    if found.verdict == "invalid":
        return f"✗ The circuit as a whole is not valid. {said}"
    return f"? Whether the circuit as a whole is valid is open. {said}"


@st.cache_resource(max_entries=64, show_spinner=False)
def _found(
    version: str, place: tuple[str, Unit, tuple[int, ...]], _c: Circuit, _w: Witness
) -> tuple[Consequence | None, float]:
    """The consequence of a witness, and S(e) as the compiled program says it."""
    found = consequence(_c, _w, BUDGET)
    if found is None:
        return None, 0.0
    try:
        computed = unit_values(_c, found.evidence).value_of(found.unit)
    except PCError:  # illegal parameters elsewhere
        computed = found.computed
    return found, computed


@st.cache_resource(max_entries=32, show_spinner=False)
def _validity(version: str, _circuit: Circuit) -> Validity:
    return validity(_circuit, BUDGET)
