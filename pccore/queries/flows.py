"""Expected flows over data: how often each edge and each unit takes part, on average a row.

F_e(x) is the probability that edge e is in the induced tree of x, which is its expected count in
EM; the flow of a unit is d log S / d log S_n.

Source: Dang, Liu and Van den Broeck, "Sparse probabilistic circuits via pruning and growing",
2022, sec. 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import EdgeBank, LeafBank
from pccore.compile.tiling import in_tiles
from pccore.errors import DataError
from pccore.queries.subject import Model, licensed


@dataclass(frozen=True)
class ExpectedFlows:
    """edges: by parameter id, float64, shaped like the weights; tied groups are added up. units:
    by position of the group, float64 [size]; products that are fused into a sum have none. rows:
    how many rows of positive probability there were; the others count nothing."""

    edges: Mapping[str, Tensor]
    units: Mapping[int, Tensor]
    rows: int


@torch.no_grad()
def expected_flows(model: Model, x: Tensor, root: int = 0) -> ExpectedFlows:
    """Mean flows over rows x [B, V]; NaN is missing.

    Raises DataError where no row is possible, PropertyError for a circuit that is not smooth and
    decomposable.
    """
    program, _ = licensed(model, "marginals")
    totals = [torch.zeros_like(s, dtype=torch.float64) for s in program.zero_statistics()]
    units = torch.zeros(program.plan.rows, dtype=torch.float64, device=program.device)

    def add(tile: Tensor) -> int:
        statistics = program.zero_statistics()
        with program.spare.borrow() as workspace:
            state = program.evaluate(tile, keep=True, workspace=workspace)
            flows = program.flows(state, statistics, root=root)
            units.add_(flows.sum(1, dtype=torch.float64))
            possible = int((program.root_values(state, root) > -torch.inf).sum())
        for total, found in zip(totals, statistics, strict=True):
            total += found
        return possible

    rows = sum(in_tiles(program, x, add, buffers=2, training=True))
    if not rows:
        raise DataError("no row has a positive probability, so nothing flows")
    units /= rows
    places = program.plan.addresses
    return ExpectedFlows(
        _by_parameter(program, totals, rows),
        {g: units[a.first : a.first + a.size].cpu() for g, a in places.items()},
        rows,
    )


def _by_parameter(program: Program, totals: list[Tensor], rows: int) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for bank, total in zip(program.banks, totals, strict=True):
        if isinstance(bank, LeafBank):
            continue
        counts = (bank.counts(total) / rows).cpu()
        if isinstance(bank, EdgeBank):
            shapes = [program.circuit.params[name].shape for name in bank.ids]
            parts = counts.split([shape.numel() for shape in shapes])
            counts = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        found.update(zip(bank.ids, counts, strict=True))
    return found
