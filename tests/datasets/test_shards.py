"""Data in files that are read a batch at a time."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.cli import main
from pccore.compile import compile_circuit
from pccore.datasets import Shards, guess_supports, load, names, shards
from pccore.datasets.labels import only
from pccore.errors import DataError
from pccore.files import save_model
from pccore.learn import Epoch, Trainer, TrainOptions, divide
from pccore.leaves.base import Support
from pccore.structures import build_structure
from pccore.structures.base import shape_of

#: Loads a folder, trains on it for an epoch and prints its peak memory.
CHILD = r"""
import re, sys, torch
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.learn import Trainer, TrainOptions
from pccore.structures import build_structure
from pccore.structures.base import shape_of

def train(folder):
    data = load(folder)
    circuit = build_structure("naive_bayes", shape_of(data))
    program = compile_circuit(circuit, memory=2**24)  # tiles smaller than any of the data
    options = TrainOptions(epochs=1, batch_size=1000)
    for method in ("em", "online-em"):
        list(Trainer(program, data.rows("train"), None, method, options=options).events())

torch.set_num_threads(1)
train(sys.argv[1])
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
train(sys.argv[2])
print(1024 * int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]))
"""


def write(folder: Path, rows: np.ndarray, parts: int, split: str = "train") -> Path:
    folder.mkdir(exist_ok=True)
    for number, part in enumerate(np.array_split(rows, parts)):
        np.save(folder / f"{split}-{number}.npy", part)
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little enough may stay in memory that tiny files are too much."""
    monkeypatch.setattr(shards, "RESIDENT", 40)


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, (120, 4)).astype(np.uint8)


def test_rows_are_those_of_the_files_whatever_is_asked(tmp_path: Path, table: np.ndarray) -> None:
    # 12 files: by name, train-10 would come before train-2.
    data = load(write(tmp_path / "d", table, 12))
    assert np.array_equal(data.train, table) and not data.streams and not len(data.valid)
    rows = Shards([shards._opened(tmp_path / "d" / f"train-{i}.npy").place for i in range(12)])
    assert rows.shape == (120, 4) and rows.size == 480 and rows.dtype == np.uint8
    order = np.random.default_rng(1).permutation(120)
    for which in (slice(None), slice(7, 33), slice(5, 5), order, order[:1], table[:, 0] == 1):
        assert np.array_equal(rows[which], table[which].astype(np.float32))
    assert np.array_equal(rows.first(25)[:], table[:25])
    assert np.array_equal(copy.deepcopy(rows)[:], table)
    assert guess_supports(rows) == guess_supports(table)


@pytest.mark.usefixtures("small")
def test_a_dataset_holds_a_sample_and_knows_all(tmp_path: Path, table: np.ndarray) -> None:
    folder = write(write(tmp_path / "d", table, 5), table[:60], 2, "valid")
    data = load(folder)
    assert len(data.train) == 10 and len(data.rows("train")) == 120
    assert len(data.rows("valid")) == 60 and len(data.rows("test")) == 0
    assert data.summary()["train"] == 120
    # However the files are cut, the data are the same.
    other = load(write(write(tmp_path / "e", table, 1), table[:60], 1, "valid"))
    assert data.fingerprint() == other.fingerprint()
    changed = write(write(tmp_path / "f", table[::-1], 1), table[:60], 1, "valid")
    assert data.fingerprint() != load(changed).fingerprint()
    assert len(load(folder, limit=30).rows("train")) == 30
    joined = load(folder, valid=False)
    assert len(joined.rows("train")) == 180 and len(joined.rows("valid")) == 0
    assert [(i.kind, i.rows, i.num_variables) for i in names(tmp_path) if i.name == "d"] == [
        ("shards", 180, 4)
    ]
    with pytest.raises(DataError, match="fit into memory"):
        divide(data, 3)
    with pytest.raises(DataError, match="no labels"):
        only(data, 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("method", ["em", "online-em"])
def test_training_sees_every_row(tmp_path: Path, table: np.ndarray, method: str) -> None:
    data = load(write(tmp_path / "d", table, 5))
    model = build_structure("naive_bayes", shape_of(data))
    options = TrainOptions(epochs=3, batch_size=16)
    whole = Trainer(compile_circuit(model), table.astype(np.float32), None, method, None, options)
    files = Trainer(compile_circuit(model), data.rows("train"), None, method, None, options)
    one, two = ([e for e in t.events() if isinstance(e, Epoch)] for t in (whole, files))
    assert [e.train_log_likelihood for e in one] == pytest.approx(
        [e.train_log_likelihood for e in two], rel=1e-6
    )
    for name, value in whole.program.params.items():
        torch.testing.assert_close(files.program.params[name], value)


@pytest.mark.usefixtures("small")
def test_the_command_line_trains_and_scores_all_rows(
    tmp_path: Path, table: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(write(tmp_path / "d", table, 3), table, 3, "test"))
    model = str(tmp_path / "m.pc.json")
    save_model(build_structure("naive_bayes", shape_of(load(folder))), tmp_path / "m.pc.json")
    train = ["train", model, "--data", folder, "--set", "epochs=2", "--run", str(tmp_path / "r")]
    assert main([*train, "-o", model]) == 0
    assert "120 training rows" in capsys.readouterr().err
    assert main(["eval", model, "--data", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 120
    assert main(["eval", model, "--data", folder, "--limit", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 50
    assert main(["prune", model, "--data", folder, "-o", str(tmp_path / "p.pc.json")]) == 2
    assert "do not fit into memory" in capsys.readouterr().err


def test_images_and_uncompressed_npz(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 5, 4)).astype(np.uint8)
    folder = tmp_path / "d"
    (folder / "train").mkdir(parents=True)
    np.save(folder / "train" / "0.npy", pixels[:20])
    np.savez(folder / "train" / "1.npz", pixels[20:])
    data = load(folder)
    assert data.image is not None and data.image.size == 20 and data.image.maximum == 255
    assert data.supports[0] == Support("finite", 256)
    assert np.array_equal(data.train, pixels.reshape(30, 20))


def test_bad_files_are_named(tmp_path: Path, table: np.ndarray) -> None:
    folder = write(tmp_path / "d", table, 2)
    bad = folder / "train-1.npy"

    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match):
            load(folder)

    np.save(bad, table[:, :3])
    refused("train-1.npy: rows of shape")
    np.save(bad, np.asfortranarray(table))
    refused("ascontiguousarray")
    with bad.open("wb") as stream:
        head = {"descr": "|O", "fortran_order": False, "shape": (1, 4)}
        np.lib.format.write_array_header_1_0(stream, head)
    refused("pickled")
    np.save(bad, np.full((3, 4), np.inf, dtype=np.float32))
    refused("the value inf")
    np.save(bad, table)
    bad.write_bytes(bad.read_bytes()[:-7])
    refused("train-1.npy")
    bad.write_bytes(b"")
    refused("train-1.npy")
    bad.unlink()
    np.savez_compressed(folder / "train-1.npz", table)
    refused("not compressed")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
def test_memory_stays_flat_however_large_the_data(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    peaks: list[int] = []
    few = write(tmp_path / "few", random.integers(0, 2, (60_000, 100), dtype=np.uint8), 2)
    many = write(tmp_path / "many", random.integers(0, 2, (400_000, 100), dtype=np.uint8), 7)
    for folder in (few, many):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(few), str(folder)],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    # 40 MB in the files, 160 MB as float32; the numbers of the rows alone take 8 bytes each.
    assert peaks[1] - peaks[0] < 20 * 2**20, peaks
