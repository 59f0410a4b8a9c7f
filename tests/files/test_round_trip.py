"""load(save(c)) is c, for random circuits and for every number."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore.build import categorical, circuit, gaussian
from pccore.files import Format, load_bytes
from tests.files.support import READABLE, bits, differences, stored
from tests.strategies import broken_circuits, circuits

ANY_FORMAT = st.sampled_from(READABLE)


def again(model, format_: Format):
    return load_bytes(stored(model, format_), "m" + format_.suffixes[0])


@given(circuits(dtype=torch.float64), ANY_FORMAT)
def test_random_circuits(model, format_: Format):
    assert differences(model, again(model, format_)) == []


@given(circuits(dtype=torch.float32, reals=1, variables=4, roots=2), ANY_FORMAT)
def test_random_circuits_in_single_precision(model, format_: Format):
    assert differences(model, again(model, format_)) == []


@pytest.mark.parametrize("clause", ["smooth", "decomposable", "normalized", "reachable"])
def test_broken_circuits_can_be_stored(clause: str):
    @given(broken_circuits(clause), ANY_FORMAT)
    def check(broken, format_: Format):
        assert differences(broken.circuit, again(broken.circuit, format_)) == []

    check()


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(min_value=5e-324, allow_infinity=False),
    ANY_FORMAT,
)
def test_every_double_survives(mean: float, variance: float, format_: Format):
    model = circuit(gaussian("X", mean, variance))
    assert bits(again(model, format_).params["x1"]) == bits(model.params["x1"])


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(width=32, min_value=2**-149, allow_infinity=False),
    ANY_FORMAT,
)
def test_every_single_survives(mean: float, variance: float, format_: Format):
    model = circuit(gaussian("X", 0.0, 1.0))
    values = torch.tensor([[[mean, variance]]], dtype=torch.float32)
    model = model.with_params({"x1": values})
    assert bits(again(model, format_).params["x1"]) == bits(values)


def test_singles_are_written_short():
    model = circuit(categorical("X", [0.1, 0.2, 0.7])).with_params(
        {"x1": torch.tensor([[[0.1, 0.2, 0.7]]], dtype=torch.float32)}
    )
    text = stored(model, next(f for f in READABLE if f.name == "pc.json")).decode()
    assert '"values": [0.1, 0.2, 0.7]' in text
    assert json.loads(text)["dtype"] == "float32"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"]), max_size=20)
)
KEYS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"]), min_size=1, max_size=9
)
NOTES = st.dictionaries(
    KEYS.filter(lambda key: key not in ("title", "story", "image")),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(NOTES, ANY_FORMAT)
def test_notes_survive(meta, format_: Format):
    model = circuit(gaussian("X", 0.0, 1.0), meta=meta)
    loaded = again(model, format_).meta
    assert json.dumps(loaded | {}) == json.dumps(meta)
