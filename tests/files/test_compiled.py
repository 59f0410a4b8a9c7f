"""Log-likelihoods that leave the package: numpy alone, and ONNX, against the engine."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pccore.build import (
    bernoulli,
    binomial,
    categorical,
    circuit,
    gaussian,
    indicator,
    poisson,
    product,
)
from pccore.datasets import load
from pccore.errors import FileError
from pccore.files import FORMATS, load_model, save_bytes, save_model
from pccore.files.compiled import runtime
from pccore.files.compiled.tape import make_tape
from pccore.graph import Circuit
from pccore.queries.likelihood import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.files.support import skip_unless_installed
from tests.random_circuits import random_circuit
from tests.strategies import random_evidence


def families() -> Circuit:
    """A mixture over a variable of every family, with shared leaves and certain events."""
    shared = gaussian("real", 100.0, 0.25) * poisson("count", 40.0)
    first = product(
        bernoulli("bit", 1.0),
        binomial("grey", 16, 0.0),
        categorical("word", [0.0, 0.25, 0.75]),
        indicator("flag", 1),
        shared,
    )
    second = product(
        bernoulli("bit", 0.25),
        binomial("grey", 16, 0.75),
        categorical("word", [0.5, 0.25, 0.25]),
        indicator("flag", 0),
        gaussian("real", -1.0, 2.0) * poisson("count", 0.5),
    )
    third = product(
        bernoulli("bit", 0.5),
        binomial("grey", 16, 0.5),
        categorical("word", [0.2, 0.2, 0.6]),
        0.25 * indicator("flag", 0) + 0.75 * indicator("flag", 1),
        shared,
    )
    return circuit(2.0 * first + 1.0 * second + 0.5 * third, meta={"title": 'A "b" \\ """é'})


def family_rows(model: Circuit) -> np.ndarray:
    x = random_evidence(np.random.default_rng(0), model, 30)
    x[:, model.variable_index("real")] *= 40
    outside = np.full((6, len(model.variables)), math.nan)
    for row, (name, value) in enumerate(
        (("bit", 2), ("bit", 0.5), ("grey", 17), ("word", -1), ("count", 1.5), ("count", 300))
    ):
        outside[row, model.variable_index(name)] = value
    return np.concatenate([x, outside, np.full((1, len(model.variables)), math.nan)])


def expected(model: Circuit, x: np.ndarray) -> np.ndarray:
    """[B, R] of the engine in float64; -inf where a value is outside of its domain."""
    inside = np.ones(len(x), bool)
    for v in model.domains:
        column = torch.tensor(x[:, v])
        inside &= (model.domain(v).contains(column) | column.isnan()).numpy()
    logs = np.full((len(x), len(model.roots)), -math.inf)
    for root in range(len(model.roots)):
        logs[inside, root] = log_likelihood(model, torch.tensor(x[inside]), root).numpy()
    return logs


def trained(structure: str, **options: object) -> Circuit:
    return build_structure(structure, shape_of(load("digits")), options)


#: Circuits with rows: every family; dense, einsum, mixing and irregular sums, ties, several roots.
@functools.cache
def cases() -> list[tuple[Circuit, np.ndarray]]:
    model = families()
    found = [(model, family_rows(model))]
    for seed in range(12):
        options: dict[str, Any] = {
            "reals": seed % 3,
            "zero_weights": seed % 2 == 1,
            "zero_probabilities": seed % 4 == 1,
            "tied": seed % 3 > 0,
            "roots": 1 + seed % 2,
            "normalised": seed % 5 > 0,
        }
        made = random_circuit(seed, **options)
        found.append((made, random_evidence(np.random.default_rng(seed), made, 10)))
    digits = load("digits").test[:20].astype(np.float64)
    digits[:, ::5] = math.nan
    for made in (trained("rat", units=6, replicas=3), trained("pd", units=4), trained("learnspn")):
        found.append((made, digits))
    return found


def test_the_tape_says_what_the_engine_says() -> None:
    kinds: set[str] = set()
    for model, x in cases():
        tape = make_tape(model)
        kinds |= {step.kind for step in tape.steps}
        got = runtime.run(tape.steps, tape.roots, x) - tape.log_partition
        np.testing.assert_allclose(got, expected(model, x), rtol=1e-9, atol=1e-9)
    assert kinds == set(runtime.KINDS)


