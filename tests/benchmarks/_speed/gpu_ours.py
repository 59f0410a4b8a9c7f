"""pccore on the GPU; also the card's measured rate of matrix products."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from torch import Tensor

from pccore.compile import compile_circuit
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.learn.em import OnlineEM, OnlineEMOptions
from pccore.leaves.categorical import Categorical
from pccore.structures.drafting import random_weights

from .blocks import Block
from .gpu_child import PSEUDOCOUNT, STEP, device, main
from .job import Job


def blocks_circuit(
    job: Job, made: list[Block], values: dict[str, np.ndarray] | None = None
) -> Circuit:
    """The blocks as groups, with the given parameters by number of block, or random ones."""
    generator = torch.Generator().manual_seed(job.seed)
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    for number, block in enumerate(made):
        name = f"b{number}"
        if block.kind == "product":
            groups.append(ProductGroup(name, block.units, block.inputs))
            continue
        if block.kind == "input":
            shape = (1, block.units, job.states)
            family = Categorical(job.states)
            groups.append(LeafGroup(name, block.units, family, (block.variable,), name))
        else:
            shape = (block.units, sum(made[i].units for i in block.inputs))
            groups.append(SumGroup(name, block.units, block.inputs, name))
        if values is None:
            params[name] = random_weights(shape, generator)
        else:
            params[name] = torch.from_numpy(values[name]).float().reshape(shape)
    width = 1 + max(block.variable for block in made)
    return Circuit(groups, [(len(groups) - 1, 0)], [f"X{v}" for v in range(width)], params)


class Ours:
    """Online EM on the device. With a dump the parameters are those of the peer."""

    def __init__(self, job: Job, made: list[Block]) -> None:
        values = None
        if job.dump:
            with np.load(job.dump, allow_pickle=False) as file:
                values = {name: file[name] for name in file.files if name.startswith("b")}
        circuit = blocks_circuit(job, made, values)
        self.parameters = circuit.num_parameters
        self.program = compile_circuit(circuit, device=device())
        self.learner = OnlineEM(self.program, job.rows, OnlineEMOptions(STEP, PSEUDOCOUNT))

    def rows(self, images: np.ndarray) -> Tensor:
        return torch.from_numpy(images.astype(np.float32))

    def train(self, x: Tensor) -> None:
        self.learner.batch(x)

    def infer(self, x: Tensor) -> Tensor:
        return self.program(x)


def product_rates(size: int = 8192) -> dict[str, float]:
    """FLOP/s of matrix products: float32 as such, with TF32, and bfloat16."""
    rates: dict[str, float] = {}
    for name, dtype, tf32 in (
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bf16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a = torch.randn(size, size, device=device(), dtype=dtype)
        for _ in range(3):
            torch.mm(a, a)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            torch.mm(a, a)
        torch.cuda.synchronize()
        rates[name] = 10 * 2 * size**3 / (time.perf_counter() - start)
    return rates


if __name__ == "__main__":
    if Job.from_json(sys.argv[1]).task == "floor":
        print(json.dumps(product_rates() | {"card": torch.cuda.get_device_name()}))
    else:
        main(Ours, "numpy")
