"""The benchmark of HyperSPNs, on a few rows."""

from __future__ import annotations

import json
import math
import sys
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
    x = (random.random((300, 16)) < np.where(hidden, 0.9, 0.2)).astype(np.uint8)
    np.savez(tmp_path / "amzn_gifts.npz", train=x[:100], valid=x[100:200], test=x[200:])
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path))
    words = ["--decay", "sum", "--minutes", "0", "--runs", str(tmp_path / "runs"), "--json"]
    threads = ["--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", ["bench", *words, *threads])
    hyperspn.main()
    told = capsys.readouterr()
    results = json.loads(told.out)["results"]
    assert list(results) == ["amzn_gifts"]
    models = results["amzn_gifts"]
    assert {title: one["parameters"] for title, one in models.items()} == {
        "HyperSPN": 8655, "weight decay": 40050
    }  # fmt: skip
    paper = hyperspn.PUBLISHED["amzn_gifts"][0]
    gap = 100 * (models["HyperSPN"]["test"] - paper) / abs(paper)
    assert f"{gap:+.2f} %" in told.err and "of 1 datasets" in told.err
    hyperspn.main()  # now from the runs
    assert json.loads(capsys.readouterr().out)["results"] == results


def test_a_model_of_another_size_is_noticed() -> None:
    wrong = Outcome(9114, -6.0, -6.0, 1, 1, 1.0, 1.0, math.nan, "time")
    with pytest.raises(SystemExit, match="the paper has 9115"):
        list(hyperspn.rows_of("nltcs", {"HyperSPN": wrong}))
