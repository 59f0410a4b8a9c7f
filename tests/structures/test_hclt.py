"""Hidden Chow-Liu trees, against sums over all states of their hidden variables."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pccore import oracle, reference
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, SumGroup
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, shape_of, summarise
from pccore.structures.hclt import groups_of, learn_tree
from pccore.structures.spanning import Tree, at_centre, gaussian_information, mutual_information

NAN = math.nan


def shape_with(data: np.ndarray, *supports: Support, image=None) -> Shape:
    columns = data.shape[1]
    chosen = supports * columns if len(supports) == 1 else supports
    about = Shape.of(columns, chosen, image)
    rows = data.astype(np.float32)
    return replace(about, data=rows, summary=summarise(rows, chosen))


def rows(seed: int, width: int, states: int = 2, count: int = 200) -> np.ndarray:
    """Rows of a chain of dependence, some values missing."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, states, (count, width)).astype(float)
    for v in range(1, width):
        keep = rng.random(count) < 0.7
        data[keep, v] = data[keep, v - 1]
    data[rng.random(data.shape) < 0.05] = NAN
    return data


def brute_force(circuit: Circuit, tree: Tree, units: int, x: np.ndarray) -> float:
    """log of the sum over all states of the hidden variables, with the tables by name."""
    groups = {g.name: g for g in circuit.groups}
    names = circuit.variables
    leaves: list[np.ndarray] = []
    for v, name in enumerate(names):
        leaf = groups[f"L({name})"]
        assert isinstance(leaf, LeafGroup)
        if math.isnan(x[v]):
            leaves.append(np.ones(units))
        else:
            value = torch.tensor(float(x[v]), dtype=torch.float64)
            params = circuit.params[leaf.parameter][0].double()
            leaves.append(leaf.family.log_prob(value, params).exp().numpy())
    tables: list[np.ndarray] = []
    for name, parent in zip(names, tree.parent, strict=True):
        group = groups["root" if parent < 0 else f"S({name})"]
        assert isinstance(group, SumGroup)
        tables.append(circuit.params[group.parameter].double().numpy())
    total = 0.0
    for z in itertools.product(range(units), repeat=len(names)):
        chance = 1.0
        for v, parent in enumerate(tree.parent):
            chance *= tables[v][0 if parent < 0 else z[parent], z[v]] * leaves[v][z[v]]
        total += chance
    return math.log(total)


CASES = {
    "binary": shape_with(rows(0, 5), Support("finite", 2)),
    "categorical": shape_with(rows(1, 4, 5), Support("finite", 5)),
    "gaussian": shape_with(rows(2, 4, 9), Support("real")),
    "mixed": shape_with(
        rows(3, 4, 2), Support("real"), Support("finite", 2), Support("finite", 3), Support("real")
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_value_by_all_states_of_the_hidden_variables(name: str, units: int, tied: bool) -> None:
    about = CASES[name]
    circuit = build_structure("hclt", about, {"units": units, "tied": tied})
    tree = learn_tree(about)
    assert about.data is not None
    x = about.data[:6]
    found = reference.evaluate(circuit, x).root[:, 0]
    expected = [brute_force(circuit, tree, units, row) for row in x]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(compile_circuit(circuit)(x).numpy(), expected, rtol=1e-4)
    shared = {g.parameter for g in circuit.groups if g.name.startswith("S(")}
    assert len(shared) == (1 if tied else len(about.variables) - 1)


def test_it_is_a_distribution_and_a_tree() -> None:
    circuit = build_structure("hclt", CASES["categorical"], {"units": 3})
    assert np.exp(oracle.log_table(circuit)).sum() == pytest.approx(1, abs=1e-5)
    properties = check(circuit).properties
    assert properties["structured_decomposable"] == properties["smooth"] == "yes"


@pytest.mark.parametrize("seed", range(3))
def test_information_of_ragged_columns_with_missing_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    states = [2, 5, 3]
    values = np.stack([rng.integers(0, s, 80) for s in states], 1)
    values[rng.random(values.shape) < 0.2] = -1
    found = mutual_information(values, states, 0.5)
    for u, v in itertools.product(range(3), repeat=2):
        both = values[(values[:, u] >= 0) & (values[:, v] >= 0)]
        joint = np.full((states[u], states[v]), 0.5)
        np.add.at(joint, (both[:, u], both[:, v]), 1)
        joint /= joint.sum()
        own = joint.sum(1, keepdims=True) * joint.sum(0)
        assert found[u, v] == pytest.approx(float((joint * np.log(joint / own)).sum()), abs=1e-12)


def test_information_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(-1, 3, (90, 11))
    whole = mutual_information(values, [3] * 11, 1.0)
    monkeypatch.setattr("pccore.structures.spanning._CELLS", 40)
    monkeypatch.setattr("pccore.structures.spanning._ROWS", 7)
    np.testing.assert_allclose(mutual_information(values, [3] * 11, 1.0), whole, atol=1e-12)


def test_gaussian_information() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3)) + 1000.0
    x[:, 1] = 0.6 * (x[:, 0] - 1000) + 0.8 * (x[:, 1] - 1000)
    x[::7, 2] = NAN
    found = gaussian_information(x)
    assert found[0, 1] == pytest.approx(-0.5 * math.log(1 - 0.36), abs=0.02)
    assert found[0, 2] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("how", ["states", "bins", "correlation"])
