"""Models of spn-compiler: what they mean, and what is no such model."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore.check import check
from pccore.errors import FileError
from pccore.files import load_bytes, load_model
from pccore.queries.likelihood import log_likelihood, log_value
from tests.files.importing.messages import model, sample
from tests.files.importing.test_reference import FOLDER


def normal(x: float, mean: float, deviation: float) -> float:
    return math.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation / math.sqrt(2 * math.pi)


@pytest.mark.parametrize(
    "how", [{}, {"query": True}, {"far": True}, {"double": True, "query": True}], ids=str
)
def test_a_model_means_what_it_says(how: dict[str, bool]) -> None:
    circuit = load_bytes(sample(**how), "m.bin")
    assert circuit.variables == ("X0", "X1", "X2")
    for x0, table in enumerate(((0.5, 0.25), (0.5, 0.25), (0.5, 0.5))):
        for x2 in (-1.0, 0.7):
            parts = (normal(x2, 1.0, 2.0), normal(x2, -1.0, 0.5))
            both = 0.25 * table[0] * parts[0] + 0.75 * table[1] * parts[1]
            row = torch.tensor([[float(x0), math.nan, x2], [math.nan, math.nan, x2]])
            got = log_value(circuit, row).tolist()
            # A missing variable counts 1, whatever its histogram adds up to.
            alone = 0.25 * parts[0] + 0.75 * parts[1]
            assert got == pytest.approx([math.log(both), math.log(alone)], rel=1e-6)


def test_histograms_that_do_not_add_up_are_named() -> None:
    report = check(load_bytes(sample(), "m.bin"))
    assert report.properties["normalized"] == "no" and report.valid
    (witness,) = report.of("normalized")
    assert "over X0 add up to 1.5, not to 1" in witness.message


def broken(**changes: object) -> bytes:
    nodes = [
        ("categorical", struct.pack("<i", 0), (("d", changes.get("p", (0.5, 0.5))),)),
        ("sum", b"", (("i", changes.get("children", (0,))), ("d", changes.get("w", (1.0,))))),
    ]
    return model(nodes, int(str(changes.get("root", 1))), 1, query=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0" * 4, "too short"),
        (b"\xff" * 16, "not a message"),
        (struct.pack("<II", 0, 9) + bytes(8), "ends too early"),
        (struct.pack("<II", 0, 1) + bytes(8), "holds no struct"),
        (broken(p=(0.5, 0.9)), "node 0: the probabilities of a leaf add up to 1.4"),
        (broken(children=(7,)), "node 1: there is no earlier node 7"),
        (broken(children=()), "node 1: the node has no children"),
        (broken(w=(0.5, 0.5)), "node 1: 1 children have 2 weights"),
        (broken(w=(math.nan,)), "node 1: the weight nan"),
        (broken(root=5), "the root 5 is not there"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        load_bytes(data, "m.bin")


@given(st.integers(0, 700), st.binary(min_size=1, max_size=8), st.booleans(), st.integers(0, 800))
def test_altered_files_are_read_or_refused(at: int, change: bytes, far: bool, length: int) -> None:
    data = bytearray(sample(far=far))
    data[at : at + len(change)] = change
    try:
        circuit = load_bytes(bytes(data[: max(1, length)]), "m.bin")
    except FileError:
        return
    assert circuit.num_units > 0


def test_the_model_of_the_authors() -> None:
    path = FOLDER / "spflow_bin" / "NIPS5.bin"
    if not path.is_file():
        pytest.skip(f"the circuits are not here: no {path}")
    rows = np.loadtxt(path.with_suffix(".input.txt"), delimiter=";", max_rows=500)
    expected = np.loadtxt(path.with_suffix(".output.txt"), max_rows=500)
    got = log_likelihood(load_model(path), torch.tensor(rows))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-9)
