"""The numerics doctor: units whose numbers are in danger, though the circuit is legal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from pc_workbench.views import labels
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.gaussian import Gaussian
from pccore.queries import UnitValues

#: Natural logarithms of values that a float32 cannot hold as they are.
LOWEST, HIGHEST = math.log(1e-38), math.log(3e38)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something amiss with the numbers of one unit, as a sentence. more: how many are alike."""

    unit: Unit
    sentence: str
    more: int


def complaints(circuit: Circuit, values: UnitValues | None) -> list[Complaint]:
    """What is found; values: of the units under the current evidence, where they are known."""
    found = list(_leaves(circuit))
    if values is not None:
        found += _zero(circuit, values)
        found += _extreme(circuit, values)
    return found


def _zero(circuit: Circuit, values: UnitValues) -> Iterator[Complaint]:
    """Sums and products that are exactly zero under the evidence: log value -inf."""
    zeros = {
        g: np.flatnonzero(np.isneginf(values.log_value[g]))
        for g in values.planned
        if circuit.groups[g].kind != "leaf"
    }
    total = sum(len(indices) for indices in zeros.values())
    first = next((Unit(g, int(k[0])) for g, k in zeros.items() if len(k)), None)
    if first is not None:
        unit, kind = first, circuit.groups[first.group].kind
        yield Complaint(
            unit,
            f"{kind} {circuit.unit_name(unit)} is 0 under this evidence, its logarithm -inf",
            total - 1,
        )


def _extreme(circuit: Circuit, values: UnitValues) -> Iterator[Complaint]:
    """Values beyond single precision: right in log space only."""
    units: list[Unit] = []
    total = 0
    for g in values.planned:
        logs = values.log_value[g]
        with np.errstate(invalid="ignore"):
            wild = np.isfinite(logs) & ((logs < LOWEST) | (logs > HIGHEST))
        total += int(wild.sum())
        if not units:
            units += [Unit(g, int(k)) for k in np.flatnonzero(wild)[:1]]
    for unit in units:
        log = values.log_value_of(unit)
        yield Complaint(
            unit,
            f"{circuit.unit_name(unit)} is e^{log:.4g}, beyond single precision: only its "
            "logarithm is computed",
            total - 1,
        )


def _leaves(circuit: Circuit) -> Iterator[Complaint]:
    """Variances at a bound of the family, and probabilities that are exactly 0."""
    tight: list[tuple[Unit, float]] = []
    impossible: list[tuple[Unit, str]] = []
    tights = impossibles = 0
    for position, group in enumerate(circuit.groups):
        if not isinstance(group, LeafGroup) or group.family.name == "indicator":
            continue
        tensor = labels.parameters_of(circuit, group)
        if tensor is None:
            continue
        if isinstance(group.family, Gaussian):
            variance = tensor[..., 1].detach().double()
            bounds = group.family.min_variance * 1.001, group.family.max_variance * 0.999
            at = torch.nonzero((variance <= bounds[0]) | (variance >= bounds[1]))
            tights += len(at)
            tight += [(Unit(position, int(k)), float(variance[j, k])) for j, k in at[:1].tolist()]
        elif group.family.name in ("bernoulli", "categorical"):
            zero = tensor.detach() == 0
            if group.family.name == "bernoulli":
                zero = zero | (tensor.detach() == 1)
            at = torch.nonzero(zero)
            impossibles += len(at)
            impossible += [
                (Unit(position, int(row[1])), circuit.variables[group.variables[int(row[0])]])
                for row in at[:1].tolist()
            ]
    for unit, variance in tight[:1]:
        yield Complaint(
            unit,
            f"leaf {circuit.unit_name(unit)} has the variance {variance:.3g}, the bound of its "
            "family",
            tights - 1,
        )
    for unit, name in impossible[:1]:
        yield Complaint(
            unit,
            f"leaf {circuit.unit_name(unit)} gives a state of {name} the probability 0",
            impossibles - 1,
        )
