"""Brute force: every answer by enumerating the joint states of the variables.

Only values S(x) of complete states are used, never the upward pass on missing values, so
Phi(e) = sum of S(x) over the states x that agree with e holds for every circuit, valid or
not. That makes the oracle the yardstick for the passes and the way to show where an invalid
circuit goes wrong. At most `LIMIT` joint states.

Counting variables are cut off 12 standard deviations above their largest mean. Real variables
are put on an even grid over all their leaves' means +- 9 standard deviations, in steps of
half the smallest standard deviation. The rectangle rule on such a grid is exact to about
1e-12 for mixtures of Gaussians and products of two. Evidence on a variable removes its axis.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pccore.errors import EvidenceError, PropertyError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit, Unit
from pccore.reference import FloatArray, evaluate
from pccore.scope import Scope

#: The largest number of joint states that is enumerated.
LIMIT = 2**16


class _Axis(NamedTuple):
    """The values of one variable and the log of the length that each stands for."""

    values: FloatArray
    log_length: float


class _Grid(NamedTuple):
    axes: list[_Axis]
    states: FloatArray
    log_density: FloatArray
    log_volume: float


def states(
    circuit: Circuit, evidence: Evidence | None = None, root: Unit | None = None
) -> FloatArray:
    """All joint states that agree with the evidence, [N, V], the last variable fastest.

    Variables outside the scope of the root stay NaN: they do not belong to its states.
    Raises PropertyError if there are more than `LIMIT`, EvidenceError for bad evidence.
    """
    return _states(_axes(circuit, evidence, root))


def log_table(
    circuit: Circuit, evidence: Evidence | None = None, root: Unit | None = None
) -> FloatArray:
    """log S(x) for each of the `states`, [N]; on a grid of reals, times the cell's volume."""
    grid = _grid(circuit, evidence, root)
    return grid.log_density + grid.log_volume


def log_measure(circuit: Circuit, evidence: Evidence, root: Unit | None = None) -> float:
    """log Phi(e): the sum of S(x) over the states that agree with the evidence.

    A density where real variables are observed.
    """
    return _log_total(log_table(circuit, evidence, root))


def log_partition(circuit: Circuit, root: Unit | None = None) -> float:
    """log Z: the sum of S(x) over all states."""
    return _log_total(log_table(circuit, None, root))


def log_probability(circuit: Circuit, evidence: Evidence, root: Unit | None = None) -> float:
    """log P(e) = log Phi(e) - log Z, in nats; -inf for impossible evidence, NaN if Z = 0."""
    total = log_partition(circuit, root)
    return math.nan if total == -math.inf else log_measure(circuit, evidence, root) - total


def marginals(
    circuit: Circuit, evidence: Evidence | None = None, root: Unit | None = None
) -> list[FloatArray]:
    """P(X_v = i | e) for each variable v as an array over its states i.

    An observed variable has all its mass on its value. Empty for real variables and for
    variables outside the root's scope (see `moments`). NaN for impossible evidence.
    """
    grid = _grid(circuit, evidence, root)
    joint = _posterior(grid)
    found: list[FloatArray] = []
    for v, axis in enumerate(grid.axes):
        known = joint.sum(axis=tuple(i for i in range(joint.ndim) if i != v))
        if bool(np.isnan(axis.values).any()) or circuit.domain(v).kind == "real":
            found.append(np.empty(0))
            continue
        size = circuit.domain(v).states or int(axis.values.max()) + 1
        spread = np.full(size, math.nan if bool(np.isnan(known).any()) else 0.0)
        spread[axis.values.astype(np.int64)] = known
        found.append(spread)
    return found


