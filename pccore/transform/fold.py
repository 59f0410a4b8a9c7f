"""Variables taken out of a circuit: summed out or fixed, with constants folded into weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch

from pccore.errors import EvidenceError, NotFoundError, OptionError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit
from pccore.scope import Scope
from pccore.transform.assemble import assemble
from pccore.transform.sketch import Node, Sketch

#: What is left of a node: the log of a factor, and the node that it multiplies (None for 1).
Folded = tuple[float, int | None]
#: Weights stay linear numbers, so factors beyond e^±RANGE are handed on to the sums above.
RANGE = 300.0


def fold(
    sketch: Sketch, tops: Sequence[int], fixed: Mapping[int, float | None]
) -> dict[int, Folded]:
    """What is left of every node below `tops` when variables are fixed (None: summed out).

    Nodes that no fixed variable is below stay themselves; the others are copied, so that who else
    uses them sees no change. A leaf over a fixed variable becomes its density, over one that is
    summed out 1. Raises OptionError where a sum would have a constant beside a real variable.
    """
    scopes = sketch.scopes(tops)
    taken = Scope.from_iterable(fixed)
    left: dict[int, Folded] = {}
    for number in sketch.order(tops):
        node = sketch.nodes[number]
        if scopes[number].isdisjoint(taken):
            left[number] = (0.0, number)
        elif node.kind == "leaf":
            left[number] = (_log_density(node, fixed[node.variable]), None)
        elif node.kind == "product":
            left[number] = _product(sketch, number, [left[c] for c in node.children])
        else:
            rest = scopes[number] - taken
            left[number] = _sum(sketch, number, [left[c] for c in node.children], rest)
    return left


def _log_density(node: Node, value: float | None) -> float:
    if value is None:
        return 0.0
    assert node.family is not None and node.value is not None
    return float(node.family.log_prob(torch.tensor(value, dtype=torch.float64), node.value))


def _product(sketch: Sketch, number: int, parts: list[Folded]) -> Folded:
    scale = sum(factor for factor, _ in parts)
    children = [child for _, child in parts if child is not None]
    if not children or scale == -math.inf:
        return (scale, None)
    if len(children) == 1:
        return (scale, children[0])
    return (scale, sketch.copy(number, children))


def _sum(sketch: Sketch, number: int, parts: list[Folded], rest: Scope) -> Folded:
    node = sketch.nodes[number]
    terms = [
        ((math.log(w) if w > 0 else -math.inf) + factor, child)
        for w, (factor, child) in zip(node.weights, parts, strict=True)
    ]
    constant = _log_sum([w for w, child in terms if child is None])
    kept = [(w, child) for w, child in terms if child is not None and w > -math.inf]
    if not kept:
        return (constant, None)
    if constant > -math.inf:
        # Only a sum that was not smooth: the constant needs a factor that is 1 everywhere.
        factors = [sketch.factor(v) for v in rest]
        one = factors[0] if len(factors) == 1 else sketch.add_product(f"any {node.name}", factors)
        kept.append((constant, one))
    largest = max(w for w, _ in kept)
    shift = 0.0 if abs(largest) <= RANGE else largest
    children = [child for _, child in kept]
    return (shift, sketch.copy(number, children, [math.exp(w - shift) for w, _ in kept]))


def _log_sum(logs: Sequence[float]) -> float:
    largest = max(logs, default=-math.inf)
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(sum(math.exp(one - largest) for one in logs))


def scaled(sketch: Sketch, folded: Folded, name: str) -> int:
    """A node for a factor times a node; a factor too small or large for one weight takes several.

    Raises OptionError where only a constant is left.
    """
    factor, child = folded
    if child is None:
        raise OptionError(f"nothing is left but the constant {math.exp(factor):g}", where=name)
    steps = math.ceil(abs(factor) / RANGE)
    for _ in range(steps):
        child = sketch.add_sum(name, [child], [math.exp(factor / steps)])
    return child


def marginalise(circuit: Circuit, variables: Collection[str]) -> Circuit:
    """The circuit over the other variables: S'(y) = S(y, nothing known of `variables`).

    On a smooth and consistent circuit that is the marginal, sum over x of S(x, y). The variables
    keep their columns, no leaf mentions the ones that are gone. Units that depend on them are
    copied into groups of one unit, the others stay as they are. Raises NotFoundError for an
    unknown variable, OptionError where nothing would be left or the circuit is too large.
    """
    unknown = [name for name in variables if name not in circuit.variables]
    if unknown:
        raise NotFoundError(f"the circuit has no variable {unknown[0]!r}")
    return _without(circuit, {circuit.variable_index(name): None for name in variables})


def condition(circuit: Circuit, evidence: Evidence) -> Circuit:
    """The circuit over the unobserved variables: S'(y) = S(y, e), unnormalised P(y | e).

    S'(*) is S(e), however small; `normalise` turns it into the conditional. The variables keep
    their columns. Units that depend on what is observed are copied into groups of one unit, the
    others stay as they are. Raises EvidenceError for bad evidence or more than one row, OptionError
    where nothing would be left (impossible evidence, too) or the circuit is too large.
    """
    rows = evidence_rows(circuit, evidence)
    if len(rows) != 1:
        raise EvidenceError(f"a circuit is conditioned on one row of evidence, not {len(rows)}")
    row = rows[0].tolist()
    return _without(circuit, {v: x for v, x in enumerate(row) if not math.isnan(x)})


def _without(circuit: Circuit, fixed: Mapping[int, float | None]) -> Circuit:
    sketch = Sketch(circuit)
    names = [sketch.nodes[root].name for root in sketch.roots]
    left = fold(sketch, sketch.roots, fixed)
    sketch.roots = [
        scaled(sketch, left[r], name) for r, name in zip(sketch.roots, names, strict=True)
    ]
    sketch.keep_reachable()
    return assemble(sketch)
