"""Which components of the top mixture explain a picture, what they look like, and life without.

A sum is a mixture over its hidden variable Y (Poon & Domingos 2011, sec. 2): the posterior share
of a component is P(Y = i | e) = w_i S_i(e) / S(e). The top sum is the first one below the root
that every induced tree passes; sums that feed nothing but it are part of the same mixture.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pccore.compile import Program, compile_circuit
from pccore.completion.types import Array
from pccore.errors import EvidenceError, OptionError
from pccore.graph import Circuit, Edge, Group, SparseEdges, SumGroup, Unit
from pccore.queries import posterior_mean, require
from pccore.queries.subject import Model, as_program


@dataclass(frozen=True, slots=True)
class Component:
    """One component. sum_: the sum it belongs to. place: which of its edges. unit: the child.

    prior: P(Y = i). share: P(Y = i | evidence).
    """

    sum_: Unit
    place: int
    unit: Unit
    prior: float
    share: float

    @property
    def id(self) -> str:
        """A name that `mute` understands."""
        return _id(self.sum_, self.place)


def _id(sum_: Unit, place: int) -> str:
    return f"{sum_.group}.{sum_.index}.{place}"


@dataclass(frozen=True, slots=True)
class Mixture:
    """The components of the top mixture, the largest posterior share first.

    effective: exp of the entropy of the shares, how many components really explain the evidence.
    """

    top: Unit
    components: tuple[Component, ...]
    effective: float


def components_of(model: Model, evidence: Array) -> Mixture:
    """The components of the top mixture under one row of evidence [V], NaN = missing.

    Raises PropertyError unless the circuit is smooth and decomposable, OptionError where there is
    no sum that everything passes, EvidenceError for impossible evidence.
    """
    program = as_program(model)
    require(program, "hidden")
    circuit = program.circuit
    top, found = _members(circuit)
    nothing = np.full((1, len(circuit.variables)), np.nan)
    prior = _logs(program, found, nothing)
    posterior = _logs(program, found, np.asarray(evidence, np.float64).reshape(1, -1))
    before, after = _shares(prior), _shares(posterior)
    order = np.argsort(-after, kind="stable")
    components = [
        Component(found[i].sum_, found[i].place, found[i].unit, float(before[i]), float(after[i]))
        for i in order
    ]
    positive = after[after > 0]
    effective = math.exp(float(-(positive * np.log(positive)).sum()))
    return Mixture(top, tuple(components), effective)


def component_program(model: Model) -> Program:
    """The circuit compiled with the components of its top mixture as roots."""
    program = as_program(model)
    units = dict.fromkeys(one.unit for one in _members(program.circuit)[1])
    return compile_circuit(program.circuit.with_roots(list(units)), program.device, program.dtype)


def component_means(
    rooted: Program, components: Sequence[Component], evidence: Array | None = None
) -> Array:
    """E[X | Y = i, evidence] of each component, [N, V]; NaN outside its scope.

    rooted: what `component_program` made of the circuit. evidence: one row [V], NaN = missing; what
    is observed is kept. Raises PropertyError unless the circuit is smooth and decomposable,
    EvidenceError where a component excludes the evidence.
    """
    circuit = rooted.circuit
    width = len(circuit.variables)
    row = np.full((1, width), np.nan) if evidence is None else np.reshape(evidence, (1, width))
    number = {unit: root for root, unit in enumerate(circuit.roots)}
    means = [posterior_mean(rooted, row, number[one.unit])[0].numpy() for one in components]
    return np.stack(means) if means else np.zeros((0, width))


def mute(circuit: Circuit, ids: Sequence[str]) -> Circuit:
    """The circuit without some components of its top mixture: their weights are 0, the others are
    renormalised, so that the rest keeps its proportions.

    Sums that share their weights with others get weights of their own. Raises OptionError for an
    id that is none of the circuit's, and where no component would be left.
    """
    top, found = _members(circuit)
    gone = {one.id for one in found} & set(ids)
    unknown = [name for name in ids if name not in gone]
    if unknown:
        raise OptionError(f"the circuit has no component {unknown[0][:80]!r}")
    if not gone:
        return circuit
    if not any(one.weight * one.above > 0 for one in found if one.id not in gone):
        raise OptionError("no component is left: at least one has to stay")
    weights: dict[Unit, dict[int, float]] = defaultdict(dict)
    for one in found:
        weights[one.sum_][one.place] = 0.0 if one.id in gone else one.weight
    edges = circuit.children(top)
    for unit, place in _nested(circuit, top).items():
        # What a nested sum has lost, its edge from the top loses.
        before = sum(one.weight for one in found if one.sum_ == unit)
        kept = sum(weights[unit].values())
        weights[top][place] = (edges[place].weight or 0.0) * kept / before if before else 0.0
    groups, params = list(circuit.groups), dict(circuit.params)
    for unit, new in weights.items():
        _write(circuit, groups, params, unit, new)
    return Circuit(groups, circuit.roots, circuit.variables, params, circuit.meta)


def _write(
    circuit: Circuit,
    groups: list[Group],
    params: dict[str, torch.Tensor],
    unit: Unit,
    new: Mapping[int, float],
) -> None:
    """Give a sum new weights, in the proportions of `new`, that add up to what they did."""
    group = groups[unit.group]
    assert group.kind == "sum"
    tensor = params[group.parameter].clone()
    first = 0
    if isinstance(group.edges, SparseEdges):
        first, row = int(group.edges.offsets[unit.index]), tensor
    else:
        row = tensor[unit.index]  # a view: writing there changes the tensor
    places = [first + place for place in new]
    old, total = float(row[places].sum()), sum(new.values())
    if total > 0:  # a nested sum that has lost everything cannot be reached any more
        scale = old / total
        row[places] = torch.tensor([w * scale for w in new.values()], dtype=row.dtype)
    name = group.parameter
    if sum(getattr(other, "parameter", None) == name for other in circuit.groups) > 1:
        while name in params:
            name += "'"
        groups[unit.group] = SumGroup(group.name, group.size, group.inputs, name, group.edges)
    params[name] = tensor


# -- the top mixture -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Member:
    sum_: Unit
    place: int
    unit: Unit
    weight: float  # of the edge from sum_
    above: float  # of the edge from the top, 1 if sum_ is the top

    @property
    def id(self) -> str:
        return _id(self.sum_, self.place)


def _top(circuit: Circuit) -> Unit:
    """The first sum with several children that every induced tree passes."""
    unit = circuit.root
    while True:
        group = circuit.groups[unit.group]
        if group.kind == "leaf":
            raise OptionError(
                "no sum lies above everything: this circuit has no components",
                hint="choose a circuit whose root is a mixture",
            )
        edges = circuit.children(unit)
        if group.kind == "product":
            unit = max((edge.child for edge in edges), key=lambda u: len(circuit.scopes[u.group]))
            continue
        if len(edges) > 1:  # whatever the weights: muting does not change which sum it is
            return unit
        unit = edges[0].child


def _nested(circuit: Circuit, top: Unit) -> dict[Unit, int]:
    """Sums that feed nothing but the top sum, and the place of their edge there."""
    uses = Counter(i for group in circuit.groups for i in set(group.inputs))
    roots = {root.group for root in circuit.roots}
    if circuit.groups[top.group].size > 1:
        return {}
    edges = circuit.children(top)
    once = Counter(edge.child for edge in edges)
    return {
        edge.child: place
        for place, edge in enumerate(edges)
        if circuit.groups[edge.child.group].kind == "sum"
        and circuit.groups[edge.child.group].size == 1
        and uses[edge.child.group] == 1
        and once[edge.child] == 1
        and edge.child.group not in roots
    }


def _members(circuit: Circuit) -> tuple[Unit, list[_Member]]:
    """The top sum and all components, those of nested sums in place of the sums."""
    top = _top(circuit)
    nested = _nested(circuit, top)
    found: list[_Member] = []

    def take(sum_: Unit, place: int, edge: Edge, above: float) -> None:
        found.append(_Member(sum_, place, edge.child, edge.weight or 0.0, above))

    for place, edge in enumerate(circuit.children(top)):
        if edge.child in nested:
            for inner, below in enumerate(circuit.children(edge.child)):
                take(edge.child, inner, below, edge.weight or 0.0)
        else:
            take(top, place, edge, 1.0)
    return top, found


def _logs(program: Program, members: Sequence[_Member], row: Array) -> Array:
    """log w_i S_i of each component under one row, [N]."""
    state = program.evaluate(row)
    groups = sorted({one.unit.group for one in members})
    values = {g: program.log_values(state, g)[0].double().cpu().numpy() for g in groups}
    weights = np.array([one.weight * one.above for one in members])
    with np.errstate(divide="ignore"):
        return np.log(weights) + np.array([values[m.unit.group][m.unit.index] for m in members])


def _shares(logs: Array) -> Array:
    """What adds up to one in these proportions."""
    if np.isneginf(logs).all():
        raise EvidenceError("the evidence has probability zero under this circuit")
    linear = np.exp(logs - logs.max())
    return linear / linear.sum()