def moments(
    circuit: Circuit, evidence: Evidence | None = None, root: Unit | None = None
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of each variable given the evidence, each [V].

    NaN outside the root's scope and for impossible evidence.
    """
    grid = _grid(circuit, evidence, root)
    weights = _posterior(grid).reshape(-1, 1)
    mean = (weights * grid.states).sum(0)
    return mean, (weights * (grid.states - mean) ** 2).sum(0)


def mpe(
    circuit: Circuit, evidence: Evidence | None = None, root: Unit | None = None
) -> tuple[FloatArray, float]:
    """A most probable complete state [V] given the evidence, and log S of it.

    The first one where there are several; the best grid point for unobserved real variables.
    """
    grid = _grid(circuit, evidence, root)
    best = int(grid.log_density.argmax())
    return grid.states[best].copy(), float(grid.log_density[best])


# -- the grid ------------------------------------------------------------------------------


def _grid(circuit: Circuit, evidence: Evidence | None, root: Unit | None) -> _Grid:
    axes = _axes(circuit, evidence, root)
    rows = _states(axes)
    log_density = evaluate(circuit, rows).log_value(circuit.root if root is None else root)
    return _Grid(axes, rows, log_density, sum(axis.log_length for axis in axes))


def _axes(circuit: Circuit, evidence: Evidence | None, root: Unit | None) -> list[_Axis]:
    width = len(circuit.variables)
    given = np.full(width, np.nan)
    if evidence is not None:
        rows = evidence_rows(circuit, evidence)
        if len(rows) != 1:
            raise EvidenceError(f"the oracle takes one row of evidence, not {len(rows)}")
        given = rows[0].numpy()
    top = circuit.root if root is None else root
    scope = circuit.scopes[top.group]
    axes = [_axis(circuit, v, float(given[v]), scope) for v in range(width)]
    count = math.prod(len(axis.values) for axis in axes)
    if count > LIMIT:
        raise PropertyError(
            f"brute force would need {count:.3g} joint states, more than the {LIMIT} allowed",
            hint="give more evidence or take a smaller circuit",
        )
    return axes


def _axis(circuit: Circuit, variable: int, given: float, scope: Scope) -> _Axis:
    if variable not in scope:
        return _Axis(np.array([np.nan]), 0.0)
    if not math.isnan(given):
        return _Axis(np.array([given]), 0.0)
    domain = circuit.domain(variable)
    if domain.states is not None:
        return _Axis(np.arange(min(domain.states, LIMIT + 1), dtype=np.float64), 0.0)
    mean, deviation = _leaf_moments(circuit, variable)
    if domain.kind == "count":
        last = float((mean + 12 * deviation).max()) + 20
        return _Axis(np.arange(min(last, LIMIT) + 1, dtype=np.float64), 0.0)
    low, high = float((mean - 9 * deviation).min()), float((mean + 9 * deviation).max())
    step = float(deviation[deviation > 0].min(initial=1.0)) / 2
    points = min(math.ceil((high - low) / step) + 1, LIMIT + 1)
    return _Axis(low + step * np.arange(points, dtype=np.float64), math.log(step))


def _leaf_moments(circuit: Circuit, variable: int) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of all leaves over one variable."""
    means: list[FloatArray] = []
    deviations: list[FloatArray] = []
    for group in circuit.groups:
        if group.kind == "leaf" and variable in group.variables:
            params = circuit.params[group.parameter][group.variables.index(variable)]
            params = params.detach().cpu().double()
            means.append(group.family.mean(params).numpy())
            deviations.append(group.family.variance(params).sqrt().numpy())
    return np.concatenate(means), np.concatenate(deviations)


def _states(axes: list[_Axis]) -> FloatArray:
    columns = np.meshgrid(*(axis.values for axis in axes), indexing="ij")
    return np.stack([column.reshape(-1) for column in columns], axis=1)


def _posterior(grid: _Grid) -> FloatArray:
    """P(x | e) on the grid, one dimension per variable; NaN where P(e) = 0."""
    total = _log_total(grid.log_density)
    shape = [len(axis.values) for axis in grid.axes]
    if total == -math.inf:
        return np.full(shape, np.nan)
    return np.exp(grid.log_density - total).reshape(shape)


def _log_total(values: FloatArray) -> float:
    largest = float(values.max())
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(float(np.exp(values - largest).sum()))
