"""Repairs of illegal parameters, of weights that do not add up to one, and of dead parts."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.check import Witness
from pccore.errors import ParameterError
from pccore.graph import Circuit, LeafGroup
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
            f"{how}. Legal entries stay. The distribution was not defined before.",
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
    return circuit.with_params(circuit.params.updated({group.parameter: new}))


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


def normalising(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Weights that add up to one, everywhere."""
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
    return [
        Repair(
            "drop_dead",
            "Drop what does not count",
            "Removes units that no root reaches and edges of weight zero. S stays exactly what it "
            "was, at every evidence.",
            "exact",
            lambda: drop_dead(circuit),
        )
    ]
