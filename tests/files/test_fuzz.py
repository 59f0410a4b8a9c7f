"""Damaged files give a valid circuit or a FileError, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.errors import FileError
from pccore.files import Limits, load_bytes
from pccore.graph import Circuit
from tests.files.support import READABLE, rich, small, stored

VALID = {
    (format_.name, make.__name__): stored(make(), format_)
    for format_ in READABLE
    for make in (small, rich)
}
NAMES = {format_.name: "m" + format_.suffixes[0] for format_ in READABLE}
WHICH = st.sampled_from(sorted(VALID))
#: A damaged length must not make the test itself slow.
LIMITS = Limits(max_units=10**6, max_parameters=10**6)


def survives(data: bytes, name: str) -> Circuit | None:
    """Load; FileError is fine, and whatever loads must be legal throughout."""
    try:
        circuit = load_bytes(data, name, LIMITS)
    except FileError as error:
        assert str(error).startswith(name)
        assert len(str(error)) < 1000 and str(error).isprintable()
        return None
    circuit.validate_params()
    assert circuit.num_units > 0
    return circuit


@given(WHICH, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=6))
def test_flipped_bits(which: tuple[str, str], flips: list[tuple[float, int]]):
    data = bytearray(VALID[which])
    for position, bit in flips:
        data[min(int(position * len(data)), len(data) - 1)] ^= 1 << bit
    survives(bytes(data), NAMES[which[0]])


@given(WHICH, st.floats(0, 1), st.binary(max_size=8))
def test_overwritten_bytes(which: tuple[str, str], position: float, patch: bytes):
    data = bytearray(VALID[which])
    start = int(position * len(data))
    data[start : start + len(patch)] = patch
    survives(bytes(data), NAMES[which[0]])


@given(WHICH, st.floats(0, 1))
def test_truncated_files(which: tuple[str, str], share: float):
    data = VALID[which][: int(share * len(VALID[which]))]
    cut = survives(data, NAMES[which[0]])
    # The last bytes of a JSON file are a line break, which it can do without.
    assert cut is None or len(data) >= len(VALID[which]) - 1


@given(WHICH, st.floats(0, 1), st.floats(0, 1))
def test_pieces_moved_about(which: tuple[str, str], start: float, stop: float):
    data = VALID[which]
    a, b = sorted((int(start * len(data)), int(stop * len(data))))
    survives(data[:a] + data[b:], NAMES[which[0]])
    survives(data[:b] + data[a:], NAMES[which[0]])


@given(st.binary(max_size=200), st.sampled_from(sorted(NAMES.values())))
def test_noise(data: bytes, name: str):
    survives(data, name)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10)
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["", "a", "dense", "kronecker", "tensor", "leaf", "sum", "\ud800", "x" * 300]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "kind", "size", "inputs", "family", "edges", "values"]), inner
        )
    ),
    max_leaves=6,
)


@given(st.data())
@pytest.mark.parametrize("make", [small, rich])
def test_any_json_in_any_place(make, data: st.DataObject):
    """Replace a random value of the document by random JSON."""
    document = json.loads(VALID["pc.json", make.__name__])
    target, key = {"": document}, ""
    while isinstance(target[key], dict | list) and target[key] and data.draw(st.integers(0, 5)):
        target = target[key]
        keys = range(len(target)) if isinstance(target, list) else sorted(target)
        key = data.draw(st.sampled_from(keys))
    target[key] = data.draw(JUNK)
    survives(json.dumps(document).encode(), NAMES["pc.json"])


@given(st.data())
def test_any_json_in_any_place_of_a_tensor_file(data: st.DataObject):
    raw = VALID["pc.safetensors", "rich"]
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    inside = data.draw(st.booleans())
    document = json.loads(header["__metadata__"]["structure"]) if inside else header
    target, key = {"": document}, ""
    while isinstance(target[key], dict | list) and target[key] and data.draw(st.integers(0, 5)):
        target = target[key]
        keys = range(len(target)) if isinstance(target, list) else sorted(target)
        key = data.draw(st.sampled_from(keys))
    target[key] = data.draw(JUNK)
    if inside:
        header["__metadata__"]["structure"] = json.dumps(document)
    text = json.dumps(header).encode()
    file = len(text).to_bytes(8, "little") + text + raw[8 + length :]
    survives(file, NAMES["pc.safetensors"])
