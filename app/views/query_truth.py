"""Enumeration beside the fast answers: the same numbers by adding up all joint states."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pc_workbench.views.query_evidence import Given
from pccore import oracle
from pccore.graph import Circuit
from pccore.queries import Posterior, UnitValues, log_value
from pccore.reference import FloatArray
from pccore.transform.soften import observe_hidden

#: Numbers that differ by no more than this are equal.
TOLERANCE = 1e-9
#: Rows of the comparison.
MOST_ROWS = 40
#: States times edges that are enumerated for a click.
MOST_WORK = 60_000_000


@dataclass(frozen=True, slots=True)
class Truth:
    """What enumeration says. log_measure: log Phi(e), soft and hidden evidence included;
    log_partition: log Phi of nothing; marginals: by variable, over its states, empty for real
    ones; best: a likeliest completion [V] and log of its value."""

    log_measure: float
    log_partition: float
    marginals: tuple[FloatArray, ...]
    best: FloatArray
    log_best: float


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the comparison. fast: None where the circuit does not license it."""

    what: str
    fast: float | None
    true: float

    @property
    def differs(self) -> bool:
        """Whether the fast answer is wrong (relatively, where it is large)."""
        if self.fast is None:
            return False
        return abs(self.fast - self.true) > TOLERANCE * max(1.0, abs(self.true))


def feasible(circuit: Circuit) -> str:
    """ "" where everything can be enumerated at a click, else one sentence."""
    count = 1.0
    for v in circuit.scope_of(0):
        states = circuit.domain(v).states
        count *= states if states is not None else 64
    if count > oracle.LIMIT:
        return f"There are {count:.3g} joint states, more than the {oracle.LIMIT:,} enumerated."
    if count * max(1, circuit.num_edges) > MOST_WORK:
        return "The circuit is too large to be evaluated on every joint state at a click."
    return ""


def truth(values: UnitValues, given: Given) -> Truth:
    """Add up all joint states that agree with the evidence. Raises PropertyError beyond LIMIT."""
    circuit, top = values.circuit, values.unit
    partition = oracle.log_partition(circuit, top)
    if given.hidden:
        circuit = observe_hidden(circuit, given.hidden)
    states = oracle.states(circuit, values.x, top)
    table = oracle.log_table(circuit, values.x, top)
    with np.errstate(divide="ignore"):
        for name, numbers in given.soft.items():
            column = states[:, circuit.variable_index(name)]
            if not bool(np.isnan(column).any()):
                table = table + np.log(np.array(numbers))[column.astype(np.int64)]
    measure = _log_sum(table)
    weights = np.exp(table - measure) if measure > -math.inf else np.full(len(table), np.nan)
    marginals: list[FloatArray] = []
    for v in range(len(circuit.variables)):
        count = circuit.domain(v).states if v in circuit.domains else None
        column = states[:, v]
        if count is None or bool(np.isnan(column).any()):
            marginals.append(np.empty(0))
        else:
            marginals.append(
                np.bincount(column.astype(np.int64), weights, count).astype(np.float64)
            )
    best = int(table.argmax())
    return Truth(measure, partition, tuple(marginals), states[best].copy(), float(table[best]))


def _log_sum(table: FloatArray) -> float:
    top = float(table.max())
    return top if top == -math.inf else top + math.log(float(np.exp(table - top).sum()))


def compare(values: UnitValues, posterior: Posterior | None, found: Truth) -> list[Line]:
    """The fast answers beside the enumerated ones."""
    root = values.circuit.unit_name(values.unit)
    lines = [
        Line(f"{root}(e)", math.exp(values.log_root), math.exp(found.log_measure)),
        Line("Z", math.exp(values.log_partition), math.exp(found.log_partition)),
    ]
    if values.log_partition > -math.inf and found.log_partition > -math.inf:
        lines.append(
            Line(
                "P(e)",
                math.exp(values.log_root - values.log_partition),
                math.exp(found.log_measure - found.log_partition),
            )
        )
    instead = wrong_posteriors(values) if posterior is None else ()
    for v, table in enumerate(found.marginals):
        if not math.isnan(values.x[v]) or len(lines) >= MOST_ROWS:
            continue
        name = values.circuit.variables[v]
        fast = instead[v] if posterior is None else posterior.probabilities[v]
        order = [1] if len(table) == 2 else range(len(table))
        for c in order:
            mine = None if fast is None else float(fast[c])
            lines.append(Line(f"P({name} = {c} | e)", mine, float(table[c])))
    return lines[:MOST_ROWS]


def wrong_posteriors(values: UnitValues) -> tuple[FloatArray | None, ...]:
    """S(X = c, e) / S(e) for every state: what the refused answer would have been.

    None for variables that are not finite, or where S(e) is 0.
    """
    circuit = values.circuit
    found: list[FloatArray | None] = []
    for v in range(len(circuit.variables)):
        count = circuit.domain(v).states if v in circuit.domains else None
        if (
            count is None
            or count > 32
            or values.log_root == -math.inf
            or values.soft
            or values.hidden
        ):
            found.append(None)
            continue
        rows = np.repeat(values.x[None], count, axis=0)
        rows[:, v] = np.arange(count)
        logs = log_value(values.program, rows, values.root).numpy()
        found.append(np.exp(logs - values.log_root))
    return tuple(found)
