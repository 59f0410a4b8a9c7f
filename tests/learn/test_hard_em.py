"""Hard EM: its counts are those of the best induced trees, found here by enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import reference
from pccore.build import bernoulli, circuit, gaussian, mix
from pccore.compile import compile_circuit
from pccore.graph import Circuit, Unit
from pccore.learn.base import Expectation
from pccore.learn.hard_em import HardEM, HardEMOptions
from tests.learn.support import counts_by_parameter
from tests.strategies import random_circuit, random_evidence

#: (unit, number of the edge among all edges of its group) of a sum's choice, or (leaf, None).
Step = tuple[Unit, int | None]
MOST_TREES = 5_000
#: Best trees that are nearer to each other than this may be taken one for the other.
TIE = 1e-9


class TooManyTrees(Exception):
    """The circuit is too large to enumerate."""


def trees(model: Circuit, unit: Unit) -> list[tuple[Step, ...]]:
    """Every induced tree below a unit: one edge of each sum, all edges of each product."""
    group = model.groups[unit.group]
    if group.kind == "leaf":
        return [((unit, None),)]
    edges = reference.edge_rows(model, group)
    below = reference.edge_units(model, group, edges.row(unit.index))
    parts = [trees(model, child) for child in below]
    if group.kind == "sum":
        first = int(edges.offsets[unit.index])
        found = [((unit, first + n), *tree) for n, part in enumerate(parts) for tree in part]
    else:
        if math.prod(len(part) for part in parts) > MOST_TREES:
            raise TooManyTrees
        found = [tuple(itertools.chain(*chosen)) for chosen in itertools.product(*parts)]
    if len(found) > MOST_TREES:
        raise TooManyTrees
    return found


def tree_value(model: Circuit, tree: tuple[Step, ...], row: np.ndarray) -> float:
    """log of the product of a tree's weights and leaves, missing variables at their mode."""
    total = 0.0
    for unit, edge in tree:
        group = model.groups[unit.group]
        assert group.kind != "product"
        params = model.params[group.parameter].double()
        if edge is not None:
            weight = float(params.reshape(-1)[edge])
            total += math.log(weight) if weight > 0 else -math.inf
            continue
        assert group.kind == "leaf"
        for j, v in enumerate(group.variables):
            own = params[j, unit.index]
            value = group.family.mode(own) if np.isnan(row[v]) else torch.tensor(row[v])
            total += float(group.family.log_prob(value.double(), own))
    return total


def best_tree(model: Circuit, row: np.ndarray) -> tuple[Step, ...] | None:
    """The most probable induced tree; () where the row is impossible, None where two tie."""
    scored = sorted(
        ((tree_value(model, tree, row), n) for n, tree in enumerate(trees(model, model.root))),
        reverse=True,
    )
    if scored[0][0] == -math.inf:
        return ()
    if len(scored) > 1 and scored[0][0] - scored[1][0] < TIE:
        return None
    return trees(model, model.root)[scored[0][1]]


def downward_tree(model: Circuit, trace: reference.Trace, number: int) -> tuple[Step, ...] | None:
    """Sums up, maxima down: from the root always the child with the largest term."""
    if np.isneginf(trace.root[number, 0]):
        return ()
    found: list[Step] = []
    todo = [model.root]
    while todo:
        unit = todo.pop()
        group = model.groups[unit.group]
        if group.kind == "leaf":
            found.append((unit, None))
            continue
        edges = reference.edge_rows(model, group)
        below = reference.edge_units(model, group, edges.row(unit.index))
        if group.kind == "product":
            todo += below
            continue
        span = slice(edges.offsets[unit.index], edges.offsets[unit.index + 1])
        weights = reference.log_weights(model, group)[span]
        scores = np.array([trace.log_value(child)[number] for child in below]) + weights
        order = np.argsort(-scores)
        if len(order) > 1 and scores[order[0]] - scores[order[1]] < TIE:
            return None
        found.append((unit, int(span.start + order[0])))
        todo.append(below[order[0]])
    return tuple(found)


