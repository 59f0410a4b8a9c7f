"""eval."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore.cli.output import Progress, emit, pairs
from pccore.cli.support import all_rows_for, compiled, device_of, dtype_of
from pccore.files import load_model
from pccore.graph import Circuit
from pccore.queries import log_partition, log_value, require
from pccore.queries.post_order import evaluate_in_post_order

#: Rows that are taken at a time, between two looks at the clock.
CHUNK = 4096


def evaluate(options: argparse.Namespace) -> int:
    """Mean log-likelihood of the rows of a split."""
    device_of(options.device)
    circuit = load_model(options.model)
    _, where, rows = all_rows_for(circuit, options.data, options.limit)
    progress = Progress()
    start = time.perf_counter()
    value, alive = _scorer(circuit, options)
    everything = torch.full((1, len(circuit.variables)), torch.nan)
    log_z = value(everything).double()
    values: list[Tensor] = []
    observed = 0
    for first in range(0, len(rows), CHUNK):
        chunk = torch.from_numpy(np.array(rows[first : first + CHUNK]))
        observed += int((~torch.isnan(chunk)).sum())
        values.append(value(chunk).double() - log_z)
        progress.update(f"{first + len(chunk)}/{len(rows)} rows")
    progress.clear()
    seconds = time.perf_counter() - start
    scores = torch.cat(values)
    bits = -float(scores.sum()) / (observed * math.log(2)) if observed else math.nan
    payload: dict[str, Any] = {
        "log_likelihood": float(scores.mean()),
        "bits_per_dimension": bits,
        "samples": len(rows),
        "seconds": seconds,
        "standard_error": float(scores.std() / len(scores) ** 0.5) if len(scores) > 1 else None,
        "impossible": int(torch.isneginf(scores).sum()),
    }
    if alive:
        payload["values_alive"] = max(alive)
    lines = pairs(
        [
            ("data", where),
            ("log-likelihood", f"{payload['log_likelihood']:.6g} nats per sample"),
            ("bits per dimension", f"{bits:.6g}"),
            ("samples", len(rows)),
            ("seconds", f"{seconds:.3g}"),
        ]
    )
    if payload["impossible"]:
        lines.append(f"{payload['impossible']} rows have probability zero")
    if alive:
        lines.append(f"{max(alive)} values alive at a time for each row")
    emit(options, payload, lines)
    return 0


def _scorer(
    circuit: Circuit, options: argparse.Namespace
) -> tuple[Callable[[Tensor], Tensor], list[int]]:
    """Log-values of the root by the compiled program, or in post-order, where the list tells the
    most values alive."""
    alive: list[int] = []
    if not options.post_order:
        program = compiled(circuit, options)
        log_partition(program)  # refuses circuits that have none
        return lambda rows: log_value(program, rows), alive
    require(circuit, "partition")
    dtype = dtype_of(circuit, options)

    def value(rows: Tensor) -> Tensor:
        found = evaluate_in_post_order(circuit, rows, dtype=dtype)
        alive.append(found.alive)
        return found.log_values

    return value, alive
