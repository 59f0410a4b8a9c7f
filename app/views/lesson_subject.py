"""A small circuit with evidence, and everything that lessons and questions ask of it.

Values, derivatives and flows are read out of one run of the compiled program (`unit_values`);
enumeration (`oracle`) is the yardstick beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch

from pc_workbench.views.labels import leaf_text
from pccore import oracle
from pccore.check import Report, check
from pccore.check.walk import child_units
from pccore.compile import Program, compile_circuit
from pccore.errors import NotFoundError, PCError
from pccore.evidence import evidence_rows, parse_evidence
from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.queries import UnitValues, unit_values
from pccore.reference import FloatArray

#: Names to values; what is not named is not observed.
Given = Mapping[str, float]


class Subject:
    """What is computed of one circuit, each thing once; immutable from outside.

    given: the evidence that counts where none is named. data: complete rows, float64 [N, V].
    """

    def __init__(
        self,
        circuit: Circuit,
        given: Given | None = None,
        data: Sequence[Sequence[float]] = (),
        program: Program | None = None,
    ) -> None:
        self.circuit = circuit
        self.given: Given = dict(given or {})
        self.data: FloatArray = np.array(data, dtype=np.float64).reshape(
            len(data), len(circuit.variables)
        )
        self._program = program
        self._values: dict[tuple[tuple[str, float], ...], UnitValues] = {}
        self._updated: dict[Unit, Subject] = {}

    # -- names ---------------------------------------------------------------------------

    def unit(self, name: str) -> Unit:
        """The unit that `Circuit.unit_name` calls so. Raises NotFoundError."""
        group, bracket, index = name.rpartition("[")
        # A group of one unit may be called "s3[7]": a sub-circuit's, after the unit it comes from.
        if bracket and index.endswith("]") and index[:-1].isdigit() and not self._known(name):
            position = self.circuit.group_index(group)
            if int(index[:-1]) < self.circuit.groups[position].size:
                return Unit(position, int(index[:-1]))
        return Unit(self.circuit.group_index(name), 0)

    def _known(self, group: str) -> bool:
        return any(one.name == group for one in self.circuit.groups)

    def name(self, unit: Unit) -> str:
        """The name of a unit."""
        return self.circuit.unit_name(unit)

    def shown(self, unit: Unit) -> str:
        """A unit as the drawing calls it: indicators by what they say."""
        return leaf_text(self.circuit, unit) if is_literal(self.circuit, unit) else self.name(unit)

    def children(self, unit: Unit) -> list[Unit]:
        """Its children, in the order of the edges."""
        return child_units(self.circuit, unit)

    def child_number(self, parent: Unit, child: str) -> int:
        """The number of the edge to a child. Raises NotFoundError."""
        names = [self.name(one) for one in self.children(parent)]
        if child not in names:
            raise NotFoundError(f"{self.name(parent)} has no child {child!r}")
        return names.index(child)

    def evidence(self, text: str) -> Given:
        """`X1=1,X3=0` as a mapping. Raises EvidenceError."""
        return parse_evidence(text, self.circuit)

    # -- passes --------------------------------------------------------------------------

    @cached_property
    def program(self) -> Program:
        """The circuit compiled in float64."""
        return self._program or compile_circuit(self.circuit, dtype=torch.float64)

    def values(self, given: Given | None = None) -> UnitValues:
        """Value, derivative and flow of every unit."""
        found = self.given if given is None else given
        key = tuple(sorted((name, float(value)) for name, value in found.items()))
        if key not in self._values:
            self._values[key] = unit_values(self.program, dict(found))
        return self._values[key]

    def log_maxima(self, given: Given | None = None) -> tuple[FloatArray, ...]:
        """log of the largest term below each unit (max-product), for each group [size].

        NaN for groups that no root reaches.
        """
        rows = evidence_rows(self.circuit, dict(self.given if given is None else given))
        state = self.program.evaluate(rows, mode="max")
        planned = set(self.program.plan.addresses) | set(self.program.plan.fused)
        return tuple(
            self.program.log_values(state, g)[0].cpu().numpy().copy()
            if g in planned
            else np.full(group.size, np.nan)
            for g, group in enumerate(self.circuit.groups)
        )

    def value(self, given: Given | None = None) -> float:
        """S(e) of the root."""
        return math.exp(self.values(given).log_root)

    def partition(self) -> float:
        """S(*): the root's value with nothing observed."""
        return self.value({})

    def measure(self, given: Given | None = None) -> float:
        """Phi(e): the sum of S(x) over the complete states that agree with e, by enumeration."""
        return math.exp(
            oracle.log_measure(self.circuit, dict(self.given if given is None else given))
        )

    def probability(self, target: Given, given: Given) -> float:
        """S(target, given) / S(given): right where the circuit is valid; NaN for 0 / 0."""
        below = self.value(given)
        if below == 0.0:
            return math.nan
        # A value that contradicts the evidence is impossible.
        if any(given.get(name, value) != value for name, value in target.items()):
            return 0.0
        return self.value({**given, **target}) / below

    # -- single units --------------------------------------------------------------------

    def weights(self, unit: Unit) -> FloatArray:
        """The weights of a sum's edges, [children]."""
        return np.array([edge.weight for edge in self.circuit.children(unit)], dtype=np.float64)

    def sums(self) -> list[Unit]:
        """The sums below the roots, those nearest to the root first."""
        return self.of_kind("sum")

    def of_kind(self, kind: str) -> list[Unit]:
        """The units of a kind, the last group first."""
        return [
            Unit(g, i)
            for g in range(len(self.circuit.groups) - 1, -1, -1)
            if self.circuit.groups[g].kind == kind
            for i in range(self.circuit.groups[g].size)
        ]

    def max_terms(self, unit: Unit, given: Given | None = None) -> FloatArray:
        """w_i M_i of a sum's children (M: the max-product value), [children]."""
        maxima = self.log_maxima(given)
        below = np.array([maxima[c.group][c.index] for c in self.children(unit)])
        return self.weights(unit) * np.exp(below)

    def winner(self, unit: Unit, given: Given | None = None) -> int:
        """The number of the child that max-product chooses; the first of equals."""
        return int(self.max_terms(unit, given).argmax())

    def mpe_tree(self, given: Given | None = None) -> dict[Unit, tuple[Unit, ...]]:
        """The induced tree that max-product chooses: the chosen children of each of its units."""
        maxima = self.log_maxima(given)
        tree: dict[Unit, tuple[Unit, ...]] = {}
        stack = [self.circuit.root]
        while stack:
            unit = stack.pop()
            if unit in tree:
                continue
            children = self.children(unit)
            if self.circuit.groups[unit.group].kind == "sum":
                below = np.array([maxima[c.group][c.index] for c in children])
                children = [children[int((self.weights(unit) * np.exp(below)).argmax())]]
            tree[unit] = tuple(children)
            stack.extend(children)
        return tree

    def induced_trees(self, unit: Unit | None = None) -> int:
        """How many ways there are to take one child of every sum on the way down.

        Children of weight zero are not taken. A shared unit counts once for each use, as in the
        expansion of the polynomial.
        """
        top = self.circuit.root if unit is None else unit
        counts: dict[Unit, int] = {}
        for position, group in enumerate(self.circuit.groups[: top.group + 1]):
            for index in range(group.size):
                one = Unit(position, index)
                if group.kind == "leaf":
                    counts[one] = 1
                elif group.kind == "product":
                    counts[one] = math.prod(counts[c] for c in self.children(one))
                else:
                    edges = self.circuit.children(one)
                    counts[one] = sum(counts[e.child] for e in edges if e.weight)
        return counts[top]

    # -- structure -----------------------------------------------------------------------

    @cached_property
    def report(self) -> Report:
        """What the check says."""
        return check(self.circuit)

    def scope(self, unit: Unit) -> tuple[str, ...]:
        """The names of the variables below a unit."""
        return tuple(self.circuit.variables[v] for v in self.circuit.scopes[unit.group])

    def missing(self, unit: Unit) -> dict[str, tuple[str, ...]]:
        """For each child of a sum that lacks variables of the sum's scope: which."""
        whole = self.circuit.scopes[unit.group]
        found: dict[str, tuple[str, ...]] = {}
        for child in self.children(unit):
            lacking = whole - self.circuit.scopes[child.group]
            if lacking:
                found[self.name(child)] = tuple(self.circuit.variables[v] for v in lacking)
        return found

    def shared(self, unit: Unit) -> tuple[str, ...]:
        """The variables that occur in more than one child of a product."""
        seen: set[int] = set()
        twice: set[int] = set()
        for child in self.children(unit):
            scope = set(self.circuit.scopes[child.group])
            twice |= seen & scope
            seen |= scope
        return tuple(self.circuit.variables[v] for v in sorted(twice))

    # -- data ----------------------------------------------------------------------------

    def log_likelihood(self) -> float:
        """The sum over the data of log P(x), nats."""
        if not len(self.data):
            return 0.0
        state = self.program.evaluate(torch.from_numpy(self.data))
        logs = self.program.root_values(state).double().cpu().numpy()
        return float(logs.sum()) - len(self.data) * self.values({}).log_root

    def total_flows(self, unit: Unit) -> FloatArray:
        """The flow over each edge of a sum, added up over the data, [children]."""
        total = np.zeros(len(self.children(unit)))
        rows, counts = np.unique(self.data, axis=0, return_counts=True)
        for row, count in zip(rows, counts, strict=True):
            given = dict(zip(self.circuit.variables, row.tolist(), strict=True))
            total += count * self.values(given).edge_flows(unit)
        return total

    def em_update(self, unit: Unit) -> Subject:
        """After one EM update of the weights of one sum: flows over their sum, nothing added."""
        if unit not in self._updated:
            group = self.circuit.groups[unit.group]
            assert isinstance(group, SumGroup)
            flows = self.total_flows(unit)
            tensor = self.circuit.params[group.parameter].clone()
            tensor[unit.index] = torch.from_numpy(flows / flows.sum()).to(tensor.dtype)
            params = self.circuit.params.updated({group.parameter: tensor})
            fresh = self.circuit.with_params(params)
            self._updated[unit] = Subject(fresh, self.given, self.data.tolist())
        return self._updated[unit]


def as_text(given: Given) -> str:
    """`X1 = 1, X3 = 0`; "nothing" for no evidence."""
    parts = [f"{name} = {value:g}" for name, value in given.items()]
    return ", ".join(parts) or "nothing"


def states_of(circuit: Circuit, variable: int) -> int | None:
    """How many states a variable has; None where they are not finite or no leaf mentions it."""
    support = circuit.domains.get(variable)
    return None if support is None else support.states


def is_literal(circuit: Circuit, unit: Unit) -> bool:
    """Whether a unit is an indicator."""
    group = circuit.groups[unit.group]
    return isinstance(group, LeafGroup) and group.family.name == "indicator"


def complete_states(circuit: Circuit, limit: int = 4096) -> FloatArray | None:
    """All complete states [N, V]; None where there are more than `limit` or they are not finite."""
    count = 1
    for v in circuit.scopes[circuit.root.group]:
        states = states_of(circuit, v)
        if states is None:
            return None
        count *= states
        if count > limit:
            return None
    try:
        return oracle.states(circuit)
    except PCError:
        return None