def counted(
    model: Circuit, chosen: Iterator[tuple[np.ndarray, tuple[Step, ...]]]
) -> dict[str, np.ndarray]:
    """What the trees count: 1 for each edge, T(x) at the observed variables of each leaf."""
    counts: dict[str, np.ndarray] = {}
    for group in model.groups:
        if group.kind == "sum":
            counts[group.parameter] = np.zeros(model.params[group.parameter].shape)
        elif group.kind == "leaf" and group.family.trainable:
            shape = (len(group.variables), group.size, group.family.num_statistics)
            counts[group.parameter] = np.zeros(shape)
    for row, tree in chosen:
        for unit, edge in tree:
            group = model.groups[unit.group]
            assert group.kind != "product"
            if edge is not None:
                counts[group.parameter].reshape(-1)[edge] += 1
            elif group.kind == "leaf" and group.family.trainable:
                for j, v in enumerate(group.variables):
                    if not np.isnan(row[v]):
                        value = torch.tensor(row[v], dtype=torch.float64)
                        statistics = group.family.sufficient_statistics(value)
                        counts[group.parameter][j, unit.index] += statistics.numpy()
    return counts


@pytest.mark.parametrize("up", ["sum", "max"])
@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_counts_are_those_of_the_best_induced_trees(up: str, seed: int) -> None:
    model = random_circuit(
        seed,
        variables=3,
        max_size=2,
        reals=seed % 2,
        tied=seed % 3 == 0,
        zero_weights=seed % 5 == 0,
        zero_probabilities=seed % 7 == 0,
    )
    x = random_evidence(np.random.default_rng(seed), model, rows=6, missing=0.3)
    trace = reference.evaluate(model, x)
    chosen: list[tuple[np.ndarray, tuple[Step, ...]]] = []
    try:
        for number, row in enumerate(x):
            down = up == "sum"
            tree = downward_tree(model, trace, number) if down else best_tree(model, row)
            if tree is not None:
                chosen.append((row, tree))
    except TooManyTrees:
        return
    if not chosen:
        return
    program = compile_circuit(model, dtype=torch.float64)
    statistics = program.zero_statistics()
    rows = torch.tensor(np.stack([row for row, _ in chosen]))
    result = Expectation(program).hard(rows, statistics, up)
    found = counts_by_parameter(program, statistics)
    expected = counted(model, iter(chosen))
    for name, counts in found.items():
        np.testing.assert_allclose(counts.numpy(), expected[name], atol=1e-8, err_msg=name)
    values = reference.evaluate(model, rows.numpy()).root[:, 0]
    possible = values[np.isfinite(values)]
    assert result.log_likelihood == pytest.approx(possible.sum(), abs=1e-8)
    assert result.impossible == len(rows) - len(possible)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_batch_counts_what_its_rows_count(seed: int) -> None:
    model = random_circuit(seed, variables=4, reals=seed % 2, tied=seed % 3 == 0)
    x = torch.tensor(random_evidence(np.random.default_rng(seed), model, rows=7, missing=0.2))
    program = compile_circuit(model, dtype=torch.float64)
    expect = Expectation(program)
    whole, single = program.zero_statistics(), program.zero_statistics()
    expect.hard(x, whole)
    for row in x.split(1):
        expect.hard(row, single)
    for a, b in zip(whole, single, strict=True):
        torch.testing.assert_close(a, b)


