"""SPFlow 1.1 on a scalar circuit: a module for each unit, trained by Adam."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .child import main, trainable
from .job import Job
from .scalars import LEAF, PRODUCT, ScalarGraph


class Modules:
    def __init__(self, job: Job) -> None:
        from spflow.modules.leaves import Bernoulli
        from spflow.modules.products import Product
        from spflow.modules.sums import Sum

        graph = ScalarGraph.load(job.graph)
        self.edges = graph.num_edges
        sys.setrecursionlimit(10**6)  # it evaluates by recursion over the modules
        sizes = np.diff(graph.first)
        kinds = np.repeat(graph.kind, sizes).tolist()
        variables = np.repeat(graph.variable, sizes).tolist()
        offsets = graph.offsets.tolist()
        units: list[Any] = []
        for u, (kind, variable) in enumerate(zip(kinds, variables, strict=True)):
            edges = slice(offsets[u], offsets[u + 1])
            below = [units[c] for c in graph.children[edges].tolist()]
            if kind == LEAF:
                p = torch.tensor(graph.probability[u]).float().reshape(1, 1, 1)
                units.append(Bernoulli(variable, probs=p))
            elif kind == PRODUCT:
                units.append(Product(below))
            else:
                weights = torch.from_numpy(graph.weights[edges]).float()
                units.append(Sum(below, weights=weights.reshape(1, -1, 1, 1)))
        self.root = units[-1]
        self.optimizer = torch.optim.Adam(trainable(self.root), lr=1e-2)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in trainable(self.root))

    def infer(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self._values(x)

    def train(self, x: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        (-self._values(x).mean()).backward()
        self.optimizer.step()

    def _values(self, x: Tensor) -> Tensor:
        # Without a cache of its own a call would evaluate shared units once for each parent.
        from spflow.utils.cache import Cache

        return self.root.log_likelihood(x, cache=Cache()).reshape(-1)


if __name__ == "__main__":
    main(Modules, "spflow")
