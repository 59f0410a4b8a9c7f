"""Circuits to store, and what "the same circuit" means."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.build import bernoulli, circuit, gaussian
from pccore.errors import FileError
from pccore.files import FORMATS, Format, save_model
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator

READABLE = [format_ for format_ in FORMATS().values() if format_.load and format_.exact]
EXPORTS = [format_ for format_ in FORMATS().values() if not format_.load]


def differences(a: Circuit, b: Circuit) -> list[str]:
    """What of structure, notes and parameters (bit for bit) is not the same."""
    found = [
        what
        for what, same in (
            ("variables", a.variables == b.variables),
            ("roots", a.roots == b.roots),
            ("meta", dict(a.meta) == dict(b.meta)),
            ("number of groups", len(a.groups) == len(b.groups)),
        )
        if not same
    ]
    for one, other in zip(a.groups, b.groups, strict=False):
        if _plain(one) != _plain(other):
            found.append(f"group {one.name}")
    for parameter in {g.parameter for g in a.groups if g.kind != "product"}:
        x, y = a.params[parameter], b.params.get(parameter)
        if y is None or x.dtype != y.dtype or x.shape != y.shape or bits(x) != bits(y):
            found.append(f"parameter {parameter}")
    return found


def bits(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


def _plain(group: Group) -> tuple[object, ...]:
    edges: object = getattr(group, "edges", None)
    if isinstance(edges, SparseEdges):
        edges = (edges.offsets.tolist(), edges.children.tolist())
    rest = (group.family, group.variables) if isinstance(group, LeafGroup) else ()
    parameter = getattr(group, "parameter", None)
    return group.kind, group.name, group.size, group.inputs, parameter, edges, *rest


def small() -> Circuit:
    """A mixture of two products, as drawn by hand."""
    x1, x2 = bernoulli("X1", 0.6), gaussian("X2", -1.5, 0.25)
    root = 0.4 * (x1 * x2) + 0.6 * (bernoulli("X1", 0.1) * x2)
    return circuit(root, meta={"title": "Small", "story": "Two products.", "order": [1, 2.5, None]})


def rich(dtype: torch.dtype = torch.float32) -> Circuit:
    """Every family, every kind of edges, ties, several roots, a factorised leaf, big edges."""
    generator = torch.Generator().manual_seed(3)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)

    k = 40
    many = np.arange(3 * k, dtype=np.int64) % (k + k)
    groups = [
        LeafGroup("b", 2, Bernoulli(), (0, 2), "b"),
        LeafGroup("b2", 2, Bernoulli(), (2, 0), "b"),
        LeafGroup("c", 2, Categorical(3), (1,), "c"),
        LeafGroup("n", 1, Binomial(16), (3,), "n"),
        LeafGroup("g", 2, Gaussian(min_variance=0.01), (4,), "g"),
        LeafGroup("i", 2, Indicator(2), (5,), "i"),
        ProductGroup("had", 2, (0, 2, 4, 5)),
        ProductGroup("kro", 8, (1, 2, 4), "kronecker"),
        ProductGroup("wide", k, (7, 7), SparseEdges(np.arange(k + 1), np.arange(k) % 16)),
        SumGroup("dense", 2, (6,), "w"),
        SumGroup("tied", 2, (6,), "w"),
        SumGroup("mixed", 2, (9, 10), "m", "elementwise"),
        SumGroup("sparse", k, (8, 8), "s", SparseEdges(np.arange(k + 1) * 3, many)),
        ProductGroup("top", 1, (11, 3), SparseEdges(np.array([0, 2]), np.array([1, 2]))),
    ]
    probabilities = rand(1, 2, 3).double() + 0.1
    params = {
        "b": rand(2, 2, 1)[..., 0],
        "c": (probabilities / probabilities.sum(-1, keepdim=True)).to(dtype),
        "n": rand(1, 1),
        "g": torch.stack((-rand(1, 2), rand(1, 2) + 0.1), -1),
        "i": torch.tensor([[0.0, 1.0]], dtype=dtype),
        "w": rand(2, 2),
        "m": rand(2, 2),
        "s": rand(3 * k),
    }
    variables = ["pixel 1", "größe", "x·y", 'quo"te', "back\\slash", "<b>"]
    meta = {
        "title": "Rich <b>& wild</b>",
        "story": "Line one.\nLine two.",
        "image": {"height": 1, "width": 6, "channels": 1, "maximum": 16},
        "nested": {"list": [True, False, None, -0.0, 1, "ü"], "empty": {}},
    }
    return Circuit(groups, [(13, 0), (11, 1), (12, 39)], variables, params, meta)


def discrete() -> Circuit:
    """A mixture over two finite variables, with a factorised leaf, groups and one root."""
    groups = [
        LeafGroup("b", 2, Bernoulli(), (0, 2), "b"),
        LeafGroup("c", 2, Categorical(3), (1,), "c"),
        LeafGroup("i", 2, Indicator(2), (3,), "i"),
        ProductGroup("had", 2, (0, 1, 2)),
        SumGroup("sum", 1, (3,), "w"),
    ]
    params = {
        "b": torch.tensor([[0.25, 0.5], [0.75, 0.125]], dtype=torch.float64),
        "c": torch.tensor([[[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]]], dtype=torch.float64),
        "i": torch.tensor([[0.0, 1.0]], dtype=torch.float64),
        "w": torch.tensor([[0.25, 0.75]], dtype=torch.float64),
    }
    return Circuit(groups, [(4, 0)], ["V0", "V1", "V2", "V3"], params)


def holds(circuit: Circuit, format_: Format) -> bool:
    """Whether a format of another program can hold a circuit."""
    try:
        return stored(circuit, format_) != b""
    except FileError as error:
        assert "the format cannot hold" in error.message
        return False


def skip_unless_installed(format_: Format) -> None:
    if not format_.installed:
        pytest.skip(f"the package {format_.package} is not installed")


def stored(circuit: Circuit, format_: Format) -> bytes:
    skip_unless_installed(format_)
    stream = io.BytesIO()
    assert format_.save is not None
    format_.save(circuit, stream)
    return stream.getvalue()


def written(circuit: Circuit, folder: Path, suffix: str = ".pc.json") -> Path:
    skip_unless_installed(next(f for f in FORMATS().values() if suffix in f.suffixes))
    path = folder / f"model{suffix}"
    save_model(circuit, path)
    return path
