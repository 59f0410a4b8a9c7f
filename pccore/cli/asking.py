"""eval and query."""

from __future__ import annotations

import argparse
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore import reference
from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import compiled, device_of, rows_for
from pccore.errors import EvidenceError, OptionError
from pccore.evidence import parse_evidence
from pccore.files import load_model
from pccore.graph import Circuit, Unit
from pccore.queries import log_partition, log_probability, log_value, marginals, mpe, sample

#: Rows that eval takes at a time, between two looks at the clock.
CHUNK = 4096

#: More edges than this are not listed unit by unit.
MAX_LISTED_EDGES = 2_000_000

#: Values that the samples of one command may hold together; each becomes a Python object.
MAX_SAMPLED = 4_000_000


def evaluate(options: argparse.Namespace) -> int:
    """Mean log-likelihood of the rows of a split."""
    device_of(options.device)
    circuit = load_model(options.model)
    _, where, rows = rows_for(circuit, options.data, options.limit)
    progress = Progress()
    start = time.perf_counter()
    program = compiled(circuit, options)
    log_z = log_partition(program).double()
    values: list[Tensor] = []
    for first in range(0, len(rows), CHUNK):
        chunk = torch.from_numpy(np.array(rows[first : first + CHUNK]))
        values.append(log_value(program, chunk).double() - log_z)
        progress.update(f"{first + len(chunk)}/{len(rows)} rows")
    progress.clear()
    seconds = time.perf_counter() - start
    scores = torch.cat(values)
    observed = int((~np.isnan(rows)).sum())
    bits = -float(scores.sum()) / (observed * math.log(2)) if observed else math.nan
    payload = {
        "log_likelihood": float(scores.mean()),
        "bits_per_dimension": bits,
        "samples": len(rows),
        "seconds": seconds,
        "standard_error": float(scores.std() / len(scores) ** 0.5) if len(scores) > 1 else None,
        "impossible": int(torch.isneginf(scores).sum()),
    }
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
    emit(options, payload, lines)
    return 0


# -- query ---------------------------------------------------------------------------------

Answer = tuple[dict[str, Any], Iterable[str]]
_Asked = Callable[[Circuit, Mapping[str, float], argparse.Namespace], Answer]


def query(options: argparse.Namespace) -> int:
    """Ask what --ask says; the JSON key of the answer is the word asked."""
    circuit = load_model(options.model)
    if options.root >= len(circuit.roots):
        count = len(circuit.roots)
        roots = "1 root" if count == 1 else f"{count} roots"
        raise OptionError(f"there is no root {options.root}, the circuit has {roots}")
    evidence = parse_evidence(options.evidence, circuit)
    payload, lines = _ANSWERS[options.ask](circuit, evidence, options)
    emit(options, {**payload, "evidence": evidence}, lines)
    return 0


def _probability(
    circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace
) -> Answer:
    log = float(log_probability(circuit, evidence, options.root)[0])
    # exp of a density may exceed what a float holds.
    value = math.exp(log) if log < 709 else math.inf
    shown = {"probability": value, "log_probability": log}
    return shown, [f"{shown[options.ask]:.10g}"]


def _partition(
    circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace
) -> Answer:
    if any(not math.isnan(v) for v in evidence.values()):
        raise OptionError(
            "the partition function sums over everything and takes no evidence",
            hint="ask for the probability",
        )
    log = float(log_partition(circuit, options.root))
    value = math.exp(log) if log < 709 else math.inf
    return {"partition": value, "log_partition": log}, [f"{value:.10g}"]


def _marginals(
    circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace
) -> Answer:
    found = marginals(circuit, evidence, options.root)
    answers: dict[str, Any] = {}
    rows: list[tuple[object, ...]] = []
    for v, name in enumerate(circuit.variables):
        chances = found.probabilities[v]
        mean, variance = float(found.mean[0, v]), float(found.variance[0, v])
        if chances is None:
            answers[name] = {"mean": mean, "variance": variance}
            text = ""
        else:
            answers[name] = chances[0].tolist()
            text = "  ".join(f"{p:.4f}" for p in answers[name][:12])
            text += "  ..." if len(answers[name]) > 12 else ""
        rows.append((name, mean, variance, text))
    header = ("variable", "mean", "variance", "probability of 0, 1, ...")
    payload = {"marginals": answers, "log_value": float(found.log_value[0])}
    return payload, table(header, rows)


def _mpe(circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace) -> Answer:
    found = mpe(circuit, evidence, options.root)
    state = _named(circuit, found.assignment[0])
    log = float(log_probability(circuit, found.assignment, options.root)[0])
    payload = {
        "mpe": state,
        "quality": found.quality,
        "log_probability": log,
        "log_value": float(found.log_value[0]),
    }
    note = {
        "exact": "exact: no state is more probable",
        "bound": "a bound: the circuit is not known to be deterministic, "
        "another state may be more probable",
    }.get(found.quality, found.quality)
    lines = [*table(("variable", "value"), state.items()), f"log-probability {log:.6g}", note]
    return payload, lines


def _sample(circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace) -> Answer:
    if options.count * len(circuit.variables) > MAX_SAMPLED:
        most = max(1, MAX_SAMPLED // len(circuit.variables))
        raise OptionError(
            f"{options.count} samples are too many at once, at most {most}", where="--count"
        )
    seed = secrets.randbits(32) if options.seed is None else options.seed
    drawn = sample(circuit, options.count, evidence, seed, options.root)
    states = [_named(circuit, row) for row in drawn]
    lines = table(circuit.variables, [list(state.values()) for state in states])
    return {"sample": states, "seed": seed}, lines


def _derivatives(
    circuit: Circuit, evidence: Mapping[str, float], options: argparse.Namespace
) -> Answer:
    if circuit.num_edges > MAX_LISTED_EDGES:
        raise OptionError(
            f"the circuit has {circuit.num_edges} edges, too many to list (at most "
            f"{MAX_LISTED_EDGES})"
        )
    circuit.validate_params()
    trace = reference.evaluate(circuit, evidence)
    down = reference.log_derivatives(circuit, trace, circuit.root_unit(options.root))
    derivatives: dict[str, float] = {}
    values: dict[str, float] = {}
    with np.errstate(over="ignore"):
        for position, group in enumerate(circuit.groups):
            for index in range(group.size):
                name = circuit.unit_name(Unit(position, index))
                derivatives[name] = float(np.exp(down[position][0, index]))
                values[name] = float(np.exp(trace.log_values[position][0, index]))
    rows = [(name, values[name], derivatives[name]) for name in derivatives]
    return (
        {"derivatives": derivatives, "values": values},
        table(("unit", "value", "derivative"), rows),
    )


def _named(circuit: Circuit, row: Tensor) -> dict[str, Any]:
    """A complete state by name; integers where the variable is not real."""
    state: dict[str, Any] = {}
    for v, value in enumerate(row.tolist()):
        name = circuit.variables[v]
        try:
            whole = circuit.domain(v).kind != "real"
        except EvidenceError:  # in no leaf: nothing is known of it
            whole = False
        state[name] = int(value) if whole and math.isfinite(value) else value
    return state


_ANSWERS: Mapping[str, _Asked] = MappingProxyType(
    {
        "probability": _probability,
        "log_probability": _probability,
        "partition": _partition,
        "marginals": _marginals,
        "mpe": _mpe,
        "sample": _sample,
        "derivatives": _derivatives,
    }
)
