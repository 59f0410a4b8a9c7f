"""eval and query."""

from __future__ import annotations

import argparse
import json
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import all_rows_for, compiled, device_of, dtype_of
from pccore.errors import EvidenceError, OptionError
from pccore.evidence import parse_evidence
from pccore.files import load_model
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit, Unit
from pccore.polynomial import network_polynomial
from pccore.queries import (
    UnitValues,
    hidden_posterior,
    log_partition,
    log_probability,
    log_probability_of,
    log_value,
    marginals,
    mpe,
    require,
    sample,
    trace,
    unit_values,
)
from pccore.queries.post_order import evaluate_in_post_order
from pccore.queries.steps import Walk, draw, explain
from pccore.transform import observe_hidden, parse_hidden, parse_soft, soften

#: Rows that eval takes at a time, between two looks at the clock.
CHUNK = 4096

#: More edges than this are not listed unit by unit.
MAX_LISTED_EDGES = 2_000_000

#: Units of a tree in a trace, and samples.
MAX_TREE = 50_000
MAX_TRACED = 1000

#: Values that the samples of one command may hold together; each becomes a Python object.
MAX_SAMPLED = 4_000_000


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


# -- query ---------------------------------------------------------------------------------

Answer = tuple[dict[str, Any], Iterable[str]]


@dataclass(frozen=True)
class _Question:
    """What the command line asks: a circuit, the evidence of three kinds, the other options."""

    circuit: Circuit
    evidence: Mapping[str, float]
    soft: Mapping[str, Sequence[float]]
    hidden: Mapping[str, int]
    options: argparse.Namespace

    @property
    def root(self) -> int:
        """The number of the root asked."""
        return self.options.root

    @cached_property
    def given(self) -> Circuit:
        """The circuit with soft and hidden evidence built in, exact where it is decomposable."""
        made = observe_hidden(self.circuit, self.hidden) if self.hidden else self.circuit
        return soften(made, self.soft).circuit if self.soft else made

    @cached_property
    def values(self) -> UnitValues:
        """The values of all units."""
        return unit_values(
            self.circuit, self.evidence, self.root, soft=self.soft, hidden=self.hidden
        )

    @cached_property
    def seed(self) -> int:
        """Of samples."""
        given = self.options.seed
        return secrets.randbits(32) if given is None else given

    @cached_property
    def drawn(self) -> list[Walk]:
        """Samples with their trees, for --trace."""
        if self.options.count > MAX_TRACED:
            raise OptionError(
                f"a trace has at most {MAX_TRACED} samples, not {self.options.count}",
                where="--count",
            )
        count = range(self.options.count)
        return [draw(self.values, self.seed + n, most=MAX_TREE) for n in count]

    def refuse(self, what: str, hint: str, *, evidence: bool) -> None:
        """Raise OptionError where soft or hidden evidence (or any) was given to such a query."""
        observed = any(not math.isnan(value) for value in self.evidence.values())
        if (evidence and observed) or self.soft or self.hidden:
            kind = "evidence" if evidence else "soft or hidden evidence"
            raise OptionError(f"{what} takes no {kind}", hint=hint)


_Asked = Callable[[_Question], Answer]


def _write_trace(question: _Question, answer: Mapping[str, Any]) -> None:
    """The file of --trace: the run under the evidence, and the trees that were chosen."""
    walks: Sequence[Walk] = ()
    if question.options.ask == "mpe":
        walks = [explain(question.values, up=False, most=MAX_TREE)]
    elif question.options.ask == "sample":
        walks = question.drawn
    found = trace(question.values, query=question.options.ask, answer=answer, walks=walks)
    data = json.dumps(found, allow_nan=False).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomically(Path(question.options.trace), write)


def query(options: argparse.Namespace) -> int:
    """Ask what --ask says; the JSON key of the answer is the word asked."""
    circuit = load_model(options.model)
    if options.root >= len(circuit.roots):
        count = len(circuit.roots)
        roots = "1 root" if count == 1 else f"{count} roots"
        raise OptionError(f"there is no root {options.root}, the circuit has {roots}")
    evidence = parse_evidence(options.evidence, circuit)
    soft = parse_soft(options.soft, circuit)
    hidden = parse_hidden(options.observe_hidden, circuit)
    question = _Question(circuit, evidence, soft, hidden, options)
    payload, lines = _ANSWERS[options.ask](question)
    if options.trace is not None:
        _write_trace(question, payload)
    asked: dict[str, Any] = {"evidence": evidence}
    if soft:
        asked["soft"] = soft
    if hidden:
        asked["observe_hidden"] = hidden
    emit(options, {**payload, **asked}, lines)
    return 0


def _probability(question: _Question) -> Answer:
    if question.soft or question.hidden:
        log = log_probability_of(question.values)
    else:
        log = float(log_probability(question.circuit, question.evidence, question.root)[0])
    # exp of a density may exceed what a float holds.
    value = math.exp(log) if log < 709 else math.inf
    shown = {"probability": value, "log_probability": log}
    return shown, [f"{shown[question.options.ask]:.10g}"]


