"""cirkit (libcirkit 0.3.1): RandomBinaryTree and PoonDomingos with Tucker layers.

training "adam": softmax weights, compiled with fold and optimize, which fuses the Tucker layers.
training "em", only on request: cirkit's EM needs plain probabilities and does not know fused
layers, so it is compiled with fold alone; and unfused products clamp their log-values at -708.4
(LOG_CLAMP_MIN), so that with hundreds of variables it computes a constant and learns nothing.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .child import main, shake_logits, trainable
from .job import Job
from .regions import FloatArray, Regions


class Cirkit:
    def __init__(self, job: Job) -> None:
        from cirkit.pipeline import PipelineContext

        self.em = job.training == "em"
        self.symbolic = _symbolic(job)
        self.context: Any = PipelineContext(
            backend="torch", semiring="lse-sum", fold=True, optimize=not self.em
        )
        self.net = self.context.compile(self.symbolic)
        if self.em:
            from cirkit.backend.torch.em_optimizer import EM

            self.optimizer: Any = EM(self.net, lr=0.05, pseudocount=0.1)
        else:
            self.optimizer = torch.optim.Adam(trainable(self.net), lr=1e-2)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in trainable(self.net))

    def train(self, x: Tensor) -> None:
        self.optimizer.zero_grad()
        value = self.net(x)
        if self.em:
            value.sum().backward()
        else:
            (-value.mean()).backward()
        self.optimizer.step()

    def infer(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.net(x).reshape(-1)

    def shake(self) -> None:
        if not self.em:
            shake_logits(trainable(self.net))
            return
        with torch.no_grad():
            for p in trainable(self.net):
                p.mul_(torch.exp(0.3 * torch.randn_like(p)))
                if p.ndim > 2:  # [folds, units, ...]: weights or probabilities, not moments
                    p.div_(p.sum(-1, keepdim=True))

    def regions(self) -> Regions:
        """Read from the symbolic circuit, whose tensors the compiler can locate."""
        from cirkit.symbolic.layers import HadamardLayer, InputLayer, KroneckerLayer, SumLayer

        regions = Regions()
        inputs: dict[Any, tuple[int, dict[str, FloatArray]]] = {}
        number: dict[Any, int] = {}
        dense: dict[Any, tuple[int, int, FloatArray]] = {}
        above = self.symbolic.layer_outputs
        for layer in self.symbolic.topological_ordering():
            below = self.symbolic.layer_inputs(layer)
            if isinstance(layer, InputLayer):
                inputs[layer] = next(iter(layer.scope)), self._leaf(layer)
                if not isinstance(above(layer)[0], HadamardLayer):
                    v, values = inputs[layer]
                    number[layer] = regions.leaf([v], **{k: p[None] for k, p in values.items()})
            elif isinstance(layer, HadamardLayer):
                parts = [inputs[one][1] for one in below]
                variables = [inputs[one][0] for one in below]
                values = {k: np.stack([part[k] for part in parts]) for k in parts[0]}
                number[layer] = regions.leaf(variables, **values)
            elif isinstance(layer, SumLayer) and isinstance(below[0], KroneckerLayer):
                left, right = self.symbolic.layer_inputs(below[0])
                dense[layer] = number[left], number[right], self._tensor(layer.weight)
                mixed = [one for one in above(layer) if isinstance(one, SumLayer)]
                if not mixed:
                    number[layer] = regions.inner([dense[layer]])
            elif isinstance(layer, SumLayer):
                ways = [dense[one] for one in below]
                number[layer] = regions.inner(ways, self._tensor(layer.weight))
        return regions

    def _leaf(self, layer: Any) -> dict[str, FloatArray]:
        if "mean" in layer.params:
            return {
                "mean": self._tensor(layer.mean),
                "variance": self._tensor(layer.stddev) ** 2,
            }
        return {"probabilities": self._tensor(layer.probs)}

    def _tensor(self, parameter: Any) -> FloatArray:
        """The value of a symbolic parameter; of mixing weights, the [K, ways] below the matrix."""
        from cirkit.symbolic import parameters as kinds

        value: Tensor | None = None
        for node in parameter.topological_ordering():
            if isinstance(node, kinds.TensorParameter):
                state = self.context._compiler.state
                tensor, fold = state.retrieve_compiled_parameter(node)
                value = tensor._ptensor.detach()[fold]
            elif isinstance(node, kinds.SoftmaxParameter) and value is not None:
                value = torch.softmax(value, node.axis)
            elif isinstance(node, kinds.ScaledSigmoidParameter) and value is not None:
                value = torch.sigmoid(value) * (node.vmax - node.vmin) + node.vmin
            elif not isinstance(node, kinds.MixingWeightParameter):
                raise TypeError(f"no rule to read a {type(node).__name__}")
        assert value is not None
        return value.float().numpy()


def _symbolic(job: Job) -> Any:
    from cirkit.symbolic.parameters import mixing_weight_factory
    from cirkit.templates.region_graph import PoonDomingos, RandomBinaryTree
    from cirkit.templates.utils import (
        Parameterization,
        name_to_input_layer_factory,
        parameterization_to_factory,
    )

    if job.structure == "rat":
        graph = RandomBinaryTree(
            job.variables, depth=job.depth, num_repetitions=job.replicas, seed=job.seed
        )
    else:
        graph = PoonDomingos((1, job.side, job.side), delta=[float(d) for d in job.delta])
    em = job.training == "em"
    plain = Parameterization(activation="none", initialization="dirichlet")
    weights = plain if em else Parameterization(activation="softmax", initialization="normal")
    weight = parameterization_to_factory(weights)
    inputs: dict[str, Any] = {}
    if job.leaf == "categorical":
        inputs = {"num_categories": job.states}
        if em:
            inputs["probs_factory"] = parameterization_to_factory(plain)
    elif em:
        spread = Parameterization(
            activation="none", initialization="uniform", initialization_kwargs={"a": 0.5, "b": 1.5}
        )
        inputs = {"stddev_factory": parameterization_to_factory(spread)}
    return graph.build_circuit(
        input_factory=name_to_input_layer_factory(job.leaf, **inputs),
        sum_product="tucker",
        sum_weight_factory=weight,
        nary_sum_weight_factory=functools.partial(mixing_weight_factory, param_factory=weight),
        num_input_units=job.units,
        num_sum_units=job.units,
        num_classes=1,
        factorize_multivariate=True,
    )


if __name__ == "__main__":
    main(Cirkit, "libcirkit", "opt_einsum")
