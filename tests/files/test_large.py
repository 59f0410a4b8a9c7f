"""Large models load in time that grows with their size and not faster."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.errors import ParameterError
from pccore.files import describe, load_model, save_model
from pccore.files.validation import validate_params
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.gaussian import Gaussian
from tests.files.support import differences


def many_edges() -> Circuit:
    """About 10^6 sparse edges in two groups."""
    rng = np.random.default_rng(0)
    n, m = 100_000, 80_000
    pairs = np.stack([rng.integers(0, 500, n), rng.integers(500, 1000, n)], 1).reshape(-1)
    groups = [
        LeafGroup("a", 500, Bernoulli(), (0,), "a"),
        LeafGroup("b", 500, Bernoulli(), (1,), "b"),
        ProductGroup("p", n, (0, 1), SparseEdges(np.arange(n + 1) * 2, pairs)),
        SumGroup("s", m, (2,), "s", SparseEdges(np.arange(m + 1) * 10, rng.integers(0, n, m * 10))),
        SumGroup("r", 1, (3,), "r"),
    ]
    shapes = {"a": (1, 500), "b": (1, 500), "s": (m * 10,), "r": (1, m)}
    params = {name: torch.rand(shape) for name, shape in shapes.items()}
    return Circuit(groups, [(4, 0)], ["A", "B"], params)


def many_groups(count: int) -> Circuit:
    """A random graph of groups of one unit."""
    rng = np.random.default_rng(0)
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}
    for i in range(count):
        name = f"g{i}"
        if i < 50:
            groups.append(LeafGroup(name, 1, Bernoulli() if i % 2 else Gaussian(), (i,), name))
            params[name] = torch.rand((1, 1) if i % 2 else (1, 1, 2)) + 0.0
            continue
        inputs = tuple(rng.integers(0, i, 2).tolist())
        if i % 2:
            groups.append(ProductGroup(name, 1, inputs))
        else:
            groups.append(SumGroup(name, 1, inputs, name))
            params[name] = torch.rand(1, 2)
    return Circuit(groups, [(count - 1, 0)], [f"X{v}" for v in range(50)], params)


# Processor time, not wall time: other work on the machine does not count. The bounds are about
# ten times what a free machine takes.


def test_a_million_edges(tmp_path: Path):
    model, path = many_edges(), tmp_path / "m.pc.safetensors"
    save_model(model, path)
    start = time.thread_time()
    again = load_model(path)
    assert time.thread_time() - start < 5
    start = time.thread_time()
    assert describe(path).edges == model.num_edges > 900_000
    assert time.thread_time() - start < 0.5
    assert differences(model, again) == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pc.safetensors", ".pc.json"])
def test_thirty_thousand_groups(tmp_path: Path, suffix: str):
    model, path = many_groups(30_000), tmp_path / f"m{suffix}"
    save_model(model, path)
    start = time.thread_time()
    again = load_model(path)
    assert time.thread_time() - start < 8
    assert again.params.equal(model.params) and again.groups == model.groups


@pytest.mark.parametrize(
    ("name", "value", "phrase"),
    [
        ("g900", torch.tensor([[0.5, -1.0]]), "g900: weight -1 at [0, 1] is negative"),
        ("g900", torch.tensor([[float("nan"), 1.0]]), "g900: weight nan at [0, 0]"),
        ("g900", torch.ones(3), "g900: parameter 'g900' has the shape [3], not [1, 2]"),
        ("g900", torch.ones(1, 2, dtype=torch.int64), "g900: parameter 'g900' holds torch.int64"),
        ("g7", torch.tensor([[1.5]]), "g7: bernoulli parameter 1.5"),
        ("g8", torch.tensor([[[0.0, -1.0]]]), "g8: gaussian parameter -1.0"),
    ],
)
def test_the_fast_check_finds_what_the_plain_one_finds(name: str, value, phrase: str):
    model = many_groups(1000)
    validate_params(model)
    spoilt = model.with_params(model.params.updated({name: value}))
    for check in (lambda: validate_params(spoilt), spoilt.validate_params):
        with pytest.raises(ParameterError) as caught:
            check()
        assert phrase in str(caught.value)
    missing = model.with_params({k: v for k, v in model.params.items() if k != name})
    with pytest.raises(ParameterError, match="is missing"):
        validate_params(missing)