def test_a_chain_is_found_and_rooted_at_its_middle(how: str) -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 4, (3000, 7))
    for v in range(1, 7):
        keep = rng.random(3000) < 0.8
        data[keep, v] = data[keep, v - 1]
    order = rng.permutation(7)
    tree = learn_tree(shape_with(data[:, order], Support("finite", 4)), how, 3)
    joined = {
        frozenset((int(order[v]), int(order[p]))) for v, p in enumerate(tree.parent) if p >= 0
    }
    assert joined == {frozenset((v, v + 1)) for v in range(6)}
    assert order[tree.order[0]] == 3


def test_centre_of_a_path_and_of_one_variable() -> None:
    path = Tree((-1, 0, 1, 2, 3), (0, 1, 2, 3, 4))
    assert at_centre(path).parent == (1, 2, -1, 2, 3)
    assert sorted(at_centre(path).order) == list(range(5))
    assert at_centre(Tree((-1,), (0,))) == Tree((-1,), (0,))


def test_groups_of_pixels_and_of_columns() -> None:
    colour = Shape.of(5 * 4 * 3, Support("real"), (5, 4, 3))
    found = groups_of(colour, 2)
    assert found[0] == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    assert sorted(v for group in found for v in group) == list(range(60))
    assert [len(group) for group in found] == [12, 12, 12, 12, 6, 6]
    assert groups_of(Shape.of(5), 2) == [[0, 1], [2, 3], [4]]


def test_grouped_variables_share_a_hidden_one() -> None:
    about = shape_of(load("digits"))
    circuit = build_structure("hclt", about, {"units": 4, "group": 2})
    leaves = [g for g in circuit.groups if g.kind == "leaf"]
    assert [len(g.variables) for g in leaves] == [4] * 16
    assert len([g for g in circuit.groups if g.name.startswith("S(")]) == 15
    assert check(circuit).properties["smooth"] == "yes"


@pytest.mark.parametrize(("start", "least"), [("random", 2.0), ("clusters", 8.0)])
def test_training_finds_what_independent_columns_miss(start: str, least: float) -> None:
    from pccore.learn.trainer import Trainer, TrainOptions
    from pccore.queries import log_likelihood

    dataset = load("digits")
    about = shape_of(dataset)
    test = torch.tensor(dataset.test)
    alone = build_structure("factorized", about, {"start": "clusters"})
    program = compile_circuit(build_structure("hclt", about, {"units": 4, "start": start}))
    for _ in Trainer(program, dataset.train, method="em", options=TrainOptions(epochs=8)).events():
        pass
    gain = log_likelihood(program, test).mean() - log_likelihood(alone, test).mean()
    assert gain > least


def test_refusals() -> None:
    real = CASES["gaussian"]
    with pytest.raises(OptionError, match="tables of all states"):
        build_structure("hclt", real, {"information": "states"})
    with pytest.raises(OptionError, match="training data"):
        build_structure("hclt", Shape.of(3))
    wide = shape_with(np.zeros((2, 2100)), Support("finite", 2))
    with pytest.raises(OptionError, match="too many to build"):
        build_structure("hclt", wide, {"units": 1024, "information": "correlation"})


def test_the_benchmark_on_small_data() -> None:
    from tests.benchmarks.hclt import measure

    row = measure(load("parity"), 2, "clusters", 2, 0)
    assert row["published"] is None
    assert math.isfinite(row["test"])
    assert row["parameters"] > 0
