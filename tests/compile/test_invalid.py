"""Programs of circuits that mean nothing: every pass equals the reference all the same.

Groups are put together at random: scopes overlap or differ, inputs repeat, families disagree on
a variable, weights span hundreds of orders of magnitude, groups are unreachable.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import assume, example, given, settings
from torch import Tensor

from pccore import reference
from pccore.compile import compile_circuit
from pccore.errors import GraphError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from tests.strategies import SEEDS

FAMILIES: tuple[LeafFamily, ...] = (
    Bernoulli(),
    Binomial(3),
    Categorical(3),
    Categorical(40),
    Gaussian(),
    Indicator(2),
    Indicator(4),
    Indicator(1),
)
VARIABLES = 3


def leaf_parameters(rng: np.random.Generator, family: LeafFamily, d: int, size: int) -> Tensor:
    if isinstance(family, Gaussian):
        mean = rng.normal(0, 3.0, (d, size))
        return torch.tensor(np.stack([mean, 10.0 ** rng.uniform(-3, 3, (d, size))], -1))
    if isinstance(family, Indicator):
        return torch.tensor(rng.integers(0, family.categories, (d, size)).astype(float))
    if isinstance(family, Categorical):
        chances = rng.gamma(0.5, size=(d, size, family.categories)) + 1e-3
        chances[..., 1:][rng.random(chances[..., 1:].shape) < 0.3] = 0
        return torch.tensor(chances / chances.sum(-1, keepdims=True))
    sure = rng.integers(0, 2, (d, size))
    return torch.tensor(np.where(rng.random((d, size)) < 0.3, sure, rng.random((d, size))))


def weights(rng: np.random.Generator, *shape: int) -> Tensor:
    span = 3 if rng.random() < 0.8 else 200
    return torch.tensor(np.where(rng.random(shape) < 0.3, 0, 10 ** rng.uniform(-span, span, shape)))


def inner_group(
    rng: np.random.Generator, name: str, groups: list[Group], params: dict[str, Tensor]
) -> Group:
    """A sum or product over earlier groups, with edges of any kind."""
    inputs = tuple(int(i) for i in rng.integers(0, len(groups), rng.integers(1, 4)))
    kind = str(rng.choice(["dense", "elementwise", "hadamard", "kronecker", "sum", "product"]))
    sizes = [groups[i].size for i in inputs]
    if kind in ("elementwise", "hadamard") and len(set(sizes)) > 1:
        inputs, sizes = (inputs[0],) * 2, [sizes[0]] * 2
    if kind == "kronecker" and math.prod(sizes) > 30:
        inputs, sizes = inputs[:1], sizes[:1]
    size = int(rng.integers(1, 4))
    if kind == "dense":
        params[name] = weights(rng, size, sum(sizes))
        return SumGroup(name, size, inputs, name)
    if kind == "elementwise":
        params[name] = weights(rng, sizes[0], len(inputs))
        return SumGroup(name, sizes[0], inputs, name, "elementwise")
    if kind == "hadamard":
        return ProductGroup(name, sizes[0], inputs, "hadamard")
    if kind == "kronecker":
        return ProductGroup(name, math.prod(sizes), inputs, "kronecker")
    counts = rng.integers(1, 4, size)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    edges = SparseEdges(offsets, rng.integers(0, sum(sizes), int(counts.sum())).astype(np.int64))
    if kind == "product":
        return ProductGroup(name, size, inputs, edges)
    params[name] = weights(rng, len(edges.children))
    return SumGroup(name, size, inputs, name, edges)


def random_groups(rng: np.random.Generator) -> Circuit:
    """Raises GraphError where the units of a sparse group have different scopes."""
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    for g in range(int(rng.integers(2, 14))):
        name = f"g{g}"
        if g < 2 or rng.random() < 0.35:
            family = FAMILIES[int(rng.integers(len(FAMILIES)))]
            size, d = int(rng.integers(1, 4)), int(rng.integers(1, VARIABLES + 1))
            variables = tuple(int(v) for v in rng.permutation(VARIABLES)[:d])
            params[name] = leaf_parameters(rng, family, d, size)
            groups.append(LeafGroup(name, size, family, variables, name))
        else:
            groups.append(inner_group(rng, name, groups, params))
    tops = [len(groups) - 1, int(rng.integers(len(groups)))]
    roots = [(g, int(rng.integers(groups[g].size))) for g in tops]
    return Circuit(groups, roots, [f"X{v}" for v in range(VARIABLES)], params)


def random_rows(rng: np.random.Generator, model: Circuit, rows: int) -> np.ndarray:
    x = np.full((rows, VARIABLES), np.nan)
    for v, domain in model.domains.items():
        whole = domain.kind != "real" or rng.random() < 0.5
        x[:, v] = rng.integers(0, domain.states or 3, rows) if whole else rng.normal(size=rows)
    x[rng.random(x.shape) < 0.3] = np.nan
    return x


@settings(max_examples=200)
@given(SEEDS)
@example(1948)  # products of one factor, whose flow is a part of the bank that it is added to
def test_every_pass_equals_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    try:
        model = random_groups(rng)
    except GraphError:
        assume(False)
        return
    x = random_rows(rng, model, 4)
    trace = reference.evaluate(model, x)
    program = compile_circuit(model, dtype=torch.float64)
    close = {"rtol": 1e-6, "atol": 1e-6}
    for number, root in enumerate(model.roots):
        state = program.evaluate(torch.tensor(x), keep=True)
        flows = program.flows(state, program.zero_statistics(), root=number)
        expected = reference.flows(model, trace, root)
        for g in sorted(program.plan.addresses | program.plan.fused):
            values = program.log_values(state, g).numpy()
            np.testing.assert_allclose(values, trace.log_values[g], **close)
            if g in program.plan.addresses:
                found = program.flow_values(flows, g).numpy()
                np.testing.assert_allclose(found, expected[g], **close)
    best = program.root_values(program.evaluate(torch.tensor(x), mode="max"))
    for row, value in zip(x, best.tolist(), strict=True):
        np.testing.assert_allclose(value, reference.max_product(model, row).log_value, **close)
