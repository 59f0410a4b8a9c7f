"""pccore's circuits for the jobs: the timed structures, and those read from a peer's file."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import LeafFamily, Support
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.structures import pd, rat
from pccore.structures.base import Shape, Structure

from .job import Job
from .regions import Region, Regions


def structure_circuit(job: Job) -> Circuit:
    """The RAT or PD circuit of a job, with the structure's own random parameters."""
    structure, shape, options = _structure(job)
    return structure.build(shape, options)


def structure_parameters(job: Job) -> int:
    """How many parameters that circuit has, without building it."""
    structure, shape, options = _structure(job)
    assert structure.size is not None
    return structure.size(shape, options).parameters


def _structure(job: Job) -> tuple[Structure[Any], Shape, rat.RatOptions | pd.PdOptions]:
    support = Support("real") if job.leaf == "gaussian" else Support("finite", job.states)
    if job.structure == "rat":
        options = rat.RatOptions(
            depth=job.depth, replicas=job.replicas, units=job.units, seed=job.seed
        )
        return rat.STRUCTURE, Shape.of(job.variables, support), options
    shape = Shape.of(job.width, support, image=(job.side, job.side))
    return pd.STRUCTURE, shape, pd.PdOptions(delta=job.delta, units=job.units, seed=job.seed)


def regions_circuit(regions: Regions) -> Circuit:
    """The same circuit as groups: a Kronecker product and dense sums for each way."""
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    outputs: list[int] = []

    def add(group: Group, values: np.ndarray | None = None) -> int:
        groups.append(group)
        if values is not None:
            params[group.name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        return len(groups) - 1

    for number, region in enumerate(regions.items):
        k = region.units
        if region.parameters:
            name, variables = f"leaf {number}", tuple(region.variables.tolist())
            family, values = _leaf(region)
            outputs.append(add(LeafGroup(name, k, family, variables, name), values))
            continue
        sums: list[int] = []
        for way, (left, right, weights) in enumerate(region.ways):
            inputs = (outputs[left], outputs[right])
            size = groups[inputs[0]].size * groups[inputs[1]].size
            product = add(ProductGroup(f"product {number}.{way}", size, inputs, "kronecker"))
            name = f"sum {number}.{way}"
            sums.append(add(SumGroup(name, k, (product,), name), weights))
        if region.mixing is not None:
            name = f"mixing {number}"
            outputs.append(add(SumGroup(name, k, tuple(sums), name, "elementwise"), region.mixing))
        else:
            outputs.append(sums[0])
    names = [f"X{v}" for v in range(regions.num_variables)]
    return Circuit(groups, [(outputs[-1], 0)], names, params)


def _leaf(region: Region) -> tuple[LeafFamily, np.ndarray]:
    """The family of a leaf region, and its parameters [d, K, ...]."""
    parameters = region.parameters
    if "mean" in parameters:
        values = np.stack([parameters["mean"], parameters["variance"]], -1)
        return Gaussian(1e-12, 1e12), values
    probabilities = parameters["probabilities"]
    return Categorical(probabilities.shape[-1]), probabilities
