"""Making the parameter banks of a plan from the parameters of a circuit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pccore.compile.bank import ParameterBank
from pccore.compile.edge_bank import EdgeBank
from pccore.compile.leaf_bank import LeafBank
from pccore.compile.plan import BankSpec
from pccore.compile.weight_bank import WeightBank
from pccore.errors import ParameterError
from pccore.graph import Circuit, SparseEdges, SumGroup

Bank = WeightBank | EdgeBank | LeafBank


def make_banks(
    specs: tuple[BankSpec, ...],
    circuit: Circuit,
    device: torch.device,
    dtype: torch.dtype,
    fused: bool = False,
) -> list[Bank]:
    """The banks of `specs`, filled from the circuit's parameters. fused: kernels read them.

    Raises ParameterError for numbers that are too large for the dtype.
    """
    edges = _edges_per_sum(circuit) if any(spec.kind == "edges" for spec in specs) else {}
    return [_bank(spec, circuit, edges, device, dtype, fused) for spec in specs]


def _edges_per_sum(circuit: Circuit) -> dict[str, np.ndarray]:
    """The number of edges of each sum, by parameter id."""
    found: dict[str, np.ndarray] = {}
    for group in circuit.groups:
        if isinstance(group, SumGroup):
            if isinstance(group.edges, SparseEdges):
                found[group.parameter] = np.diff(group.edges.offsets)
            else:
                size, inputs = circuit.parameter_shape(group)
                found[group.parameter] = np.full(size, inputs)
    return found


def _bank(
    spec: BankSpec,
    circuit: Circuit,
    edges: dict[str, np.ndarray],
    device: torch.device,
    dtype: torch.dtype,
    fused: bool,
) -> Bank:
    stored: list[Tensor] = [circuit.params[name] for name in spec.ids]
    for name, tensor in zip(spec.ids, stored, strict=True):
        if tensor.dtype != dtype and bool((tensor.abs() > torch.finfo(dtype).max).any()):
            raise ParameterError(f"parameter {name!r} holds numbers too large for {dtype}")
    if spec.kind == "leaf":
        assert spec.family is not None
        apart = not (fused or spec.tied)
        return LeafBank(spec.ids, stored, spec.family, device, dtype, apart, spec.frozen)
    if spec.kind == "edges":
        counts = [edges[name] for name in spec.ids]
        return EdgeBank(spec.ids, stored, counts, device, dtype, spec.frozen)
    return WeightBank(spec.ids, stored, device, dtype, spec.frozen)


__all__ = ["Bank", "EdgeBank", "LeafBank", "ParameterBank", "WeightBank", "make_banks"]
