"""Growing: more units and the same distribution, by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, mix, product
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, LeafGroup, SparseEdges
from pccore.learn.trainer import Trainer, TrainOptions
from pccore.leaves.base import Support
from pccore.queries import expected_flows
from pccore.reference import evaluate
from pccore.structures import Shape, build_structure, shape_of
from pccore.transform import grow, growable, prune
from tests.strategies import circuits, random_evidence


def table(model: Circuit) -> np.ndarray:
    return np.exp(oracle.log_table(model))


@settings(max_examples=80)
@given(
    circuits(variables=3, normalised=False, zero_weights=True, tied=True, roots=2),
    st.sampled_from([1.0, 0.5]),
)
def test_without_noise_only_the_size_changes(model: Circuit, share: float) -> None:
    made = grow(model, share=share, noise=0.0)
    np.testing.assert_allclose(table(made), table(model), rtol=1e-12)
    rows = random_evidence(np.random.default_rng(1), model, rows=5)
    np.testing.assert_allclose(evaluate(made, rows).root, evaluate(model, rows).root, 1e-12)
    assert made.num_units >= model.num_units + len(growable(model))
    for wanted in ("smooth", "decomposable"):
        assert check(made).holds(wanted) == check(model).holds(wanted)
    assert {g.parameter for g in made.groups if g.kind != "product"} == {
        g.parameter for g in model.groups if g.kind != "product"
    }


@settings(max_examples=40)
@given(circuits(variables=3, normalised=True, tied=True))
def test_with_noise_it_stays_a_distribution(model: Circuit) -> None:
    made = grow(model, noise=0.3, seed=5)
    assert table(made).sum() == pytest.approx(1, rel=1e-6)
    assert table(grow(made, share=0.5, noise=0.3)).sum() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rat", {"depth": 2, "replicas": 2, "units": 3, "product": "kronecker"}),
        ("rat", {"depth": 2, "replicas": 2, "units": 3, "product": "hadamard"}),
        ("rat", {"depth": 2, "replicas": 2, "units": 3, "mixing": "dense"}),
        ("hmm", {"units": 3}),
        ("hmm", {"units": 3, "homogeneous": False}),
        ("naive_bayes", {"components": 4}),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_structures_stay_regular(name: str, options: dict[str, object], share: float) -> None:
    model = build_structure(name, Shape.of(6), options)
    made = grow(model, share=share, noise=0.0)
    np.testing.assert_allclose(table(made), table(model), rtol=1e-5)
    assert [g.name for g in made.groups] == [g.name for g in model.groups]
    for old, new in zip(model.groups, made.groups, strict=True):
        if not isinstance(old, LeafGroup) and not isinstance(new, LeafGroup):
            assert old.edges == new.edges
    noisy = grow(model, share=share)
    assert table(noisy).sum() == pytest.approx(1, rel=1e-5)
    assert not np.allclose(table(noisy), table(model), rtol=1e-3)
    x = torch.from_numpy(oracle.states(noisy)).float()
    torch.testing.assert_close(
        compile_circuit(noisy)(x).exp(), torch.from_numpy(table(noisy)).float()
    )


def test_a_pruned_circuit_grows_as_well() -> None:
    model = prune(build_structure("rat", Shape.of(6), {"depth": 2, "units": 6}), 0.1)
    assert any(isinstance(getattr(g, "edges", None), SparseEdges) for g in model.groups)
    made = grow(model, noise=0.0)
    np.testing.assert_allclose(table(made), table(model), rtol=1e-5)
    assert table(grow(model)).sum() == pytest.approx(1, rel=1e-5)


def test_by_hand_the_unit_of_the_largest_flow_is_split() -> None:
    parts = [product(bernoulli("A", p), bernoulli("B", q)) for p, q in ((0.9, 0.8), (0.2, 0.1))]
    model = build_structure("naive_bayes", Shape.of(2), {"components": 2})
    (leaf, top) = (g.parameter for g in model.groups)
    tensors = {leaf: torch.tensor([[0.9, 0.2], [0.8, 0.1]]), top: torch.tensor([[0.3, 0.7]])}
    model = model.with_params(tensors)
    by_hand = circuit(mix([0.3, 0.7], parts), ["A", "B"])
    np.testing.assert_allclose(table(model), table(by_hand), rtol=1e-6)
    flows = expected_flows(model, torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    assert flows.rows == 3
    assert flows.edges[top].sum() == pytest.approx(1)
    made = grow(model, share=0.5, flows=flows.units, noise=0.0)
    assert made.params[top].tolist() == [pytest.approx([0.3, 0.35, 0.35])]
    assert made.params[leaf][0].tolist() == pytest.approx([0.9, 0.2, 0.2])


def test_groups_by_name_take_along_what_they_are_multiplied_with() -> None:
    about = shape_of(load("digits"))
    model = build_structure("hclt", about, {"units": 2, "bins": 4})
    inner = next(g.name for g in model.groups if g.kind == "product")
    made = grow(model, [inner])
    sizes = {g.name: g.size for g in made.groups}
    assert sizes[inner] == 4
    grown = {name for name, size in sizes.items() if size == 4}
    assert grown == set(next(names for names in growable(model) if inner in names))
    assert sum(size == 2 for size in sizes.values()) > 100


def test_training_goes_on_from_where_it_was() -> None:
    dataset = load("digits")
    rows = dataset.train[:400]
    small = compile_circuit(build_structure("naive_bayes", shape_of(dataset), {"components": 4}))
    train(small, rows)
    before = float(small(rows).mean())
    large = compile_circuit(grow(small.circuit.with_params(small.params), noise=0.05))
    assert float(large(rows).mean()) > before - 3
    train(large, rows)
    assert float(large(rows).mean()) > before + 3


def train(program, rows: np.ndarray) -> None:
    for _ in Trainer(program, rows, None, "em", options=TrainOptions(epochs=12)).events():
        pass


def test_gaussian_leaves_move_by_their_own_deviation() -> None:
    narrow = mix([0.5, 0.5], [gaussian("A", 1000.0, 1e-6), gaussian("A", 0.0, 1e6)])
    made = grow(circuit(narrow), noise=0.1)
    means = sorted(
        float(v) for g in made.groups if g.kind == "leaf" for v in made.params[g.parameter][0, :, 0]
    )
    assert len(means) == 4
    assert all(abs(m - 1000) < 0.01 for m in means if m > 900 and m < 1100)
    made.validate_params()


def test_refusals() -> None:
    model = build_structure("rat", Shape.of(4), {"depth": 1, "replicas": 1, "units": 2})
    for bad in ({"share": 0.0}, {"share": 1.5}, {"noise": -1.0}, {"noise": 2.0}):
        with pytest.raises(OptionError, match="is not in"):
            grow(model, **bad)
    with pytest.raises(NotFoundError, match="no group"):
        grow(model, ["nothing"])
    with pytest.raises(OptionError, match="root"):
        grow(model, [model.groups[model.root.group].name])
    with pytest.raises(OptionError, match="factors"):
        grow(model, [next(g.name for g in model.groups if g.kind == "product")])
    single = build_structure("factorized", Shape.of(2, Support("finite", 2)))
    assert growable(single) == [[single.groups[0].name]]
