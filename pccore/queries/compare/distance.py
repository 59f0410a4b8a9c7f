"""How far apart the distributions of two circuits are: KL, total variation, the worst input.

Where the joint states are few, everything is summed over them and exact. That also holds for
circuits that break a rule: p(x) is S(x) divided by the sum of all S(x). Else both circuits are
sampled, which needs smooth and decomposable ones, and every number has a standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pccore.compile import Program
from pccore.errors import EvidenceError, OptionError
from pccore.graph import Circuit
from pccore.queries.explain import sample
from pccore.queries.likelihood import log_partition, log_value
from pccore.queries.subject import Model, as_program
from pccore.queries.table import Quality, require

FloatArray = npt.NDArray[np.float64]

#: Joint states that are enumerated, and edge visits that this may take, at most.
STATES = 2**16
WORK = 2**30
#: Samples of each circuit where enumeration is out of reach.
SAMPLES = 4096
#: Total variation below this is rounding.
NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Figure:
    """A number. error: its standard error, 0 for an exact one."""

    value: float
    error: float
    quality: Quality


@dataclass(frozen=True, slots=True)
class Extreme:
    """An input, by variable name, with its log-probability (or log-density) in both circuits."""

    state: Mapping[str, float]
    first: float
    second: float
    quality: Quality


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart two distributions p and q are; nats.

    kl: KL(p || q), infinite where q excludes what p allows; reverse: KL(q || p).
    total_variation: half the sum of |p - q|, from 0 to 1. gap: where |p - q| is largest. ratio:
    where |log p - log q| is largest. inputs: joint states summed over, or samples of each.
    variables: those of both, in the order of the first.
    """

    variables: tuple[str, ...]
    quality: Quality
    inputs: int
    kl: Figure
    reverse: Figure
    total_variation: Figure
    gap: Extreme
    ratio: Extreme

    @property
    def same(self) -> bool:
        """Whether the two are known to be one distribution."""
        return self.quality == "exact" and self.total_variation.value < NOTHING


def distance(
    first: Model, second: Model, *, shared: bool = False, samples: int = SAMPLES, seed: int = 0
) -> Distance:
    """The distance of q (second) from p (first), variables aligned by name.

    shared: compare the marginals over the variables that both have, and sum the others out, which
    needs smooth and consistent circuits. samples: of each circuit, where the joint states are too
    many to be enumerated.

    Raises OptionError where the circuits are not over the same variables with the same values,
    PropertyError where sampling is needed and not licensed, ParameterError for illegal
    parameters, EvidenceError for a circuit that is zero everywhere.
    """
    p, q = as_program(first), as_program(second)
    names = common_variables(p.circuit, q.circuit, shared)
    for program in (p, q):
        if len(names) < len(program.circuit.scope_of(0)):
            require(program, "probability")
    pair = _Pair(p, q, names)
    count = math.prod(_states(p.circuit, name) for name in names)
    work = count * (p.circuit.num_edges + q.circuit.num_edges + 1)
    if count <= STATES and work <= WORK:
        return _exact(pair, int(count))
    return _sampled(pair, samples, seed)


def common_variables(first: Circuit, second: Circuit, shared: bool = False) -> tuple[str, ...]:
    """The variables below the roots, in the order of the first circuit.

    shared: those of both; else each must have the same. Raises OptionError where they have not, or
    none in common, or one with other values.
    """
    scopes = [[c.variables[v] for v in c.scope_of(0)] for c in (first, second)]
    known = [set(scope) for scope in scopes]
    for mine, other, which in ((0, 1, "first"), (1, 0, "second")):
        lacking = sorted(known[mine] - known[other])
        if lacking and not shared:
            shown = ", ".join(lacking[:4]) + (", …" if len(lacking) > 4 else "")
            raise OptionError(
                f"the circuits are not over the same variables: only the {which} has {shown}",
                hint="distances need the same variables; they are aligned by name",
            )
    names = tuple(name for name in scopes[0] if name in known[1])
    if not names:
        raise OptionError("the circuits have no variable in common")
    for name in names:
        domains = [c.domain(c.variable_index(name)) for c in (first, second)]
        if domains[0] != domains[1]:
            raise OptionError(
                f"the values of {name} are {domains[0]} in the first circuit "
                f"and {domains[1]} in the second"
            )
    return names


def _states(circuit: Circuit, name: str) -> float:
    """The number of values of a variable, infinity unless it is finite."""
    return circuit.domain(circuit.variable_index(name)).states or math.inf


