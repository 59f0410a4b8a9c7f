"""The benchmarks of density estimation, on tiny inputs."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.datasets import ImageShape, load
from pccore.errors import DataError, OptionError
from pccore.files import load_model
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.benchmarks import _search, debd, lvd, mnist, twenty
from tests.benchmarks._density import Fit, fit, mixture_scores


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data in which six binary variables depend on a hidden one."""
    random = np.random.default_rng(0)
    hidden = random.integers(0, 2, (500, 1))
    x = (random.random((500, 6)) < np.where(hidden, 0.9, 0.2)).astype(np.uint8)
    np.savez(tmp_path / "nltcs.npz", train=x[:300], valid=x[300:400], test=x[400:])
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path))
    return tmp_path


def answer(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, Any]:
    threads = str(torch.get_num_threads())
    monkeypatch.setattr(sys, "argv", ["bench", *words, "--threads", threads, "--json"])
    module.main()
    return json.loads(capsys.readouterr().out)


def trial(rows: list[float]) -> _search.Trial:
    found = Fit(None, sum(rows), 1, 1, 0.0)  # type: ignore[arg-type] - only the scores matter here
    return _search.Trial(twenty.SETTINGS[0], found, torch.tensor(rows, dtype=torch.float64))


def test_a_training_keeps_its_budget() -> None:
    data = load("digits")
    circuit = build_structure("rat", shape_of(data), {"units": 2, "depth": 2, "replicas": 2})
    start = time.process_time()
    none = fit(circuit, data, {"epochs": 50}, start, 0.0)
    assert (none.epochs, none.best_epoch) == (0, 0)
    some = fit(circuit, data, {"epochs": 2, "step": 0.2}, start, math.inf)
    assert some.epochs == 2 and some.valid > none.valid
    rows = torch.tensor(data.valid)
    mean = float(log_likelihood(compile_circuit(some.circuit), rows).double().mean())
    assert mean == pytest.approx(some.valid, abs=1e-3)


def test_scores_of_mixtures() -> None:
    rows = [torch.tensor([0.2, 0.5]).log(), torch.tensor([0.4, 0.1]).log()]
    torch.testing.assert_close(mixture_scores(rows).exp(), torch.tensor([0.3, 0.3]))


def test_members_are_those_that_complement_each_other() -> None:
    first, same, other = trial([-1.0, -5.0]), trial([-1.1, -5.1]), trial([-5.0, -2.0])
    assert _search.members([same, first, other]) == (first, other)
    assert _search.members([same]) == (same,)


@pytest.mark.parametrize(
    ("module", "settings", "goal"),
    [
        (twenty, (_search.trees(1, 3, 1.0), _search.trees(2, 2, 1.0)), -6.015),
        (debd, (_search.hidden_tree(3, 1.0), _search.trees(1, 3, 1.0)), -5.9993),
    ],
)
def test_searches_from_end_to_end(
    module: Any,
    settings: tuple[_search.Setting, ...],
    goal: float,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "SETTINGS", settings)
    monkeypatch.setattr(_search, "MEMBERS", 2)
    out = folder / "models"
    found = answer(module, monkeypatch, capsys, "-o", str(out), "--seed", "3", "--budget", "60")
    (row,) = found["rows"]
    assert (row["dataset"], row["published"], row["seed"], row["trials"]) == ("nltcs", goal, 3, 3)
    assert row["gap"] == pytest.approx(row["test"] - goal)
    test = load("nltcs").test
    model = load_model(out / "nltcs.pc.safetensors")
    mean = float(log_likelihood(compile_circuit(model), torch.tensor(test)).double().mean())
    assert mean == pytest.approx(row["test"], abs=1e-4)
    share = test.mean(0)
    independent = np.log(np.where(test == 1, share, 1 - share)).sum(1).mean()
    assert mean > independent + 0.2


def test_which_datasets_are_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _search.chosen_names("", twenty.PAPER) == ["nltcs"]
    assert _search.chosen_names("digits, x.npz", debd.BEST) == ["digits", "x.npz"]
    monkeypatch.delenv("PCCORE_DATA")
    with pytest.raises(OptionError, match="PCCORE_DATA"):
        _search.chosen_names("", twenty.PAPER)


def test_cuts_go_down_to_single_pixels() -> None:
    assert mnist.halvings(ImageShape(28, 28)) == [14, 7, 4, 2, 1]
    assert mnist.halvings(ImageShape(8, 8)) == [4, 2, 1]


def test_models_are_chosen_by_words_of_their_titles() -> None:
    titles = [model.title for model in mnist.chosen("hclt, PD")]
    assert titles == ["PD, categorical", "PD, binomial", "HCLT, categorical"]
    with pytest.raises(DataError, match="'einet'"):
        mnist.chosen("einet")


def test_images_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", "digits", "--fast", "--budget", "6.4", "--models", "PD")
    found = answer(mnist, monkeypatch, capsys, *words, "-o", str(tmp_path))
    assert [row["model"] for row in found["rows"]] == ["PD, categorical", "PD, binomial"]
    assert found["best"]["valid_bits"] == min(row["valid_bits"] for row in found["rows"])
    assert found["best"]["test_bits"] < 2.2
    names = {"samples.png", "completions.png", "best.pc.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_both_ways_of_learning_in_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--rows", "300", "--latents", "2,3", "--embeddings", "values", "--epochs", "4")
    monkeypatch.setattr(sys, "argv", ["lvd", *words, "-o", str(tmp_path)])
    lvd.main()
    found = json.loads((tmp_path / "lvd-digits.json").read_text())
    assert [row["latents"] for row in found["rows"]] == [2, 3]
    assert all(1 < row["LVD, values"] < 4 for row in found["rows"])
    picture = (tmp_path / "lvd-digits.svg").read_text()
    assert picture.count("<polyline") == 2 and "LVD, values" in picture
    assert "bits per dimension" in capsys.readouterr().out
