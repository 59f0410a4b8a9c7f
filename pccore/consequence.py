"""What a violation breaks: the wrong answer beside the enumerated truth.

A circuit is valid if S(e) = Phi(e), the sum of S(x) over the states x in e, for all evidence e
(Poon & Domingos 2011, definition 2). An incomplete sum under-counts, S(e) <= Phi(e), an
inconsistent product over-counts, S(e) >= Phi(e) (theorem 1 and its proof). Both sums are computed
here: S(e) by an upward pass, Phi(e) from the values of complete states alone. Densities can err
either way: the product of two narrow ones integrates to more than 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pccore import oracle
from pccore.check import Witness, check
from pccore.check.walk import child_units
from pccore.errors import ParameterError, PropertyError
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.reference import FloatArray, evaluate

#: Pieces of evidence that are compared.
MAX_EVIDENCE = 20_000
#: Evidence or states times edges that may be evaluated.
MAX_WORK = 100_000_000
#: Evidence on all other variables that is drawn where all evidence is too much, and states of the
#: variables in question that are then added up.
DRAWS, STATES = 6, 2**12
#: Differences below this share of the larger answer are rounding.
TOLERANCE = 1e-6


Kind = Literal["over", "under"]


@dataclass(frozen=True)
class Consequence:
    """One evidence at which a circuit answers wrongly.

    unit: whose value it is, the root or the unit at fault. evidence: by name, empty for "nothing
    observed". computed: S(e) by the upward pass. truth: Phi(e), the sum over all states in e.
    kind: "over" for S(e) > Phi(e), else "under". sentence: all that in words.
    """

    unit: Unit
    evidence: Mapping[str, float]
    computed: float
    truth: float
    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Validity:
    """Whether S(e) = Phi(e) for all evidence, by trying all of it.

    verdict "unknown": there is too much to try. counterexample: where it fails.
    """

    verdict: Literal["valid", "invalid", "unknown"]
    counterexample: Consequence | None
    sentence: str


@dataclass(frozen=True)
class _Tables:
    """All evidence over some variables: S(e) and Phi(e), [states + 1 for each]; last = missing."""

    variables: tuple[int, ...]
    computed: FloatArray
    truth: FloatArray
    complete: bool


def consequence(circuit: Circuit, witness: Witness, budget: int = MAX_WORK) -> Consequence | None:
    """The most telling wrong answer that a violation causes, at the root if it shows there.

    Else at the unit at fault. Of a circuit with several violations, the root's answer errs to the
    side to which the unit at fault errs. Where all evidence is too much to try, evidence on all
    variables but those concerned is drawn at random (with a fixed seed).

    None where no answer of the unit at fault is wrong (a circuit can be valid by luck), for
    properties that do not make answers wrong, where there are too many states to enumerate, and
    where parameters are illegal.
    budget: states or pieces of evidence, times edges, that may be evaluated.
    """
    if witness.property not in ("smooth", "consistent", "decomposable"):
        return None
    found, kind = None, "under" if witness.property == "smooth" else "over"
    local = _tables(circuit, witness.unit, witness.variables, budget)
    if local is not None:
        found = _worst(circuit, witness.unit, local, kind) or _worst(circuit, witness.unit, local)
        if witness.unit == circuit.root or (found is None and local.complete):
            return found
        kind = found.kind if found else kind
    whole = _tables(circuit, circuit.root, witness.variables, budget)
    above = _worst(circuit, circuit.root, whole, kind) if whole else None
    return above or found or (None if whole else _drawn(circuit, witness, budget))


def validity(circuit: Circuit, budget: int = MAX_WORK) -> Validity:
    """Compare S(e) with Phi(e) for all evidence on the root's variables.

    Where that is too much, completeness and consistency still prove validity, and some evidence
    drawn at random may disprove it. Circuits with illegal parameters are "unknown".
    budget: as for `consequence`.
    """
    report = check(circuit, ("smooth", "consistent", "weights"))
    if not report.holds("weights"):
        return Validity("unknown", None, "Some parameters are illegal.")
    tables = _tables(circuit, circuit.root, (), budget)
    if report.valid and (tables is None or not tables.complete):
        return Validity("valid", None, "Complete and consistent, hence valid for all evidence.")
    if tables is None:
        for witness in report.violations[:DRAWS]:
            found = _drawn(circuit, witness, budget // DRAWS)
            if found is not None:
                return Validity("invalid", found, found.sentence)
        return Validity("unknown", None, "There are too many states to try all evidence.")
    found = _worst(circuit, circuit.root, tables)
    if found is not None:
        return Validity("invalid", found, found.sentence)
    if not tables.complete:
        return Validity("unknown", None, "There is too much evidence to try all of it.")
    return Validity(
        "valid",
        None,
        f"S(e) equals the sum over the states for all {tables.computed.size:,} pieces of evidence.",
    )


def _tables(
    circuit: Circuit, unit: Unit, first: Sequence[int], budget: int = MAX_WORK
) -> _Tables | None:
    """Both answers for all evidence on as many variables as possible, `first` ones first."""
    scope = circuit.scopes[unit.group]
    edges = max(1, circuit.num_edges + circuit.num_units)
    sizes = {v: circuit.domain(v).states for v in scope}
    whole = math.prod(size or 1 for size in sizes.values())
    if whole > oracle.LIMIT or whole * edges > budget:
        return None
    try:
        circuit.validate_params()
        log_table = oracle.log_table(circuit, None, unit)
        states = oracle.states(circuit, None, unit)
    except (ParameterError, PropertyError):  # grids of real variables count as states, too
        return None
    chosen: list[int] = []
    count = 1
    for v in dict.fromkeys([*(v for v in first if v in scope), *scope]):
        size = sizes[v]
        more = count * ((size or 0) + 1)
        if size is not None and more <= MAX_EVIDENCE and more * edges <= budget:
            chosen.append(v)
            count = more
    shape = [sizes[v] or 1 for v in chosen]
    place = np.zeros(len(states), dtype=np.int64)
    for v, size in zip(chosen, shape, strict=True):
        place = place * size + states[:, v].astype(np.int64)
    table: FloatArray = np.zeros(math.prod(shape))
    np.add.at(table, place, np.exp(log_table))
    table = table.reshape(shape)
    for axis in range(len(chosen)):
        table = np.concatenate([table, table.sum(axis, keepdims=True)], axis)
    rows = np.full((table.size, len(circuit.variables)), np.nan)
    grids = np.meshgrid(*([*range(n), np.nan] for n in shape), indexing="ij")
    for v, grid in zip(chosen, grids, strict=True):
        rows[:, v] = grid.reshape(-1)
    computed = np.exp(evaluate(circuit, rows).log_value(unit)).reshape(table.shape)
    return _Tables(tuple(chosen), computed, table, len(chosen) == len(scope))


def _worst(
    circuit: Circuit, unit: Unit, tables: _Tables, kind: Kind | None = None
) -> Consequence | None:
    """Where the answers differ most (to one side), little evidence before much."""
    larger = np.maximum(tables.computed, tables.truth)
    off = (tables.computed - tables.truth) / np.where(larger > 0, larger, 1.0)
    off = np.abs(off) if kind is None else off if kind == "over" else -off
    if not bool((off > TOLERANCE).any()):
        return None
    observed = np.zeros(off.shape)
    for axis, size in enumerate(off.shape):
        seen = np.ones(size)
        seen[-1] = 0
        observed += seen.reshape([-1 if a == axis else 1 for a in range(off.ndim)])
    # A tenth of a difference is worth one variable less to look at.
    score = np.where(off > TOLERANCE, off - 0.1 * observed, -np.inf)
    place = tuple(int(i) for i in np.unravel_index(int(score.argmax()), off.shape))
    evidence = {
        circuit.variables[v]: float(state)
        for v, state, size in zip(tables.variables, place, off.shape, strict=True)
        if state < size - 1
    }
    return _told(circuit, unit, evidence, float(tables.computed[place]), float(tables.truth[place]))


# -- evidence drawn at random ----------------------------------------------------------------


def _drawn(circuit: Circuit, witness: Witness, budget: int) -> Consequence | None:
    """A wrong answer of the root with everything observed but some of the witness's variables."""
    scope = circuit.scopes[circuit.root.group]
    most = min(STATES, budget // (DRAWS * max(1, circuit.num_edges + circuit.num_units)))
    free: list[int] = []
    count = 1
    for v in witness.variables:
        more = count * (circuit.domain(v).states or STATES // 8)
        if v in scope and more <= most:
            free.append(v)
            count = more
    if not free:
        return None
    best: tuple[float, dict[str, float], float, float] | None = None
    try:
        circuit.validate_params()
        for seed in range(DRAWS):
            state = _draw(circuit, witness.unit, torch.Generator().manual_seed(seed))
            evidence = {circuit.variables[v]: state[v] for v in scope if v not in free}
            truth = math.exp(oracle.log_measure(circuit, evidence))
            computed = math.exp(float(evaluate(circuit, evidence).root[0, 0]))
            off = abs(computed - truth) / max(computed, truth, math.ulp(0.0))
            if off > max(TOLERANCE, best[0] if best else 0.0):
                best = off, evidence, computed, truth
    except (ParameterError, PropertyError, OverflowError):
        return None
    return _told(circuit, circuit.root, *best[1:]) if best else None


def _draw(circuit: Circuit, through: Unit, generator: torch.Generator) -> dict[int, float]:
    """A state of the root's variables to which the unit probably contributes.

    Drawn from the root down, at each sum the child that leads to the unit if there is one.
    """
    state = dict.fromkeys(circuit.scopes[circuit.root.group], 0.0)
    leads = [position == through.group for position in range(len(circuit.groups))]
    for position in range(through.group + 1, len(circuit.groups)):
        leads[position] = any(leads[i] for i in circuit.groups[position].inputs)
    stack, seen = [circuit.root], {circuit.root}
    while stack:
        unit = stack.pop()
        group = circuit.groups[unit.group]
        if isinstance(group, LeafGroup):
            params = circuit.params[group.parameter].detach().cpu().double()
            for j, v in enumerate(group.variables):
                state[v] = float(group.family.sample(params[j, unit.index], generator))
            continue
        children = child_units(circuit, unit)
        if group.kind == "sum":
            usable = [edge.child for edge in circuit.children(unit) if edge.weight]
            usable = [c for c in usable if c == through or leads[c.group]] or usable
            pick = int(torch.randint(max(1, len(usable)), (1,), generator=generator))
            children = usable[pick : pick + 1]
        # What leads to the unit last, so that its leaves have the last word.
        for child in sorted(children, key=lambda c: leads[c.group]):
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return state


def _told(
    circuit: Circuit, unit: Unit, evidence: Mapping[str, float], computed: float, truth: float
) -> Consequence:
    kind: Kind = "over" if computed > truth else "under"
    sentence = _sentence(circuit, unit, evidence, computed, truth)
    return Consequence(unit, evidence, computed, truth, kind, sentence)


def _sentence(
    circuit: Circuit, unit: Unit, evidence: Mapping[str, float], computed: float, truth: float
) -> str:
    shown = [f"{name} = {value:g}" for name, value in itertools.islice(evidence.items(), 6)]
    if len(evidence) > len(shown):
        shown.append(f"{len(evidence) - len(shown)} more")
    given = f"With {' and '.join(filter(None, [', '.join(shown[:-1]), *shown[-1:]]))} observed"
    if not evidence:
        given = "With nothing observed"
    who = "the circuit" if unit == circuit.root else circuit.unit_name(unit)
    counts = "over-counts" if computed > truth else "under-counts"
    return f"{given}, {who} says {computed:.6g}, but its states add up to {truth:.6g}: it {counts}."
