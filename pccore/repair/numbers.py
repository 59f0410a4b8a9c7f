"""Repairs of illegal parameters, of weights that do not add up to one, and of dead parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pccore.check import Witness
from pccore.errors import ParameterError
from pccore.graph import Circuit, LeafGroup
from pccore.reference import evaluate
from pccore.repair.repair import Repair
from pccore.transform import drop_dead, normalise


def legal_parameters(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Replace what is illegal in one group's parameters."""
    group = circuit.groups[witness.unit.group]
    if group.kind == "product":
        return []
    how = (
        "Illegal entries become parameters that the family starts learning with"
        if group.kind == "leaf"
        else "Weights that are negative, infinite or not a number become 0; where nothing is left, "
        "the weights become equal"
    )
    return [
        Repair(
            "legal_parameters",
            f"Make the parameters of {group.name} legal",
            f"{how}. Legal entries stay. There was no distribution before.",
            "changes",
            lambda: _legal(circuit, witness.unit.group),
        )
    ]


def _legal(circuit: Circuit, position: int) -> Circuit:
    group = circuit.groups[position]
    assert group.kind != "product"
    shape = circuit.parameter_shape(group)
    stored = circuit.params.get(group.parameter)
    usable = stored is not None and tuple(stored.shape) == shape and stored.is_floating_point()
    old = stored if usable and stored is not None else torch.full(shape, torch.nan).double()
    if isinstance(group, LeafGroup):
        new = _legal_leaves(group, old)
    else:
        new = torch.where(torch.isfinite(old) & (old >= 0), old, torch.zeros_like(old))
        # Sparse weights lie in one row; a unit of them may keep none, which is legal.
        empty = new.sum(-1, keepdim=True) == 0
        new = torch.where(empty, torch.full_like(new, 1.0 / new.shape[-1]), new)
    tied = (g for g in circuit.groups if g.kind != "product" and g.parameter == group.parameter)
    if usable or all(circuit.parameter_shape(g) == shape for g in tied):
        return circuit.with_params(circuit.params.updated({group.parameter: new}))
    # Others use the tensor, which fits them: this group gets its own.
    name = group.parameter
    while name in circuit.params:
        name += "'"
    groups = list(circuit.groups)
    groups[position] = replace(group, parameter=name)
    params = circuit.params.updated({name: new})
    return Circuit(groups, circuit.roots, circuit.variables, params, circuit.meta)


def _legal_leaves(group: LeafGroup, old: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    fresh = group.family.initial((len(group.variables), group.size), generator, None).to(old)
    new = old.clone()
    for j in range(new.shape[0]):
        for k in range(new.shape[1]):
            try:
                group.family.validate(new[j, k])
            except ParameterError:
                new[j, k] = fresh[j, k]
    return new


def _zero(circuit: Circuit) -> bool:
    """Whether some root is zero everywhere."""
    nothing = np.full((1, len(circuit.variables)), np.nan)
    return bool(np.isneginf(evaluate(circuit, nothing).root).any())


def normalising(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Weights that add up to one, everywhere."""
    if _zero(circuit):
        return []
    return [
        Repair(
            "normalise",
            "Normalise all weights",
            "Every weight becomes its share of its sum's value with nothing observed, w·S_child(*) "
            "/ S(*). The root becomes S / Z: the same distribution, with partition function 1.",
            "distribution",
            lambda: normalise(circuit),
        )
    ]


def dropping(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Parts that do not count, dropped."""
    if witness.property == "alive" and _zero(circuit):
        return []
    return [
        Repair(
            "drop_dead",
            "Drop what does not count",
            "Removes edges of weight zero, edges to units that are zero everywhere, and then units "
            "that no root reaches. S stays exactly what it was, at every evidence.",
            "exact",
            lambda: drop_dead(circuit),
        )
    ]
