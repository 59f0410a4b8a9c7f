"""What both engines' GPU processes do: epochs timed without waiting after each step."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .blocks import Block, blocks, sizes
from .child import versions
from .job import Job

STEP, PSEUDOCOUNT = 0.05, 0.1
REPEATS = 3


def device() -> torch.device:
    """The GPU; the CPU only in tests of the code."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main(make: Callable[[Job, list[Block]], Any], package: str) -> None:
    """Do the job of the command line and print one JSON object."""
    job = Job.from_json(sys.argv[1])
    try:
        torch.manual_seed(job.seed)
        made = blocks(job)
        started = time.perf_counter()
        model = make(job, made)
        built = time.perf_counter() - started
        x = model.rows(images(job)).to(device())
        if job.task == "parity":
            values = model.infer(x[: job.batch]).double().cpu().numpy()
            np.savez(job.dump, values=values, **model.arrays())
            result: dict[str, Any] = {"parameters": model.parameters}
        elif job.task == "compare":
            with np.load(job.dump, allow_pickle=False) as file:
                theirs = file["values"]
            ours = model.infer(x[: job.batch]).double().cpu().numpy()
            off = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
            result = {"parameters": model.parameters, "difference": float(off.max())}
        else:
            result = {"build": built, **sizes(made), **timed(job, model, x)}
        result["versions"] = versions((package,))
    except ImportError as error:
        result = {"missing": str(error)}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    print(json.dumps(result))


def images(job: Job) -> np.ndarray:
    """Synthetic images [rows, V] of integers."""
    rng = np.random.default_rng(job.seed + 1)
    return rng.integers(0, job.states, (job.rows, job.width), dtype=np.int64)


def timed(job: Job, model: Any, x: Tensor) -> dict[str, Any]:
    """Seconds for an epoch of `rows` samples, and the memory that the device lent."""
    batches = [b for b in x.split(job.batch) if len(b) == job.batch]
    before = float(model.infer(batches[0]).mean())
    epochs = [1.0 * job.rows / job.batch * s for s in _steps(job, model.train, batches)]
    inference = [1e6 * s / job.batch for s in _steps(job, model.infer, batches)]
    after = float(model.infer(batches[0]).mean())
    if not np.isfinite(after):
        raise ArithmeticError(
            f"training diverged: the log-likelihood went from {before} to {after}"
        )
    peak = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
    return {
        "parameters": model.parameters,
        "epoch": statistics.median(epochs),
        "epoch_best": min(epochs),
        "inference_us": statistics.median(inference),
        "peak_mib": peak,
        "ll_before": before,
        "ll_after": after,
    }


def _steps(job: Job, step: Callable[[Tensor], object], batches: list[Tensor]) -> list[float]:
    """Seconds of a step, averaged over as many as fit into the time; REPEATS times."""
    for number in range(5):  # kernels are compiled and tuned in the first ones
        step(batches[number % len(batches)])
    _wait()
    start = time.perf_counter()
    step(batches[0])
    _wait()
    one = time.perf_counter() - start
    count = int(min(max(job.seconds / REPEATS / max(one, 1e-9), 3), len(batches)))
    found: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for number in range(count):
            step(batches[number % len(batches)])
        _wait()
        found.append((time.perf_counter() - start) / count)
    return found


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
