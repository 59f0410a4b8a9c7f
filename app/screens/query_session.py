"""What the Query page asks about: the model under the evidence of the state, from caches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from pc_workbench import state, store
from pc_workbench.views import query_evidence, stepping
from pc_workbench.views.outline import Outline
from pc_workbench.views.query_evidence import Given
from pc_workbench.views.query_truth import Truth, truth
from pc_workbench.views.stepping import Pass
from pccore.compile import Program
from pccore.errors import PCError
from pccore.graph import Circuit, Unit
from pccore.queries import Posterior, UnitValues, licence_of, posterior_marginals, unit_values
from pccore.queries.steps import Scale

#: Everything that the answers depend on, hashable: version, observed, soft, hidden.
_Key = tuple[object, ...]


@dataclass(frozen=True)
class Subject:
    """A model and the evidence on it."""

    model: str
    version: str
    circuit: Circuit
    given: Given

    @classmethod
    def current(cls, model: str) -> Subject:
        """The model under the evidence of the state."""
        now = state.get()
        circuit = store.get_circuit(model)
        given = query_evidence.read(now.evidence, now.soft, now.hidden, circuit)
        return cls(model, store.version(model), circuit, given)

    @property
    def key(self) -> _Key:
        """The key of everything that is computed from it."""
        given = self.given
        observed, soft = tuple(given.observed.items()), tuple(given.soft.items())
        return (self.version, observed, soft, tuple(given.hidden.items()))

    @cached_property
    def values(self) -> UnitValues:
        """The run under the evidence. Raises PCError."""
        return _values(self.key, store.get_exact_program(self.model), self.given)

    @cached_property
    def posterior(self) -> tuple[Posterior | None, str]:
        """P(X | e), or why there is none."""
        return _posterior(self.key, self.values)

    @cached_property
    def prior(self) -> Posterior | None:
        """P(X)."""
        if self.posterior[0] is None:
            return None
        nothing = Subject(self.model, self.version, self.circuit, Given({}, {}, ()))
        return nothing.posterior[0]

    def licensed(self, query: str) -> bool:
        """Whether the circuit may be asked."""
        return licence_of(self.values, query).granted

    def walk(self, kind: str, scale: Scale, seed: int, below: Unit | None) -> Pass:
        """A pass, to be stepped through."""
        seed = seed if kind == "sample" else 0
        return _pass((*self.key, kind, scale, seed, below), self.values)

    def truth(self) -> Truth:
        """Enumeration. Raises PCError."""
        return _truth(self.key, self.values, self.given)

    @property
    def outline(self) -> Outline:
        """The circuit as the drawing cuts it."""
        return _outline(self.version, self.circuit)


@st.cache_resource(max_entries=48, show_spinner=False)
def _values(key: _Key, _program: Program, _given: Given) -> UnitValues:
    return unit_values(
        _program, dict(_given.observed), soft=dict(_given.soft), hidden=_given.hidden
    )


@st.cache_resource(max_entries=48, show_spinner=False)
def _posterior(key: _Key, _values: UnitValues) -> tuple[Posterior | None, str]:
    try:
        return posterior_marginals(_values), ""
    except PCError as error:
        return None, error.message


@st.cache_resource(max_entries=48, show_spinner=False)
def _pass(key: _Key, _values: UnitValues) -> Pass:
    kind, scale, seed, below = key[-4:]
    return stepping.make_pass(_values, str(kind), scale, int(str(seed)), below)  # type: ignore[arg-type]


@st.cache_resource(max_entries=24, show_spinner=False)
def _truth(key: _Key, _values: UnitValues, _given: Given) -> Truth:
    return truth(_values, _given)


@st.cache_resource(max_entries=16, show_spinner=False)
def _outline(version: str, _circuit: Circuit) -> Outline:
    return Outline.of(_circuit)
