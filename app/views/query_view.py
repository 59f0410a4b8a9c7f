"""The Query page as data: what is observed, the answers, and the texts beside the units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pc_workbench.views import labels
from pc_workbench.views.evidence_rows import Observed, Row
from pc_workbench.views.violations import MEANINGS
from pccore import oracle
from pccore.errors import EvidenceError, PCError
from pccore.evidence import parse_evidence
from pccore.graph import Circuit, Unit
from pccore.queries import UnitValues, hidden_posterior, mpe
from pccore.queries.posterior import licence_of, log_probability_of, posterior_marginals
from pccore.transform import parse_likelihoods, unit_named

#: Rows of a variable with more states than this show no chips.
MOST_STATES = 40
#: States times edges that are enumerated beside a fast answer.
MAX_WORK = 20_000_000
_HIDDEN = "hidden:"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """What is known: by variable name; latent names and observed children by unit name."""

    hard: Mapping[str, float] = field(default_factory=dict[str, float])
    soft: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, "tuple[float, ...]"])
    latents: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Answer:
    """One line of the answers. quality: exact, bound, estimate, or "" where it is refused."""

    title: str
    text: str
    quality: str
    reason: str = ""


def read(circuit: Circuit, evidence: str, soft: Pairs, hidden: Pairs) -> tuple[Asked, list[str]]:
    """The evidence of a link for this circuit, and what of it was passed over."""
    problems: list[str] = []
    try:
        hard = parse_evidence(evidence, circuit)
    except PCError as error:
        hard = {}
        problems.append(str(error))
    hard = {name: value for name, value in hard.items() if not math.isnan(value)}
    likelihoods: dict[str, tuple[float, ...]] = {}
    for name, text in soft:
        try:
            values = tuple(parse_likelihoods(text))
            states = circuit.domain(circuit.variable_index(name)).states
            if len(values) != states or min(values) < 0 or not all(map(math.isfinite, values)):
                raise EvidenceError(f"{text!r} are not {states} likelihoods", where=name)
            likelihoods[name] = values
        except PCError as error:
            problems.append(str(error))
    latents: dict[str, str] = {}
    children: dict[str, int] = {}
    for name, text in hidden:
        latent, _, child = text.partition("=")
        try:
            unit = unit_named(circuit, name)
        except PCError as error:
            problems.append(str(error))
            continue
        if circuit.groups[unit.group].kind != "sum":
            problems.append(f"{name} is no sum: it has no hidden variable")
            continue
        latents[name] = latent or name
        if child.isdecimal() and int(child) < len(circuit.children(unit)):
            children[name] = int(child)
    return Asked(hard, likelihoods, latents, children), problems


def write(asked: Asked) -> dict[str, Any]:
    """The fields of the link: evidence, soft, hidden."""
    return {
        "evidence": ",".join(f"{name}={value:g}" for name, value in asked.hard.items()),
        "soft": tuple(
            (name, " ".join(f"{w:g}" for w in values)) for name, values in asked.soft.items()
        ),
        "hidden": tuple(
            (name, f"{latent}={asked.hidden[name]}" if name in asked.hidden else latent)
            for name, latent in asked.latents.items()
        ),
    }


def observed(asked: Asked) -> Observed:
    """What the list marks as observed."""
    hard = {name: value for name, value in asked.hard.items()}
    hard |= {f"{_HIDDEN}{name}": float(child) for name, child in asked.hidden.items()}
    return Observed(hard, dict(asked.soft))


def taken(asked: Asked, seen: Observed) -> Asked:
    """What is asked after the list sent what was observed."""
    hard = {name: x for name, x in seen.hard.items() if not name.startswith(_HIDDEN)}
    hidden = {
        name.removeprefix(_HIDDEN): int(x)
        for name, x in seen.hard.items()
        if name.startswith(_HIDDEN)
    }
    return Asked(hard, dict(seen.soft), asked.latents, hidden)


def rows(values: UnitValues, asked: Asked) -> tuple[list[Row], str]:
    """The variables with their posteriors, hidden ones last, and why there are none, if so."""
    circuit = values.circuit
    reason = ""
    posterior = None
    try:
        posterior = posterior_marginals(values)
    except PCError as error:
        reason = error.message
    found: list[Row] = []
    for v, name in enumerate(circuit.variables):
        domain = circuit.domains.get(v)
        if domain is None:
            continue
        table = posterior.probabilities[v] if posterior else None
        if domain.states is not None and domain.states <= MOST_STATES:
            states = tuple(
                (f"{c}", None if table is None else _real(table[c])) for c in range(domain.states)
            )
            found.append(Row(name, name, states))
            continue
        mean = _real(posterior.mean[v]) if posterior else None
        spread = _real(posterior.variance[v]) if posterior else None
        deviation = math.sqrt(spread) if spread is not None else None
        found.append(Row(name, name, None, mean=mean, deviation=deviation))
    for name, latent in asked.latents.items():
        found.append(_hidden_row(values, name, latent))
    return found, reason


def _hidden_row(values: UnitValues, name: str, latent: str) -> Row:
    unit = unit_named(values.circuit, name)
    children = values.circuit.children(unit)
    shares = hidden_posterior(values, unit)
    states = tuple(
        (f"{i}: {values.circuit.unit_name(edge.child)}", _real(shares[i]))
        for i, edge in enumerate(children)
    )
    rest = _real(shares[-1])
    note = f"hidden variable of {name}"
    if rest is not None and rest > 1e-9:
        note += f", takes no part with {rest:.3f}"
    return Row(f"{_HIDDEN}{name}", latent, states, note=note, soften=False)


def _real(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def answers(values: UnitValues) -> list[Answer]:
    """S(e), Z, P(e): each with its quality, or what the circuit lacks."""
    found = [Answer("S(e)", linear(values.log_root), "exact")]
    partition = licence_of(values, "partition")
    if partition.granted:
        found.append(Answer("Z", linear(values.log_partition), "exact"))
    else:
        found.append(Answer("Z", "–", "", _lacks(partition.missing)))
    probability = licence_of(values, "probability")
    if probability.granted:
        log = log_probability_of(values)
        found.append(Answer("P(e)", linear(log), "exact"))
        found.append(Answer("ln P(e)", logarithm(log), "exact"))
    else:
        reason = _lacks(probability.missing)
        found += [Answer("P(e)", "–", "", reason), Answer("ln P(e)", "–", "", reason)]
    return found


def _lacks(missing: Sequence[str]) -> str:
    return f"needs a circuit that is {' and '.join(MEANINGS[p][0] for p in missing)}"


def linear(log: float) -> str:
    """exp(log) with few digits; what a float cannot hold as a power of e."""
    if math.isnan(log):
        return "undefined"
    if -600 < log < 600 or log == -math.inf:
        value = math.exp(log)
        return "0" if value == 0 else f"{value:.4g}"
    return f"e^{log:.5g}"


def logarithm(log: float) -> str:
    """log with few digits."""
    return "undefined" if math.isnan(log) else "-∞" if log == -math.inf else f"{log:.4g}"


def beside(values: UnitValues, kind: str, scale: str) -> dict[Unit, str]:
    """The texts beside the units: their values, derivatives or flows."""
    tables = {"derivatives": "log_derivative", "flows": "flow"}
    table = getattr(values, tables.get(kind, "log_value"))
    found: dict[Unit, str] = {}
    for position in values.planned:
        for index, number in enumerate(np.asarray(table[position]).tolist()):
            if kind == "flows":
                text = f"{number:.3g}" if math.isfinite(number) else "–"
            else:
                text = linear(number) if scale == "linear" else logarithm(number)
            found[Unit(position, index)] = text
    return found


# -- beside enumeration ------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A fast answer beside the enumerated one. equal: within rounding."""

    what: str
    fast: str
    enumerated: str
    equal: bool


