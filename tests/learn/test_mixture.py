"""Mixtures over clusters: divided, trained in this process or in others, joined, trained on."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.errors import OptionError, RunError
from pccore.learn import (
    Epoch,
    MixtureOptions,
    Recipe,
    RunDirectory,
    Trainer,
    TrainOptions,
    Trial,
    divide,
    find_runs,
    train_mixture,
)
from pccore.queries import log_likelihood, marginals, mpe, sample
from pccore.structures import build_structure, shape_of

RECIPE = Recipe(
    "rat",
    {"depth": 2, "replicas": 2, "units": 3},
    "online-em",
    None,
    TrainOptions(epochs=3, patience=0),
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def mean_score(circuit: object, rows: np.ndarray) -> float:
    return float(log_likelihood(circuit, rows).double().mean())  # type: ignore[arg-type]


def test_parts_are_the_rows_and_alike(digits: Dataset) -> None:
    parts = divide(digits, 5)
    for split in ("train", "valid"):
        rows = np.concatenate([part.split(split) for part in parts])
        assert sorted(map(bytes, rows)) == sorted(map(bytes, digits.split(split)))
    within = sum(((p.train - p.train.mean(0)) ** 2).sum() for p in parts)
    assert within < 0.8 * ((digits.train - digits.train.mean(0)) ** 2).sum()
    # A row for validation is in the part whose mean is nearest.
    means = np.stack([p.train.mean(0) for p in parts])
    spread = digits.train.std(0)
    scale = np.where(spread > 0, spread, 1)
    for k, part in enumerate(parts):
        distance = (((part.valid[:, None] - means) / scale) ** 2).sum(2)
        assert (distance.argmin(1) == k).mean() > 0.95
    assert [p.supports for p in parts] == [digits.supports] * 5
    assert divide(digits, 1) == [digits]


def test_missing_values_are_divided(digits: Dataset) -> None:
    random = np.random.default_rng(0)
    train = np.where(random.random(digits.train.shape) < 0.3, np.nan, digits.train)
    parts = divide(dataclasses.replace(digits, train=train, labels={}), 3)
    assert sum(len(part.train) for part in parts) == len(digits.train)
    assert len(parts) == 3


def test_the_whole_is_the_mixture_of_the_parts(tmp_path: Path, digits: Dataset) -> None:
    told: list[tuple[Trial, int, int]] = []
    made = train_mixture(
        tmp_path / "runs",
        digits,
        RECIPE,
        MixtureOptions(components=3, restarts=2),
        data="digits",
        listener=lambda *event: told.append(event),
    )
    assert [(done, total) for _, done, total in told] == [(i + 1, 6) for i in range(6)]
    assert sum(made.shares) == pytest.approx(1)
    assert [t.rows / len(digits.train) for t in made.kept] == pytest.approx(list(made.shares))
    for k, kept in enumerate(made.kept):
        rivals = [t for t in made.trials if t.component == k]
        assert len(rivals) == 2
        assert rivals[0].score != rivals[1].score
        assert kept.score == max(t.score for t in rivals)
    parts = [RunDirectory(trial.run).best() for trial in made.kept]
    logs = torch.stack([log_likelihood(p, digits.test).double() for p in parts if p is not None])
    expected = torch.logsumexp(logs + torch.tensor(made.shares).double().log()[:, None], 0)
    found = log_likelihood(made.circuit, digits.test).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
    assert len(find_runs(tmp_path / "runs")) == 6
    assert made.circuit.meta["title"] == "Mixture of 3: Random binary trees"
    assert "image" in made.circuit.meta


def test_queries_and_further_training(tmp_path: Path, digits: Dataset) -> None:
    made = train_mixture(tmp_path, digits, RECIPE, MixtureOptions(components=2))
    program = compile_circuit(made.circuit)
    nothing = np.full((1, 64), np.nan)
    assert mean_score(program, nothing) == pytest.approx(0, abs=1e-4)
    assert np.isfinite(mpe(program, nothing).assignment.numpy()).all()
    assert sample(program, 2, seed=0).shape == (2, 64)
    assert marginals(program, nothing) is not None
    options = TrainOptions(epochs=4, patience=0)
    trainer = Trainer(program, digits.train, digits.valid, "em", None, options)
    epochs = [event for event in trainer.events() if isinstance(event, Epoch)]
    scores = [epoch.train_log_likelihood for epoch in epochs]
    assert scores[-1] > scores[0] + 1
    assert math.isfinite(epochs[-1].valid_log_likelihood or math.nan)


@pytest.mark.slow
def test_processes_give_what_one_process_gives(tmp_path: Path, digits: Dataset) -> None:
    one, two = (
        train_mixture(tmp_path / str(jobs), digits, RECIPE, MixtureOptions(components=2, jobs=jobs))
        for jobs in (1, 2)
    )
    assert [t.score for t in one.trials] == pytest.approx([t.score for t in two.trials])
    for name, values in one.circuit.params.items():
        torch.testing.assert_close(values, two.circuit.params[name])


def test_restarts_of_one_circuit(tmp_path: Path, digits: Dataset) -> None:
    made = train_mixture(tmp_path, digits, RECIPE, MixtureOptions(components=1, restarts=3))
    seeds = {RunDirectory(t.run).config().train_options["seed"] for t in made.trials}
    assert seeds == {0, 1, 2}
    assert made.shares == (1.0,)
    single = build_structure("rat", shape_of(digits), dict(RECIPE.structure_options))
    assert [g.name for g in made.circuit.groups] == [g.name for g in single.groups]
    assert mean_score(made.circuit, digits.valid) == pytest.approx(made.kept[0].score, abs=1e-3)


def test_what_was_interrupted_is_resumed(tmp_path: Path, digits: Dataset) -> None:
    options = MixtureOptions(components=2, restarts=2)
    whole = train_mixture(tmp_path / "whole", digits, RECIPE, options)

    def stop(trial: Trial, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mixture(tmp_path / "parts", digits, RECIPE, options, listener=stop)
    events = (tmp_path / "parts" / "00-0" / "metrics.jsonl").read_text()
    made = train_mixture(tmp_path / "parts", digits, RECIPE, options, resume=True)
    assert made.circuit.params.equal(whole.circuit.params)
    assert [t.score for t in made.trials] == [t.score for t in whole.trials]
    assert (tmp_path / "parts" / "00-0" / "metrics.jsonl").read_text() == events
    for change in ({"method": "em"}, {"train_options": TrainOptions(epochs=9)}):
        other = dataclasses.replace(RECIPE, **change)
        with pytest.raises(RunError, match="another"):
            train_mixture(tmp_path / "parts", digits, other, options, resume=True)
    deeper = dataclasses.replace(RECIPE, structure_options={"depth": 3})
    with pytest.raises(RunError, match="structure's options"):
        train_mixture(tmp_path / "parts", digits, deeper, options, resume=True)


def test_refusals(tmp_path: Path, digits: Dataset) -> None:
    few = MixtureOptions(components=1)
    with pytest.raises(OptionError, match="depth"):
        train_mixture(
            tmp_path, digits, dataclasses.replace(RECIPE, structure_options={"depth": 9}), few
        )
    train_mixture(tmp_path, digits, RECIPE, few)
    with pytest.raises(RunError, match="already holds a run"):
        train_mixture(tmp_path, digits, RECIPE, few)
