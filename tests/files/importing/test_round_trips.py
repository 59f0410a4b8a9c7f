"""What is written for other programs is read back as the same function."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pccore.build import bernoulli, circuit, gaussian, poisson
from pccore.errors import FileError, ParameterError
from pccore.files import FORMATS, load_bytes, save_bytes
from pccore.graph import Circuit
from pccore.queries.likelihood import log_value
from tests.files.support import discrete, rich, small
from tests.random_circuits import random_circuit


def same_function(one: Circuit, other: Circuit, rows: torch.Tensor) -> None:
    torch.testing.assert_close(log_value(other, rows), log_value(one, rows), atol=1e-9, rtol=1e-9)


def rows_of(model: Circuit, count: int = 40) -> torch.Tensor:
    """Random states, some missing."""
    dice = np.random.default_rng(0)
    rows = np.full((count, len(model.variables)), math.nan)
    for v in model.domains:
        states = model.domain(v).states
        rows[:, v] = dice.normal(size=count) if states is None else dice.integers(0, states, count)
    rows[dice.random(rows.shape) < 0.2] = math.nan
    return torch.tensor(rows)


@pytest.mark.parametrize("suffix", [".jpc", ".spflow"])
def test_a_discrete_circuit_comes_back(suffix: str):
    model = discrete()
    again = load_bytes(save_bytes(model, "m" + suffix), "m" + suffix)
    assert len(again.variables) == len(model.variables)
    same_function(model, again, rows_of(model))
    assert save_bytes(again, "m" + suffix)  # what was read can be written


def test_counts_come_back_from_equations_and_code():
    model = circuit(
        0.3 * (poisson("V0", 2.5) * bernoulli("V1", 0.2))
        + 0.7 * (poisson("V0", 0.0) * bernoulli("V1", 0.9))
    )
    rows = torch.tensor([[0.0, 1], [3, 0], [math.nan, 1], [7, math.nan]])
    for suffix in (".spflow", ".build.py", ".pc.txt", ".pc.json"):
        same_function(model, load_bytes(save_bytes(model, "m" + suffix), "m" + suffix), rows)


@given(st.integers(0, 10_000), st.sampled_from([".jpc", ".spflow"]))
def test_random_circuits_come_back_or_are_refused(seed: int, suffix: str):
    model = random_circuit(seed)
    model = model.with_roots(model.roots[:1])
    try:
        data = save_bytes(model, "m" + suffix)
    except FileError as error:
        assert "the format cannot hold" in error.message
        return
    again = load_bytes(data, "m" + suffix)
    # A state that no indicator shows is not in the file: states are drawn from what came back.
    same_function(model, again, rows_of(again, 10))


def test_gaussians_go_into_equations_and_not_into_juice():
    model = small()
    again = load_bytes(save_bytes(model, "m.spflow"), "m.spflow")
    same_function(model, again, rows_of(model))
    assert FORMATS()["spflow"].suits(model) and not FORMATS()["jpc"].suits(model)
    with pytest.raises(FileError, match="cannot hold gaussian leaves"):
        save_bytes(model, "m.jpc")


def test_several_roots_are_refused():
    with pytest.raises(FileError, match="cannot hold 3 roots"):
        save_bytes(rich(), "m.jpc")


def test_illegal_weights_are_not_written():
    model = discrete()
    params = model.params.updated({"w": torch.tensor([[0.5, math.nan]])})
    with pytest.raises(ParameterError):
        save_bytes(model.with_params(params), "m.jpc")


def test_equations_that_sharing_makes_too_long_are_refused():
    shared = bernoulli("x", 0.5)
    for _ in range(60):
        shared = (0.5 * shared + 0.5 * shared).as_sum()
    with pytest.raises(FileError, match="cannot hold so much sharing"):
        save_bytes(circuit(shared), "m.spflow")
    same_function(
        circuit(shared),
        load_bytes(save_bytes(circuit(shared), "m.jpc"), "m.jpc"),
        torch.tensor([[1.0]]).double(),
    )


def test_spflow_reads_what_is_written():
    pytest.importorskip("spn", reason="SPFlow 0.x is not installed")
    text = pytest.importorskip("spn.io.Text")
    parametric = pytest.importorskip("spn.structure.leaves.parametric.Text")
    inference = pytest.importorskip("spn.structure.leaves.parametric.Inference")
    parametric.add_parametric_text_support()
    inference.add_parametric_inference_support()
    ours = circuit(
        0.25 * (bernoulli("a", 0.25) * gaussian("b", 1.0, 4.0))
        + 0.75 * (bernoulli("a", 0.5) * gaussian("b", -2.0, 0.25))
    )
    theirs = text.str_to_spn(save_bytes(ours, "m.spflow").decode())
    rows = torch.tensor([[0.0, 1.0], [1.0, -2.0], [math.nan, 0.5]]).double()
    found = sys.modules["spn.algorithms.Inference"].log_likelihood(theirs, rows.numpy())
    np.testing.assert_allclose(found[:, 0], log_value(ours, rows).numpy(), atol=1e-9)
    again = load_bytes(text.spn_to_str_equation(theirs).encode(), "m.spflow")
    same_function(ours, again, rows)
