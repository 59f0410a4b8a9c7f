"""How a circuit became layers, and what each of them costs and takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pccore.compile.edges import EdgeSumLayer
from pccore.compile.layer import Layer
from pccore.compile.plan import LayerKind
from pccore.compile.program import Program
from pccore.compile.state import Pass, Workspace


@dataclass(frozen=True)
class LayerCost:
    """One layer of a program and what a batch costs there.

    number: position in the program. groups: positions of its groups in the circuit. size: units
    of each group, 0 where they differ. units: all units. inputs: child units that each group
    sees. edges: edges of the circuit that it computes. padding: edges that only fill up rows.
    parameters: numbers that it reads from its bank. flops, moved: floating-point operations and
    bytes of an up pass; the flow pass of a layer of sums takes twice the operations. seconds,
    flow_seconds: best of several passes, None where nothing was measured.
    """

    number: int
    kind: LayerKind
    groups: tuple[int, ...]
    size: int
    units: int
    inputs: int
    edges: int
    padding: int
    parameters: int
    flops: int
    moved: int
    seconds: float | None = None
    flow_seconds: float | None = None


def layer_costs(program: Program, samples: int) -> tuple[LayerCost, ...]:
    """What every layer costs for a batch, from its shape."""
    return tuple(_cost(program, layer, samples) for layer in program.layers)


def measure(program: Program, x: Tensor | np.ndarray, repeats: int = 5) -> tuple[LayerCost, ...]:
    """`layer_costs` with the time that each layer takes on the data x [B, V]."""
    workspace = Workspace()
    state = program.evaluate(x, keep=True, workspace=workspace)
    statistics = program.zero_statistics()
    flows = program.flows(state, statistics)
    found: list[LayerCost] = []
    with torch.no_grad(), program.products():
        for layer, cost in zip(program.layers, layer_costs(program, state.samples), strict=True):
            number = layer.spec.parameters
            accumulator = None if number is None else statistics[number]
            ups, downs = zip(
                *(_times(program, layer, state, flows, accumulator) for _ in range(repeats)),
                strict=True,
            )
            found.append(replace(cost, seconds=min(ups), flow_seconds=min(downs)))
    return tuple(found)


def _times(
    program: Program, layer: Layer, state: Pass, flows: Tensor, statistics: Tensor | None
) -> tuple[float, float]:
    """Seconds that the up and the flow pass of one layer take."""
    marks = [_now(program)]
    layer.up(state, keep=True)
    marks.append(_now(program))
    layer.flow(state, flows, statistics)
    marks.append(_now(program))
    return marks[1] - marks[0], marks[2] - marks[1]


def _now(program: Program) -> float:
    if program.device.type == "cuda":
        torch.cuda.synchronize(program.device)
    return time.perf_counter()


def _cost(program: Program, layer: Layer, samples: int) -> LayerCost:
    spec = layer.spec
    groups, item = len(spec.groups), program.dtype.itemsize
    per_group = spec.work // groups
    padding = 0
    match spec.kind:
        case "leaf":
            inputs, edges, parameters = per_group, 0, per_group * spec.units
            flops = 2 * parameters * samples
        case "einsum" | "dense":
            inputs, edges = per_group, per_group * spec.units
            parameters = edges
            flops = (2 * edges + (groups * per_group if spec.kind == "einsum" else 0)) * samples
        case "mix":
            inputs = len(spec.inputs[0])
            edges = inputs * spec.units
            parameters, flops = edges, 3 * edges * samples
        case "hadamard" | "kronecker":
            inputs = len(spec.inputs[0])
            edges, parameters = inputs * spec.units, 0
            flops = edges * samples
        case "edge_sum" | "edge_product":
            inputs, edges = 0, spec.work
            if isinstance(layer, EdgeSumLayer):
                padding = sum(block.children.numel() for block in layer.blocks) - edges
            parameters = edges if spec.kind == "edge_sum" else 0
            flops = (3 if spec.kind == "edge_sum" else 1) * (edges + padding) * samples
    read = spec.work if spec.kind in ("leaf", "edge_sum", "edge_product") else _read(layer)
    moved = item * (parameters + (spec.units + read) * samples)
    return LayerCost(
        layer.number, spec.kind, spec.groups, spec.size, spec.units, inputs, edges, padding,
        parameters, flops, moved,
    )  # fmt: skip


def _read(layer: Layer) -> int:
    """Input values that a layer reads for each sample."""
    return sum(address.size for row in layer.spec.inputs for address in row)
