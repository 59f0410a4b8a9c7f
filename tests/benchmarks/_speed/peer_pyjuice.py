"""PyJuice 2.6.3: the same blocks by its own constructors, mini-batch EM as in its examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .blocks import Block
from .gpu_child import PSEUDOCOUNT, STEP, device, main
from .job import Job


def block_size(job: Job) -> int:
    """What pyjuice.structures.PD and HCLT take by default."""
    power = job.units & -job.units  # the largest power of two that divides K
    if job.structure == "blocks-hclt":
        return min(1024, power)
    return min(16 if job.units <= 32 else 32, power)


def build_nodes(job: Job, made: list[Block]) -> list[Any]:
    """PyJuice's nodes of each block, with random parameters."""
    import pyjuice as juice
    from pyjuice.nodes.distributions import Categorical

    size = block_size(job)
    nodes: list[Any] = []
    with juice.set_block_size(size):
        for block in made:
            below = [nodes[i] for i in block.inputs]
            count = block.units // size
            if block.kind == "input":
                family = Categorical(num_cats=job.states)
                nodes.append(juice.inputs(block.variable, num_node_blocks=count, dist=family))
            elif block.kind == "product":
                nodes.append(juice.multiply(*below))
            elif block.units == 1:
                nodes.append(juice.summate(*below, num_node_blocks=1, block_size=1))
            else:
                nodes.append(juice.summate(*below, num_node_blocks=count))
    for node in nodes:
        if not node.is_prod():
            node.init_parameters(recursive=False)
        if node.is_input():  # otherwise the compiler does not count them as given
            node.set_params(node.get_params().clone())
    return nodes


def parameters_of(nodes: list[Any], made: list[Block]) -> dict[str, np.ndarray]:
    """Parameters by number of block: sums as [K, inputs], inputs as [K * states]."""
    return {
        f"b{number}": (node.get_params(True) if block.kind == "sum" else node.get_params()).numpy()
        for number, (node, block) in enumerate(zip(nodes, made, strict=True))
        if block.kind != "product"
    }


class PyJuice:
    def __init__(self, job: Job, made: list[Block]) -> None:
        import pyjuice as juice

        nodes = build_nodes(job, made)
        self.saved = parameters_of(nodes, made) if job.task == "parity" else {}
        below = [sum(made[i].units for i in block.inputs) for block in made]
        self.parameters = sum(
            block.units * (job.states if block.kind == "input" else fan)
            for block, fan in zip(made, below, strict=True)
            if block.kind != "product"
        )
        self.circuit: Any = juice.compile(nodes[-1])
        self.circuit.to(device())
        self.optimizer = juice.optim.MiniBatchEM(
            self.circuit, step_size=STEP, pseudocount=PSEUDOCOUNT
        )
        self.recorded = False

    def rows(self, images: np.ndarray) -> Tensor:
        return torch.from_numpy(images)

    def arrays(self) -> dict[str, np.ndarray]:
        return self.saved

    def train(self, x: Tensor) -> None:
        # Its documentation advises to record CUDA graphs once; later passes replay them.
        options = {} if self.recorded else {"record_cudagraph": True}
        self.recorded = True
        self.circuit(x, **options).mean().backward()
        self.optimizer.step()

    def infer(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.circuit(x).reshape(-1)


if __name__ == "__main__":
    main(PyJuice, "pyjuice")
