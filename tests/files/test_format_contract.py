"""What every file format must do; a new one is picked up by itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from pccore.errors import FileError, ParameterError
from pccore.files import (
    FORMATS,
    Format,
    Limits,
    Source,
    describe,
    load_bytes,
    load_model,
    writable,
)
from tests.files.support import (
    EXPORTS,
    READABLE,
    differences,
    discrete,
    holds,
    rich,
    small,
    stored,
    written,
)

ALL = list(FORMATS().values())
WRITABLE = list(writable())


def by_name(format_: Format) -> str:
    return format_.name


@pytest.mark.parametrize("format_", ALL, ids=by_name)
def test_names_and_suffixes_are_well_formed(format_: Format):
    assert FORMATS()[format_.name] is format_
    assert format_.title and format_.suffixes
    for suffix in format_.suffixes:
        assert suffix.startswith(".") and suffix == suffix.lower()
        owners = [other.name for other in ALL if suffix in other.suffixes]
        assert owners == [format_.name]


@pytest.mark.parametrize("format_", WRITABLE, ids=by_name)
@pytest.mark.parametrize("make", [small, rich])
def test_the_same_circuit_gives_the_same_bytes(format_: Format, make):
    if not holds(make(), format_):
        make = discrete
    assert stored(make(), format_) == stored(make(), format_) != b""


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_what_was_saved_is_loaded(format_: Format, dtype: torch.dtype, tmp_path: Path):
    for circuit in (small(), rich(dtype)):
        again = load_model(written(circuit, tmp_path, format_.suffixes[0]))
        assert differences(circuit, again) == []
        assert stored(again, format_) == stored(circuit, format_)


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_ties_stay_ties(format_: Format):
    again = load_bytes(stored(rich(), format_), "m" + format_.suffixes[0])
    assert len(again.params) == 8
    assert again.groups[9].parameter == again.groups[10].parameter == "w"


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_description_agrees_with_the_circuit(format_: Format, tmp_path: Path):
    circuit = rich()
    path = written(circuit, tmp_path, format_.suffixes[0])
    info = describe(path)
    assert (info.format, info.bytes) == (format_.name, path.stat().st_size)
    assert (info.title, info.story) == ("Rich <b>& wild</b>", "Line one.\nLine two.")
    counts = (info.variables, info.groups, info.units, info.edges, info.parameters)
    assert counts == (6, 14, circuit.num_units, circuit.num_edges, circuit.num_parameters)
    assert format_.meta is not None
    data = path.read_bytes()
    assert format_.meta(Source(io.BytesIO(data), len(data), Limits())) == circuit.meta


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize("name", ["model (1).json", "upload", "x.txt", ""])
def test_content_decides_where_the_name_does_not(format_: Format, name: str):
    assert differences(small(), load_bytes(stored(small(), format_), name)) == []


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_suffixes_are_not_case_sensitive(format_: Format):
    name = "M" + format_.suffixes[0].upper()
    assert differences(small(), load_bytes(stored(small(), format_), name)) == []


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize("value", [float("nan"), -0.5, float("inf")])
def test_what_cannot_be_loaded_is_not_saved(format_: Format, value: float):
    circuit = small()
    weights = {"s1": torch.tensor([[0.5, value]], dtype=torch.float64)}
    with pytest.raises(ParameterError, match=r"s1: weight .* at \[0, 1\]"):
        stored(circuit.with_params(circuit.params.updated(weights)), format_)


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize(
    ("meta", "phrase"),
    [
        ({"x": float("nan")}, "meta.x: nan is not a finite number"),
        ({"x": {1, 2}}, "meta.x: a file cannot hold the set"),
        ({1: "x"}, "meta: a key must be a string"),
        ({"title": 7}, "title must be a string"),
        ({"x": "\ud800"}, "control character"),
        ({"x": 2**70}, "must be from"),
        ({"image": {"height": 10**9}}, "meta.image.height must be from 1 to 65536"),
    ],
)
def test_notes_that_a_file_cannot_hold_are_refused(format_: Format, meta, phrase: str):
    with pytest.raises(FileError) as caught:
        stored(small().with_meta(meta), format_)
    assert phrase in str(caught.value)


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201, "\u202ecod", "\x1b[31m"])
def test_names_that_a_file_cannot_hold_are_refused(format_: Format, name: str):
    one = small()
    renamed = type(one)(one.groups, one.roots, (name, "X2"), one.params)
    with pytest.raises(FileError, match="the variable name"):
        stored(renamed, format_)


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_unused_parameters_are_not_stored(format_: Format):
    circuit = small()
    fat = circuit.with_params(circuit.params.updated({"orphan": torch.rand(9)}))
    assert stored(fat, format_) == stored(circuit, format_)


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_parameters_in_training_are_stored_as_numbers(format_: Format):
    circuit = small()
    live = circuit.with_params(circuit.params.map(lambda t: t.clone().requires_grad_()))
    again = load_bytes(stored(live, format_), "m" + format_.suffixes[0])
    assert differences(circuit, again) == []
    assert not any(tensor.requires_grad for tensor in again.params.values())


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives(format_: Format, dtype: torch.dtype):
    circuit = small()
    half = circuit.with_params(circuit.params.map(lambda t: t.to(dtype)))
    again = load_bytes(stored(half, format_), "m" + format_.suffixes[0])
    assert differences(half, again) == []


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_each_parameter_keeps_its_own_dtype(format_: Format):
    circuit = small()
    mixed = circuit.with_params(
        circuit.params.updated({"s1": circuit.params["s1"].float(), "x1": torch.tensor([[0.3]])})
    )
    again = load_bytes(stored(mixed, format_), "m" + format_.suffixes[0])
    assert differences(mixed, again) == []
    assert again.params["s1"].dtype == torch.float32 != again.params["x2"].dtype


@pytest.mark.parametrize("format_", READABLE, ids=by_name)
def test_slices_of_one_tensor_are_stored_apart(format_: Format):
    circuit = small()
    block = torch.rand(5, 7, dtype=torch.float64).T
    sliced = circuit.with_params(circuit.params.updated({"s1": block[2:3, 1:3]}))
    again = load_bytes(stored(sliced, format_), "m" + format_.suffixes[0])
    assert differences(sliced, again) == []
    again.params["s1"].add_(1)
    assert float(block.max()) <= 1


@pytest.mark.parametrize("format_", EXPORTS, ids=by_name)
def test_exports_are_not_read(format_: Format, tmp_path: Path):
    path = written(small(), tmp_path, format_.suffixes[0])
    with pytest.raises(FileError, match="for writing only") as caught:
        load_model(path)
    assert ".pc.json" in str(caught.value)
