"""Every posterior under hard, soft and hidden evidence, from the values of `unit_values`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from pccore.compile import compile_circuit
from pccore.compile.tiling import TILE
from pccore.errors import EvidenceError, PropertyError
from pccore.graph import Unit
from pccore.queries.likelihood import log_value
from pccore.queries.marginals import marginals
from pccore.queries.subject import Model
from pccore.queries.table import Licence, licence, require
from pccore.queries.values import MAX_EDGES, UnitValues
from pccore.reference import FloatArray
from pccore.transform.soften import observe_hidden, soften


@dataclass(frozen=True, eq=False)
class Posterior:
    """P(X | e) of every variable under one evidence.

    probabilities: for each variable [C], None where it is not finite or no leaf mentions it.
    mean, variance: [V]. NaN for variables outside the root's scope, and for real variables where
    `method` is "conditional". method: "flows" where one down pass gave all of it, "conditional"
    where each state was put into the evidence in turn.
    """

    probabilities: tuple[FloatArray | None, ...]
    mean: FloatArray
    variance: FloatArray
    method: str


def licence_of(values: UnitValues, query: str) -> Licence:
    """The licence of a query under this evidence.

    Soft evidence is multiplied in at every leaf, which counts it once in each product only where
    the circuit is decomposable; so with soft evidence every query needs that as well.
    """
    if values.soft and query in ("probability", "conditional"):
        return licence(values.program, "marginals")
    return licence(values.program, query)


def log_probability_of(values: UnitValues) -> float:
    """log P(e) = log S(e) - log Z, soft and hidden evidence included; NaN where Z = 0.

    With soft evidence this is log E[prod lambda_v(X_v) on e], a probability where the likelihoods
    are. Raises PropertyError where the circuit does not license it.
    """
    found = licence_of(values, "probability")
    if not found.granted:
        raise PropertyError(found.reason(), witness=found.witness)
    if values.log_partition == -math.inf:
        return math.nan
    return values.log_root - values.log_partition


def posterior_marginals(values: UnitValues) -> Posterior:
    """P(X_v = c | e) of every variable and state, with means and variances.

    Smooth and decomposable circuits: one down pass. Smooth and consistent ones without soft
    evidence: one up pass over all single states, P(X = c | e) = S(c, e) / S(e).

    Raises PropertyError where neither is licensed, EvidenceError for impossible evidence.
    """
    if values.log_root == -math.inf:
        raise EvidenceError("the evidence has probability zero under this circuit")
    if licence(values.program, "marginals").granted:
        if values.circuit.num_edges > MAX_EDGES:
            return _by_engine(values)
        return _by_flows(values)
    if not values.soft and licence(values.program, "conditional").granted:
        return _by_states(values)
    require(values.program, "marginals")
    raise AssertionError("the licence was refused above")


def _scope(values: UnitValues) -> frozenset[int]:
    return frozenset(values.circuit.scope_of(values.root))


def _states(values: UnitValues) -> list[int]:
    """The number of states of each variable, 0 where it is not finite."""
    domains = values.circuit.domains
    return [
        (domains[v].states or 0) if v in domains else 0
        for v in range(len(values.circuit.variables))
    ]


# -- by flows -------------------------------------------------------------------------------


def _by_flows(values: UnitValues) -> Posterior:
    circuit, states = values.circuit, _states(values)
    tables = [np.zeros(count) for count in states]
    moments = np.zeros((len(states), 2))
    for position in values.planned:
        group = circuit.groups[position]
        if group.kind != "leaf" or not values.flow[position].any():
            continue
        params = circuit.params[group.parameter].detach().cpu().double()
        for j, v in enumerate(group.variables):
            if not np.isnan(values.x[v]):
                continue
            flow = values.flow[position]
            if states[v]:
                chances = leaf_chances(values, Unit(position, 0), j)
                tables[v][: chances.shape[1]] += flow @ chances
            else:
                mean = group.family.mean(params[j]).numpy()
                square = group.family.variance(params[j]).numpy() + mean**2
                moments[v] += flow @ np.stack([mean, square], 1)
    return _finished(values, tables, moments, "flows")


def leaf_chances(values: UnitValues, unit: Unit, place: int) -> FloatArray:
    """p(c) lambda(c) of all units of a leaf group, normalised where positive: [size, C].

    place: which of the group's variables.
    """
    group = values.circuit.groups[unit.group]
    assert group.kind == "leaf"
    params = values.circuit.params[group.parameter][place].detach().cpu().double()
    chances = group.family.probabilities(params).numpy()
    likelihood = values.soft.get(group.variables[place])
    if likelihood is None:
        return chances
    masses = chances * likelihood[: chances.shape[1]]
    total = masses.sum(1, keepdims=True)
    return np.divide(masses, total, out=np.zeros_like(masses), where=total > 0)


def _finished(
    values: UnitValues, tables: list[FloatArray], moments: FloatArray, method: str
) -> Posterior:
    """Observed variables put on their value, unknown ones to NaN, finite moments from tables."""
    scope = _scope(values)
    found: list[FloatArray | None] = []
    mean, variance = np.full(len(tables), np.nan), np.full(len(tables), np.nan)
    for v, table in enumerate(tables):
        value = values.x[v]
        grid = np.arange(len(table))
        if not np.isnan(value):
            table = (grid == value).astype(np.float64)
            mean[v], variance[v] = value, 0.0
        elif v not in scope:
            table = np.full(len(table), np.nan)
        elif len(table):
            mean[v] = table @ grid
            variance[v] = table @ (grid - mean[v]) ** 2
        else:
            mean[v] = moments[v, 0]
            variance[v] = max(moments[v, 1] - moments[v, 0] ** 2, 0.0)
        found.append(table if len(table) else None)
    return Posterior(tuple(found), mean, variance, method)


def _by_engine(values: UnitValues) -> Posterior:
    """The same from the engine's flow pass, over a circuit with the evidence built in."""
    circuit = values.circuit
    if values.hidden:
        names = {circuit.unit_name(unit): child for unit, child in values.hidden.items()}
        circuit = observe_hidden(circuit, names)
    if values.soft:
        given = {circuit.variables[v]: table.tolist() for v, table in values.soft.items()}
        circuit = soften(circuit, given).circuit
    changed = circuit is not values.circuit
    found = marginals(circuit if changed else values.program, values.x, values.root)
    tables = [np.zeros(0) if p is None else p[0].numpy() for p in found.probabilities]
    moments = torch.stack([found.mean[0], found.variance[0] + found.mean[0] ** 2], 1).numpy()
    return _finished(values, tables, moments, "flows")


# -- by single states -------------------------------------------------------------------------


def _by_states(values: UnitValues) -> Posterior:
    circuit, states, scope = values.circuit, _states(values), _scope(values)
    asked = [v for v in range(len(states)) if v in scope and states[v] and np.isnan(values.x[v])]
    tables = [np.zeros(count) for count in states]
    places = [(v, c) for v in asked for c in range(states[v])]
    model: Model = values.program
    if values.hidden:
        names = {circuit.unit_name(unit): child for unit, child in values.hidden.items()}
        model = compile_circuit(observe_hidden(circuit, names), dtype=torch.float64)
    step = max(1, TILE // len(states))
    for first in range(0, len(places), step):
        part = places[first : first + step]
        rows = np.repeat(values.x[None], len(part), axis=0)
        for row, (v, c) in zip(rows, part, strict=True):
            row[v] = c
        logs = log_value(model, rows, values.root).numpy()
        for (v, c), log in zip(part, logs, strict=True):
            tables[v][c] = math.exp(log - values.log_root)
    return _finished(values, tables, np.full((len(states), 2), np.nan), "conditional")
