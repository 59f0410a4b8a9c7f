"""query."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore.cli.output import emit, table
from pccore.cli.question import Question, write_trace
from pccore.errors import EvidenceError, OptionError
from pccore.evidence import parse_evidence, state_names
from pccore.files import load_model
from pccore.graph import Circuit, Unit
from pccore.polynomial import network_polynomial
from pccore.queries import (
    hidden_posterior,
    log_partition,
    log_probability,
    log_probability_of,
    marginals,
    mpe,
    require,
    sample,
)
from pccore.transform import parse_hidden, parse_soft

#: More edges than this are not listed unit by unit.
MAX_LISTED_EDGES = 2_000_000

#: Values that the samples of one command may hold together; each becomes a Python object.
MAX_SAMPLED = 4_000_000


Answer = tuple[dict[str, Any], Iterable[str]]


_Asked = Callable[[Question], Answer]


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
    question = Question(circuit, evidence, soft, hidden, options)
    payload, lines = _ANSWERS[options.ask](question)
    if options.trace is not None:
        write_trace(question, payload)
    asked: dict[str, Any] = {"evidence": evidence}
    words = {name: state_names(circuit, name) for name in circuit.variables}
    if any(words.values()):
        asked["states"] = {name: found for name, found in words.items() if found}
    if soft:
        asked["soft"] = soft
    if hidden:
        asked["observe_hidden"] = hidden
    emit(options, {**payload, **asked}, lines)
    return 0


def _probability(question: Question) -> Answer:
    if question.soft or question.hidden:
        log = log_probability_of(question.values)
    else:
        log = float(log_probability(question.circuit, question.evidence, question.root)[0])
    # exp of a density may exceed what a float holds.
    value = math.exp(log) if log < 709 else math.inf
    shown = {"probability": value, "log_probability": log}
    return shown, [f"{shown[question.options.ask]:.10g}"]


def _partition(question: Question) -> Answer:
    question.refuse(
        "the partition function, which sums over everything,",
        "ask for the probability",
        evidence=True,
    )
    log = float(log_partition(question.circuit, question.root))
    value = math.exp(log) if log < 709 else math.inf
    return {"partition": value, "log_partition": log}, [f"{value:.10g}"]


def _marginals(question: Question) -> Answer:
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
            words = state_names(circuit, name) or ("",) * len(answers[name])
            shown = zip(words, answers[name][:12], strict=False)
            text = "  ".join(f"{word} {p:.4f}".strip() for word, p in shown)
            text += "  ..." if len(answers[name]) > 12 else ""
        rows.append((name, mean, variance, text))
    header = ("variable", "mean", "variance", "probability of 0, 1, ...")
    payload = {"marginals": answers, "log_value": float(found.log_value[0])}
    return payload, table(header, rows)


def _mpe(question: Question) -> Answer:
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
    said = _in_words(circuit, state).items()
    lines = [*table(("variable", "value"), said), f"log-probability {log:.6g}", note]
    return payload, lines


def _sample(question: Question) -> Answer:
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
    rows = [list(_in_words(circuit, state).values()) for state in states]
    return {"sample": states, "seed": question.seed}, table(circuit.variables, rows)


# -- unit by unit --------------------------------------------------------------------------


def _units(circuit: Circuit) -> list[Unit]:
    """All units. Raises OptionError where they are too many to list."""
    if circuit.num_edges > MAX_LISTED_EDGES:
        raise OptionError(
            f"the circuit has {circuit.num_edges} edges, too many to list (at most "
            f"{MAX_LISTED_EDGES})"
        )
    return [Unit(g, k) for g, group in enumerate(circuit.groups) for k in range(group.size)]


def _derivatives(question: Question) -> Answer:
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


def _values(question: Question) -> Answer:
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


def _hidden(question: Question) -> Answer:
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


def _polynomial(question: Question) -> Answer:
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


def _in_words(circuit: Circuit, state: Mapping[str, Any]) -> dict[str, Any]:
    """For people: states by their names, where they have any."""
    said: dict[str, Any] = {}
    for name, value in state.items():
        words = state_names(circuit, name) if isinstance(value, int) else ()
        said[name] = (words[value] if words else "") or value
    return said


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
