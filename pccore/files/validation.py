"""Checking the parameters of circuits that have very many groups."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pccore.errors import ParameterError
from pccore.generated import Generated
from pccore.graph import Circuit
from pccore.leaves import LeafFamily

#: Below this many groups the plain check is fast enough.
_MANY = 500


def validate_params(circuit: Circuit) -> None:
    """`circuit.validate_params()`, fast for 10^5 groups as well.

    The parameters of equal groups are joined and checked at once; only where something is
    wrong are they checked one by one, to say where.

    Raises:
        ParameterError: as `Circuit.validate_params`.
    """
    small = len(circuit.groups) < _MANY or isinstance(circuit.params, Generated)
    if small or not _all_legal(circuit):
        circuit.validate_params()


def _all_legal(circuit: Circuit) -> bool:
    weights: dict[torch.dtype, list[Tensor]] = {}
    leaves: dict[tuple[LeafFamily, torch.dtype], list[Tensor]] = {}
    for group in circuit.groups:
        if group.kind == "product":
            continue
        tensor = circuit.params.get(group.parameter)
        if (
            tensor is None
            or tuple(tensor.shape) != circuit.parameter_shape(group)
            or not tensor.is_floating_point()
        ):
            return False
        if group.kind == "sum":
            weights.setdefault(tensor.dtype, []).append(tensor.reshape(-1))
        else:
            flat = tensor.reshape(-1, *group.family.parameter_shape)
            leaves.setdefault((group.family, tensor.dtype), []).append(flat)
    for tensors in weights.values():
        for part in _joined(tensors):
            if not bool((torch.isfinite(part) & (part >= 0)).all()):
                return False
    for (family, _), tensors in leaves.items():
        for part in _joined(tensors):
            try:
                family.validate(part)
            except ParameterError:
                return False
    return True


def _joined(tensors: list[Tensor]) -> Iterator[Tensor]:
    """The large tensors as they are, the small ones as one."""
    small = [tensor for tensor in tensors if tensor.numel() < 10_000]
    if small:
        yield torch.cat(small)
    for tensor in tensors:
        if tensor.numel() >= 10_000:
            yield tensor
