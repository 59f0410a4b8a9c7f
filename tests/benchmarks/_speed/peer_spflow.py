"""SPFlow 1.1: its Einet with einsum layers, which is the RAT model of the sweep."""

from __future__ import annotations

import torch
from torch import Tensor

from .child import main, shake_logits, trainable
from .job import Job
from .regions import Regions
from .trees import tree_regions


class Einet:
    """training "adam", or "em": `expectation_maximization_batched`, which has no step size."""

    def __init__(self, job: Job) -> None:
        from spflow.modules.leaves import Normal
        from spflow.zoo.einet import Einet as Network

        if job.structure != "rat" or job.leaf != "gaussian":
            raise ValueError("spflow is compared on RAT trees with Gaussian leaves only")
        self.leaf = Normal(
            scope=list(range(job.variables)), out_channels=job.units, num_repetitions=job.replicas
        )
        self.net = Network(
            [self.leaf],
            num_classes=1,
            num_sums=job.units,
            num_leaves=job.units,
            depth=job.depth,
            num_repetitions=job.replicas,
            layer_type="einsum",
        )
        self.em = job.training == "em"
        self.optimizer = torch.optim.Adam(trainable(self.net), lr=1e-2)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in trainable(self.net))

    def train(self, x: Tensor) -> None:
        self.net.train(True)
        if self.em:
            from spflow.learn.expectation_maximization import expectation_maximization_batched

            expectation_maximization_batched(self.net, [x])
            return
        self.optimizer.zero_grad(set_to_none=True)
        (-self.net.log_likelihood(x).mean()).backward()
        self.optimizer.step()

    def infer(self, x: Tensor) -> Tensor:
        self.net.train(False)
        with torch.no_grad():
            return self.net.log_likelihood(x).reshape(-1)

    def shake(self) -> None:
        shake_logits(trainable(self.net))

    def regions(self) -> Regions:
        mixing = self.net.root_node
        layers: list[Tensor] = []
        layer = mixing.inputs if self.net.num_repetitions > 1 else mixing
        while hasattr(layer, "unraveled_channel_indices"):
            layers.insert(0, layer.weights)
            layer = layer.inputs.inputs
        replicas = self.net.num_repetitions
        return tree_regions(
            self.net.factorize.indices,
            self.leaf.loc,
            self.leaf.scale**2,
            layers,
            mixing.weights.reshape(-1) if replicas > 1 else torch.ones(1),
        )


if __name__ == "__main__":
    main(Einet, "spflow")
