"""EinsumNetworks (cambridge-mlg/EinsumNetworks), where a person has it.

    --peer-path einsumnetworks=CHECKOUT/src

training "em": its online EM, step 0.05 after every batch, as in its demos; "adam": use_em=False.
"""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import torch
from torch import Tensor

from .child import main, shake_logits, trainable
from .job import Job
from .regions import FloatArray, Regions


class EinsumNetworks:
    def __init__(self, job: Job) -> None:
        # Its Graph.py imports these two names, which networkx 3 has removed, and uses neither.
        for name in ("read_gpickle", "write_gpickle"):
            if not hasattr(networkx, name):
                setattr(networkx, name, None)
        from EinsumNetwork import EinsumNetwork as library
        from EinsumNetwork import Graph

        self.library: Any = library
        self.em = job.training == "em"
        if job.structure == "rat":
            graph = Graph.random_binary_trees(job.variables, job.depth, job.replicas)
        else:
            graph = Graph.poon_domingos_structure((job.side, job.side), list(job.delta))
        categorical = job.leaf == "categorical"
        self.net: Any = library.EinsumNetwork(
            graph,
            library.Args(
                num_var=job.width,
                num_dims=1,
                num_classes=1,
                num_sums=job.units,
                num_input_distributions=job.units,
                exponential_family=library.CategoricalArray if categorical else library.NormalArray,
                exponential_family_args={"K": job.states} if categorical else {},
                use_em=self.em,
                online_em_frequency=1 if self.em else None,
                online_em_stepsize=0.05 if self.em else None,
            ),
        )
        self.net.initialize()
        self.optimizer = None if self.em else torch.optim.Adam(trainable(self.net), lr=1e-2)

    @property
    def parameters(self) -> int:
        """Without the padding of mixing layers."""
        padding = sum(
            int((layer.params_mask == 0).sum())
            for layer in self.net.einet_layers
            if getattr(layer, "params_mask", None) is not None
        )
        return sum(p.numel() for p in trainable(self.net)) - padding

    def train(self, x: Tensor) -> None:
        if self.optimizer is not None:
            self.optimizer.zero_grad(set_to_none=True)
        value = self.library.log_likelihoods(self.net.forward(x)).sum()
        if self.optimizer is None:
            value.backward()
            self.net.em_process_batch()
        else:
            (-value / len(x)).backward()
            self.optimizer.step()

    def infer(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.library.log_likelihoods(self.net.forward(x)).reshape(-1)

    def shake(self) -> None:
        # Its EM keeps the parameters themselves, drawn at random already; categorical ones are
        # not normalised at first, which its forward pass does.
        if not self.em:
            shake_logits(trainable(self.net))

    def regions(self) -> Regions:
        layers = list(self.net.einet_layers)
        regions = Regions()
        number: dict[Any, int] = {}
        values = self._leaves(layers[0].ef_array)
        for node in layers[0].nodes:
            scope = list(node.scope)
            replica = node.einet_address.replica_idx
            parameters = {kind: value[scope][:, :, replica] for kind, value in values.items()}
            number[node] = regions.leaf(scope, **parameters)
        for place, layer in enumerate(layers[1:], 1):
            if not hasattr(layer, "products"):
                continue  # a mixing layer, read together with the products below it
            weights = self._weights(layer)  # [K_left, K_right, K_out, products]
            ways = [
                (number[left], number[right], _rows(weights[:, :, :, p]))
                for p, (left, right) in enumerate(layer.inputs)
            ]
            for node, p in self._single(layer):
                number[node] = regions.inner([ways[p]])
            for node, parts in layer.mixing_component_idx.items():
                mixing = layers[place + 1]
                c = mixing.nodes.index(node)
                shares = self._weights(mixing)[:, c, : len(parts)]
                number[node] = regions.inner([ways[p] for p in parts], shares)
        return regions

    def _single(self, layer: Any) -> list[tuple[Any, int]]:
        """Regions with one partition, and its place in the layer."""
        graph = self.net.graph
        parents = [next(iter(graph.predecessors(product))) for product in layer.products]
        return [(node, p) for p, node in enumerate(parents) if len(graph.succ[node]) == 1]

    def _weights(self, layer: Any) -> FloatArray:
        params = layer.params if layer.reparam is None else layer.reparam(layer.params)
        return params.detach().numpy()

    def _leaves(self, array: Any) -> dict[str, FloatArray]:
        """Parameters [V, K, replicas, ...] of the leaves."""
        params = array.params.detach()
        phi = params if self.em else array.reparam(params)
        if hasattr(array, "min_var"):
            mean = phi[..., 0]
            return {"mean": mean.numpy(), "variance": (phi[..., 1] - mean**2).numpy()}
        return {"probabilities": (phi / phi.sum(-1, keepdim=True)).numpy()}


def _rows(weights: FloatArray) -> FloatArray:
    """[K_left, K_right, K_out] as [K_out, K_left * K_right]."""
    return np.ascontiguousarray(weights.reshape(-1, weights.shape[2]).T)


if __name__ == "__main__":
    main(EinsumNetworks, "networkx")
