"""Looks at a model while it learns: what they tell, that they are rare and change nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.build import bernoulli, categorical, circuit, gaussian, mix
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.errors import RunError
from pccore.learn import Epoch, TrainOptions, execute, health_of, prepare_run
from pccore.learn import run as run_module
from pccore.learn.directory import LOOK
from pccore.learn.look import SAMPLES, Looks, look, restored
from pccore.structures import build_structure
from pccore.structures.base import shape_of


def test_units_without_work_are_named() -> None:
    used = bernoulli("A", 0.9).named("used")
    idle = mix([0.5, 0.5], [bernoulli("A", 0.5).named("l"), bernoulli("A", 0.4).named("r")])
    model = circuit(mix([1.0, 0.0], [used, idle.named("idle")]))
    found = health_of(compile_circuit(model), torch.tensor([[1.0], [0.0], [torch.nan]]), 7)
    assert (found.epoch, found.rows) == (7, 3)
    assert (found.sums, found.unused_sums) == (2, 1)
    assert (found.leaves, found.unused_leaves) == (3, 2)
    assert set(found.names) == {"idle", "l", "r"}
    assert (found.weights, found.zero_weights) == (4, 1)
    assert (found.variances, found.zero_probabilities) == (0, 0)


def test_bounds_that_are_reached_are_counted() -> None:
    narrow, wide = gaussian("A", 0.0, 1e-4), gaussian("A", 1.0, 2.0)
    certain = categorical("B", [0.0, 0.25, 0.75])
    model = circuit(mix([0.5, 0.5], [narrow * certain, wide * certain]))
    found = health_of(compile_circuit(model), torch.tensor([[0.0, 1.0]]))
    assert (found.variances, found.low_variances, found.high_variances) == (2, 1, 0)
    assert (found.probabilities, found.zero_probabilities) == (3, 1)


def test_a_look_survives_the_disk(tmp_path: Path) -> None:
    data = load("digits")
    model = build_structure("rat", shape_of(data), {"depth": 2, "replicas": 2, "units": 3})
    run = prepare_run(tmp_path / "r", model, data, model="m", data="digits",
                      train_options=TrainOptions(epochs=1))  # fmt: skip
    assert run.look() is None
    execute(run, data=data)
    found = run.look()
    assert found is not None and found.samples is not None and found.mean is not None
    assert found.samples.shape == (SAMPLES, 64) and found.mean.shape == (64,)
    assert float(found.samples.min()) >= 0 and float(found.samples.max()) <= 16
    again = restored(found.tensors(), found.facts())
    assert again.health == found.health and again.image == data.image and found.health.rows == 200
    # What is shown at the end is the best model.
    best = run.best()
    assert best is not None
    expected = look(compile_circuit(best), torch.tensor(data.valid), 0, data.image)
    assert expected.samples is not None and torch.equal(expected.samples, found.samples)
    (run.path / LOOK).write_bytes(b"x" * 20)
    with pytest.raises(RunError, match=LOOK):
        run.look()


def test_looks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("digits")
    model = build_structure("rat", shape_of(data), {"depth": 1, "replicas": 2, "units": 3})
    options = TrainOptions(epochs=3, batch_size=300)
    taken: list[int] = []

    class Always(Looks):
        @property
        def due(self) -> bool:
            taken.append(1)
            return True

    class Never(Looks):
        @property
        def due(self) -> bool:
            return False

    found: list[list[float]] = []
    for name, looks in (("always", Always), ("never", Never)):
        monkeypatch.setattr(run_module, "Looks", looks)
        run = prepare_run(tmp_path / name, model, data, model="m", data="digits",
                          method="online-em", train_options=options)  # fmt: skip
        told: list[float] = []
        execute(
            run,
            data=data,
            listener=lambda event, told=told: (
                told.append(event.train_log_likelihood) if isinstance(event, Epoch) else None
            ),
        )
        found.append(told)
    assert len(taken) == 4 and found[0] == found[1]


def test_looks_leave_the_time_to_the_training() -> None:
    looks = Looks()
    assert not looks.due
    looks._next = 0.0
    assert looks.due
    looks.took(10.0)
    assert not looks.due


def test_data_without_pictures_have_their_health_only(tmp_path: Path) -> None:
    data = load("parity")
    model = build_structure("naive_bayes", shape_of(data), {"components": 2})
    run = prepare_run(tmp_path / "r", model, data, model="m", data="parity",
                      train_options=TrainOptions(epochs=1))  # fmt: skip
    execute(run, data=data)
    found = run.look()
    assert found is not None and found.samples is None and found.health.sums == 1
    assert np.isfinite(found.health.rows)


def test_pauses_and_returns_are_in_the_metrics(tmp_path: Path) -> None:
    data = load("parity")
    model = build_structure("naive_bayes", shape_of(data), {"components": 2})
    options = TrainOptions(epochs=4, patience=0)
    run = prepare_run(tmp_path / "r", model, data, model="m", data="parity", train_options=options)

    def stop_after_two(event: object) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            run.request("stop")

    assert execute(run, data=data, listener=stop_after_two) == "stopped"
    assert execute(run, data=data, resume=True) == "finished"
    told = [(e["event"], e["epoch"]) for e in run.metrics()[0] if e["event"] != "finished"]
    assert told == [("epoch", 0), ("epoch", 1), ("epoch", 2), ("resumed", 2), ("epoch", 3),
                    ("epoch", 4)]  # fmt: skip
