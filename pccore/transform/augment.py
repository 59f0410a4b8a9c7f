"""The hidden variable of a scope, made visible: which product over the scope takes part.

For a scope W the products (and leaves that are no factor of another) over exactly W are numbered;
product j gets the indicator [Z = j] as a further factor. Whole groups are treated, so that a
structure of large blocks stays one. Every sum over W that chooses among them becomes
deterministic, and Z can be observed, asked for and learned from like any other variable.

Where another branch of the circuit has no unit over W (a replica that splits the variables in
another way), Z would be missing there: such a branch is multiplied by a sum of all indicators with
equal weights. There Z means nothing; summed out, the circuit is the old one again everywhere.

Source: Liu, Zhang and Van den Broeck, "Scaling up probabilistic circuits by latent variable
distillation", 2023, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.indicator import Indicator
from pccore.scope import Scope


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
    circuit.validate_params()
    old = Scope.full(len(circuit.variables))
    for name, columns in latents.items():
        circuit = _augmented(circuit, name, columns, old)
    return circuit


def states_of(circuit: Circuit, columns: Sequence[str]) -> list[str]:
    """Names of the units that are the states of the hidden variable of a scope, in order.

    Raises NotFoundError, OptionError as `augment` does.
    """
    return [
        circuit.unit_name(Unit(g, k))
        for g in _choices(circuit, columns, Scope.full(len(circuit.variables)))
        for k in range(circuit.groups[g].size)
    ]


def _choices(circuit: Circuit, columns: Sequence[str], old: Scope) -> list[int]:
    """The groups over exactly these of the old variables whose units a sum chooses among."""
    known = {variable: v for v, variable in enumerate(circuit.variables)}
    for column in columns:
        if column not in known:
            raise NotFoundError(f"there is no variable {column!r}")
    scope = Scope.from_iterable(known[column] for column in columns)
    scopes = [own & old for own in circuit.scopes]
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


def _augmented(circuit: Circuit, name: str, columns: Sequence[str], old: Scope) -> Circuit:
    if not name.strip() or name in circuit.variables:
        raise OptionError("needs a name that no other variable has", where=name or "latent")
    choices = _choices(circuit, columns, old)
    states = sum(circuit.groups[g].size for g in choices)
    if states < 2:
        shown = ", ".join(list(columns)[:5])
        raise OptionError(f"no two products are over {shown}", where=name)
    return _Augmenter(circuit, name, choices, states).run()


class _Augmenter:
    """One new variable; `place` and `has` are by position of an old group."""

    def __init__(self, circuit: Circuit, name: str, choices: list[int], states: int) -> None:
        self.circuit = circuit
        self.name = name
        self.states = states
        self.family = Indicator(states)
        self.first: dict[int, int] = {}
        total = 0
        for g in choices:
            self.first[g] = total
            total += circuit.groups[g].size
        self.groups: list[Group] = []
        self.params: dict[str, Tensor] = dict(circuit.params.items())
        self.names = {group.name for group in circuit.groups}
        self.place: list[int] = []
        self.has: list[bool] = []
        self.anything: dict[int, int] = {}
        self.whole: int | None = None

    def run(self) -> Circuit:
        for g, group in enumerate(self.circuit.groups):
            inside = any(self.has[i] for i in group.inputs)
            inputs = tuple(self.place[i] for i in group.inputs)
            if isinstance(group, SumGroup) and inside:
                inputs = tuple(
                    self.place[i] if self.has[i] else self._with_anything(i) for i in group.inputs
                )
            made = group if isinstance(group, LeafGroup) else replace(group, inputs=inputs)
            self.place.append(self._add(made))
            self.has.append(inside or g in self.first)
            if g in self.first:
                self._choice(g, made)
        roots = [
            Unit(self.place[g] if self.has[g] else self._with_anything(g), k)
            for g, k in self.circuit.roots
        ]
        variables = (*self.circuit.variables, self.name)
        return Circuit(self.groups, roots, variables, self.params, self.circuit.meta)

    def _choice(self, g: int, made: Group) -> None:
        """Multiply unit k by the indicator of its state."""
        values = torch.arange(self.first[g], self.first[g] + made.size, dtype=torch.float32)
        indicators = self._leaf(f"[{self.name}]{len(self.groups)}", values)
        position = self.place[g]
        if isinstance(made, ProductGroup) and made.edges == "hadamard":
            # The product takes the factor itself; it has to come after it.
            self.groups[position], self.groups[indicators] = (
                self.groups[indicators],
                replace(made, inputs=(position, *made.inputs)),
            )
            self.place[g] = indicators
            return
        name = self._fresh(f"{made.name}·{self.name}")
        self.place[g] = self._add(ProductGroup(name, made.size, (indicators, position)))

    def _with_anything(self, g: int) -> int:
        """A group that has no Z, times every state with the same weight."""
        if g not in self.anything:
            if self.whole is None:
                values = torch.arange(self.states, dtype=torch.float32)
                self.whole = self._leaf(f"[{self.name}]", values)
            size = self.circuit.groups[g].size
            name = self._fresh(f"any {self.name}")
            tied = f"any {self.name}, {size}"
            self.params[tied] = torch.full((size, self.states), 1 / self.states)
            twin = self._add(SumGroup(name, size, (self.whole,), tied))
            name = self._fresh(f"{self.circuit.groups[g].name}·any {self.name}")
            self.anything[g] = self._add(ProductGroup(name, size, (twin, self.place[g])))
        return self.anything[g]

    def _leaf(self, name: str, values: Tensor) -> int:
        name = self._fresh(name)
        self.params[name] = values[None]
        variable = len(self.circuit.variables)
        return self._add(LeafGroup(name, len(values), self.family, (variable,), name))

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
