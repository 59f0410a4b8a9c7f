"""The benchmark of HyperSPNs, on a few rows."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import RunError
from pccore.learn import RunDirectory
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.benchmarks import hyperspn
from tests.benchmarks._budgeted import Job, Outcome, trained


def job(**settings: float) -> Job:
    def build() -> Any:
        return build_structure("rat", shape_of(load("digits")), {"units": 2, "replicas": 2})

    return Job("small", build, "adam", {"learning_rate": 0.05, **settings}, 500)


def test_a_training_is_done_once_and_goes_on_with_more_time(tmp_path: Path) -> None:
    data = load("digits")
    first = trained(tmp_path, job(), data, 0.0, 0)
    assert (first.epochs, first.ended) == (1, "time")
    model = RunDirectory(tmp_path / "small").best()
    assert model is not None
    mean = log_likelihood(compile_circuit(model), torch.tensor(data.test)).double().mean()
    assert first.test == pytest.approx(float(mean))
    assert trained(tmp_path, job(), data, 0.0, 0) == first
    more = trained(tmp_path, job(), data, (first.seconds + 0.001) / 60, 0)
    assert more.epochs > 1 and more.valid > first.valid and more.seconds > first.seconds
    with pytest.raises(RunError, match="other settings"):
        trained(tmp_path, job(weight_decay=0.1), data, 1.0, 0)


def test_tables_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    hidden = random.integers(0, 2, (300, 1))
    x = (random.random((300, 8)) < np.where(hidden, 0.9, 0.2)).astype(np.uint8)
    np.savez(tmp_path / "small.npz", train=x[:100], valid=x[100:200], test=x[200:])
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path))
    real = hyperspn.preset_options
    monkeypatch.setattr(hyperspn, "preset_options", lambda *of: {**real(*of), "replicas": 2})
    words = ["small", "--minutes", "0", "--runs", str(tmp_path / "runs"), "--json"]
    threads = ["--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", ["bench", *words, *threads])
    hyperspn.main()
    told = capsys.readouterr()
    results = json.loads(told.out)["results"]
    models = results["small"]
    assert {title: one["parameters"] for title, one in models.items()} == {
        "HyperSPN": 2 * 2 * 8 * 5 + 120 + 420 + 525 + 2, "weight decay": 2 * 2 * 8 * 25 + 2
    }  # fmt: skip
    assert len(list((tmp_path / "runs").glob("*.json"))) == 4  # two of each
    assert "of 1 datasets" in told.err and "on 0 of 0" in told.err
    hyperspn.main()  # now from the runs
    assert json.loads(capsys.readouterr().out)["results"] == results


def test_the_gap_and_a_model_of_another_size() -> None:
    found = Outcome(9115, -6.0, -6.04, 3, 2, 1.0, 13.6, math.nan, "time")
    (row,) = hyperspn.rows_of("nltcs", {"HyperSPN": found})
    assert row[4:6] == ["-6.01", "-0.50 %"] and "136 (10.0x)" in row
    wrong = replace(found, parameters=9114)
    with pytest.raises(SystemExit, match="the paper has 9115"):
        list(hyperspn.rows_of("nltcs", {"HyperSPN": wrong}))
