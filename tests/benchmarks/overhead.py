"""What it costs to train inside the app: job registry, worker process, run directory, live page.

    pccore bench overhead [--pairs 5] [--epochs 30]

A PD EiNet learns the digits by mini-batch EM, the same epochs in turn by the bare trainer (a warm
process of the same priority that reads model and data and pulls the trainer's events) and in the
app (the registry gives the run to a warm worker, which writes metrics, status, checkpoints, looks
and the best model; a page looks at it twice a second). Compared are processor times, which other
work on the machine changes less than the clock, and the clock. What the app does so many times a
second weighs more than it should where the clock runs many times faster than the processor time:
a third run writes its directory in the process of the bare trainer, with the seconds between
checkpoints, looks and signs of life stretched by as much, as they are on an idle machine; the
server's work is also shown as its share of a processor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from pc_workbench.jobs import Registry
from pc_workbench.views import curves
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.files import load_model, save_model
from pccore.learn import Trainer, TrainOptions, conduct, execute, prepare_run
from pccore.learn import look as look_module
from pccore.learn import run as run_module
from tests.benchmarks._speed.output import Output

MODEL, DATA, METHOD = "digits_pd", "digits", "online-em"
LOOK_EVERY = 0.5  # seconds between looks of the Train page


def options_of(epochs: int) -> TrainOptions:
    return TrainOptions(epochs=epochs, patience=0)


def bare(epochs: int, target: str) -> None:
    """A warm process: trains once for each line on standard input, and says what it took. A line
    is 0, or how much slower than the processor time the clock is to count for a run directory."""
    torch.set_num_threads(1)
    os.nice(10)  # as the app's workers
    for number, line in enumerate(sys.stdin):
        stretch = float(line)
        wall, cpu = time.perf_counter(), time.process_time()
        data = load(DATA)
        circuit = load_model(MODEL)
        if stretch:
            run_module.CHECKPOINT_EVERY, conduct.STATUS_EVERY = 5 * stretch, 0.25 * stretch
            look_module.EVERY = 2 * stretch
            run = prepare_run(
                Path(target).with_name(f"run-{number}"), circuit, data, model=MODEL, data=DATA,
                method=METHOD, train_options=options_of(epochs), threads=1,
            )  # fmt: skip
            execute(run)
        else:
            trainer = Trainer(
                compile_circuit(circuit), data.train, data.valid, METHOD,
                options=options_of(epochs),
            )  # fmt: skip
            for _ in trainer.events():
                pass
            save_model(trainer.program.circuit.with_params(trainer.best_params), target)
        took = [time.perf_counter() - wall, time.process_time() - cpu]
        print(json.dumps(took), flush=True)


def in_app(registry: Registry, epochs: int) -> tuple[float, float, float]:
    """Seconds by the clock, of the worker and of the server, while a page looks at the run."""
    (pid,) = registry.processes()
    worker = psutil.Process(pid)
    wall, server, before = time.perf_counter(), time.process_time(), cpu_of(worker)
    run = registry.start(
        load_model(MODEL), load(DATA), owner="me", model=MODEL, data=DATA, method=METHOD,
        train_options=options_of(epochs),
    )  # fmt: skip
    story, offset, looked = curves.Story(), 0, 0.0
    while (view := registry.view(run)).state not in ("finished", "failed"):
        if time.perf_counter() - looked > LOOK_EVERY:
            looked = time.perf_counter()
            fresh, offset = registry.directory(run).metrics(offset)
            story = curves.merge(story, fresh)
            curves.series(story)
        time.sleep(0.05)
    if view.state == "failed":
        raise SystemExit(view.message)
    took = time.perf_counter() - wall
    return took, cpu_of(worker) - before, time.process_time() - server


def ask(process: subprocess.Popen[str], stretch: float) -> tuple[float, float]:
    """Seconds by the clock and of the processor that `bare` takes."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{stretch}\n")
    process.stdin.flush()
    wall, cpu = json.loads(process.stdout.readline())
    return wall, cpu


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def warm(registry: Registry) -> None:
    """Two short runs: the worker has read everything that it needs."""
    for _ in range(2):
        run = registry.start(
            load_model(MODEL), load(DATA), owner="me", model=MODEL, data=DATA, method=METHOD,
            train_options=options_of(1),
        )  # fmt: skip
        while registry.view(run).state not in ("finished", "failed"):
            time.sleep(0.05)


def one_pair(folder: Path, epochs: int) -> dict[str, Any]:
    """Both ways once, in new processes: where one happens to lie in memory makes some percent of
    difference, for as long as it lives."""
    command = [sys.executable, __file__, "--bare", str(folder / "best.pc.safetensors")]
    other = subprocess.Popen(
        [*command, "--epochs", str(epochs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    registry = Registry(folder / "runs", 1)
    try:
        warm(registry)
        ask(other, 0.0)  # cold
        wall, cpu = ask(other, 0.0)
        directory = ask(other, max(1.0, wall / cpu))[1]
        clock, worker, server = in_app(registry, epochs)
    finally:
        registry.close()
        other.communicate()
    return {"bare": wall, "bare_cpu": cpu, "directory_cpu": directory, "app": clock,
            "worker_cpu": worker, "server_cpu": server}  # fmt: skip


def main() -> int:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--bare", default="", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.bare:
        bare(options.epochs, options.bare)
        return 0
    options.threads = 1
    output = Output(options, f"pccore bench overhead --epochs {options.epochs}")
    found: list[dict[str, Any]] = []
    for _ in range(options.pairs):
        with tempfile.TemporaryDirectory() as folder:
            found.append(one_pair(Path(folder), options.epochs))
    report(found, output)
    return 0


def report(found: list[dict[str, Any]], output: Output) -> None:
    """The table, and the overhead: median over pairs."""
    rows = [
        [str(n), *(f"{one[key]:.2f}" for key in one),
         f"{(one['worker_cpu'] + one['server_cpu']) / one['bare_cpu'] - 1:+.1%}",
         f"{one['app'] / one['bare'] - 1:+.1%}"]
        for n, one in enumerate(found, 1)
    ]  # fmt: skip
    head = ["pair", "bare, s", "CPU, s", "with a directory, CPU, s", "in the app, s",
            "worker's CPU, s", "server's CPU, s", "more CPU", "more by the clock"]  # fmt: skip
    output.table(head, rows)
    for name, top, bottom in (
        ("processor time, run directory", ("directory_cpu",), "bare_cpu"),
        ("processor time, worker", ("worker_cpu",), "bare_cpu"),
        ("processor time, worker and server", ("worker_cpu", "server_cpu"), "bare_cpu"),
        ("clock", ("app",), "bare"),
    ):
        ratios = [sum(one[key] for key in top) / one[bottom] - 1 for one in found]
        output.say(f"overhead, {name}: median {statistics.median(ratios):+.1%}")
        output.result[f"overhead, {name}"] = statistics.median(ratios)
    share = statistics.median(one["server_cpu"] / one["app"] for one in found)
    output.say(f"the server's share of a processor meanwhile: {share:.1%}")
    output.result |= {"pairs": found, "server_share": share}
    output.finish()


if __name__ == "__main__":
    sys.exit(main())