class _Pair:
    """Both programs, and rows of values in the order of the common variables."""

    def __init__(self, first: Program, second: Program, names: tuple[str, ...]) -> None:
        self.programs = (first, second)
        self.names = names
        self.columns = [[p.circuit.variable_index(n) for n in names] for p in self.programs]
        self.finite = all(_states(first.circuit, name) < math.inf for name in names)

    def log_values(self, which: int, rows: FloatArray) -> FloatArray:
        """log S of rows [B, len(names)] in one of the circuits, [B]."""
        program = self.programs[which]
        wide = np.full((len(rows), len(program.circuit.variables)), np.nan)
        wide[:, self.columns[which]] = rows
        return log_value(program, torch.from_numpy(wide)).double().numpy()

    def samples(self, which: int, count: int, seed: int) -> FloatArray:
        """Rows drawn from one of the circuits, [count, len(names)]."""
        program = self.programs[which]
        return sample(program, count, seed=seed)[:, self.columns[which]].numpy()

    def extreme(
        self, rows: FloatArray, logs: list[FloatArray], score: FloatArray, quality: Quality
    ) -> Extreme:
        """The row of the highest score."""
        best = int(np.argmax(score))
        state = dict(zip(self.names, rows[best].tolist(), strict=True))
        return Extreme(state, float(logs[0][best]), float(logs[1][best]), quality)


def _gap(logs: list[FloatArray]) -> FloatArray:
    """log |p - q|, -inf where they agree."""
    high, low = np.maximum(*logs), np.minimum(*logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = high + np.log(-np.expm1(low - high))
    return np.where(high == low, -np.inf, gap)


def _ratio(logs: list[FloatArray]) -> FloatArray:
    """|log p - log q|, 0 where both are zero."""
    with np.errstate(invalid="ignore"):
        return np.where(logs[0] == logs[1], 0.0, np.abs(logs[0] - logs[1]))


def _exact(pair: _Pair, count: int) -> Distance:
    sizes = [int(_states(pair.programs[0].circuit, name)) for name in pair.names]
    rows = np.stack(np.unravel_index(np.arange(count), sizes), axis=1).astype(np.float64)
    logs: list[FloatArray] = []
    for which, ordinal in ((0, "first"), (1, "second")):
        values = pair.log_values(which, rows)
        if np.isneginf(values).all():
            raise EvidenceError(f"the {ordinal} circuit is zero for every input")
        logs.append(values - np.logaddexp.reduce(values))
    variation = float(np.abs(np.exp(logs[0]) - np.exp(logs[1])).sum()) / 2
    return Distance(
        pair.names,
        "exact",
        count,
        Figure(_divergence(logs[0], logs[1]), 0.0, "exact"),
        Figure(_divergence(logs[1], logs[0]), 0.0, "exact"),
        Figure(min(1.0, variation), 0.0, "exact"),
        pair.extreme(rows, logs, _gap(logs), "exact"),
        pair.extreme(rows, logs, _ratio(logs), "exact"),
    )


def _divergence(p: FloatArray, q: FloatArray) -> float:
    """The sum of p (log p - log q) over the states with p > 0."""
    some = ~np.isneginf(p)
    if np.isneginf(q[some]).any():
        return math.inf
    return max(0.0, float((np.exp(p[some]) * (p[some] - q[some])).sum()))


def _sampled(pair: _Pair, count: int, seed: int) -> Distance:
    """KL(p || q) = E_p[log p - log q]; the total variation is E_m[|p - q| / (p + q)] for the even
    mixture m of both, and |p - q| / (p + q) = tanh(|log p - log q| / 2) has no large values."""
    totals: list[float] = []
    for program in pair.programs:
        require(program, "probability")
        require(program, "sample")
        totals.append(float(log_partition(program)))
    drawn = [pair.samples(which, count, seed + which) for which in (0, 1)]
    logs = [[pair.log_values(w, rows) - totals[w] for w in (0, 1)] for rows in drawn]
    apart = [np.tanh(_ratio(one) / 2) for one in logs]
    variation = float(apart[0].mean() + apart[1].mean()) / 2
    error = math.sqrt(float(apart[0].var() + apart[1].var()) / count) / 2
    rows = np.concatenate(drawn)
    both = [np.concatenate([logs[0][w], logs[1][w]]) for w in (0, 1)]
    return Distance(
        pair.names,
        "estimate",
        count,
        _estimate(logs[0][0], logs[0][1], pair.finite),
        _estimate(logs[1][1], logs[1][0], pair.finite),
        Figure(variation, error, "estimate"),
        pair.extreme(rows, both, _gap(both), "estimate"),
        pair.extreme(rows, both, _ratio(both), "estimate"),
    )


def _estimate(p: FloatArray, q: FloatArray, finite: bool) -> Figure:
    """The mean of log p - log q over samples of p.

    One sample that q excludes proves the divergence infinite, where values have probabilities.
    """
    if np.isneginf(q).any():
        return Figure(math.inf, 0.0, "exact" if finite else "estimate")
    terms = p - q
    return Figure(float(terms.mean()), float(terms.std() / math.sqrt(len(terms))), "estimate")
