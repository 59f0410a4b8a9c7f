"""pccore as it ships: the compiled program and online EM."""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore.compile import compile_circuit
from pccore.graph import Circuit
from pccore.learn.em import OnlineEM, OnlineEMOptions

from .child import main, measure, versions
from .circuits import regions_circuit, structure_circuit
from .job import Job
from .regions import Regions
from .scalars import ScalarGraph

STEP, PSEUDOCOUNT = 0.05, 0.1


class Ours:
    """The circuit of a job, compiled."""

    def __init__(self, job: Job) -> None:
        circuit = ours_circuit(job)
        self.parameters = circuit.num_parameters
        self.edges = circuit.num_edges
        self.program = compile_circuit(circuit)
        self.learner = OnlineEM(self.program, job.rows, OnlineEMOptions(STEP, PSEUDOCOUNT))

    def train(self, x: Tensor) -> None:
        self.learner.batch(x)

    def infer(self, x: Tensor) -> Tensor:
        return self.program(x)


def ours_circuit(job: Job) -> Circuit:
    """The circuit that a job is about."""
    if job.structure.startswith("scalar"):
        graph = ScalarGraph.load(job.graph)
        return graph.scalar_circuit() if job.structure == "scalar" else graph.grouped_circuit()
    return structure_circuit(job)


def parity(path: str) -> dict[str, Any]:
    """How far our log-likelihoods are from those of the peer that wrote the file.

    difference: the largest of |ours - theirs| / max(1, |theirs|) over the samples.
    """
    regions, rows, theirs = Regions.load(path)
    circuit = regions_circuit(regions)
    ours = compile_circuit(circuit)(torch.from_numpy(rows)).double().numpy()
    difference = float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))))
    mean = abs(float(ours.mean() - theirs.mean())) / max(1.0, abs(float(theirs.mean())))
    return {
        "parameters": circuit.num_parameters,
        "difference": difference,
        "difference_of_means": mean,
        "mean": float(theirs.mean()),
    }


def product_rate(threads: int, size: int = 2048) -> float:
    """FLOP/s of torch's fp32 matrix product of two size x size matrices, median of many."""
    torch.set_num_threads(threads)
    a = torch.randn(size, size)
    times = measure(lambda b: torch.mm(a, b), [torch.randn(size, size)], 3.0)
    return 2 * size**3 / statistics.median(times)


def work() -> None:
    """The tasks that only pccore has, else those of every model."""
    job = Job.from_json(sys.argv[1])
    torch.set_num_threads(job.threads)
    result: dict[str, Any]
    try:
        if job.task == "compare":
            result = parity(job.dump)
        elif job.task == "floor":
            result = {"flops": product_rate(job.threads)}
        else:
            return main(Ours)
        result["versions"] = versions(())
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    print(json.dumps(result))


if __name__ == "__main__":
    work()
