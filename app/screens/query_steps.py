"""The passes of the Query page: buttons and slider, and the equation of the current step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pc_workbench import errors, state
from pc_workbench.views import stepping
from pc_workbench.views.query_view import assignment_text
from pc_workbench.views.scene import Scene
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues
from pccore.queries.steps import (
    InducedTree,
    Scale,
    Step,
    derivative_steps,
    draw,
    explain,
    flow_steps,
    up_steps,
    written_tree,
)

_ALONE = "pcw_query_tree_alone"
_SLIDER = "pcw_query_step"
#: A product of more factors is not written out.
_FACTORS = 14


@dataclass(frozen=True)
class Pass:
    """One pass under the current evidence. problem: why there are no steps.

    tree, outcome: of MPE and samples, and what they assign and multiply to.
    """

    kind: str
    steps: tuple[Step, ...]
    tree: InducedTree | None = None
    outcome: str = ""
    problem: str = ""

    def texts(self, upto: int) -> dict[Unit, str] | None:
        """Texts beside the units; None leaves them to the whole pass."""
        if not self.steps:
            return None
        if upto or self.kind in ("mpe", "sample"):
            return stepping.texts(self.steps, upto or len(self.steps))
        return None

    def marked(self, scene: Scene, upto: int) -> tuple[Scene, str | None]:
        """The scene with the pass marked, and the node of the current step."""
        if not self.steps:
            return scene, None
        alone = bool(self.tree and st.session_state.get(_ALONE))
        upto = min(upto, len(self.steps))
        marked = stepping.mark(scene, self.steps, upto, self.tree, alone)
        known = {one["id"] for one in scene["nodes"]}
        name = stepping.node(self.steps[upto - 1].unit) if upto else ""
        return marked, name if name in known else None


def walk(values: UnitValues, kind: str) -> Pass:
    """The steps of a pass."""
    now = state.get()
    scale: Scale = "log" if now.scale == "log" else "linear"
    try:
        if kind in ("mpe", "sample"):
            found = (
                explain(values, scale=scale)
                if kind == "mpe"
                else draw(values, now.seed, scale=scale)
            )
            named = {
                values.circuit.variables[v]: x
                for v, x in enumerate(found.assignment)
                if x == x  # NaN: outside the root's scope
            }
            text = assignment_text(values.circuit, named)
            product = f"{len(found.tree.edges) + len(found.tree.leaves)} factors"
            if len(found.tree.edges) + len(found.tree.leaves) <= _FACTORS:
                _, product = written_tree(values, found.tree, scale)
            return Pass(kind, found.steps, found.tree, f"{text}:  {product}")
        make = {"derivatives": derivative_steps, "flows": flow_steps}.get(kind, up_steps)
        steps = flow_steps(values) if kind == "flows" else make(values, scale=scale)
        return Pass(kind, steps)
    except PCError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return Pass(kind, (), problem=f"{error.message}{hint}")


def buttons(now: Pass) -> None:
    """First, back, on, all; step 0 shows all of the pass."""
    count = len(now.steps)
    at = min(state.get().step, count)
    for label, name, target in (
        ("«", "First step", 1),
        ("‹", "One step back", max(1, at - 1)),
        ("›", "Next step", min(count, at + 1)),
        ("All", "All steps at once", 0),
    ):
        st.button(
            label,
            key=f"pcw_step_{name}",
            help=f"{name}: {count} in all",
            disabled=target == at,
            on_click=_go,
            args=(target,),
        )


def _go(step: int) -> None:
    state.update(step=step)


def _slid() -> None:
    state.update(step=st.session_state[_SLIDER])


def _roll() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31, step=0)


def panel(now: Pass, circuit: Circuit) -> None:
    """The current step's equation, and the induced tree as a product."""
    if not now.steps:
        return
    count = len(now.steps)
    at = min(state.get().step, count)
    if at:
        st.html(Path(__file__).with_name("query.css"))
        st.session_state[_SLIDER] = at
        st.html(stepping.equation(now.steps[at - 1]))
        if count > 1:
            st.slider(f"Step {at} of {count}", 1, count, key=_SLIDER, on_change=_slid)
    if now.tree is not None:
        line = st.container(horizontal=True, vertical_alignment="center")
        line.toggle("The induced tree alone", key=_ALONE)
        if now.kind == "sample":
            line.button("Roll again", on_click=_roll, key="pcw_step_roll", type="tertiary")
        line.caption(errors.plain(now.outcome))