def comparisons(values: UnitValues, asked: Asked) -> list[Comparison] | str:
    """S(e), Z and posteriors beside enumeration, or why there is none."""
    circuit = values.circuit
    if asked.soft or asked.hidden:
        return "Enumeration is shown for hard evidence on variables alone."
    scope = circuit.scope_of(values.root)
    sizes = [circuit.domain(v).states for v in scope]
    count = math.prod(size or oracle.LIMIT for size in sizes)
    if count * (circuit.num_edges + 1) > MAX_WORK:
        return f"There are too many states to enumerate ({len(sizes)} variables)."
    given = dict(asked.hard)
    try:
        log_phi = oracle.log_measure(circuit, given)
        log_z = oracle.log_partition(circuit)
        found = [
            _compared("S(e)", values.log_root, log_phi),
            _compared("Z = S(*)", values.log_partition, log_z),
        ]
        found += _posteriors(values, given)
    except PCError as error:
        return str(error)
    return found


def _posteriors(values: UnitValues, given: dict[str, float]) -> list[Comparison]:
    if values.log_root == -math.inf:
        return []
    try:
        fast = posterior_marginals(values).probabilities
    except PCError:
        return []
    truth = oracle.marginals(values.circuit, given)
    found: list[Comparison] = []
    for v, name in enumerate(values.circuit.variables):
        table, known = fast[v], truth[v]
        if table is None or len(known) != len(table) or name in given:
            continue
        for c in range(min(len(table), 6)):
            one, two = float(table[c]), float(known[c])
            equal = abs(one - two) <= 1e-9
            found.append(Comparison(f"P({name}={c} | e)", f"{one:.6g}", f"{two:.6g}", equal))
    return found


