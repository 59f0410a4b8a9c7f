"""Malformed and hostile .pc.safetensors files, and agreement with the safetensors package."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load as library_load
from safetensors.torch import save as library_save

from pccore.errors import FileError
from pccore.files import FORMATS, Limits, describe, load_bytes, load_model
from tests.files.support import bits, differences, rich, small, stored, written

FORMAT = FORMATS()["pc.safetensors"]


def split(data: bytes) -> tuple[dict[str, dict[str, object]], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: object, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


HEADER, BODY = split(stored(rich(), FORMAT))


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FileError) as caught:
        load_bytes(data, "bad.pc.safetensors", limits or Limits())
    text = str(caught.value)
    assert text.startswith("bad.pc.safetensors") and len(text) < 1000 and "\n" not in text
    assert caught.value.__cause__ is None
    return text


def test_the_unchanged_file_is_valid():
    assert differences(rich(), load_bytes(join(HEADER, BODY), "m.pc.safetensors")) == []


# -- the container -----------------------------------------------------------------------

CONTAINERS: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (b"1234567", "too short for a safetensors header"),
    (b"12345678", "the header claims"),
    ((2**63).to_bytes(8, "little") + b"{}", "the header claims 9223372036854775808 bytes"),
    ((3).to_bytes(8, "little") + b"{}", "the header claims 3 bytes, but the file has only 10"),
    (join(b"", b""), "its header is not a JSON object"),
    (join(b"[]", b""), "its header is not a JSON object"),
    (join(b"{]", b""), "header, line 1, column 2: not valid JSON"),
    (join(b'{"a\xff":1}', b""), "header, line 1: byte 3 is not UTF-8"),
    (join(b"{}", b""), "holds tensors but no circuit"),
    (join(b'{"a":' * 5000, b""), "header, line 1, column 501: lists are nested too deeply"),
    (join(b'{"a":{},"a":{}}', b""), "the key 'a' appears twice"),
    (join({"a": {}}, b""), "tensor a: the entry lacks the key 'dtype'"),
    (join({"a": 3}, b""), "tensor a: the entry must be an object, not 3"),
    (join({"__metadata__": 3}, b""), "__metadata__ must be an object of strings"),
    (join({"__metadata__": {"format": 1}}, b""), "__metadata__ must be an object of strings"),
    (join({"__metadata__": {"format": "pt"}}, b""), "holds tensors but no circuit"),
    (
        join({"__metadata__": {"format": "pccore", "structure": "{"}}, b""),
        "structure, line 1, column 2: not valid JSON",
    ),
    (b"PK\x03\x04" + b"\0" * 60, "the header claims"),
    (b"\x80\x04\x95" + b"\0" * 60, "the header claims"),  # a pickle
]


@pytest.mark.parametrize(("data", "phrase"), CONTAINERS, ids=range(len(CONTAINERS)))
def test_bytes_that_are_no_container(data: bytes, phrase: str):
    assert phrase in refusal(data)


Entry = dict[str, object]
Header = dict[str, Entry]


def entry(name: str, **changes: object) -> Callable[[Header], None]:
    def change(header: Header) -> None:
        header[name] = header[name] | changes

    return change


def moved(name: str, by: int) -> Callable[[Header], None]:
    def change(header: Header) -> None:
        start, stop = header[name]["data_offsets"]  # type: ignore[misc]
        header[name]["data_offsets"] = [start + by, stop + by]

    return change


def dropped(name: str) -> Callable[[Header], None]:
    return lambda header: header.pop(name) and None


HEADERS: list[tuple[Callable[[Header], None], str]] = [
    (entry("params/b", dtype="F64"), "tensor params/b: shape [2, 2] of F64 takes 32 bytes, but"),
    (entry("params/b", dtype="I16"), "dtype 'I16' is not supported"),
    (entry("params/b", dtype=None), "dtype None is not supported"),
    (entry("params/b", dtype=["F32"]), "is not supported"),
    (entry("params/b", shape=[4]), "params/b' has 1 axes, not 2"),
    (entry("params/b", shape=[1, 4]), "group b: the tensor 'params/b' has the shape [1, 4], not"),
    (entry("params/b", shape=[2, -2]), "an axis must be from 0"),
    (entry("params/b", shape=[2**62, 4]), "an axis must be from 0"),
    (entry("params/b", shape=[2**40] * 8), "takes"),
    (entry("params/b", shape=[1] * 9), "9 axes, more than 8"),
    (entry("params/b", shape=[2.0, 2]), "an axis must be an integer, not 2.0"),
    (entry("params/b", shape="22"), "shape must be a list"),
    (entry("params/b", data_offsets=[0]), "data_offsets must be two integers"),
    (entry("params/b", data_offsets=[16, 0]), "data_offsets must be from 16"),
    (entry("params/b", data_offsets=[-16, 0]), "data_offsets must be from 0"),
    (entry("params/b", data_offsets=[0, 2**70]), "data_offsets must be from 0"),
    (entry("params/b", extra=1), "tensor params/b: the entry has the unknown key 'extra'"),
    (moved("params/b", 16), "the tensor's data"),
    (moved("params/b", -16), "overlaps the one before it"),
    (moved("params/b", 10**6), "the tensor's data follows a gap"),
    (dropped("params/b"), "follows a gap"),
    (lambda header: header.update({"a\nb": header.pop("params/b")}), "a tensor name 'a\\nb' holds"),
    (lambda header: header.update({"b": header.pop("params/b")}), "'params/b' is missing"),
    (
        lambda header: header.update({"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
        "no group uses the tensor 'x'",
    ),
    (
        entry("params/i", dtype="I64", shape=[1]),
        "the tensor 'params/i' has 1 axes, not 2",
    ),
    (entry("offsets/sparse", dtype="F64"), "the tensor 'offsets/sparse' must be I64"),
    (dropped("__metadata__"), "holds tensors but no circuit"),
]


@pytest.mark.parametrize(("change", "phrase"), HEADERS, ids=range(len(HEADERS)))
def test_a_wrong_header_is_named(change: Callable[[Header], None], phrase: str):
    header = copy.deepcopy(HEADER)
    change(header)
    assert phrase in refusal(join(header, BODY))


@pytest.mark.parametrize(("cut", "phrase"), [(-1, "the file is cut off"), (-200, "cut off")])
def test_a_truncated_body_is_named(cut: int, phrase: str):
    assert phrase in refusal(join(HEADER, BODY[:cut]))


def test_bytes_after_the_last_tensor_are_refused():
    assert "the file has bytes too many" in refusal(join(HEADER, BODY + b"\0"))


# -- the structure in it -----------------------------------------------------------------


def with_structure(change: Callable[[dict[str, object]], object]) -> bytes:
    header = copy.deepcopy(HEADER)
    document = json.loads(header["__metadata__"]["structure"])  # type: ignore[arg-type]
    change(document)
    header["__metadata__"]["structure"] = json.dumps(document)
    return join(header, BODY)


STRUCTURES: list[tuple[Callable[[dict[str, object]], object], str]] = [
    (lambda d: d.update(version=7), "version 7 of the schema, newer"),
    (lambda d: d["groups"][0].update(values=[1]), "group b: values belong into a tensor here"),
    (lambda d: d["groups"][0].update(dtype="float64"), "dtype belong into a tensor here"),
    (lambda d: d["groups"][0].update(size=3), "group b2: it shares parameter 'b' of shape [2, 3]"),
    (lambda d: d["groups"][2].update(parameter="q"), "group c: the tensor 'params/q' is missing"),
    (lambda d: d["groups"][12].update(edges="dense"), "params/s' has 1 axes, not 2"),
    (lambda d: d["groups"][12].update(size=41), "'offsets/sparse' has the shape [41], not [42]"),
    (lambda d: d["groups"][12].update(inputs=[8]), "sparse children must be below 40"),
    (lambda d: d["groups"][9].update(edges="tensor"), "'children/dense' is missing"),
    (lambda d: d["groups"].pop(), "roots[0]: input 13 is not an earlier group"),
]


@pytest.mark.parametrize(("change", "phrase"), STRUCTURES, ids=range(len(STRUCTURES)))
def test_a_wrong_structure_is_named(change, phrase: str):
    assert phrase in refusal(with_structure(change))


# -- hostile numbers ---------------------------------------------------------------------


def with_tensor(name: str, values: np.ndarray) -> bytes:
    start, stop = HEADER[name]["data_offsets"]  # type: ignore[misc]
    raw = values.tobytes()
    assert len(raw) == stop - start
    return join(HEADER, BODY[:start] + raw + BODY[stop:])


def tensor(name: str) -> np.ndarray:
    start, stop = HEADER[name]["data_offsets"]  # type: ignore[misc]
    dtype = {"I64": np.int64, "F32": np.float32}[str(HEADER[name]["dtype"])]
    return np.frombuffer(BODY[start:stop], dtype).copy()


@pytest.mark.parametrize("value", [-0.25, np.nan, np.inf])
def test_illegal_weights_are_named_with_their_position(value: float):
    weights = tensor("params/s")
    weights[7] = value
    assert "group sparse: weight" in (text := refusal(with_tensor("params/s", weights)))
    assert "at [7]" in text


def test_illegal_leaves_are_named():
    text = refusal(with_tensor("params/b", np.array([0.1, 0.2, 7, 0.4], np.float32)))
    assert "group b: bernoulli parameter 7.0 at position [1, 0]" in text


@pytest.mark.parametrize("child", [-1, 80, 2**62, -(2**63)])
def test_children_out_of_range_are_refused(child: int):
    children = tensor("children/sparse")
    children[5] = child
    assert "group sparse: sparse children" in refusal(with_tensor("children/sparse", children))


WRAPPING = np.array([0, 2**62, -(2**63), -(2**62), 0])  # each step is +2^62, modulo 2^64


@pytest.mark.parametrize(
    "start",
    [[1], [0, 0], [0, -3], [0, 2**62], [0, 3, 2], WRAPPING.tolist()],
)
def test_offsets_that_do_not_grow_are_refused(start: list[int]):
    offsets = tensor("offsets/sparse")
    offsets[: len(start)] = start
    text = refusal(with_tensor("offsets/sparse", offsets))
    assert "group sparse: the offsets must grow from 0 to 120" in text


@pytest.mark.parametrize(
    ("limits", "phrase"),
    [
        (Limits(max_bytes=100), "more than the 100 allowed"),
        (Limits(max_json_bytes=100), "the header has"),
        (Limits(max_groups=3), "14 groups are more than the 3"),
        (Limits(max_parameters=100), "group sparse: more than 100 parameters"),
        (Limits(max_sparse_cells=60), "group wide: sparse edges over too many inputs"),
    ],
)
def test_every_limit_is_kept(limits: Limits, phrase: str):
    assert phrase in refusal(join(HEADER, BODY), limits)


# -- the safetensors package -------------------------------------------------------------


def test_the_library_reads_what_we_write(tmp_path: Path):
    circuit = rich()
    path = written(circuit, tmp_path, ".pc.safetensors")
    tensors = library_load(path.read_bytes())
    for name, expected in circuit.params.items():
        assert bits(tensors[f"params/{name}"]) == bits(expected)
    with safe_open(path, "pt") as opened:
        assert opened.metadata()["format"] == "pccore"


@pytest.mark.parametrize("make", [small, rich])
def test_we_read_what_the_library_writes(make, tmp_path: Path):
    circuit = make()
    path = written(circuit, tmp_path, ".pc.safetensors")
    tensors = library_load(path.read_bytes())
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    path.write_bytes(library_save(tensors, metadata))
    assert differences(circuit, load_model(path)) == []


def test_what_others_store_is_no_circuit():
    data = library_save({"weight": torch.ones(3)}, {"format": "pt"})
    assert "holds tensors but no circuit" in refusal(data)


def test_description_reads_only_the_header(tmp_path: Path):
    circuit = rich()
    path = written(circuit, tmp_path, ".pc.safetensors")
    data = bytearray(path.read_bytes())
    data[-len(BODY) :] = b"\xff" * len(BODY)  # NaN and negative offsets everywhere
    path.write_bytes(data)
    assert describe(path).units == circuit.num_units
