"""Two real processes that train as one, and what happens when one of them is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pccore.cli import main
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.learn import Epoch, RunDirectory, Trainer, TrainOptions, methods
from pccore.learn.distributed import ALONE, Peers
from pccore.leaves.base import Support
from pccore.structures import build_structure
from pccore.structures.base import Shape, shape_of

METHODS = tuple(sorted(methods()))
OPTIONS = TrainOptions(epochs=3, batch_size=10, patience=0)

#: Trains by every method and leaves the parameters and scores of the first process.
CHILD = r"""
import json, sys, torch
from safetensors.torch import load_file, save_file
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.files import load_model
from pccore.learn import Epoch, Trainer, TrainOptions
from pccore.learn.distributed import joined

folder, methods = sys.argv[1], sys.argv[2].split(",")
torch.set_num_threads(1)
x = load_file(f"{folder}/x.safetensors")["x"]
with joined() as peers:
    for method in methods:
        trainer = Trainer(
            compile_circuit(load_model(f"{folder}/m.pc.safetensors")), x, x[:7], method,
            options=TrainOptions(epochs=3, batch_size=10, patience=0), peers=peers,
        )
        told = [event for event in trainer.events() if isinstance(event, Epoch)]
        scores = [(e.train_log_likelihood, e.valid_log_likelihood) for e in told]
        save_file(dict(trainer.program.params), f"{folder}/{method}-{peers.rank}.safetensors")
        if peers.leads:
            with open(f"{folder}/{method}.json", "w") as stream:
                json.dump(scores, stream)
"""


def start(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
    """Processes that find each other as those of torchrun do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
              "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


@pytest.fixture(scope="module")
def model() -> Circuit:
    shape = Shape.of(8, Support("finite", 3))
    return build_structure("rat", shape, {"depth": 2, "replicas": 2, "units": 3})


def test_two_processes_give_the_parameters_of_one(tmp_path: Path, model: Circuit) -> None:
    save_model(model, tmp_path / "m.pc.safetensors")
    # 51 rows: the last batch has one, so that one process has nothing to learn from.
    x = torch.randint(0, 3, (51, 8), generator=torch.Generator().manual_seed(1)).float()
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(2)) < 0.1] = torch.nan
    save_file({"x": x}, tmp_path / "x.safetensors")
    both = start(2, "-c", CHILD, str(tmp_path), ",".join(METHODS))
    for process in both:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    for method in METHODS:
        alone = Trainer(compile_circuit(model), x, x[:7], method, options=OPTIONS)
        told = [event for event in alone.events() if isinstance(event, Epoch)]
        scores = json.loads((tmp_path / f"{method}.json").read_text())
        for epoch, (train, valid) in zip(told, scores, strict=True):
            assert train == pytest.approx(epoch.train_log_likelihood, rel=1e-5)
            assert valid == pytest.approx(epoch.valid_log_likelihood, rel=1e-5)
        first, second = (load_file(tmp_path / f"{method}-{r}.safetensors") for r in range(2))
        for name, value in alone.program.params.items():
            torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)
            assert torch.equal(first[name], second[name])


def parity() -> Circuit:
    """A model of the bundled data of that name."""
    return build_structure("naive_bayes", shape_of(load("parity")))


