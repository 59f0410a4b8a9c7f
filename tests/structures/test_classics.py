"""Classic models as circuits, against the algorithms they are known by."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pccore import oracle
from pccore.build import bernoulli
from pccore.build import circuit as assemble
from pccore.check import check
from pccore.datasets import load
from pccore.errors import DataError, OptionError
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, shape_of
from pccore.structures import chow_liu as chow_liu_module
from pccore.structures import figures as module
from pccore.structures.chow_liu import chow_liu
from pccore.structures.figures.classics import HABITS, WORDS
from pccore.structures.hmm import hidden_markov
from pccore.structures.spanning import mutual_information
from tests.structures.helpers import NAN, over_all_states, states, value


def test_naive_bayes_by_bayes_rule() -> None:
    circuit = module.naive_bayes_spam()
    words = (1, 0, NAN, 1)
    joint = []
    for spam, prior in ((0, 0.7), (1, 0.3)):
        chance = prior
        for (_, *p), seen in zip(WORDS, words, strict=True):
            chance *= 1.0 if math.isnan(seen) else p[spam] if seen else 1 - p[spam]
        joint.append(chance)
        assert value(circuit, spam, *words) == pytest.approx(chance, rel=1e-12)
    assert value(circuit, NAN, *words) == pytest.approx(sum(joint), rel=1e-12)


def forward(observed: tuple[float, ...]) -> float:
    """The forward algorithm, step by step, for the numbers of `weather_hmm`."""
    state = np.array([0.6, 0.4])
    transition = np.array([[0.7, 0.3], [0.4, 0.6]])
    emission = np.array(HABITS)
    for step, x in enumerate(observed):
        state = state if step == 0 else state @ transition
        state = state * (1.0 if math.isnan(x) else emission[:, int(x)])
    return float(state.sum())


@pytest.mark.parametrize("x", list(itertools.product((0, 1, 2, NAN), repeat=2)))
def test_hidden_markov_model_by_the_forward_algorithm(x: tuple[float, float]) -> None:
    circuit = module.weather_hmm()
    for observed in ((*x, 1, 0), (2, *x, NAN), (NAN, 0, *x)):
        assert value(circuit, *observed) == pytest.approx(forward(observed), rel=1e-12)
    names = {group.name for group in circuit.groups if group.kind == "sum"}
    assert names == {"Z1", *(f"Z{t}|{s}" for t in (2, 3, 4) for s in ("rain", "sun"))}


def test_hidden_markov_sizes() -> None:
    def leaf(variable: str, state: int):
        return bernoulli(variable, 0.2 + 0.1 * state)

    for length in (1, 2, 7):
        names = [f"X{t}" for t in range(length)]
        root = hidden_markov(names, [0.2, 0.3, 0.5], [[0.2, 0.3, 0.5]] * 3, leaf, ["a", "b", "c"])
        made = assemble(root)
        assert value(made, *[NAN] * length) == pytest.approx(1)
        assert made.num_units == 3 * length + 6 * (length - 1) + 1
    with pytest.raises(OptionError, match="3 hidden states"):
        hidden_markov(["X"], [1.0], [[1.0]], leaf, ["a", "b", "c"])
    with pytest.raises(OptionError, match="hidden states"):
        hidden_markov([], [1.0], [[1.0]], leaf, ["a"])


def random_rows(seed: int, rows: int = 300, width: int = 5, states: int = 2) -> np.ndarray:
    """Rows in which every column depends on the one before."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, states, (rows, width))
    for v in range(1, width):
        keep = rng.random(rows) < 0.4 + 0.1 * v
        data[keep, v] = data[keep, v - 1]
    return data


@pytest.mark.parametrize(("seed", "states"), [(0, 2), (1, 2), (2, 3)])
def test_chow_liu_finds_the_best_of_all_trees(seed: int, states: int) -> None:
    data = random_rows(seed, width=4, states=states)
    names = [f"X{v}" for v in range(4)]
    root, tree = chow_liu(data, names, states, 0.5)
    information = mutual_information(data, [states] * 4, 0.5)
    found = sum(information[v, p] for v, p in enumerate(tree.parent) if p >= 0)
    pairs = list(itertools.combinations(range(4), 2))
    spanning = [edges for edges in itertools.combinations(pairs, 3) if connects(edges)]
    assert len(spanning) == 16  # Cayley: 4^2
    assert found == pytest.approx(max(sum(information[e] for e in edges) for edges in spanning))
    made = assemble(root, names)
    report = check(made).properties
    assert report["deterministic"] == report["normalized"] == report["smooth"] == "yes"
    for x in itertools.product(range(states), repeat=4):
        expected = 1.0
        for v, p in enumerate(tree.parent):
            rows = data if p < 0 else data[data[:, p] == x[p]]
            expected *= ((rows[:, v] == x[v]).sum() + 0.5) / (len(rows) + 0.5 * states)
        assert value(made, *x) == pytest.approx(expected, rel=1e-12)


