"""The hidden variable of a scope or of whole groups, made visible: which unit takes part.

For a scope W the products (and leaves that are no factor of another) over exactly W are numbered;
product j gets the indicator [Z = j] as a further factor. Whole groups are treated, so that a
structure of large blocks stays one. Every sum over W that chooses among them becomes
deterministic, and Z can be observed, asked for and learned from like any other variable. Groups of
which every unit is a state can be named instead of a scope, also groups of sums.

Where another branch of the circuit has no unit over W (a replica that splits the variables in
another way), Z would be missing there: such a branch is multiplied by a sum of all indicators with
equal weights, where Z means nothing, or by the indicator of one further state, which says just
that. Summed out, the circuit is the old one again everywhere.

Source: Liu, Zhang and Van den Broeck, "Scaling up probabilistic circuits by latent variable
distillation", 2023, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.indicator import Indicator
from pccore.scope import Scope

#: What Z says in a branch of the circuit that has none of its units: any state alike, one more
#: state, the last; or there may be no such branch.
Absent = Literal["any", "state", "refuse"]


def augment(circuit: Circuit, latents: Mapping[str, Sequence[str]]) -> Circuit:
    """The circuit with a variable for each of some scopes.

    latents: name of a new variable -> names of the variables of its scope. The new variables come
    after the old ones, in the order given; variable Z has one state for each product over the
    scope, in the order of the groups and their units. The circuit stays smooth and decomposable,
    and with Z missing it is what it was. Parameters keep their ids: what is learned with Z can be
    given to the old circuit.

    Raises OptionError for a name that is empty or taken, or a scope of fewer than two products;
    NotFoundError for an unknown variable; ParameterError for illegal parameters.
    """
    chosen = {name: _choices(circuit, columns) for name, columns in latents.items()}
    for name, columns in latents.items():
        if sum(circuit.groups[g].size for g in chosen[name]) < 2:
            shown = ", ".join(list(columns)[:5])
            raise OptionError(f"no two products are over {shown}", where=name)
    return augment_groups(circuit, chosen)


def augment_groups(
    circuit: Circuit, latents: Mapping[str, Sequence[int]], absent: Absent = "any"
) -> Circuit:
    """The circuit with a variable for each of some sets of groups.

    latents: name of a new variable -> positions of the groups whose units are its states, in that
    order. Otherwise as `augment`; the circuit stays decomposable where at most one unit of each
    set is in an induced tree.

    Raises OptionError for a name that is empty or taken, for fewer than two states, and with
    absent="refuse" where some branch has none of the units; ParameterError for illegal parameters.
    """
    circuit.validate_params()
    taken = set(circuit.variables)
    for name, groups in latents.items():
        if not name.strip() or name in taken:
            raise OptionError("needs a name that no other variable has", where=name or "latent")
        taken.add(name)
        if sum(circuit.groups[g].size for g in groups) < 2:
            raise OptionError("a hidden variable of one state says nothing", where=name)
    return _Augmenter(circuit, latents, absent).run()


def states_of(circuit: Circuit, columns: Sequence[str]) -> list[str]:
    """Names of the units that are the states of the hidden variable of a scope, in order.

    Raises NotFoundError as `augment` does.
    """
    return [
        circuit.unit_name(Unit(g, k))
        for g in _choices(circuit, columns)
        for k in range(circuit.groups[g].size)
    ]


def _choices(circuit: Circuit, columns: Sequence[str]) -> list[int]:
    """The groups over exactly these variables whose units a sum chooses among."""
    known = {variable: v for v, variable in enumerate(circuit.variables)}
    for column in columns:
        if column not in known:
            raise NotFoundError(f"there is no variable {column!r}")
    scope = Scope.from_iterable(known[column] for column in columns)
    scopes = circuit.scopes
    factors = {
        i for group in circuit.groups if isinstance(group, ProductGroup) for i in group.inputs
    }
    return [
        g
        for g, group in enumerate(circuit.groups)
        if scopes[g] == scope
        and (
            # A product of one factor over the same scope leaves the choice to that.
            not any(scopes[i] == scope for i in group.inputs)
            if isinstance(group, ProductGroup)
            else isinstance(group, LeafGroup) and g not in factors
        )
    ]


class _Augmenter:
    """New variables by number; `place` and `has` are by position of an old group."""

    def __init__(
        self, circuit: Circuit, latents: Mapping[str, Sequence[int]], absent: Absent
    ) -> None:
        self.circuit = circuit
        self.latents = list(latents)
        self.absent: Absent = absent
        #: The variables of which a group's units are states, with the number of the first.
        self.states_at: dict[int, list[tuple[int, int]]] = {}
        self.states: list[int] = []
        for number, groups in enumerate(latents.values()):
            total = 0
            for g in groups:
                self.states_at.setdefault(g, []).append((number, total))
                total += circuit.groups[g].size
            self.states.append(total + (absent == "state"))
        self.groups: list[Group] = []
        self.params: dict[str, Tensor] = dict(circuit.params.items())
        self.names = {group.name for group in circuit.groups}
        self.place: list[int] = []
        self.has: list[frozenset[int]] = []
        self.without: dict[tuple[int, frozenset[int]], int] = {}
        self.twins: dict[tuple[int, int], int] = {}
        self.whole: dict[int, int] = {}

    def run(self) -> Circuit:
        nothing: frozenset[int] = frozenset()
        for g, group in enumerate(self.circuit.groups):
            inside = nothing.union(*(self.has[i] for i in group.inputs))
            inputs = tuple(self.place[i] for i in group.inputs)
            if isinstance(group, SumGroup) and inside:
                inputs = tuple(self._filled(i, inside) for i in group.inputs)
            made = group if isinstance(group, LeafGroup) else replace(group, inputs=inputs)
            self.place.append(self._add(made))
            own = self.states_at.get(g, [])
            self.has.append(inside.union(number for number, _ in own))
            for number, first in own:
                self._choice(g, number, first)
        every = nothing.union(*(self.has[root.group] for root in self.circuit.roots))
        roots = [Unit(self._filled(g, every), k) for g, k in self.circuit.roots]
        variables = (*self.circuit.variables, *self.latents)
        return Circuit(self.groups, roots, variables, self.params, self.circuit.meta)

    def _choice(self, g: int, number: int, first: int) -> None:
        """Multiply unit k by the indicator of its state."""
        position = self.place[g]
        made, latent = self.groups[position], self.latents[number]
        values = torch.arange(first, first + made.size, dtype=torch.float32)
        indicators = self._leaf(f"[{latent}]{len(self.groups)}", number, values)
        if isinstance(made, ProductGroup) and made.edges == "hadamard":
            # The product takes the factor itself; it has to come after it.
            self.groups[position], self.groups[indicators] = (
                self.groups[indicators],
                replace(made, inputs=(position, *made.inputs)),
            )
            self.place[g] = indicators
            return
        name = self._fresh(f"{made.name}·{latent}")
        self.place[g] = self._add(ProductGroup(name, made.size, (indicators, position)))

    def _filled(self, g: int, wanted: frozenset[int]) -> int:
        """A group, times what stands for the variables that it lacks."""
        lacking = wanted - self.has[g]
        if not lacking:
            return self.place[g]
        if self.absent == "refuse":
            latent = self.latents[min(lacking)]
            raise OptionError(
                f"the groups are no hidden variables of this circuit: {latent} would be missing "
                f"below {self.circuit.groups[g].name}",
                hint="choose groups one unit of which is in every induced tree",
            )
        if (g, lacking) not in self.without:
            group = self.circuit.groups[g]
            twins = [self._twin(number, group.size) for number in sorted(lacking)]
            words = ", ".join(self.latents[number] for number in sorted(lacking)[:3])
            name = self._fresh(f"{group.name}·any {words}")
            made = ProductGroup(name, group.size, (*twins, self.place[g]))
            self.without[g, lacking] = self._add(made)
        return self.without[g, lacking]

    def _twin(self, number: int, size: int) -> int:
        """A group of units that stand for a variable that says nothing."""
        if (number, size) not in self.twins:
            latent, states = self.latents[number], self.states[number]
            if self.absent == "state":
                last = torch.full((size,), float(states - 1))
                made = self._leaf(f"no {latent}", number, last)
            else:
                if number not in self.whole:
                    values = torch.arange(states, dtype=torch.float32)
                    self.whole[number] = self._leaf(f"[{latent}]", number, values)
                name = self._fresh(f"any {latent}")
                self.params[name] = torch.full((size, states), 1 / states)
                made = self._add(SumGroup(name, size, (self.whole[number],), name))
            self.twins[number, size] = made
        return self.twins[number, size]

    def _leaf(self, name: str, number: int, values: Tensor) -> int:
        name = self._fresh(name)
        self.params[name] = values[None]
        family = Indicator(self.states[number])
        variable = len(self.circuit.variables) + number
        return self._add(LeafGroup(name, len(values), family, (variable,), name))

    def _add(self, group: Group) -> int:
        self.groups.append(group)
        return len(self.groups) - 1

    def _fresh(self, name: str) -> str:
        found, number = name, 2
        while found in self.names or found in self.params:
            found = f"{name} {number}"
            number += 1
        self.names.add(found)
        return found
