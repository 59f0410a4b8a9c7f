"""Faults of processes around a training: workers of the app, its server, the other of two peers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pc_workbench.jobs import Registry
from pccore.datasets import load
from pccore.files import load_model
from pccore.learn import RunDirectory, TrainOptions, method_named
from pccore.learn.run import CHECKPOINT_EVERY
from pccore.options import parse_options
from tests.benchmarks._faults.scene import EPOCHS, Ended, Scene, Verdict, must_be_sentences

#: Seconds that a process may take to start, or to notice something, on a busy machine.
PATIENCE = 120.0
#: How a worker may end other than by finishing.
ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV)


def lost_worker(scene: Scene, chance: random.Random) -> Verdict:
    """a worker process of the app ends in the middle"""
    verdict, method = Verdict(), chance.choice(("online-em", "em"))
    registry = Registry(scene.folder / "app", 1)
    try:
        run = start(registry, scene, method, epochs=100_000)
        path = registry.directory(run).path
        wait(lambda: epochs(path) >= 1, "a first epoch")
        time.sleep(chance.random())
        before = epochs(path)
        os.kill(registry.processes()[0], chance.choice(ENDS))
        wait(lambda: registry.view(run).state == "failed", "the failure is seen")
        verdict.said = registry.view(run).message
        if "training process" not in verdict.said:
            verdict.complain(f"the app says {verdict.said!r}")
        scene.must_be_readable(path, verdict)
        continues(registry, run, before, verdict)
    finally:
        registry.close()
    return verdict


#: A server that trains until it is killed.
SERVER = """
import sys, time
from pathlib import Path
from pc_workbench.jobs import Registry
from tests.benchmarks._faults.processes import start
from tests.benchmarks._faults.scene import Scene
scene = Scene(Path(sys.argv[1]))
registry = Registry(scene.folder / "app", 1)
print(start(registry, scene, sys.argv[2], 100_000), flush=True)
print(start(registry, scene, sys.argv[2], 100_000), flush=True)  # waits in the queue
time.sleep(600)
"""


def server_restart(scene: Scene, chance: random.Random) -> Verdict:
    """the server is killed or closed; the next one finds its runs and goes on with them"""
    verdict, method = Verdict(), chance.choice(("online-em", "em"))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(scene.folder), method],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    registry = Registry(scene.folder / "app", 1)
    try:
        assert server.stdout is not None
        run, waiting = (server.stdout.readline().strip() for _ in range(2))
        path = registry.directory(run).path
        wait(lambda: epochs(path) >= 1, "a first epoch")
        time.sleep(chance.random())
        before = epochs(path)
        server.send_signal(chance.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
        server.wait()
        wait(lambda: registry.view(run).state == "interrupted", "the run counts as interrupted")
        if not {run, waiting} <= {view.id for _, view in registry.runs()}:
            verdict.complain("the next server does not find the runs")
        if registry.view(waiting).state != "interrupted":
            verdict.complain(f"the queued run is {registry.view(waiting).state}")
        scene.must_be_readable(path, verdict)
        continues(registry, run, before, verdict)
        continues(registry, waiting, -1, verdict)
    finally:
        registry.close()
        server.kill()
        server.communicate()
    return verdict


def lost_peer(scene: Scene, chance: random.Random) -> Verdict:
    """one of two processes that train together is killed, or hangs (SIGSTOP)"""
    verdict, method = Verdict(), chance.choice(("online-em", "em", "adam"))
    with scene.fresh("peers") as path, contextlib.ExitStack() as stack:
        command = [*scene.begin(method, path), "--set", "epochs=100000", "--peer-timeout", "3"]
        command.remove(f"epochs={EPOCHS}")
        del command[command.index("--set")]
        both = pair(command)
        for one in both:
            stack.callback(_end, one)
        wait(lambda: epochs(path) >= 1 or any(p.poll() is not None for p in both), "an epoch")
        lost = chance.randrange(2)
        hangs = chance.random() < 0.5
        both[lost].send_signal(signal.SIGSTOP if hangs else signal.SIGKILL)
        said = both[1 - lost].communicate(timeout=PATIENCE)[1]
        must_be_sentences(Ended(both[1 - lost].returncode, said), verdict)
        why = "did not answer for 3 s" if hangs else "was lost"
        if f"a process of this run {why}" not in said and "was lost" not in said:
            verdict.complain(f"it says {said!r}")
        _end(both[lost])
        scene.must_be_readable(path, verdict)
        before = epochs(path)
        ended = scene.command("train", "--resume", "--run", str(path),
                              "--set", f"epochs={before + 1}")  # fmt: skip
        must_be_sentences(ended, verdict)
        _judge(path, before, ended.status == 0, verdict)
    return verdict


# -- helpers -------------------------------------------------------------------------------


def start(registry: Registry, scene: Scene, method: str, epochs: int) -> str:
    """Queue a run in the app."""
    return registry.start(
        load_model(scene.folder / "rat.pc.safetensors"),
        load("parity"),
        owner="me",
        model="rat",
        data="parity",
        method=method,
        method_options=parse_options(method_named(method).options, {}),
        train_options=TrainOptions(epochs=epochs, patience=0),
    )


def pair(command: list[str]) -> list[subprocess.Popen[str]]:
    """Two processes that find each other as those of torchrun do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
              "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pccore", *command],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def epochs(path: Path) -> int:
    """The last finished epoch, -1 before there is one."""
    told = RunDirectory(path).metrics()[0]
    return max((e["epoch"] for e in told if e.get("event") == "epoch"), default=-1)


def wait(condition: Callable[[], bool], what: str) -> None:
    """Until something is so. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:g} s in vain: {what}")
        time.sleep(0.02)


def continues(registry: Registry, run: str, before: int, verdict: Verdict) -> None:
    """Resumed, the run gets on and can be stopped; epochs older than a checkpoint are there."""
    registry.resume(run)
    path = registry.directory(run).path
    wait(lambda: registry.view(run).state == "running", "the run goes on")
    wait(lambda: epochs(path) > before, "it gets beyond where it was")
    registry.stop(run)
    wait(lambda: registry.view(run).state == "stopped", "it stops")
    _judge(path, before, True, verdict)


def _judge(path: Path, before: int, resumed: bool, verdict: Verdict) -> None:
    """No epoch is missing, and what was computed again took no longer than a checkpoint waits."""
    told = RunDirectory(path).metrics()[0]
    known = {e["epoch"]: e for e in told if e.get("event") == "epoch"}
    marks = [e["epoch"] for e in told if e.get("event") == "resumed"]
    if not resumed or sorted(known) != list(range(len(known))):
        verdict.complain("the run does not go on, or epochs are missing")
    start = marks[-1] if marks else -1
    lost = [n for n in known if start < n <= before]
    verdict.lost = len(lost)
    if sum(known[n]["seconds"] for n in lost[:-1]) > CHECKPOINT_EVERY:
        verdict.complain(f"{len(lost)} finished epochs are lost")


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()
    with contextlib.suppress(ValueError):  # it was read to its end before
        process.communicate()
