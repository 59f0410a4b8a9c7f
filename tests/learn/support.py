"""What the tests of the learners share: counts by parameter, a differentiable reference."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pccore import reference
from pccore.compile import Program
from pccore.compile.banks import Bank, EdgeBank, LeafBank
from pccore.graph import Circuit


def by_parameter(program: Program, bank: Bank, values: Tensor) -> dict[str, Tensor]:
    """A tensor of the shape of a bank's values (or counts), taken apart by parameter id."""
    if isinstance(bank, EdgeBank):
        shapes = [program.circuit.params[name].shape for name in bank.ids]
        parts = values.split([shape.numel() for shape in shapes])
        pairs = zip(bank.ids, parts, shapes, strict=True)
        return {name: part.reshape(shape) for name, part, shape in pairs}
    return dict(zip(bank.ids, values, strict=True))


def counts_by_parameter(program: Program, statistics: list[Tensor]) -> dict[str, Tensor]:
    """Counts of every bank that learns; leaves without their shift, [d, K, S]."""
    found: dict[str, Tensor] = {}
    for bank, given in zip(program.banks, statistics, strict=True):
        if bank.trainable:
            counts = bank.counts(given)
            counts = bank.absolute(counts) if isinstance(bank, LeafBank) else counts
            found |= by_parameter(program, bank, counts)
    return found


def log_values(model: Circuit, x: Tensor, params: Mapping[str, Tensor]) -> Tensor:
    """`reference.evaluate` in torch, so that it can be differentiated: log S of the root for the
    rows that are possible, [n]. In the linear domain, where zeros have gradients."""
    values: list[Tensor] = []
    for group in model.groups:
        if group.kind == "leaf":
            total = torch.ones((len(x), group.size), dtype=torch.float64)
            for j, v in enumerate(group.variables):
                column = x[:, v, None]
                missing = torch.isnan(column)
                known = torch.where(missing, 0.0, column)
                density = torch.exp(group.family.log_prob(known, params[group.parameter][j]))
                total = total * torch.where(missing, 1.0, density)
            values.append(total)
            continue
        edges = reference.edge_rows(model, group)
        below = torch.cat([values[i] for i in group.inputs], 1)[:, torch.tensor(edges.children)]
        if group.kind == "sum":
            below = below * params[group.parameter].reshape(-1)
        parts = below.split((edges.offsets[1:] - edges.offsets[:-1]).tolist(), 1)
        join = torch.sum if group.kind == "sum" else torch.prod
        values.append(torch.stack([join(part, 1) for part in parts], 1))
    root = values[model.root.group][:, model.root.index]
    return torch.log(root[root > 0])
