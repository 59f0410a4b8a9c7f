"""The measured process: build a model, check or time it, print one JSON object.

    python -m _speed.peer_spflow '{"task": "time", ...}'

Everything that can go wrong with a peer is a result too: {"missing": ...} where it is not
installed, {"error": ...} otherwise.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .job import Job
from .regions import Regions

MOST_STEPS = 60
FEWEST_STEPS = 3


class Model(Protocol):
    """What a process measures."""

    @property
    def parameters(self) -> int: ...

    def train(self, x: Tensor) -> None:
        """One step of training on a batch."""
        ...

    def infer(self, x: Tensor) -> Tensor:
        """Log-likelihoods [B], without gradients."""
        ...


class Comparable(Model, Protocol):
    """A model whose circuit can be read, to be computed by another engine."""

    def shake(self) -> None:
        """Random changes of all parameters, so that none has a value that hides mistakes."""
        ...

    def regions(self) -> Regions:
        """The circuit with its present parameters."""
        ...


def main(make: Callable[[Job], Any], *packages: str) -> None:
    """Do the job of the command line; `packages` are those whose versions are reported."""
    job = Job.from_json(sys.argv[1])
    torch.set_num_threads(job.threads)
    try:
        result = run(job, make)
        result["versions"] = versions(packages)
    except ImportError as error:
        result = {"missing": str(error)}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    print(json.dumps(result))


def run(job: Job, make: Callable[[Job], Any]) -> dict[str, Any]:
    """The result of a job."""
    torch.manual_seed(job.seed)
    np.random.seed(job.seed)
    started = time.perf_counter()
    model = make(job)
    built = time.perf_counter() - started
    x = data(job)
    if job.task == "parity":
        model.shake()
        regions = model.regions()
        values = model.infer(x[: job.batch]).double().numpy()
        regions.save(job.dump, x[: job.batch].numpy(), values)
        return {"parameters": model.parameters}
    if job.task == "values":
        return {"values": model.infer(x[: job.batch]).double().tolist()}
    return {"build": built, **timed(job, model, x)}


def timed(job: Job, model: Model, x: Tensor) -> dict[str, Any]:
    """Seconds of a training step and of an inference, memory, and the likelihood afterwards."""
    batches = x.split(job.batch)
    before = float(model.infer(batches[0]).double().mean())
    inference = measure(model.infer, batches, job.seconds / 3)
    steps = measure(model.train, batches, job.seconds)
    after = float(model.infer(batches[0]).double().mean())
    if not math.isfinite(after):
        raise ArithmeticError(
            f"training diverged: the log-likelihood went from {before} to {after}"
        )
    epoch = job.rows / job.batch
    return {
        "parameters": model.parameters,
        "edges": getattr(model, "edges", None),
        "step": statistics.median(steps),
        "step_best": min(steps),
        "steps": len(steps),
        "epoch": epoch * statistics.median(steps),
        "epoch_best": epoch * min(steps),
        "inference_us": 1e6 * statistics.median(inference) / job.batch,
        "inference_us_best": 1e6 * min(inference) / job.batch,
        "peak_mib": peak_mib(),
        "ll_before": before,
        "ll_after": after,
    }


def measure(
    step: Callable[[Tensor], object],
    batches: Sequence[Tensor],
    seconds: float,
    wait: Callable[[], None] = lambda: None,
) -> list[float]:
    """Seconds of each step, after warming up; `wait` is for work that goes on elsewhere.

    As many steps as fit into `seconds`, within FEWEST_STEPS and MOST_STEPS.
    """
    start = time.perf_counter()
    for number in range(3):
        step(batches[number % len(batches)])
        wait()
        if time.perf_counter() - start > seconds / 2:
            break
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < FEWEST_STEPS or (
        len(times) < MOST_STEPS and time.perf_counter() - start < seconds
    ):
        batch = batches[len(times) % len(batches)]
        begin = time.perf_counter()
        step(batch)
        wait()
        times.append(time.perf_counter() - begin)
    return times


def data(job: Job) -> Tensor:
    """Synthetic rows [rows, V], float32: standard normal, bits, or integers below `states`."""
    rng = np.random.default_rng(job.seed + 1)
    shape = (job.rows, job.width)
    if job.leaf == "gaussian":
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    states = 2 if job.leaf == "bernoulli" else job.states
    return torch.from_numpy(rng.integers(0, states, shape).astype(np.float32))


def peak_mib() -> float:
    """Most memory that this process has held, in MiB."""
    # ru_maxrss survives exec, so it starts from what the parent held; VmHWM does not.
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform != "darwin" else most / 2**20


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of Python, torch, numpy and of what is measured."""
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("numpy", *packages):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that training changes."""
    return [p for p in model.parameters() if p.requires_grad]


def shake_logits(parameters: Sequence[Tensor]) -> None:
    """Random changes of parameters that may have any value."""
    with torch.no_grad():
        for p in parameters:
            p.add_(0.3 * torch.randn_like(p))


def machine() -> dict[str, Any]:
    """Processor, cores and memory, for the head of a table."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
        model = names[0] if names else model
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, ValueError):
        memory = math.nan
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1)}