def test_long_batches_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    model = families()
    tape, x = make_tape(model), family_rows(model)
    whole = runtime.run(tape.steps, tape.roots, x)
    monkeypatch.setattr(runtime, "WORK", 100)
    np.testing.assert_allclose(runtime.run(tape.steps, tape.roots, x), whole)
    assert runtime.run(tape.steps, tape.roots, x[:0]).shape == (0, 1)


def test_factorials() -> None:
    x = np.array([0.0, 1, 2, 5, 20, 170, 1e6])
    exact = [math.lgamma(value + 1) for value in x]
    np.testing.assert_allclose(runtime.log_factorial(x), exact, rtol=1e-12, atol=1e-11)


def test_a_program_of_numpy_runs_where_this_package_is_not(tmp_path: Path) -> None:
    """A fresh interpreter that sees neither the repository nor torch."""
    numbers: list[np.ndarray] = []
    for number, (model, x) in enumerate(cases()):
        save_model(model, tmp_path / f"model{number}.numpy.py")
        np.save(tmp_path / f"rows{number}.npy", x)
        numbers.append(expected(model, x))
    script = (
        "import importlib.util, sys, numpy\n"
        f"for n in range({len(numbers)}):\n"
        "    spec = importlib.util.spec_from_file_location('m', f'model{n}.numpy.py')\n"
        "    m = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(m)\n"
        "    numpy.save(f'out{n}.npy', m.log_likelihood(numpy.load(f'rows{n}.npy')))\n"
        "assert not {'torch', 'pccore'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-I", "-W", "error", "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    for number, want in enumerate(numbers):
        got = np.load(tmp_path / f"out{number}.npy")
        assert got.ndim == (1 if want.shape[1] == 1 else 2)
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-6, atol=1e-6)


def test_a_program_of_numpy_reads_tables(tmp_path: Path) -> None:
    save_model(circuit(bernoulli("X", 0.25) * bernoulli("Y", 0.5)), tmp_path / "m.numpy.py")
    (tmp_path / "rows.csv").write_text("1,nan\n0,1\n")
    command = [sys.executable, "-I", "m.numpy.py", "rows.csv"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [float(line) for line in run.stdout.split()] == pytest.approx(
        [math.log(0.25), math.log(0.375)]
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_onnx_says_what_the_engine_says(dtype: torch.dtype) -> None:
    skip_unless_installed(FORMATS()["onnx"])
    onnx = pytest.importorskip("onnx")
    runtimes = pytest.importorskip("onnxruntime")
    runtimes.set_default_logger_severity(3)
    numbers = np.float64 if dtype == torch.float64 else np.float32
    tolerance = 1e-9 if dtype == torch.float64 else 5e-5
    for model, rows in cases():
        made = model.with_params(model.params.map(lambda tensor: tensor.to(dtype)))
        x = rows.astype(numbers)
        data = save_bytes(made, "m.onnx")
        onnx.checker.check_model(data, full_check=True)
        session = runtimes.InferenceSession(data)
        (got,) = session.run(None, {"x": x})
        want = expected(made, x.astype(np.float64))
        assert got.dtype == numbers and got.ndim == (1 if want.shape[1] == 1 else 2)
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=tolerance, atol=tolerance)
        known = session.get_modelmeta().custom_metadata_map
        assert json.loads(known["variables"]) == list(made.variables)


@pytest.mark.parametrize("suffix", [".numpy.py", ".onnx"])
@pytest.mark.parametrize("name", ["incomplete", "inconsistent"])
def test_what_has_no_likelihood_is_refused(suffix: str, name: str) -> None:
    skip_unless_installed(next(f for f in FORMATS().values() if suffix in f.suffixes))
    with pytest.raises(FileError, match="cannot hold a circuit without a likelihood"):
        save_bytes(load_model(name), "m" + suffix)


def test_what_a_format_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(FileError, match=r"not installed \(pip install 'pc-workbench\[onnx\]'\)"):
        save_bytes(families(), "m.onnx")
