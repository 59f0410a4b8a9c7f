"""Sums as hidden variables, made visible (Poon & Domingos 2011, sec. 2 and fig. 2).

A sum with n children is a mixture: a hidden variable Y says which child was chosen. Here Y becomes
a variable of the circuit, child i is multiplied by the indicator [Y = i], and Y can be observed,
asked for its marginal and explained like any other.

Where the sum takes no part (another branch of a sum further up), Y would be missing and the
circuit not smooth. Those branches are multiplied by a twin that gives each state of Y the
same weight 1/n: there Y means nothing, and the weights add up to 1, so that summing Y out gives
back the original exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.indicator import Indicator
from pccore.transform.soften import num_children, unit_named

#: Circuits with more edges are not written out unit by unit.
MAX_EDGES = 200_000


def materialise(circuit: Circuit, latents: Mapping[str, str]) -> Circuit:
    """The circuit with hidden variables of sums as variables of its own.

    latents: unit name of a sum -> name of its variable. The new variables come after the old ones,
    in the order given; variable Y has one state for each child, in the order of the children. The
    result has one group for each unit.

    What happens to S: S(x, Y = i) is the part of S(x) in which the sum takes part with child i,
    plus 1/n of the part in which it takes none; summed over i, S is what it was. The result is
    smooth and decomposable where the circuit is, and each named sum is deterministic.

    Raises OptionError for a unit that is no sum, a name that is empty or taken, or a circuit of
    more than MAX_EDGES edges; NotFoundError for an unknown unit; ParameterError for illegal
    parameters.
    """
    chosen = _chosen(circuit, latents)
    if circuit.num_edges > MAX_EDGES:
        raise OptionError(
            f"the circuit has {circuit.num_edges} edges, more than the {MAX_EDGES} that are "
            "written out unit by unit"
        )
    circuit.validate_params()
    return _Materialiser(circuit, chosen).run(list(latents.values()))


def _chosen(circuit: Circuit, latents: Mapping[str, str]) -> dict[Unit, int]:
    """The number of the latent variable of each named sum."""
    taken = set(circuit.variables)
    chosen: dict[Unit, int] = {}
    for number, (name, latent) in enumerate(latents.items()):
        unit = unit_named(circuit, name)
        if circuit.groups[unit.group].kind != "sum":
            raise OptionError("only sums have a hidden variable", where=name)
        if not latent.strip():
            raise OptionError("its hidden variable needs a name", where=name)
        if latent in taken:
            raise OptionError(f"there is a variable {latent!r} already", where=name)
        taken.add(latent)
        chosen[unit] = number
    return chosen


@dataclass
class _Materialiser:
    """The circuit under construction; latent variables are numbered from 0."""

    circuit: Circuit
    chosen: Mapping[Unit, int]
    groups: list[Group] = field(default_factory=list[Group])
    params: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    names: set[str] = field(default_factory=set[str])
    called: dict[Unit, str] = field(default_factory=dict[Unit, str])
    home: dict[Unit, int] = field(default_factory=dict[Unit, int])
    indicators: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    twins: dict[int, int] = field(default_factory=dict[int, int])

    def run(self, latents: list[str]) -> Circuit:
        circuit = self.circuit
        units = [Unit(g, k) for g, group in enumerate(circuit.groups) for k in range(group.size)]
        children = {unit: [edge.child for edge in circuit.children(unit)] for unit in units}
        self.names = set(circuit.params)
        names = Counter(circuit.unit_name(unit) for unit in units)
        self.names |= names.keys()
        # A group may be called what a unit of another is called.
        self.called = {
            unit: name if names[name] == 1 else self._fresh(name)
            for unit in units
            for name in [circuit.unit_name(unit)]
        }
        below = self._below(units, children)
        uses = Counter(child for parts in children.values() for child in parts)
        uses.update(circuit.roots)
        for unit, number in self.chosen.items():
            self._indicators(number, latents[number], num_children(circuit, unit))
        for number in self._lacking(units, children, below):
            self._twin(number, latents[number])
        for unit in units:
            group = circuit.groups[unit.group]
            if group.kind == "leaf":
                self._leaf(unit, group)
            elif group.kind == "product":
                inputs = tuple(self.home[child] for child in children[unit])
                self.home[unit] = self._add(ProductGroup(self.called[unit], 1, inputs))
            else:
                everything = self._inside(children[unit], below)
                inputs = tuple(
                    self._child(unit, i, child, everything - below[child], latents, uses)
                    for i, child in enumerate(children[unit])
                )
                self._sum(unit, group, inputs)
        return Circuit(
            self.groups,
            [(self.home[root], 0) for root in circuit.roots],
            (*circuit.variables, *latents),
            self.params,
            circuit.meta,
        )

    # -- which latent variables are below which unit -------------------------------------------

    def _inside(self, children: list[Unit], below: Mapping[Unit, frozenset[int]]) -> frozenset[int]:
        return frozenset[int]().union(*(below[child] for child in children))

    def _below(
        self, units: list[Unit], children: Mapping[Unit, list[Unit]]
    ) -> dict[Unit, frozenset[int]]:
        below: dict[Unit, frozenset[int]] = {}
        for unit in units:
            inside = self._inside(children[unit], below)
            own = self.chosen.get(unit)
            below[unit] = inside if own is None else inside | {own}
        return below

    def _lacking(
        self,
        units: list[Unit],
        children: Mapping[Unit, list[Unit]],
        below: Mapping[Unit, frozenset[int]],
    ) -> list[int]:
        """The latent variables that some child of a sum lacks."""
        lacking = set[int]()
        for unit in units:
            if self.circuit.groups[unit.group].kind == "sum":
                everything = self._inside(children[unit], below)
                for child in children[unit]:
                    lacking |= everything - below[child]
        return sorted(lacking)

    # -- new parts ------------------------------------------------------------------------------

    def _add(self, group: Group) -> int:
        self.groups.append(group)
        return len(self.groups) - 1

    def _fresh(self, name: str) -> str:
        number, found = 2, name
        while found in self.names:
            found = f"{name} {number}"
            number += 1
        self.names.add(found)
        return found

    def _indicators(self, number: int, latent: str, states: int) -> None:
        variable = len(self.circuit.variables) + number
        self.indicators[number] = []
        for state in range(states):
            name = self._fresh(f"{latent}={state}")
            self.params[name] = torch.full((1, 1), float(state), dtype=torch.float64)
            leaf = LeafGroup(name, 1, Indicator(states), (variable,), name)
            self.indicators[number].append(self._add(leaf))

    def _twin(self, number: int, latent: str) -> None:
        inputs = tuple(self.indicators[number])
        name = self._fresh(f"any {latent}")
        self.params[name] = torch.full((1, len(inputs)), 1 / len(inputs), dtype=torch.float64)
        self.twins[number] = self._add(SumGroup(name, 1, inputs, name))

    def _child(
        self,
        unit: Unit,
        i: int,
        child: Unit,
        lacking: frozenset[int],
        latents: list[str],
        uses: Counter[Unit],
    ) -> int:
        """Child i of a sum, times its indicator and the twins of what it lacks."""
        factors: list[int] = []
        parts: list[str] = []
        own = self.chosen.get(unit)
        if own is not None:
            factors.append(self.indicators[own][i])
            parts.append(f"{latents[own]}={i}")
        for number in sorted(lacking):
            factors.append(self.twins[number])
            parts.append(f"any {latents[number]}")
        position = self.home[child]
        if not factors:
            return position
        group = self.groups[position]
        if group.kind == "product" and uses[child] == 1:
            # Nothing else sees this product: it takes the factors itself, as in figure 2.
            self.groups[position] = replace(group, inputs=(*factors, *group.inputs))
            return position
        name = self._fresh("·".join([self.called[child], *parts]))
        return self._add(ProductGroup(name, 1, (*factors, position)))

    # -- units as they were -----------------------------------------------------------------------

    def _leaf(self, unit: Unit, group: LeafGroup) -> None:
        stored = self.circuit.params[group.parameter]
        parameter = self._parameter(unit, group, stored[:, unit.index : unit.index + 1])
        name = self.called[unit]
        leaf = LeafGroup(name, 1, group.family, group.variables, parameter)
        self.home[unit] = self._add(leaf)

    def _sum(self, unit: Unit, group: SumGroup, inputs: tuple[int, ...]) -> None:
        stored = self.circuit.params[group.parameter]
        row = [edge.weight for edge in self.circuit.children(unit)]
        weights = torch.tensor([row], dtype=stored.dtype)
        parameter = self._parameter(unit, group, weights)
        self.home[unit] = self._add(SumGroup(self.called[unit], 1, inputs, parameter))

    def _parameter(self, unit: Unit, group: LeafGroup | SumGroup, value: Tensor) -> str:
        """The id of a unit's parameter: the group's where it is all of it, so ties are kept."""
        stored = self.circuit.params[group.parameter]
        if group.size == 1 and stored.shape == value.shape:
            self.params[group.parameter] = stored
            return group.parameter
        name = self.called[unit]
        if name in self.circuit.params or name in self.params:
            name = self._fresh(f"{name} weights")
        self.params[name] = value.detach().clone()
        return name
