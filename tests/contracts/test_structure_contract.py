"""What every structure promises; a new one is tested by being there."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
import torch

from pccore import reference
from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.leaves.base import Summary, Support
from pccore.options import describe
from pccore.structures import (
    Shape,
    build_structure,
    estimate,
    find_structure,
    size_of,
    structures,
    summarise,
)

PIXEL = Support("finite", 17)


def with_data(shape: Shape) -> Shape:
    """The shape with training data made up for it, some of them missing."""
    random = np.random.default_rng(1)
    columns = [
        random.normal(size=50) if s.kind == "real" else random.integers(0, s.states or 9, 50)
        for s in shape.supports
    ]
    data = np.stack(columns, axis=1).astype(np.float32)
    data[random.random(data.shape) < 0.1] = np.nan
    return dataclasses.replace(shape, data=data, summary=summarise(data, shape.supports))


SHAPES = {
    "binary image": with_data(Shape.of(16, None, (4, 4))),
    "digits": with_data(Shape.of(64, PIXEL, (8, 8))),
    "colour": with_data(Shape.of(36, Support("real"), (3, 4, 3))),
    "table": with_data(
        Shape.of(
            [f"column {i}" for i in range(11)],
            [Support("real")] * 4 + [Support("finite", 2)] * 4 + [Support("finite", 5)] * 3,
        )
    ),
    "without data": Shape.of(9, Support("finite", 3)),
}
CASES = [
    pytest.param(name, shape, id=f"{name}-{shape}".replace(" ", "_"))
    for name, structure in structures().items()
    for shape, about in SHAPES.items()
    if not (structure.needs_image and about.image is None)
    and not (structure.needs_data and about.data is None)
    and structure.suits(about.supports)
]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_build(name: str, shape: str) -> None:
    about = SHAPES[shape]
    circuit = build_structure(name, about)
    circuit.validate_params()
    assert circuit.variables == about.variables
    assert len(circuit.scopes[circuit.root.group]) == about.num_variables
    assert size_of(circuit) == estimate(name, about)
    assert circuit.meta["structure"] == name
    assert isinstance(circuit.meta["title"], str)
    assert ("image" in circuit.meta) == (about.image is not None)
    for tensor in circuit.params.values():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
    for i, group in enumerate(circuit.groups):
        scopes = [circuit.scopes[j] for j in group.inputs]
        if group.kind == "sum":
            assert set(scopes) == {circuit.scopes[i]}
        elif group.kind == "product":
            assert sum(map(len, scopes)) == len(circuit.scopes[i])


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_names_can_be_shown(name: str, shape: str) -> None:
    circuit = build_structure(name, SHAPES[shape])
    for group in circuit.groups:
        assert 0 < len(group.name) <= 40
        assert group.name.isprintable()
        assert group.name == group.name.strip()


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_density_is_finite_and_normalised(name: str, shape: str) -> None:
    about = SHAPES[shape]
    circuit = build_structure(name, about, _small(name))
    nothing = np.full((1, about.num_variables), math.nan)
    assert reference.evaluate(circuit, nothing).root == pytest.approx(0, abs=1e-4)
    if about.data is not None:
        assert np.isfinite(reference.evaluate(circuit, about.data[:3]).root).all()


def _small(name: str) -> dict[str, object]:
    known = {info.name for info in describe(structures()[name].options)}
    return {key: 2 for key in ("units", "components", "replicas") if key in known}


@pytest.mark.parametrize("name", structures())
def test_seeds(name: str) -> None:
    about = SHAPES["digits"]
    known = {info.name for info in describe(structures()[name].options)}
    first, again = build_structure(name, about), build_structure(name, about)
    assert first.params.equal(again.params)
    assert [g.name for g in first.groups] == [g.name for g in again.groups]
    if "seed" in known and not structures()[name].needs_data:
        assert not first.params.equal(build_structure(name, about, {"seed": 1}).params)


@pytest.mark.parametrize("name", structures())
def test_data_change_the_parameters_only(name: str) -> None:
    structure, about = structures()[name], SHAPES["digits"]
    if structure.needs_data:
        pytest.skip("the structure is learned from the data")
    bare = dataclasses.replace(about, data=None, summary=None)
    assert size_of(build_structure(name, about)) == size_of(build_structure(name, bare))
    assert isinstance(about.summary, Summary)


@pytest.mark.parametrize("name", structures())
def test_options_are_ready_for_sliders(name: str) -> None:
    structure = structures()[name]
    assert structure.title
    assert structure.description.endswith(".")
    assert structure.name == name == name.lower()
    for info in describe(structure.options):
        assert info.help, info.name
        if info.kind in ("int", "ints"):
            assert info.minimum is not None, info.name
            assert info.maximum is not None, info.name


@pytest.mark.parametrize("name", structures())
def test_bad_options(name: str) -> None:
    about = SHAPES["digits"]
    with pytest.raises(OptionError, match="unknown option"):
        build_structure(name, about, {"no_such_option": 1})
    with pytest.raises(OptionError, match="must be"):
        estimate(name, about, {"seed": "seven"})
    with pytest.raises(TypeError, match=name):
        build_structure(name, about, 3)


@pytest.mark.parametrize("name", structures())
def test_options_as_texts_and_as_an_instance(name: str) -> None:
    structure, about = structures()[name], SHAPES["digits"]
    text = build_structure(name, about, {"seed": "3"})
    instance = build_structure(name, about, structure.options(seed=3))
    assert text.params.equal(instance.params)
    assert text.meta == instance.meta


def test_unknown_name() -> None:
    with pytest.raises(NotFoundError, match="'forest'; known are"):
        find_structure("forest")


def test_preview_is_quick() -> None:
    about = Shape.of(784, Support("finite", 256), (28, 28))
    for name, options in (("pd", {"delta": "4,7"}), ("rat", {"depth": 7, "replicas": 40})):
        seconds: list[float] = []
        for _ in range(3):
            start = time.perf_counter()
            estimate(name, about, options)
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < 0.05


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_check_finds_nothing(name: str, shape: str) -> None:
    properties = check(build_structure(name, SHAPES[shape], _small(name))).properties
    for wanted in ("smooth", "consistent", "decomposable", "normalized", "weights"):
        assert properties[wanted] == "yes", wanted


@pytest.mark.parametrize("product", ["kronecker", "hadamard"])
@pytest.mark.parametrize(("replicas", "answer"), [(1, "yes"), (2, "no")])
def test_one_random_tree_is_structured(product: str, replicas: int, answer: str) -> None:
    options = {"replicas": replicas, "product": product, "units": 2}
    circuit = build_structure("rat", SHAPES["digits"], options)
    assert check(circuit).properties["structured_decomposable"] == answer
