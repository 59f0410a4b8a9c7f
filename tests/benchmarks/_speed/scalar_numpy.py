"""The baseline for irregular circuits: units one by one, each for a whole batch, in numpy.

This is what a plain object-per-node evaluator does, without the cost of objects: flat lists, and
one or two numpy calls for each unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .child import main
from .job import Job
from .scalars import LEAF, PRODUCT, SUM, ScalarGraph

FloatArray = npt.NDArray[np.float64]


class NodeByNode:
    """Online EM with step 0.05 and pseudocount 0.1, as pccore's."""

    def __init__(self, job: Job) -> None:
        graph = ScalarGraph.load(job.graph)
        self.graph = graph
        self.edges = graph.num_edges
        sizes = np.diff(graph.first)
        self.kinds: list[int] = np.repeat(graph.kind, sizes).tolist()
        self.variables: list[int] = np.repeat(graph.variable, sizes).tolist()
        offsets = graph.offsets
        self.children = np.split(graph.children, offsets[1:-1])
        self.places = list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
        self.sums = np.flatnonzero(np.repeat(graph.kind, sizes) == SUM)
        self.leaves = np.flatnonzero(np.repeat(graph.kind, sizes) == LEAF)
        self.weights = graph.weights.copy()
        self.probability = graph.probability.copy()
        self.rows = job.rows

    @property
    def parameters(self) -> int:
        return len(self.leaves) + int(np.diff(self.graph.offsets)[self.sums].sum())

    def up(self, x: FloatArray) -> FloatArray:
        """Log-values [units, B]."""
        values = np.empty((len(self.kinds), len(x)))
        for u, kind in enumerate(self.kinds):
            if kind == LEAF:
                p = self.probability[u]
                values[u] = np.log(np.where(x[:, self.variables[u]] > 0, p, 1 - p))
                continue
            below = values[self.children[u]]
            if kind == PRODUCT:
                values[u] = below.sum(0)
            else:
                begin, end = self.places[u]
                most = below.max(0)
                values[u] = np.log(self.weights[begin:end] @ np.exp(below - most)) + most
        return values

    def infer(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.up(x.double().numpy())[-1])

    def train(self, x: Tensor) -> None:
        rows = x.double().numpy()
        values = self.up(rows)
        flows = np.zeros_like(values)
        flows[-1] = 1
        counts = np.zeros_like(self.weights)
        ones = np.zeros((2, len(self.kinds)))
        for u in range(len(self.kinds) - 1, -1, -1):
            kind, flow = self.kinds[u], flows[u]
            if kind == LEAF:
                ones[0, u], ones[1, u] = flow.sum(), flow @ rows[:, self.variables[u]]
                continue
            below = self.children[u]
            if kind == PRODUCT:
                flows[below] += flow
                continue
            begin, end = self.places[u]
            shares = self.weights[begin:end, None] * np.exp(values[below] - values[u]) * flow
            flows[below] += shares  # no unit is below another one twice
            counts[begin:end] = shares.sum(1)
        self._update(counts * (self.rows / len(rows)), ones * (self.rows / len(rows)))

    def _update(self, counts: FloatArray, ones: FloatArray) -> None:
        step, pseudocount = 0.05, 0.1
        fan = np.diff(self.graph.offsets)
        of_sum = np.zeros(len(fan), dtype=bool)
        of_sum[self.sums] = True
        edges = np.repeat(of_sum, fan)
        owner = np.repeat(np.arange(len(fan)), fan)
        smoothed = counts + pseudocount / fan[owner]
        target = smoothed / np.bincount(owner, smoothed, len(fan))[owner]
        self.weights[edges] += step * (target - self.weights)[edges]
        new = (ones[1] + pseudocount / 2) / (ones[0] + pseudocount)
        leaves = self.leaves
        self.probability[leaves] += step * (new - self.probability)[leaves]


def make(job: Job) -> Any:
    """The model of a job."""
    return NodeByNode(job)


if __name__ == "__main__":
    main(make)
