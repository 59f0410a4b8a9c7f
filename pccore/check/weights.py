"""Legal parameters, and weights that sum to one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from pccore.check.report import Findings, Witness
from pccore.check.walk import child_units
from pccore.errors import ParameterError
from pccore.graph import Circuit, LeafGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.base import LeafFamily
from pccore.reference import edge_rows

#: How far from one the weights of a normalised sum may be (float32 rounding).
TOLERANCE = 1e-4
#: Parameter tensors of at most this many numbers are checked together.
_SMALL = 2**14


def check_weights(circuit: Circuit, findings: Findings) -> frozenset[int]:
    """Every parameter is there, of the right shape, finite and legal.

    Returns the groups for which that fails.
    """
    broken = set[int]()
    leaves: dict[tuple[LeafFamily, torch.dtype], list[int]] = {}
    for position, group in enumerate(circuit.groups):
        if group.kind == "product":
            continue
        problem = _shape_problem(circuit, group)
        if problem is not None:
            broken.add(position)
            message = f"{group.kind} {group.name}: {problem}"
            findings.add(Witness("weights", Unit(position, 0), (), (), message))
        elif group.kind == "sum":
            if not _check_sum(circuit, position, group, findings):
                broken.add(position)
        else:
            dtype = circuit.params[group.parameter].dtype
            leaves.setdefault((group.family, dtype), []).append(position)
    for (family, _), positions in leaves.items():
        for position in _illegal_leaves(circuit, family, positions):
            broken.add(position)
            findings.add(_leaf_witness(circuit, position))
    return frozenset(broken)


def _shape_problem(circuit: Circuit, group: LeafGroup | SumGroup) -> str | None:
    tensor = circuit.params.get(group.parameter)
    if tensor is None:
        return f"parameter {group.parameter!r} is missing"
    expected = circuit.parameter_shape(group)
    if tuple(tensor.shape) != expected:
        return (
            f"parameter {group.parameter!r} has the shape {list(tensor.shape)}, "
            f"not {list(expected)}"
        )
    if not tensor.is_floating_point():
        return f"parameter {group.parameter!r} holds {tensor.dtype}, not floating point"
    return None


def _check_sum(circuit: Circuit, position: int, group: SumGroup, findings: Findings) -> bool:
    weights = circuit.params[group.parameter].detach().cpu()
    # Two passes of numpy; NaN fails both comparisons.
    if float(weights.numpy().min()) >= 0 and float(weights.numpy().max()) < np.inf:
        return True
    legal = (torch.isfinite(weights) & (weights >= 0)).reshape(-1).numpy()
    edges = edge_rows(circuit, group)
    flat = weights.reshape(-1)
    wrong = np.flatnonzero(~legal)
    owners = np.searchsorted(edges.offsets, wrong, side="right") - 1
    for n, (edge, owner) in enumerate(zip(wrong.tolist(), owners.tolist(), strict=True)):
        if findings.full("weights"):
            findings.count("weights", len(wrong) - n)
            break
        unit = Unit(position, owner)
        child = child_units(circuit, unit)[edge - int(edges.offsets[owner])]
        value = float(flat[edge])
        what = "is negative" if value < 0 and value != -np.inf else "is not finite"
        message = (
            f"sum {circuit.unit_name(unit)}: the weight {value:g} of its child "
            f"{circuit.unit_name(child)} {what}"
        )
        findings.add(Witness("weights", unit, (child,), (), message))
    return False


def _illegal_leaves(circuit: Circuit, family: LeafFamily, positions: list[int]) -> Iterable[int]:
    """The leaf groups that the family rejects; one call for all the small ones if legal."""
    shape = family.parameter_shape
    tensors = {p: _leaf_params(circuit, p) for p in positions}
    small = [p for p in positions if tensors[p].numel() <= _SMALL]
    # Copies of large tensors would cost more than the calls that they save.
    if small and _legal(family, torch.cat([tensors[p].reshape(-1, *shape) for p in small])):
        tensors = {p: tensor for p, tensor in tensors.items() if tensor.numel() > _SMALL}
    return [p for p, tensor in tensors.items() if not _legal(family, tensor)]


def _leaf_params(circuit: Circuit, position: int) -> Tensor:
    group = circuit.groups[position]
    assert group.kind == "leaf"
    return circuit.params[group.parameter].detach().cpu()


def _legal(family: LeafFamily, params: Tensor) -> bool:
    try:
        family.validate(params)
    except ParameterError:
        return False
    return True


def _leaf_witness(circuit: Circuit, position: int) -> Witness:
    """Names the first unit and variable whose parameters are illegal."""
    group = circuit.groups[position]
    assert group.kind == "leaf"
    params = _leaf_params(circuit, position)
    for j, v in enumerate(group.variables):
        for k in range(group.size):
            try:
                group.family.validate(params[j, k])
            except ParameterError as error:
                unit = Unit(position, k)
                name, variable = circuit.unit_name(unit), circuit.variables[v]
                message = f"leaf {name} over {variable}: {error.message}"
                return Witness("weights", unit, (), (v,), message)
    raise AssertionError(f"no illegal entry in {group.name}")


def check_normalized(
    circuit: Circuit, live: list[bool], broken: frozenset[int], findings: Findings
) -> None:
    """The weights of every sum, and the densities of every leaf, add up to one; groups with illegal
    parameters count as not."""
    for position, group in enumerate(circuit.groups):
        if not live[position] or group.kind == "product":
            continue
        if group.kind == "leaf":
            if position not in broken:
                _check_mass(circuit, position, group, findings)
            continue
        if position in broken:
            message = f"sum {group.name} has illegal weights"
            findings.add(Witness("normalized", Unit(position, 0), (), (), message))
            continue
        totals = _totals(circuit.params[group.parameter], group)
        wrong = np.flatnonzero(np.abs(totals - 1) > TOLERANCE).tolist()
        for n, index in enumerate(wrong):
            if findings.full("normalized"):
                findings.count("normalized", len(wrong) - n)
                break
            unit = Unit(position, index)
            message = (
                f"the weights of sum {circuit.unit_name(unit)} add up to "
                f"{float(totals[index]):.6g}, not to 1"
            )
            findings.add(Witness("normalized", unit, (), (), message))


def _check_mass(circuit: Circuit, position: int, group: LeafGroup, findings: Findings) -> None:
    found = group.family.mass(_leaf_params(circuit, position).double())
    if found is None:
        return
    for j, k in np.argwhere(np.abs(found.numpy() - 1) > TOLERANCE).tolist():
        if findings.full("normalized"):
            findings.count("normalized", 1)
            continue
        unit, v = Unit(position, k), group.variables[j]
        name, variable = circuit.unit_name(unit), circuit.variables[v]
        total = float(found[j, k])
        message = f"the densities of leaf {name} over {variable} add up to {total:.6g}, not to 1"
        findings.add(Witness("normalized", unit, (), (v,), message))


def _totals(tensor: Tensor, group: SumGroup) -> np.ndarray:
    weights = tensor.detach().cpu().double().numpy()
    if isinstance(group.edges, SparseEdges):
        return np.add.reduceat(weights, group.edges.offsets[:-1])
    return weights.sum(axis=1)
