"""What a compiled circuit costs: operations, bytes and memory, before anything is run.

Formulas, not measurements; `measure` in pccore.compile.profile takes the time of each layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from pccore.compile.layer import chunk_for
from pccore.compile.plan import LayerSpec, Plan


@dataclass(frozen=True)
class Memory:
    """Bytes that an engine holds at its peak, besides Python and torch themselves.

    parameters: the banks, with what is derived from them. statistics: the accumulators of a
    learner and what its update needs. buffers: values, flows and work of one tile of samples.
    samples: rows in that tile.
    """

    parameters: int
    statistics: int
    buffers: int
    samples: int

    @property
    def total(self) -> int:
        """The peak."""
        return self.parameters + self.statistics + self.buffers


#: Bytes that the libraries hold for themselves: scratch of the matrix products, freed blocks.
OVERHEAD = 24 * 2**20


def _per_sample(plan: Plan, training: bool) -> int:
    """Numbers that each sample of a tile adds to the buffers, besides the work of chunks."""
    numbers = plan.rows + plan.factor_rows
    for layer in plan.layers:
        if layer.kind == "leaf":
            numbers += layer.work if training else 0
        elif layer.kind in ("dense", "einsum"):
            numbers += layer.units if training else 0  # the sums that the flow pass divides by
        elif layer.kind == "mix":
            numbers += 2 * layer.units if training else 0  # those sums and the maxima
    return numbers + (plan.rows if training else 0)


def _chunk(layer: LayerSpec, samples: int, device: str, training: bool) -> int:
    """Numbers that the work of one part of a layer needs."""
    groups = len(layer.groups)
    per_group = max(1, layer.work // groups) * samples
    edges = layer.kind in ("edge_sum", "edge_product")
    limit = chunk_for(device)
    whole = layer.work * samples if edges else per_group * min(groups, max(1, limit // per_group))
    part = min(whole, max(limit, per_group)) if not edges else min(whole, limit)
    if layer.kind == "leaf":  # the parts that statistics are made of; the statistics
        return (1 if training else 2) * layer.work * samples
    copies = 2 if training and layer.kind in ("dense", "einsum") else 1
    sides = layer.units * samples if layer.kind == "einsum" else 0
    return copies * part + min(sides, part)


def working_numbers(plan: Plan, samples: int, device: str, training: bool) -> int:
    """Numbers in all buffers of a pass over so many samples."""
    chunk = max((_chunk(layer, samples, device, training) for layer in plan.layers), default=0)
    return samples * _per_sample(plan, training) + chunk


def rows_within(plan: Plan, numbers: int, device: str, training: bool) -> int:
    """The most samples, at least one, whose pass needs no more than `numbers`."""
    low, high = 1, max(1, numbers // max(1, _per_sample(plan, training)))
    while low < high:
        middle = (low + high + 1) // 2
        if working_numbers(plan, middle, device, training) <= numbers:
            low = middle
        else:
            high = middle - 1
    return low
