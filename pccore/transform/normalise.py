"""Weights that add up to one, for the same distribution."""

from __future__ import annotations

import numpy as np
import torch

from pccore.errors import ParameterError
from pccore.graph import Circuit, SumGroup
from pccore.reference import edge_rows, evaluate, log_weights


def normalise(circuit: Circuit) -> Circuit:
    """The same circuit with weights that add up to one: S'_n = S_n / S_n(*) for every unit.

    The new weight of an edge is its share of the sum's value with nothing observed, w_k Z_k / Z
    (Peharz et al. 2015, "On Theoretical Properties of Sum-Product Networks", theorem 2), so the
    root is S / Z, the distribution itself, where S(*) is the partition function. Groups keep
    their places; a sum whose tied weights would differ gets its own. A sum of value zero cannot be
    divided by it: its weights are divided by their sum (made equal where all are zero), which no
    root notices, as the weights of the edges to it become 0.

    Raises ParameterError for illegal parameters or a root that is zero everywhere.
    """
    circuit.validate_params()
    nothing = np.full((1, len(circuit.variables)), np.nan)
    log_z = [values[0] for values in evaluate(circuit, nothing).log_values]
    if any(np.isneginf(log_z[root.group][root.index]) for root in circuit.roots):
        raise ParameterError("the circuit is zero everywhere: there is nothing to normalise")
    params = dict(circuit.params)
    owner: dict[str, torch.Tensor] = {}
    groups = list(circuit.groups)
    for position, group in enumerate(circuit.groups):
        if group.kind != "sum":
            continue
        edges = edge_rows(circuit, group)
        below = np.concatenate([log_z[i] for i in group.inputs])[edges.children]
        counts = np.diff(edges.offsets)
        own = np.repeat(log_z[position], counts)
        dead = np.isneginf(own)
        old = log_weights(circuit, group)
        new = np.exp(old + below - np.where(dead, 0.0, own))
        if dead.any():
            plain = np.exp(old)
            totals = np.repeat(np.add.reduceat(plain, edges.offsets[:-1]), counts)
            even = np.where(
                totals > 0, plain / np.where(totals > 0, totals, 1.0), 1.0 / counts.repeat(counts)
            )
            new = np.where(dead, even, new)
        stored = circuit.params[group.parameter]
        weights = torch.from_numpy(new).reshape(stored.shape).to(stored)
        known = owner.setdefault(group.parameter, weights)
        if known is weights:
            params[group.parameter] = weights
        elif not torch.allclose(known, weights, rtol=0.0, atol=1e-12):
            name = group.parameter
            while name in params:
                name += "'"
            params[name] = owner[name] = weights
            groups[position] = SumGroup(group.name, group.size, group.inputs, name, group.edges)
    return Circuit(groups, circuit.roots, circuit.variables, params, circuit.meta)