def _partition(question: _Question) -> Answer:
    question.refuse(
        "the partition function, which sums over everything,",
        "ask for the probability",
        evidence=True,
    )
    log = float(log_partition(question.circuit, question.root))
    value = math.exp(log) if log < 709 else math.inf
    return {"partition": value, "log_partition": log}, [f"{value:.10g}"]


def _marginals(question: _Question) -> Answer:
    circuit = question.circuit
    found = marginals(question.given, question.evidence, question.root)
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


def _mpe(question: _Question) -> Answer:
    circuit = question.circuit
    found = mpe(question.given, question.evidence, question.root)
    state = _named(circuit, found.assignment[0])
    log = float(log_probability(circuit, found.assignment, question.root)[0])
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


def _sample(question: _Question) -> Answer:
    circuit, options = question.circuit, question.options
    if options.count * len(circuit.variables) > MAX_SAMPLED:
        most = max(1, MAX_SAMPLED // len(circuit.variables))
        raise OptionError(
            f"{options.count} samples are too many at once, at most {most}", where="--count"
        )
    if options.trace is None:
        given = question.given
        drawn = sample(given, options.count, question.evidence, question.seed, options.root)
    else:  # one at a time, each with its tree
        drawn = torch.from_numpy(np.stack([walk.assignment for walk in question.drawn]))
    states = [_named(circuit, row) for row in drawn]
    lines = table(circuit.variables, [list(state.values()) for state in states])
    return {"sample": states, "seed": question.seed}, lines


# -- unit by unit --------------------------------------------------------------------------


def _units(circuit: Circuit) -> list[Unit]:
    """All units. Raises OptionError where they are too many to list."""
    if circuit.num_edges > MAX_LISTED_EDGES:
        raise OptionError(
            f"the circuit has {circuit.num_edges} edges, too many to list (at most "
            f"{MAX_LISTED_EDGES})"
        )
    return [Unit(g, k) for g, group in enumerate(circuit.groups) for k in range(group.size)]


def _derivatives(question: _Question) -> Answer:
    derivatives: dict[str, float] = {}
    values: dict[str, float] = {}
    for unit in _units(question.circuit):
        name = question.circuit.unit_name(unit)
        derivatives[name] = question.values.derivative_of(unit)
        values[name] = question.values.value_of(unit)
    rows = [(name, values[name], derivatives[name]) for name in derivatives]
    return (
        {"derivatives": derivatives, "values": values},
        table(("unit", "value", "derivative"), rows),
    )


def _values(question: _Question) -> Answer:
    found = question.values
    units = [(question.circuit.unit_name(unit), unit) for unit in _units(question.circuit)]
    values = {name: found.value_of(unit) for name, unit in units}
    flows = {name: found.flow_of(unit) for name, unit in units}
    payload = {
        "values": values,
        "log_values": {name: found.log_value_of(unit) for name, unit in units},
        "flows": flows,
        "log_value": found.log_root,
        "log_partition": found.log_partition,
    }
    rows = [(name, values[name], flows[name]) for name, _ in units]
    return payload, table(("unit", "value", "flow"), rows)


def _hidden(question: _Question) -> Answer:
    require(question.values.program, "hidden")
    if question.values.log_root == -math.inf:
        raise EvidenceError("the evidence has probability zero under this circuit")
    answers: dict[str, list[float]] = {}
    rows: list[tuple[object, ...]] = []
    for unit in _units(question.circuit):
        if question.circuit.groups[unit.group].kind == "sum":
            name = question.circuit.unit_name(unit)
            answers[name] = hidden_posterior(question.values, unit).tolist()
            shares, rest = answers[name][:-1], answers[name][-1]
            text = "  ".join(f"{p:.4f}" for p in shares[:12])
            rows.append((name, rest, text + ("  ..." if len(shares) > 12 else "")))
    header = ("sum", "takes no part", "probability of child 0, 1, ...")
    return {"hidden": answers}, table(header, rows)


def _polynomial(question: _Question) -> Answer:
    question.refuse("the polynomial", "ask for the values", evidence=False)
    found = network_polynomial(question.circuit, question.root)
    covering = frozenset(found.covering(question.evidence))
    monomials = [
        {
            "text": found.monomial_text(monomial),
            "coefficient": monomial.coefficient,
            "factors": [
                {"factor": found.factor_text(factor), "exponent": exponent}
                for factor, exponent in (*monomial.literals, *monomial.densities)
            ],
            "trees": monomial.trees,
            "flag": monomial.flag,
            "covers": number in covering,
        }
        for number, monomial in enumerate(found.monomials)
    ]
    payload = {
        "polynomial": found.text(),
        "monomials": monomials,
        "multilinear": found.multilinear,
        "log_value": found.log_value(question.evidence),
    }
    rows = [(m["text"], m["trees"], m["flag"], "yes" if m["covers"] else "no") for m in monomials]
    return payload, table(("monomial", "trees", "kind", "agrees with the evidence"), rows)


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
        "values": _values,
        "hidden": _hidden,
        "polynomial": _polynomial,
    }
)
