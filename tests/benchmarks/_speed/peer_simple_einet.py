"""simple-einet (braun-steven), where a person has installed it: einsum layers, trained by Adam."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .child import main, shake_logits, trainable
from .job import Job
from .regions import Regions
from .trees import tree_regions


class SimpleEinet:
    def __init__(self, job: Job) -> None:
        from simple_einet.einet import Einet, EinetConfig
        from simple_einet.layers.distributions.normal import Normal

        if job.structure != "rat" or job.leaf != "gaussian" or job.training != "adam":
            raise ValueError("simple-einet is compared on RAT trees, Gaussian leaves and Adam only")
        self.net: Any = Einet(
            EinetConfig(
                num_features=job.variables,
                num_channels=1,
                num_sums=job.units,
                num_leaves=job.units,
                num_repetitions=job.replicas,
                num_classes=1,
                depth=job.depth,
                leaf_type=Normal,
                layer_type="einsum",
            )
        )
        self.optimizer = torch.optim.Adam(trainable(self.net), lr=1e-2)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in trainable(self.net))

    def train(self, x: Tensor) -> None:
        self.net.train(True)
        self.optimizer.zero_grad(set_to_none=True)
        (-self.net(x).mean()).backward()
        self.optimizer.step()

    def infer(self, x: Tensor) -> Tensor:
        self.net.train(False)
        with torch.no_grad():
            return self.net(x).reshape(-1)

    def shake(self) -> None:
        shake_logits(trainable(self.net))

    def regions(self) -> Regions:
        leaf = self.net.leaf.base_leaf
        weights = [
            torch.softmax(layer.logits.flatten(-2), -1).unflatten(-1, layer.logits.shape[-2:])
            for layer in self.net.layers
        ]
        one = torch.ones(1)
        several = self.net.config.num_repetitions > 1
        return tree_regions(
            self.net.leaf.scopes,
            leaf.means[0, 0],
            (2 * leaf.log_stds[0, 0]).exp(),
            weights,
            torch.softmax(self.net.mixing.logits, 2).reshape(-1) if several else one,
        )


if __name__ == "__main__":
    main(SimpleEinet, "simple-einet")