def wait_for_epoch(run: RunDirectory, number: int, both: list[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and all(one.poll() is None for one in both):
        if any(e["event"] == "epoch" and e["epoch"] >= number for e in run.metrics()[0]):
            return
        time.sleep(0.02)
    raise AssertionError("the run does not get on")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills processes by signals")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_lost_process_ends_the_run_which_can_be_resumed(rank: int, tmp_path: Path) -> None:
    save_model(parity(), tmp_path / "m.pc.json")
    run = RunDirectory(tmp_path / "run")
    arguments = ["train", str(tmp_path / "m.pc.json"), "--data", "parity", "--run", str(run.path)]
    arguments += ["--set", "epochs=100000", "--set", "patience=0", "--method", "online-em"]
    both = start(2, "-m", "pccore", *arguments)
    try:
        wait_for_epoch(run, 3, both)
        both[rank].send_signal(signal.SIGKILL)
        _, said = both[1 - rank].communicate(timeout=60)
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert both[1 - rank].returncode == 2
    last = said.strip().splitlines()[-1]
    assert "a process of this run was lost" in last and "--resume" in last
    saved = run.read_checkpoint()
    assert saved is not None
    done = saved[1]["epoch"]
    if rank == 1:  # who writes was told: no finished epoch is lost
        epochs = [e["epoch"] for e in run.metrics()[0] if e["event"] == "epoch"]
        assert done == epochs[-1] >= 3
        assert run.status().state == "failed" and "was lost" in run.status().message
    until = f"epochs={done + 2}"
    assert main(["train", "--resume", "--run", str(run.path), "--set", until]) == 0
    assert run.status().state == "finished"
    told = [e["epoch"] for e in run.metrics()[0] if e["event"] == "epoch"]
    assert told == list(range(done + 3))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
def test_a_process_that_hangs_counts_as_lost(tmp_path: Path) -> None:
    save_model(parity(), tmp_path / "m.pc.json")
    run = RunDirectory(tmp_path / "run")
    arguments = ["train", str(tmp_path / "m.pc.json"), "--data", "parity", "--run", str(run.path)]
    arguments += ["--set", "epochs=100000", "--set", "patience=0", "--peer-timeout", "2"]
    both = start(2, "-m", "pccore", *arguments)
    try:
        wait_for_epoch(run, 2, both)
        both[1].send_signal(signal.SIGSTOP)
        _, said = both[0].communicate(timeout=60)
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert both[0].returncode == 2
    assert "did not answer for 2 s" in said and "--resume" in said
    assert run.status().state == "failed" and run.read_checkpoint() is not None


@pytest.mark.slow
def test_bad_input_is_said_once(tmp_path: Path, model: Circuit) -> None:
    save_model(model, tmp_path / "m.pc.json")
    both = start(2, "-m", "pccore", "train", str(tmp_path / "m.pc.json"), "--data", "nowhere",
                 "--run", str(tmp_path / "run"))  # fmt: skip
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert "there is no dataset 'nowhere'" in said[0] and said[0].count("\n") == 1
    assert said[1] == ""


@pytest.mark.slow
def test_a_stop_reaches_all_and_the_best_model_is_the_first_ones(tmp_path: Path) -> None:
    save_model(parity(), tmp_path / "m.pc.json")
    run = RunDirectory(tmp_path / "run")
    both = start(2, "-m", "pccore", "train", str(tmp_path / "m.pc.json"), "--data", "parity",
                 "--set", "epochs=100000", "--set", "patience=0", "--run-dir", str(run.path),
                 "--json")  # fmt: skip
    try:
        wait_for_epoch(run, 2, both)
        run.request("pause")
        deadline = time.monotonic() + 60
        while run.status().state != "paused" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert run.status().state == "paused"
        run.request("stop")
        told = [process.communicate(timeout=60) for process in both]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert [process.returncode for process in both] == [130, 130]
    assert json.loads(told[0][0])["state"] == "stopped" and told[1] == ("", "")
    assert run.best() is not None and run.read_checkpoint() is not None


def test_shares_cover_all_rows_once() -> None:
    for count in (0, 1, 2, 7, 12):
        for size in (1, 2, 3, 5):
            everybody = [Peers(rank, size) for rank in range(size)]
            shares = [one.share(torch.arange(count)) for one in everybody]
            assert torch.equal(torch.cat(shares), torch.arange(count))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            assert [row for one in everybody for row in one.span(count)] == list(range(count))
    assert ALONE.leads and ALONE.total(1.5, 2) == [1.5, 2]
    assert ALONE.leaders(3) == 3 and ALONE.leaders_text("runs/ä") == "runs/ä"
