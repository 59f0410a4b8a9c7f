"""Patch-structured images, against sums over the states of their hidden variables."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from pccore import reference
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, shape_of, summarise
from pccore.structures.hclt import groups_of, learn_group_tree


def images(height: int, width: int, channels: int, support: Support) -> Shape:
    rng = np.random.default_rng(height)
    data = rng.integers(0, support.states or 9, (60, height * width * channels))
    data = np.where(rng.random(data.shape) < 0.5, data, data[:, :1]).astype(np.float32)
    about = Shape.of(data.shape[1], support, (height, width, channels))
    return replace(about, data=data, summary=summarise(data, about.supports))


def table(circuit: Circuit, name: str) -> np.ndarray:
    (group,) = (g for g in circuit.groups if g.name == name)
    assert group.kind == "sum"
    return circuit.params[group.parameter].double().numpy()


@pytest.mark.parametrize("top", ["tree", "mixture"])
def test_value_by_all_states_of_the_hidden_variables(top: str) -> None:
    about = images(4, 5, 1, Support("finite", 2))
    options = {"patch": 3, "latents": 3, "units": 2, "top": top}
    circuit = build_structure("patches", about, options)
    patches = groups_of(about, 3)
    assert [len(p) for p in patches] == [9, 6, 3, 2]
    names = ["0,0", "0,1", "1,0", "1,1"]
    assert about.data is not None
    x = about.data[:3]
    inside: list[np.ndarray] = []  # p(x_i | z_i) of each patch, [3 rows, latents]
    for name, patch in zip(names, patches, strict=True):
        (leaf,) = (g for g in circuit.groups if g.name == f"L({name})")
        assert leaf.kind == "leaf"
        p = circuit.params[leaf.parameter].double().numpy()  # [d, K]
        own = x[:, patch, None]
        parts = np.prod(np.where(own == 1, p, 1 - p), axis=1)
        inside.append(parts @ table(circuit, f"E({name})").T)
    expected = np.zeros(3)
    root = table(circuit, "root")[0]
    tree = learn_group_tree(about, patches, 1.0, 0)
    for z in itertools.product(range(3), repeat=4):
        if top == "mixture":
            if len(set(z)) > 1:
                continue
            chance = root[z[0]]
        else:
            chance = 1.0
            for i, parent in enumerate(tree.parent):
                chance *= (
                    root[z[i]] if parent < 0 else table(circuit, f"S({names[i]})")[z[parent], z[i]]
                )
        expected += chance * np.prod([p[:, k] for p, k in zip(inside, z, strict=True)], axis=0)
    found = reference.evaluate(circuit, x).root[:, 0]
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize("inside", ["factorized", "hclt", "pd"])
@pytest.mark.parametrize("size", [(5, 3, 3), (1, 1, 1), (4, 8, 1)])
@pytest.mark.parametrize("start", ["random", "clusters"])
def test_any_size_and_colour(inside: str, size: tuple[int, int, int], start: str) -> None:
    about = images(*size, Support("finite", 6))
    options = {"patch": 2, "latents": 3, "units": 2, "inside": inside, "start": start}
    circuit = build_structure("patches", about, options)
    properties = check(circuit).properties
    for wanted in ("smooth", "decomposable", "normalized"):
        assert properties[wanted] == "yes", wanted
    nothing = np.full((1, about.num_variables), math.nan)
    assert reference.evaluate(circuit, nothing).root == pytest.approx(0, abs=1e-4)
    assert np.isfinite(compile_circuit(circuit)(about.data).numpy()).all()


def test_clusters_of_digits_beat_independent_pixels_without_training() -> None:
    dataset = load("digits")
    about = shape_of(dataset)
    options = {"patch": 4, "start": "clusters"}
    circuit = compile_circuit(build_structure("patches", about, options))
    alone = compile_circuit(build_structure("factorized", about, {"start": "clusters"}))
    assert float(circuit(dataset.test).mean()) > float(alone(dataset.test).mean()) + 10


def test_refusals() -> None:
    with pytest.raises(OptionError, match="image"):
        build_structure("patches", Shape.of(4))
    with pytest.raises(OptionError, match="training data"):
        build_structure("patches", Shape.of(4, None, (2, 2)))
