"""Other random parameters for a circuit that exists, for restarts."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.graph import Circuit, LeafGroup, SparseEdges, SumGroup
from pccore.leaves.base import Summary
from pccore.structures.drafting import random_weights
from pccore.structures.leaf_groups import restricted


def redrawn(circuit: Circuit, seed: int, summary: Summary | None = None) -> Circuit:
    """The circuit with other parameters: weights uniform on the simplex, leaves as their families
    start. Tied parameters stay tied, indicators stay as they are.

    summary: of the data that are to be learned, if they are known.
    """
    generator = torch.Generator().manual_seed(seed)
    fresh: dict[str, Tensor] = {}
    for group in circuit.groups:
        if isinstance(group, LeafGroup):
            if not group.family.trainable or group.parameter in fresh:
                continue
            variables = torch.tensor(group.variables)
            known = None if summary is None else restricted(summary, variables)
            drawn = group.family.initial((len(variables), group.size), generator, known)
        elif isinstance(group, SumGroup) and group.parameter not in fresh:
            drawn = _weights(circuit, group, generator)
        else:
            continue
        fresh[group.parameter] = drawn.to(circuit.params[group.parameter])
    return circuit.with_params(circuit.params.updated(fresh))


def _weights(circuit: Circuit, group: SumGroup, generator: torch.Generator) -> Tensor:
    shape = circuit.parameter_shape(group)
    if not isinstance(group.edges, SparseEdges):
        return random_weights(shape, generator)
    edges = torch.from_numpy(group.edges.offsets).diff()
    weights = torch.rand(shape, generator=generator).clamp_min(1e-12).log().neg().clamp_min(1e-6)
    owner = torch.repeat_interleave(torch.arange(len(edges)), edges)
    total = weights.new_zeros(len(edges)).index_add_(0, owner, weights)
    return weights / total[owner]
