"""What a disk may do to a run directory, and positions inside an epoch."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from pccore.datasets import Dataset, load
from pccore.errors import FileError, PCError, RunError
from pccore.files import load_model, save_model
from pccore.files.atomic import append_line
from pccore.graph import Circuit
from pccore.learn import Epoch, RunDirectory, Step, TrainOptions, execute, methods, prepare_run
from pccore.learn.directory import BEST, CHECKPOINT, CONFIG, CONTROL, INITIAL, METRICS, STATUS
from pccore.learn.events import Event
from pccore.structures import build_structure
from pccore.structures.base import shape_of

METHODS = tuple(sorted(methods()))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("parity")


def model_for(method: str, data: Dataset) -> Circuit:
    name, options = ("rat", {"depth": 2, "replicas": 1, "units": 2})
    if method == "hyper":
        name, options = "hyperspn", {"units": 2}
    return build_structure(name, shape_of(data), options)


def make(path: Path, data: Dataset, method: str = "online-em", epochs: int = 3) -> RunDirectory:
    options = TrainOptions(epochs=epochs, batch_size=200, patience=0)
    return prepare_run(
        path, model_for(method, data), data, model="m", data="parity", method=method,
        train_options=options, threads=1,
    )  # fmt: skip


def stop_at(run: RunDirectory, epoch: int, batch: int):
    def listen(event: Event) -> None:
        if isinstance(event, Step) and (event.epoch, event.batch) == (epoch, batch):
            run.request("stop")

    return listen


def told(run: RunDirectory) -> list[dict[str, Any]]:
    events = [e for e in run.metrics()[0] if e["event"] in ("epoch", "finished")]
    return [{k: v for k, v in event.items() if k != "seconds"} for event in events]


def assert_same(run: RunDirectory, whole: RunDirectory) -> None:
    assert told(run) == told(whole)
    one, other = run.read_checkpoint(), whole.read_checkpoint()
    assert one is not None and other is not None and one.numbers == other.numbers
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(t, other.tensors[n]) for n, t in one.tensors.items())
    best = run.best()
    assert best is not None and best.params.equal(whole.best().params)  # type: ignore[union-attr]


@pytest.mark.parametrize("method", METHODS)
def test_a_stop_inside_an_epoch_goes_on_there(
    method: str, tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Full-batch methods see the rows in tiles: two of them here.
    monkeypatch.setattr("pccore.compile.Program.tile_rows", lambda *a, **k: 500)
    run, whole = make(tmp_path / "r", data, method), make(tmp_path / "whole", data, method)
    execute(whole, data=data)
    assert execute(run, data=data, listener=stop_at(run, 2, 1)) == "stopped"
    checkpoint = run.read_checkpoint()
    assert checkpoint is not None
    assert (checkpoint.numbers["epoch"], checkpoint.numbers["batches"]) == (1, 1)
    steps: list[tuple[int, int]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step):
            steps.append((event.epoch, event.batch))

    assert execute(run, resume=True, data=data, listener=listen) == "finished"
    assert steps[0] == (2, 2)
    assert_same(run, whole)


DAMAGED = (CONFIG, INITIAL, METRICS, CHECKPOINT, BEST, STATUS, CONTROL)


@pytest.mark.parametrize("name", DAMAGED)
def test_any_one_file_may_be_damaged(name: str, tmp_path: Path, data: Dataset) -> None:
    run, whole = make(tmp_path / "r", data), make(tmp_path / "whole", data)
    execute(whole, data=data)
    for epoch in (1, 2):  # two checkpoints
        execute(run, resume=True, data=data, listener=stop_at(run, epoch, 2))
    path = run.path / name
    path.write_bytes(path.read_bytes()[:-9])
    assert run.status().state in ("stopped", "failed") and run.config().model == "m"
    assert execute(run, resume=True, data=data) == "finished"
    assert_same(run, whole)
    repairs = [e["message"] for e in run.metrics()[0] if e["event"] == "repaired"]
    silent = name in (METRICS, STATUS, CONTROL)
    assert len(repairs) == (0 if silent else 1) and all(name in text for text in repairs)
    assert run.repairs() == []  # they are of an earlier start


def test_a_flipped_bit_is_noticed(tmp_path: Path, data: Dataset) -> None:
    path = tmp_path / "m.pc.safetensors"
    save_model(model_for("em", data), path)
    content = path.read_bytes()
    for place in (len(content) - 2, len(content) // 2, content.index(b"params") + 8):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(FileError):
            load_model(path)


def test_a_file_of_another_program_needs_no_checksum(tmp_path: Path, data: Dataset) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "m.pc.safetensors"
    save_model(model_for("em", data), path)
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert metadata.pop("crc32")
    save_file(tensors, path, metadata)
    assert load_model(path).params.equal(model_for("em", data).params)


def test_a_line_is_added_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lines"
    append_line(path, "one")
    opened = os.fdopen

    class Full:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.stream = opened(*arguments, **options)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, line: bytes) -> None:
            self.stream.write(line[:2])
            self.stream.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", Full)
    with pytest.raises(FileError, match="No space left"):
        append_line(path, "two")
    monkeypatch.undo()
    append_line(path, "three")
    assert path.read_text() == "one\nthree\n"


def test_what_a_killed_process_left_is_removed(tmp_path: Path, data: Dataset) -> None:
    run = make(tmp_path / "r", data, epochs=1)
    left = run.path / f".{CHECKPOINT}.12ab34cd.tmp"
    left.write_bytes(b"half")
    execute(run, data=data)
    assert not left.exists()


def test_a_run_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PCError, match="No space left"):
        make(tmp_path / "r", data)
    assert not (tmp_path / "r").exists()


def test_two_checkpoints_are_kept_and_no_more(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pccore.learn.run.CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr("pccore.learn.run.CHECKPOINT_SHARE", 0.0)
    run = make(tmp_path / "r", data)
    execute(run, data=data)
    names = sorted(path.name for path in run.path.glob("checkpoint*"))
    assert names == ["checkpoint.previous.safetensors", "checkpoint.safetensors"]
    for name in names:
        (run.path / name).write_bytes(b"")
    with pytest.raises(RunError, match=r"checkpoint\.safetensors.*checkpoint\.previous"):
        execute(run, resume=True, data=data)


def test_the_state_of_an_older_version_is_read(tmp_path: Path, data: Dataset) -> None:
    from pccore.learn import storage

    run, whole = make(tmp_path / "r", data), make(tmp_path / "whole", data)
    execute(whole, data=data)
    kept: list[Epoch] = []

    def listen(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            kept.append(event)
            run.request("stop")

    execute(run, data=data, listener=listen)
    found = run.read_checkpoint()
    assert found is not None and kept
    storage.write_tensors(run.path / CHECKPOINT, found.tensors, found.numbers)
    assert execute(run, resume=True, data=data) == "finished"
    assert_same(run, whole)


def test_an_epoch_begins_anew_where_its_tiles_have_changed(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path / "r", data, "em")
    monkeypatch.setattr("pccore.compile.Program.tile_rows", lambda *a, **k: 500)
    execute(run, data=data, listener=stop_at(run, 2, 1))
    monkeypatch.setattr("pccore.compile.Program.tile_rows", lambda *a, **k: 300)
    execute(run, resume=True, data=data)
    whole = make(tmp_path / "whole", data, "em")
    execute(whole, data=data)
    for one, other in zip(told(run)[:-1], told(whole)[:-1], strict=True):
        for key in ("train_log_likelihood", "valid_log_likelihood"):
            assert one[key] == pytest.approx(other[key], rel=1e-5)
