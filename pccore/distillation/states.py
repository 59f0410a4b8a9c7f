"""What a circuit with its hidden variables made visible allows, what lies below them, and how
their states become less sure of themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.indicator import Indicator


def deterministic(augmented: Circuit) -> bool:
    """Whether every sum is known to have one possible child once all variables are given, so that
    one full-batch EM update is the maximum likelihood in closed form."""
    apart: list[bool] = []  # whether no two units of the group are possible together
    for group in augmented.groups:
        if isinstance(group, LeafGroup):
            distinct = isinstance(group.family, Indicator)
            stored = augmented.params[group.parameter]
            apart.append(distinct and len(torch.unique(stored[0])) == group.size)
        elif isinstance(group, SumGroup):
            if not (group.edges == "dense" and len(group.inputs) == 1 and apart[group.inputs[0]]):
                return False
            apart.append(False)
        else:
            apart.append(group.edges == "hadamard" and any(apart[i] for i in group.inputs))
    return True


def below(circuit: Circuit, groups: Sequence[int]) -> set[str]:
    """Ids of the parameters of these groups and of all that is under them: of p(x | z)."""
    seen: set[int] = set()
    waiting = list(groups)
    while waiting:
        position = waiting.pop()
        if position not in seen:
            seen.add(position)
            waiting.extend(circuit.groups[position].inputs)
    found: set[str] = set()
    for position in seen:
        group = circuit.groups[position]
        if not isinstance(group, ProductGroup):
            found.add(group.parameter)
    return found


def blurred(circuit: Circuit, share: float) -> Circuit:
    """Every unit of a group with a share of the mean of the group's units in its parameters, in
    the expectation parameters of leaves that learn."""
    if share == 0:
        return circuit
    params = dict(circuit.params.items())
    for group in circuit.groups:
        if isinstance(group, SumGroup) and group.edges == "dense":
            own = circuit.params[group.parameter]
            params[group.parameter] = (1 - share) * own + share * own.mean(0, keepdim=True)
        elif isinstance(group, LeafGroup) and group.family.trainable:
            own = circuit.params[group.parameter]
            mean = own.mean(1, keepdim=True).expand_as(own)
            params[group.parameter] = group.family.blend(own, mean, share)
    return circuit.with_params(params)
