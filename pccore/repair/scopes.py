"""Repairs of sums whose children lack variables, and of products whose children share some."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from pccore.check import Witness
from pccore.graph import Circuit, Unit
from pccore.repair.repair import Repair
from pccore.scope import Scope
from pccore.transform.fold import Folded, fold
from pccore.transform.sketch import Sketch
from pccore.transform.smooth import complete

#: A product is split into at most so many cases.
MAX_CASES = 64


def names(circuit: Circuit, variables: Sequence[int]) -> str:
    """`X1, X2 and X3`, at most four of them."""
    shown = [circuit.variables[v] for v in variables[:4]]
    if len(variables) > 4:
        return f"{', '.join(shown)} and {len(variables) - 4} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


# -- smoothness ------------------------------------------------------------------------------


def smoothing(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Multiply the children by what they lack."""
    unit = circuit.unit_name(witness.unit)
    missing = list(witness.variables)
    what = names(circuit, missing)
    if any(circuit.domain(v).states is None for v in missing):
        return []
    children = [circuit.unit_name(child) for child in witness.children]
    which = children[0] if len(children) == 1 else f"{len(children)} children of {unit}"

    def mend(uniform: bool) -> Circuit:
        sketch = Sketch.of(circuit)
        scopes = sketch.scopes()
        number = sketch.home[witness.unit]
        for i, child in enumerate(list(sketch.nodes[number].children)):
            lacking = scopes[number] - scopes[child]
            if lacking:
                complete(sketch, number, i, lacking, uniform)
        return sketch.circuit()

    return [
        Repair(
            "smooth",
            f"Smooth {which} with {what}",
            f"Multiplies it by the sum of all indicators of {what}, a factor of 1 whatever the "
            "state: S(x) of every complete state stays exactly what it was, and S(e) now counts "
            "every state of what is missing.",
            "exact",
            lambda: mend(False),
        ),
        Repair(
            "smooth_uniform",
            f"Smooth {which} with a uniform {what}",
            f"Multiplies it by a uniform distribution over {what}, whose states then share the "
            "child's weight: normalised weights stay normalised, but complete states of this child "
            "get a smaller value than before.",
            "changes",
            lambda: mend(True),
        ),
    ]


# -- decomposability and consistency ---------------------------------------------------------


def separating(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Split by the states of what is shared, or sum it out of one child."""
    found: list[Repair] = []
    if len(witness.children) < 2:
        return found
    shared = _shared(circuit, witness)
    if not shared:
        return found
    states = [circuit.domain(v).states for v in shared]
    cases = math.prod(n or MAX_CASES + 1 for n in states)
    unit, what = circuit.unit_name(witness.unit), names(circuit, shared)
    if cases <= MAX_CASES:
        found.append(
            Repair(
                "split",
                f"Split {unit} by the states of {what}",
                f"Replaces the product by a sum over the {cases} cases of {what}: in each, an "
                "indicator of the case times the children with that case put in. Cases in which "
                "the children contradict each other disappear. S(x) of every complete state "
                "stays exactly what it was.",
                "exact",
                lambda: _split(circuit, witness.unit, shared),
            )
        )
    for child in dict.fromkeys(witness.children[:2]):
        branch = circuit.unit_name(child)
        found.append(
            Repair(
                "marginalise",
                f"Sum {what} out of {branch}",
                f"{branch} is replaced by its marginal, a copy in which {what} is summed out; "
                f"elsewhere {branch} stays. That is another distribution: what this branch said "
                f"of {what} is forgotten.",
                "changes",
                _marginalising(circuit, witness.unit, child, shared),
            )
        )
    return found


def _shared(circuit: Circuit, witness: Witness) -> list[int]:
    """The variables that occur in more than one of the shown children."""
    seen, twice = Scope(), Scope()
    for child in witness.children:
        scope = circuit.scopes[child.group]
        twice, seen = twice | (seen & scope), seen | scope
    return list(twice)


def _split(circuit: Circuit, unit: Unit, shared: Sequence[int]) -> Circuit:
    sketch = Sketch.of(circuit)
    number = sketch.home[unit]
    node = sketch.nodes[number]
    terms: list[tuple[float, list[int]]] = []
    for case in itertools.product(*(range(sketch.states[v] or 0) for v in shared)):
        fixed = {v: float(c) for v, c in zip(shared, case, strict=True)}
        left = fold(sketch, node.children, fixed)
        parts = [left[c] for c in node.children]
        scale = math.prod(factor for factor, _ in parts)
        literals = [sketch.indicator(v, c) for v, c in zip(shared, case, strict=True)]
        rest = [child for _, child in parts if child is not None]
        if scale > 0:
            terms.append((scale, [*literals, *rest]))
    if not terms:  # a contradiction in every case: the product is zero everywhere
        literals = [sketch.indicator(v, 0) for v in shared]
        others = [c for c in node.children if not sketch.scopes([c])[c] & frozenset(shared)]
        terms = [(0.0, [*literals, *others])]
    _become_sum(sketch, number, terms)
    return _without_orphans(sketch, circuit)


def _become_sum(sketch: Sketch, number: int, terms: list[tuple[float, list[int]]]) -> None:
    """Turn a product into the sum of products with weights; into one product where that does."""
    node = sketch.nodes[number]
    if len(terms) == 1 and terms[0][0] == 1.0:
        node.children = terms[0][1]
        return
    children = [
        factors[0] if len(factors) == 1 else sketch.add_product(node.name, factors)
        for _, factors in terms
    ]
    node.kind, node.children, node.weights = "sum", children, [w for w, _ in terms]


def _marginalising(
    circuit: Circuit, unit: Unit, child: Unit, shared: Sequence[int]
) -> Callable[[], Circuit]:
    def mend() -> Circuit:
        sketch = Sketch.of(circuit)
        number, branch = sketch.home[unit], sketch.home[child]
        left = fold(sketch, [branch], dict.fromkeys(shared))[branch]
        node = sketch.nodes[number]
        place = node.children.index(branch)
        _replace(sketch, number, place, left)
        return _without_orphans(sketch, circuit)

    return mend


def _replace(sketch: Sketch, number: int, place: int, left: Folded) -> None:
    """Put what is left of a child in its place; a factor becomes the weight of a sum."""
    node = sketch.nodes[number]
    scale, rest = left
    others = [*node.children[:place], *node.children[place + 1 :]]
    children = others if rest is None else [*node.children[:place], rest, *others[place:]]
    if scale == 1.0 and children:
        node.children = children
        return
    _become_sum(sketch, number, [(scale, children)])


def _without_orphans(sketch: Sketch, circuit: Circuit) -> Circuit:
    """Drop what the change left over, but not parts that no root reached before."""
    before = Sketch.of(circuit)
    reached = set(before.order(before.roots))
    sketch.keep_reachable(n for n in before.nodes if n not in reached)
    return sketch.circuit()