def _compared(what: str, one: float, two: float) -> Comparison:
    equal = one == two or abs(one - two) <= 1e-6
    return Comparison(what, linear(one), linear(two), equal)


@dataclass(frozen=True)
class Best:
    """The most probable explanation. gap: nats that enumeration finds more, None if unknown."""

    assignment: Mapping[str, float]
    log_value: float
    quality: str
    gap: float | None


def best(values: UnitValues, asked: Asked) -> Best:
    """MPE under the hard evidence. Raises PropertyError, EvidenceError."""
    circuit = values.circuit
    found = mpe(values.program, dict(asked.hard))
    assignment = found.assignment[0].tolist()
    log_value = float(found.log_value[0])
    named = {n: x for n, x in zip(circuit.variables, assignment, strict=True) if not math.isnan(x)}
    scope = circuit.scope_of(values.root)
    count = math.prod(circuit.domain(v).states or oracle.LIMIT for v in scope)
    gap = None
    if count * (circuit.num_edges + 1) <= MAX_WORK:
        _, truth = oracle.mpe(circuit, dict(asked.hard))
        gap = max(0.0, float(truth) - log_value)
    return Best(named, log_value, found.quality, gap)


def assignment_text(circuit: Circuit, assignment: Mapping[str, float]) -> str:
    """`X1=1, X2=0, ...`, at most twelve."""
    parts = [f"{name}={labels.number(x)}" for name, x in list(assignment.items())[:12]]
    if len(assignment) > 12:
        parts.append(f"… ({len(assignment)} variables)")
    return ", ".join(parts)


def sums_of(circuit: Circuit, most: int = 500) -> list[Unit]:
    """Sums with several children, the topmost first."""
    found: list[Unit] = []
    for position in range(len(circuit.groups) - 1, -1, -1):
        group = circuit.groups[position]
        if group.kind != "sum":
            continue
        for index in range(group.size):
            if len(found) == most:
                return found
            unit = Unit(position, index)
            if len(circuit.children(unit)) > 1:
                found.append(unit)
    return found
