"""The stages of distillation, on real digits and on chains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.distillation import DistilOptions, assign, distil, hidden_groups, values_of
from pccore.errors import OptionError, RunError
from pccore.learn import RunDirectory, TrainOptions, method_named, methods
from pccore.learn.hyper import HyperOptions
from pccore.learn.prepare import prepare_run
from pccore.learn.run import execute
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.distillation.support import binary


def mean(circuit, rows: np.ndarray) -> float:
    return float(log_likelihood(compile_circuit(circuit), torch.tensor(rows)).mean())


def test_a_chain_with_known_states_is_counted(tmp_path: Path) -> None:
    """Two clusters of binary columns are their values: the tables are relative frequencies."""
    data = binary(5)
    model = build_structure("hmm", shape_of(data), {"units": 2, "homogeneous": False})
    options = DistilOptions(latents_epochs=0, tune_epochs=0, pseudocount=0.0)
    found = distil(tmp_path, model, data, options=options)
    assert found.closed_form
    assert [stage.name for stage in found.stages] == ["parts"]
    assert found.stages[0].epochs == 1
    x = data.train
    by_hand = np.log(np.where(x[:, 0] == 1, x[:, 0].mean(), 1 - x[:, 0].mean()))
    for t in range(1, 5):
        table = np.zeros((2, 2))
        np.add.at(table, (x[:, t - 1].astype(int), x[:, t].astype(int)), 1)
        table /= table.sum(1, keepdims=True)
        by_hand += np.log(table[x[:, t - 1].astype(int), x[:, t].astype(int)])
    assert mean(found.circuit, x) == pytest.approx(by_hand.mean(), abs=1e-4)


def test_patches_of_digits_learn_in_three_stages(tmp_path: Path) -> None:
    digits = load("digits")
    model = build_structure("patches", shape_of(digits), {"latents": 4, "units": 4})
    heard: list[str] = []
    options = DistilOptions(parts_epochs=3, latents_epochs=2, tune_epochs=2)
    found = distil(
        tmp_path, model, digits, options=options, listener=lambda name, _: heard.append(name)
    )
    assert not found.closed_form
    assert list(dict.fromkeys(heard)) == ["parts", "latents", "tune"]
    assert found.circuit.meta == model.meta
    assert set(found.hidden) == {model.groups[g].name for g in hidden_groups(model)}
    # Only what is above the hidden variables has learned in the second stage.
    first, second = (RunDirectory(stage.run) for stage in found.stages[1:])
    before, after = first.initial().params, second.initial().params
    frozen = set(first.config().frozen)
    assert frozen
    for name in model.params:
        assert torch.equal(before[name], after[name]) == (name in frozen), name
    # z can only be given up at a gain, and every stage starts where the one before ended.
    scores = [mean(RunDirectory(s.run).best(), digits.valid) for s in found.stages[1:]]
    assert mean(found.circuit, digits.valid) == pytest.approx(scores[-1], abs=1e-3)
    assert mean(model, digits.valid) < scores[0] < scores[1]


def test_a_stopped_distillation_goes_on(tmp_path: Path) -> None:
    data = binary(4)
    model = build_structure("hclt", shape_of(data), {"units": 2})
    options = DistilOptions(latents_epochs=1, tune_epochs=2, patience=0)
    whole = distil(tmp_path / "a", model, data, options=options)

    def stop(name: str, event: object) -> None:
        if name == "tune":
            RunDirectory(tmp_path / "b" / "3-tune").request("stop")

    with pytest.raises(RunError, match="resume the distillation"):
        distil(tmp_path / "b", model, data, options=options, listener=stop)
    again = distil(tmp_path / "b", model, data, options=options, resume=True)
    assert again.circuit.params.equal(whole.circuit.params)
    with pytest.raises(RunError, match="already holds"):
        distil(tmp_path / "b", model, data, options=options)


def test_given_states_are_taken(tmp_path: Path) -> None:
    data = binary(4)
    model = build_structure("hclt", shape_of(data), {"units": 3})
    groups = hidden_groups(model)
    own = assign(model, groups, values_of(data, model, groups), seed=5)
    options = DistilOptions(latents_epochs=0, tune_epochs=1)
    found = distil(tmp_path, model, data, assignments=own, options=options)
    assert mean(found.circuit, data.valid) > mean(model, data.valid)


@pytest.mark.parametrize("method", sorted(methods()))
def test_frozen_parameters_stay_with_every_method(tmp_path: Path, method: str) -> None:
    data = binary(4)
    model = build_structure("hclt", shape_of(data), {"units": 2})
    frozen = {name for name in model.params if name.startswith("S(")}
    assert frozen
    if method == "hyper":
        with pytest.raises(OptionError, match="none can stay"):
            method_named(method).make(compile_circuit(model, frozen=frozen), 10, HyperOptions())
        return
    run = prepare_run(
        tmp_path / method,
        model,
        data,
        model="m",
        data="d",
        method=method,
        train_options=TrainOptions(epochs=2),
        frozen=frozen,
    )
    assert execute(run, data=data) == "finished"
    best = run.best()
    assert best is not None
    before, after = model.params, best.params
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed
    assert not changed & frozen