def connects(edges: tuple[tuple[int, int], ...]) -> bool:
    reached = {0}
    for _ in edges:
        reached |= {b for a, b in edges if a in reached} | {a for a, b in edges if b in reached}
    return len(reached) == 4


def test_mutual_information_by_its_definition() -> None:
    data = random_rows(3)
    found = mutual_information(data, [2] * 5, 0.0)
    joint = np.array(
        [[((data[:, 0] == a) & (data[:, 1] == b)).mean() for b in (0, 1)] for a in (0, 1)]
    )
    own = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    assert found[0, 1] == pytest.approx(float((joint * np.log(joint / own)).sum()))
    assert found == pytest.approx(found.T)


def test_chow_liu_refuses_other_data() -> None:
    for bad in (np.full((3, 2), 0.5), np.full((3, 2), 2), np.zeros((0, 2)), np.zeros((3, 3))):
        with pytest.raises(DataError):
            chow_liu(bad, ["A", "B"])


def test_chow_liu_with_missing_values_and_unequal_variables() -> None:
    data = random_rows(4, width=3, states=3).astype(float)
    data[:, 1] = np.minimum(data[:, 1], 1)
    data[::5, 0] = NAN
    about = Shape(
        ("A", "B", "C"), tuple(Support("finite", n) for n in (3, 2, 3)), data=data.astype("f4")
    )
    made = build_structure("chow_liu", about, {"pseudocount": 0.5})
    assert np.exp(oracle.log_table(made)).sum() == pytest.approx(1, abs=1e-6)
    assert check(made).properties["deterministic"] == "yes"
    # Each pair that the tree joins has the distribution of the rows that know both.
    root, tree = chow_liu(data, about.variables, [3, 2, 3], 1e-9)
    exact = assemble(root, about.variables)
    own = (3, 2, 3)
    for v, p in ((v, p) for v, p in enumerate(tree.parent) if p >= 0):
        rows = data[~np.isnan(data[:, [v, p]]).any(1)]
        for x, y in itertools.product(range(own[v]), range(own[p])):
            pair = [NAN] * 3
            pair[p] = y
            before = value(exact, *pair)
            pair[v] = x
            given = rows[rows[:, p] == y, v]
            assert value(exact, *pair) / before == pytest.approx((given == x).mean(), abs=1e-6)


def test_chow_liu_as_a_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    about = shape_of(load("parity"))
    trees = [build_structure("chow_liu", about, {"seed": seed}) for seed in range(6)]
    assert len({tree.unit_name(tree.root) for tree in trees}) > 1
    real = Shape(("A",), (Support("real"),), data=np.zeros((3, 1), dtype="f4"))
    with pytest.raises(OptionError, match="finite variables"):
        build_structure("chow_liu", real)
    monkeypatch.setattr(chow_liu_module, "MOST_STATES", 3)
    with pytest.raises(OptionError, match="pairs of values"):
        build_structure("chow_liu", about)


def test_the_learned_tree_joins_neighbours_of_the_data() -> None:
    """In the data's own tree 2 k and 2 k + 1 are siblings, the most alike of all."""
    circuit = module.chow_liu_tree()
    joined = set()
    for group in circuit.groups:
        if "|" in group.name:
            child, parent = group.name.split("=")[0].split("|")
            joined.add(frozenset((int(child[1:]), int(parent[1:]))))
    assert {frozenset((v, v + 1)) for v in range(0, 12, 2)} <= joined


def test_geyser_moments() -> None:
    mean, variance = oracle.moments(module.old_geyser(), np.array([2.0, NAN]))
    assert mean[1] == pytest.approx(54.5, abs=0.01)
    assert variance[1] == pytest.approx(34, abs=0.5)


def test_courses_obey_the_rules() -> None:
    circuit = module.course_psdd()
    for logic, krep, prob, ai in states(4):
        legal = (prob or logic) and (not ai or prob) and (not krep or ai or logic)
        assert (value(circuit, logic, krep, prob, ai) > 0) == bool(legal)
    assert over_all_states(circuit) == pytest.approx(1)
