"""Run directories when things go wrong: kills, stops, second processes, full disks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.datasets import Dataset, load
from pccore.errors import PCError, RunError
from pccore.graph import Circuit
from pccore.learn import Epoch, RunDirectory, Step, TrainOptions, execute, prepare_run
from pccore.learn import run as run_module
from pccore.learn.base import BatchResult
from pccore.learn.em import OnlineEM
from pccore.learn.events import Event
from pccore.structures import build_structure
from pccore.structures.base import shape_of


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("parity")


@pytest.fixture(scope="module")
def model(data: Dataset) -> Circuit:
    return build_structure("rat", shape_of(data), {"depth": 2, "replicas": 2, "units": 3})


def make(path: Path, model: Circuit, data: Dataset, epochs: int = 6) -> RunDirectory:
    options = TrainOptions(epochs=epochs, batch_size=100, patience=0)
    return prepare_run(
        path,
        model,
        data,
        model="m",
        data="parity",
        method="online-em",
        train_options=options,
        threads=1,
    )


def story(run: RunDirectory) -> list[tuple[object, ...]]:
    keys = ("event", "epoch", "train_log_likelihood", "valid_log_likelihood", "best_epoch")
    told = [event for event in run.metrics()[0] if event["event"] in ("epoch", "finished")]
    return [tuple(event.get(key) for key in keys) for event in told]


def assert_same(run: RunDirectory, whole: RunDirectory) -> None:
    assert story(run) == story(whole)
    a, b = run.best(), whole.best()
    assert a is not None and b is not None and a.params.equal(b.params)


@pytest.mark.parametrize("command", ["stop", "pause"])
def test_no_finished_epoch_is_lost_by(
    command: str, tmp_path: Path, model: Circuit, data: Dataset
) -> None:
    run, whole = make(tmp_path / "r", model, data), make(tmp_path / "whole", model, data)
    execute(whole, data=data)
    kept: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Step) and (event.epoch, event.batch) == (4, 2):
            run.request(command)  # type: ignore[arg-type]

    def go_on() -> None:
        deadline = time.monotonic() + 60
        while run.status().state != "paused" and time.monotonic() < deadline:
            time.sleep(0.01)
        found = run.read_checkpoint()
        kept.append(-1 if found is None else found[1]["epoch"])
        run.request("run")

    other = threading.Thread(target=go_on)
    if command == "pause":
        other.start()
    state = execute(run, data=data, listener=interrupt)
    if command == "pause":
        other.join()
        assert (state, kept) == ("finished", [3])
    else:
        assert state == "stopped"
        checkpoint = run.read_checkpoint()
        assert checkpoint is not None and checkpoint[1]["epoch"] == 3
        redone: list[int] = []
        execute(run, resume=True, data=data, listener=lambda e: redone.append(_epoch(e)))
        assert min(epoch for epoch in redone if epoch >= 0) == 4
    assert_same(run, whole)


def _epoch(event: Event) -> int:
    return event.epoch if isinstance(event, Step | Epoch) else -1


def test_a_worker_that_is_told_to_leave_keeps_its_epochs(
    tmp_path: Path, model: Circuit, data: Dataset
) -> None:
    run = make(tmp_path / "r", model, data)

    def leave(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            raise SystemExit(0)

    with pytest.raises(SystemExit):
        execute(run, data=data, listener=leave)
    checkpoint = run.read_checkpoint()
    assert checkpoint is not None and checkpoint[1]["epoch"] == 2


def test_an_error_amid_an_update_goes_on_from_an_older_state(
    tmp_path: Path, model: Circuit, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole = make(tmp_path / "r", model, data), make(tmp_path / "whole", model, data)
    execute(whole, data=data)
    monkeypatch.setattr(run_module, "KEEP_SHARE", 1e12)  # only what is saved is kept
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 1e9)
    learn, asked = OnlineEM.batch, run.path / "asked"

    def batch(self: OnlineEM, x: torch.Tensor) -> BatchResult:
        if asked.exists():
            raise MemoryError
        return learn(self, x)

    def ask(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 4:
            asked.touch()

    monkeypatch.setattr(OnlineEM, "batch", batch)
    with pytest.raises(MemoryError):
        execute(run, data=data, listener=ask)
    checkpoint = run.read_checkpoint()
    assert checkpoint is not None and checkpoint[1]["epoch"] < 4
    assert [event.get("epoch") for event in checkpoint.events or []] == [0]
    assert max(event["epoch"] for event in run.metrics()[0]) == 4
    asked.unlink()
    execute(run, resume=True, data=data)
    assert_same(run, whole)


_WORKER = """
import sys
from pccore.learn import RunDirectory, execute, run
run.CHECKPOINT_EVERY = 0.0
execute(RunDirectory(sys.argv[1]), resume=True, listener=lambda event: print("x", flush=True))
"""


@pytest.mark.slow
def test_kills_at_any_moment_leave_a_run_that_continues(
    tmp_path: Path, model: Circuit, data: Dataset
) -> None:
    run = make(tmp_path / "r", model, data, epochs=12)
    whole = make(tmp_path / "whole", model, data, epochs=12)
    threads = torch.get_num_threads()
    try:
        execute(whole)
    finally:
        torch.set_num_threads(threads)
    moments = random.Random(1)
    for _ in range(5):
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(run.path)], stdout=subprocess.PIPE
        )
        assert worker.stdout is not None
        worker.stdout.read(1)  # training has begun
        time.sleep(moments.random() * 0.15)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        run.metrics()
        run.status()
        assert run.best() is not None
        run.read_checkpoint()
    assert execute(run, resume=True) == "finished"
    torch.set_num_threads(threads)
    assert_same(run, whole)


def test_a_second_process_is_refused(
    tmp_path: Path, model: Circuit, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pccore.learn.storage.LOCK_PATIENCE", 0.1)
    run = make(tmp_path / "r", model, data, epochs=1)
    refused: list[BaseException] = []

    def start_another(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            with pytest.raises(RunError, match=rf"being run by another process \({os.getpid()}\)"):
                execute(RunDirectory(run.path), resume=True, data=data)
            refused.append(RunError("refused"))

    assert execute(run, data=data, listener=start_another) == "finished"
    assert refused and run.status().state == "finished"  # the refusal left no trace
    assert execute(run, resume=True, data=data) == "finished"


def test_a_full_disk_is_a_typed_error(
    tmp_path: Path, model: Circuit, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path / "r", model, data)
    real = os.fsync
    full: list[bool] = []

    def fsync(descriptor: int) -> None:
        if full:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 0.0)

    def fill(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            full.append(True)

    with pytest.raises(PCError, match="No space left"):
        execute(run, data=data, listener=fill)
    full.clear()
    assert execute(run, resume=True, data=data) == "finished"


def test_a_directory_that_is_gone_is_a_run_error(
    tmp_path: Path, model: Circuit, data: Dataset
) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        execute(RunDirectory(tmp_path / "nowhere"), data=data)
    run = make(tmp_path / "r", model, data)
    (run.path / "metrics.jsonl").mkdir()
    with pytest.raises(RunError, match=r"metrics.jsonl cannot be"):
        run.append({"event": "epoch"})


def test_no_validation_rows_and_one_training_row(tmp_path: Path, model: Circuit) -> None:
    parity = load("parity")
    empty = parity.train[:0]
    one = Dataset(
        name="one",
        train=parity.train[:1],
        valid=empty,
        test=empty,
        variables=parity.variables,
        supports=parity.supports,
    )
    run = make(tmp_path / "r", model, one, epochs=2)
    assert execute(run, data=one) == "finished"
    epochs = [event for event in run.metrics()[0] if event["event"] == "epoch"]
    assert [event["valid_log_likelihood"] for event in epochs] == [None] * 3
    assert all(np.isfinite(event["train_log_likelihood"]) for event in epochs)
