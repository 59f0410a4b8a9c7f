"""The trainer and run directories: events, stopping, checkpoints that continue bit for bit."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.errors import DataError, PropertyError, RunError
from pccore.graph import Circuit
from pccore.learn import (
    Epoch,
    Finished,
    RunDirectory,
    Step,
    Trainer,
    TrainOptions,
    execute,
    find_runs,
    methods,
    prepare_run,
)
from pccore.learn.directory import CHECKPOINT, CONFIG, CONFIG_COPY, METRICS, PREVIOUS
from pccore.learn.events import Event
from pccore.structures import build_structure
from pccore.structures.base import shape_of

METHODS = tuple(sorted(methods()))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def small(digits: Dataset) -> Circuit:
    return build_structure("rat", shape_of(digits), {"depth": 2, "replicas": 2, "units": 3})


def epochs_of(events: list[Event]) -> list[Epoch]:
    return [event for event in events if isinstance(event, Epoch)]


@pytest.mark.parametrize("method", METHODS)
def test_training_goes_up_and_keeps_the_best(method: str, small: Circuit, digits: Dataset) -> None:
    options = TrainOptions(epochs=4, batch_size=200)
    trainer = Trainer(compile_circuit(small), digits.train, digits.valid, method, options=options)
    events = list(trainer.events())
    epochs = epochs_of(events)
    assert [e.epoch for e in epochs] == [0, 1, 2, 3, 4]
    assert epochs[-1].valid_log_likelihood > epochs[0].valid_log_likelihood + 5  # type: ignore
    assert isinstance(events[-1], Finished) and events[-1].reason == "epochs"
    best = max(epochs, key=lambda e: e.valid_log_likelihood or -np.inf)
    assert events[-1].best_epoch == best.epoch
    program = compile_circuit(small.with_params(trainer.best_params))
    found = trainer.mean_log_likelihood(torch.tensor(digits.valid))[0]
    kept = Trainer(program, digits.train).mean_log_likelihood(torch.tensor(digits.valid))[0]
    assert kept >= found - 1e-3
    assert kept == pytest.approx(best.valid_log_likelihood, abs=1e-3)
    steps = [event for event in events if isinstance(event, Step)]
    assert steps and all(step.rate > 0 for step in steps)


def test_full_batch_em_is_monotone_on_the_digits(small: Circuit, digits: Dataset) -> None:
    from pccore.learn.em import EMOptions

    trainer = Trainer(
        compile_circuit(small), digits.train, None, "em", EMOptions(0.0), TrainOptions(epochs=12)
    )
    values = [e.train_log_likelihood for e in epochs_of(list(trainer.events()))]
    assert all(after >= before - 1e-4 for before, after in itertools.pairwise(values))


def test_batches_are_of_equal_size(
    small: Circuit, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions(epochs=1, batch_size=100)
    trainer = Trainer(compile_circuit(small), digits.train[:405], None, "online-em", None, options)
    sizes: list[int] = []
    learn = trainer.learner.batch
    monkeypatch.setattr(trainer.learner, "batch", lambda x: (sizes.append(len(x)), learn(x))[1])
    list(trainer.events())
    assert sizes == [81] * 5


def test_patience_ends_a_run_that_no_longer_improves(digits: Dataset) -> None:
    model = build_structure("factorized", shape_of(digits), {})
    options = TrainOptions(epochs=100, patience=3)
    events = list(
        Trainer(compile_circuit(model), digits.train, digits.valid, options=options).events()
    )
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "patience" and events[-1].epochs < 20


def test_who_excludes_rows_is_not_better_for_it() -> None:
    """The likelihood of the possible rows rises with each row that becomes impossible."""
    from pccore.build import categorical, circuit, mix

    rows = np.array([[0.0]] * 8 + [[1.0], [2.0]], dtype=np.float32)
    even = [1 / 3] * 3
    model = circuit(mix([1.0], [categorical("A", even)]))
    trainer = Trainer(compile_circuit(model), rows, options=TrainOptions(epochs=3))
    events = trainer.events()
    first = next(events)
    assert isinstance(first, Epoch) and first.best
    for probabilities, best in (([1.0, 0.0, 0.0], False), ([0.7, 0.2, 0.1], True)):
        trainer.program.load(model.params.updated({"x1": torch.tensor([[probabilities]])}))
        mean, impossible = trainer.mean_log_likelihood(trainer.train)
        assert mean > first.train_log_likelihood and impossible == (0 if best else 2)
        assert trainer._end_of_epoch(mean, impossible, 0.0).best is best


@pytest.mark.parametrize("method", METHODS)
def test_a_restored_trainer_continues_bit_for_bit(
    method: str, small: Circuit, digits: Dataset
) -> None:
    def trainer(epochs: int) -> Trainer:
        options = TrainOptions(epochs=epochs, batch_size=300, patience=0)
        return Trainer(compile_circuit(small), digits.train, digits.valid, method, options=options)

    whole = trainer(4)
    expected = epochs_of(list(whole.events()))
    first = trainer(2)
    list(first.events())
    second = trainer(4)
    second.restore(*first.state())
    rest = epochs_of(list(second.events()))
    assert [e.valid_log_likelihood for e in rest] == [e.valid_log_likelihood for e in expected[3:]]
    assert second.program.params.equal(whole.program.params)
    assert second.best_params.equal(whole.best_params)


def test_a_run_directory_tells_the_whole_story(
    tmp_path: Path, small: Circuit, digits: Dataset
) -> None:
    run = prepare_run(
        tmp_path / "run",
        small,
        digits,
        model="small",
        data="digits",
        train_options=TrainOptions(epochs=2),
    )
    assert run.status().state == "queued"
    assert execute(run, data=digits) == "finished"
    events, position = run.metrics()
    assert [e["event"] for e in events] == ["epoch", "epoch", "epoch", "finished"]
    assert {"epoch", "train_log_likelihood", "valid_log_likelihood", "seconds"} <= set(events[0])
    assert run.metrics(position) == ([], position)
    status = run.status()
    assert (status.state, status.epoch, status.epochs) == ("finished", 2, 2)
    best = run.best()
    assert best is not None and not best.params.equal(small.params)
    assert [r.name for r in find_runs(tmp_path)] == ["run"]
    with pytest.raises(RunError, match="already holds a run"):
        prepare_run(tmp_path / "run", small, digits, model="small", data="digits")
    with pytest.raises(RunError, match="has already run"):
        execute(run, data=digits)


def test_a_run_may_learn_one_class_alone(tmp_path: Path, small: Circuit, digits: Dataset) -> None:
    from pccore.datasets.labels import only

    options = TrainOptions(epochs=2)
    names = {"model": "small", "data": "digits", "train_options": options}
    run = prepare_run(tmp_path / "run", small, digits, label=3, **names)  # type: ignore[arg-type]
    assert execute(run) == "finished"
    mine = only(digits, 3)
    trainer = Trainer(compile_circuit(small), mine.train, mine.valid, options=options)
    expected = [e.valid_log_likelihood for e in epochs_of(list(trainer.events()))]
    told = [e["valid_log_likelihood"] for e in run.metrics()[0] if e["event"] == "epoch"]
    assert told == expected
    with pytest.raises(DataError, match="no training row has the label 12"):
        prepare_run(tmp_path / "other", small, digits, label=12, **names)  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()


def test_stop_and_resume_give_the_uninterrupted_run(
    tmp_path: Path, small: Circuit, digits: Dataset
) -> None:
    def make(name: str) -> RunDirectory:
        return prepare_run(
            tmp_path / name,
            small,
            digits,
            model="small",
            data="digits",
            method="adam",
            train_options=TrainOptions(epochs=3, batch_size=400, patience=0),
        )

    whole, broken = make("whole"), make("broken")
    execute(whole, data=digits)

    def stop_in_epoch_two(event: Event) -> None:
        if isinstance(event, Step) and event.epoch == 2 and event.batch == 2:
            broken.request("stop")

    assert execute(broken, data=digits, listener=stop_in_epoch_two) == "stopped"
    assert broken.status().state == "stopped"
    # A line half written by a crash must not hurt.
    with (broken.path / METRICS).open("a") as stream:
        stream.write('{"event": "epo')
    assert execute(broken, resume=True, data=digits) == "finished"
    a, b = whole.best(), broken.best()
    assert a is not None and b is not None and a.params.equal(b.params)

    def story(run: RunDirectory) -> list[tuple[object, object]]:
        return [
            (e["epoch"], e["valid_log_likelihood"])
            for e in run.metrics()[0]
            if e["event"] == "epoch"
        ]

    assert story(broken) == story(whole)


def test_pause_holds_the_run_until_it_is_asked_to_go_on(
    tmp_path: Path, small: Circuit, digits: Dataset
) -> None:
    import threading
    import time

    run = prepare_run(
        tmp_path / "run",
        small,
        digits,
        model="small",
        data="digits",
        train_options=TrainOptions(epochs=2),
    )
    seen: list[str] = []

    def pause_once(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            run.request("pause")

    def go_on() -> None:
        deadline = time.monotonic() + 30
        while run.status().state != "paused" and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(run.status().state)
        run.request("run")

    other = threading.Thread(target=go_on)
    other.start()
    assert execute(run, data=digits, listener=pause_once) == "finished"
    other.join()
    assert seen == ["paused"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path, small: Circuit, digits: Dataset) -> None:
    run = prepare_run(
        tmp_path / "run",
        small,
        digits,
        model="small",
        data="digits",
        train_options=TrainOptions(epochs=1),
    )
    execute(run, data=digits)
    for name in (CHECKPOINT, PREVIOUS):
        (run.path / name).write_bytes((run.path / name).read_bytes()[:100])
    with pytest.raises(RunError, match=r"checkpoint.safetensors cannot be read"):
        execute(run, resume=True, data=digits)
    assert run.status().state == "failed"
    for name in (CONFIG, CONFIG_COPY):
        (run.path / name).write_text("[1, 2")
    with pytest.raises(RunError, match=r"config.json and its copy are damaged"):
        run.config()


def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path: Path, small: Circuit, digits: Dataset
) -> None:
    from pccore.build import bernoulli, circuit, product

    parity = load("parity")
    with pytest.raises(DataError, match=r"columns|variables"):
        prepare_run(tmp_path / "a", small, parity, model="m", data="parity")
    overlapping = circuit(product(*[bernoulli(f"X{v % 4}", 0.5) for v in range(5)]))
    assert len(overlapping.variables) != len(parity.variables)
    with pytest.raises(PropertyError, match="decomposable"):
        prepare_run(tmp_path / "b", overlapping, parity, model="m", data="parity")
    assert not list(tmp_path.iterdir())


def test_data_of_the_wrong_shape_is_refused(small: Circuit) -> None:
    with pytest.raises(DataError, match=r"shape \[3, 2\]"):
        Trainer(compile_circuit(small), np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(DataError, match="no rows"):
        Trainer(compile_circuit(small), np.zeros((0, 64), dtype=np.float32))


def test_metrics_are_plain_json(tmp_path: Path, small: Circuit, digits: Dataset) -> None:
    run = prepare_run(
        tmp_path / "r",
        small,
        digits,
        model="m",
        data="digits",
        train_options=TrainOptions(epochs=1),
    )
    run.append({"event": "epoch", "epoch": 0, "train_log_likelihood": float("-inf")})
    line = (run.path / METRICS).read_text().splitlines()[-1]
    assert json.loads(line)["train_log_likelihood"] is None


def test_values_that_the_leaves_do_not_admit_are_refused(small: Circuit, tmp_path: Path) -> None:
    x = np.zeros((3, 64), dtype=np.float32)
    x[1, 5] = 300
    with pytest.raises(DataError, match=r"training data.*row 1, column .*300 is not"):
        Trainer(compile_circuit(small), x)


def test_training_needs_a_leaf_for_every_column(tmp_path: Path) -> None:
    from pccore.build import bernoulli, circuit, product

    parity = load("parity")
    names = list(parity.variables)
    model = circuit(product(*[bernoulli(name, 0.5) for name in names[:-1]]), variables=names)
    with pytest.raises(DataError, match=f"mentions variable {names[-1]}"):
        prepare_run(tmp_path / "a", model, parity, model="m", data="parity")