def test_the_weights_are_smoothed_counts() -> None:
    """Three components, two of which win: 2 : 1 : 0 with 0.5 added to each edge."""
    parts = [bernoulli("A", a) * bernoulli("B", b) for a, b in ((0.9, 0.9), (0.1, 0.1), (0.5, 0.5))]
    model = circuit(mix([0.4, 0.4, 0.2], parts))
    x = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    program = compile_circuit(model, dtype=torch.float64)
    HardEM(program, 3, HardEMOptions(smoothing=0.5, pseudocount=0.0)).batch(x.double())
    np.testing.assert_allclose(program.params["s1"][0], np.array([2.5, 1.5, 0.5]) / 4.5)
    program = compile_circuit(model, dtype=torch.float64)
    HardEM(program, 3, HardEMOptions(smoothing=0.5, sparsity=2.0)).batch(x.double())
    counts = np.array([2.5, 1.5, 0.5 * math.exp(-2.0)])
    np.testing.assert_allclose(program.params["s1"][0], counts / counts.sum())
    program = compile_circuit(model, dtype=torch.float64)
    HardEM(program, 3, HardEMOptions(smoothing=0.0)).batch(x.double())
    assert program.params["s1"][0].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])


def test_counts_of_leaves_are_kept_from_batch_to_batch() -> None:
    """Two clusters far apart, so that no update changes which rows a component wins: five batches
    end where one of everything ends. (Gaussians work on shifted data, and every update shifts
    them anew.)"""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-500, 3, (20, 2)), rng.normal(700, 5, (30, 2))])
    rng.shuffle(x)
    low = gaussian("A", -400, 90.0) * gaussian("B", -400, 90.0)
    high = gaussian("A", 600, 90.0) * gaussian("B", 600, 90.0)
    model = circuit(mix([0.5, 0.5], [low, high]))
    options = HardEMOptions(memory=1.0, smoothing=1.0, pseudocount=0.0)
    at_once, in_parts = (compile_circuit(model, dtype=torch.float32) for _ in range(2))
    HardEM(at_once, len(x), options).batch(torch.tensor(x).float())
    learner = HardEM(in_parts, len(x), options)
    for rows in torch.tensor(x).float().split(10):
        learner.batch(rows)
    for name, tensor in at_once.params.items():
        torch.testing.assert_close(in_parts.params[name], tensor, rtol=1e-3, atol=1e-3)
    mean, variance = at_once.params[next(n for n in at_once.params if n.startswith("x"))][0, 0]
    assert float(mean) == pytest.approx(x[x < 0].reshape(20, 2)[:, 0].mean(), abs=1e-2)
    assert float(variance) == pytest.approx(x[x < 0].reshape(20, 2)[:, 0].var(), rel=1e-3)


def test_what_no_row_reaches_keeps_its_parameters() -> None:
    below = mix([0.3, 0.7], [bernoulli("B", 0.2), bernoulli("B", 0.6)]).named("unreached")
    model = circuit(mix([0.9, 0.1], [bernoulli("A", 0.9) * bernoulli("B", 0.5),
                                     bernoulli("A", 0.01) * below]))  # fmt: skip
    program = compile_circuit(model, dtype=torch.float64)
    x = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    HardEM(program, 2, HardEMOptions()).batch(x)
    assert program.params["unreached"].reshape(-1).tolist() == pytest.approx([0.3, 0.7])


def test_leaves_can_be_left_alone_and_counts_fade() -> None:
    model = circuit(mix([0.5, 0.5], [bernoulli("A", 0.9), bernoulli("A", 0.1)]))
    program = compile_circuit(model, dtype=torch.float64)
    learner = HardEM(program, 4, HardEMOptions(leaves=False, smoothing=1.0, memory=0.25))
    ones, zeros = torch.ones(4, 1).double(), torch.zeros(4, 1).double()
    learner.batch(ones)
    learner.end_epoch()
    learner.batch(zeros)
    np.testing.assert_allclose(
        program.params["s1"][0], [2 / 7, 5 / 7]
    )  # 4 * 0.25 and 4, and 1 each
    for name in ("x1", "x2"):
        assert torch.equal(program.params[name], model.params[name].double())


def test_a_row_of_nothing_but_missing_values_counts_a_tree() -> None:
    model = random_circuit(3, variables=3)
    program = compile_circuit(model, dtype=torch.float64)
    statistics = program.zero_statistics()
    result = Expectation(program).hard(torch.full((2, 3), torch.nan).double(), statistics, "max")
    assert result.impossible == 0
    assert result.log_likelihood == pytest.approx(0.0, abs=1e-9)
