"""Repairs of products whose children share variables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import torch

from pccore.check import Witness
from pccore.check.literals import Layout, UnitSets
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.gaussian import Gaussian
from pccore.repair.repair import Repair
from pccore.repair.scopes import names
from pccore.scope import Scope
from pccore.transform import sketch as sketches
from pccore.transform.assemble import assemble
from pccore.transform.fold import RANGE, Folded, fold, scaled
from pccore.transform.sketch import Node, Sketch

#: A product is split into at most so many cases.
MAX_CASES = 64

Term = tuple[float, list[int]]  # log of a weight, factors


def separating(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Put in what one child settles, split by the states of what is shared, or sum it out."""
    if len(witness.children) < 2:
        return []
    first, second = witness.children[:2]
    shared = list(circuit.scopes[first.group] & circuit.scopes[second.group])
    if not shared:
        return []
    found = _multiplying(circuit, witness.unit, first, second)
    settled = _settling(circuit, witness.unit, first, second, shared)
    found += [repair for repair, _ in settled]
    found += _splitting(circuit, witness.unit, shared)
    what = names(circuit, shared)
    for child in dict.fromkeys((first, second)):
        if child in [changed for _, changed in settled]:
            continue  # putting the state in is the same, and exact
        branch = circuit.unit_name(child)
        found.append(
            Repair(
                "marginalise",
                f"Sum {what} out of {branch}",
                f"{branch} is replaced by its marginal, a copy in which {what} is summed out; "
                f"elsewhere {branch} stays. In general that is another distribution: what this "
                f"branch said of {what} is forgotten.",
                "changes",
                _replacing(circuit, witness.unit, child, dict.fromkeys(shared), first == second),
            )
        )
    return found


# -- putting in what one child settles -------------------------------------------------------


def _settling(
    circuit: Circuit, unit: Unit, first: Unit, second: Unit, shared: Sequence[int]
) -> list[tuple[Repair, Unit]]:
    """Where one child is zero but for one state of each shared variable, put that state into
    the other child; with the child that is replaced."""
    layout = Layout.of(circuit)
    sets = UnitSets(circuit, layout, "possible")
    for settles, other in ((first, second), (second, first)):
        states = {v: layout.states(sets.of(settles), v) if layout.finite[v] else [] for v in shared}
        if any(len(one) != 1 for one in states.values()):
            continue
        fixed = {v: float(one[0]) for v, one in states.items()}
        put = " and ".join(f"{circuit.variables[v]}={c:g}" for v, c in list(fixed.items())[:3])
        put += f" and {len(fixed) - 3} more" if len(fixed) > 3 else ""
        one, two = circuit.unit_name(settles), circuit.unit_name(other)
        title = f"Put {put} into {two}"
        if settles == other:
            title = f"Count {one} once"
        repair = Repair(
            "put_in",
            title,
            f"{one} is zero unless {put}, so nothing else that {two} says matters here: it is "
            f"replaced by a copy with {put} put in, and what contradicts it disappears. S(x) of "
            "every complete state stays exactly what it was.",
            "exact",
            _replacing(circuit, unit, other, fixed, settles == other),
        )
        return [(repair, other)]
    return []


def _replacing(
    circuit: Circuit, unit: Unit, child: Unit, fixed: Mapping[int, float | None], again: bool
) -> Callable[[], Circuit]:
    """Replace a child by what is left of it when variables are fixed.

    again: it is the other child as well, and its first occurrence stays.
    """

    def mend() -> Circuit:
        sketch = Sketch(circuit)
        before = sketch.unreached()
        number, branch = sketch.at(unit), sketch.at(child)
        node = sketch.nodes[number]
        log_scale, rest = fold(sketch, [branch], fixed)[branch]
        places = [i for i, c in enumerate(node.children) if c == branch]
        places = places[1:] if again else places
        replaced = [rest if i in places else c for i, c in enumerate(node.children)]
        factors = [c for c in replaced if c is not None]
        _become(sketch, number, [(log_scale * len(places), factors)])
        sketch.keep_reachable(before)
        return assemble(sketch)

    return mend


# -- splitting by cases ----------------------------------------------------------------------


def _splitting(circuit: Circuit, unit: Unit, shared: Sequence[int]) -> list[Repair]:
    states = [circuit.domain(v).states for v in shared]
    cases = math.prod(n or MAX_CASES + 1 for n in states)
    if cases > MAX_CASES:
        return []
    name, what = circuit.unit_name(unit), names(circuit, shared)
    return [
        Repair(
            "split",
            f"Split {name} by the states of {what}",
            f"Replaces the product by a sum over the {cases} cases of {what}: in each, an "
            "indicator of the case times the children with that case put in. Cases in which "
            "the children contradict each other disappear. S(x) of every complete state "
            "stays exactly what it was.",
            "exact",
            lambda: _split(circuit, unit, shared),
        )
    ]


def _split(circuit: Circuit, unit: Unit, shared: Sequence[int]) -> Circuit:
    sketch = Sketch(circuit)
    before = sketch.unreached()
    number = sketch.at(unit)
    node = sketch.nodes[number]
    ranges = [range(sketch.states[v] or 0) for v in shared]
    _check_size(sketch, number, Scope.from_iterable(shared), math.prod(map(len, ranges)))
    terms: list[Term] = []
    for case in itertools.product(*ranges):
        fixed = {v: float(c) for v, c in zip(shared, case, strict=True)}
        left = fold(sketch, list(dict.fromkeys(node.children)), fixed)
        parts: list[Folded] = [left[c] for c in node.children]
        scale = sum(factor for factor, _ in parts)
        literals = [sketch.indicator(v, c) for v, c in zip(shared, case, strict=True)]
        if scale > -math.inf:
            terms.append((scale, [*literals, *(c for _, c in parts if c is not None)]))
    _become(sketch, number, terms)
    sketch.keep_reachable(before)
    return assemble(sketch)


def _check_size(sketch: Sketch, number: int, shared: Scope, cases: int) -> None:
    """Refuse copies that would be larger than what is taken apart at all."""
    scopes = sketch.scopes([number])
    edges = sum(
        len(sketch.nodes[n].children) for n, scope in scopes.items() if not scope.isdisjoint(shared)
    )
    if edges * cases > sketches.MAX_EDGES:
        raise OptionError(
            f"{cases} copies of {edges} edges are more than the {sketches.MAX_EDGES} allowed",
            where=sketch.nodes[number].name,
        )


# -- what becomes of the product -------------------------------------------------------------


def _become(sketch: Sketch, number: int, terms: Sequence[Term]) -> None:
    """Turn a product into the sum of products with weights; into one product where that does.

    Terms that lack variables which the product had get factors of 1 over them, so that neither this
    sum nor those above stop being smooth.
    """
    scope = sketch.scopes([number])[number]
    node = sketch.nodes[number]
    name = node.name
    terms = [term for term in terms if term[0] > -math.inf]
    if not terms:  # zero everywhere
        literals = [
            sketch.density(v) if sketch.states[v] is None else sketch.indicator(v, 0) for v in scope
        ]
        sketch.rewire(number, [sketch.add_product(f"{name} never", literals)], [0.0])
        return
    full = [(w, _completed(sketch, factors, scope)) for w, factors in terms]
    if len(full) == 1 and full[0][0] == 0.0:
        sketch.rewire(number, full[0][1])
        return
    weights: list[float] = []
    children: list[int] = []
    for w, factors in full:
        child = factors[0] if len(factors) == 1 else sketch.add_product(name, factors)
        far = abs(w) > RANGE
        children.append(scaled(sketch, (w, child), name) if far else child)
        weights.append(1.0 if far else math.exp(w))
    sketch.rewire(number, children, weights)


def _completed(sketch: Sketch, factors: list[int], scope: Scope) -> list[int]:
    """The factors, and 1 over each finite variable that they lack."""
    scopes = sketch.scopes(factors)
    lacking = scope
    for factor in factors:
        lacking = lacking - scopes[factor]
    return [*factors, *(sketch.factor(v) for v in lacking if sketch.states[v] is not None)]


# -- two densities ---------------------------------------------------------------------------


def _multiplying(circuit: Circuit, unit: Unit, first: Unit, second: Unit) -> list[Repair]:
    """The product of two Gaussians of one variable is a Gaussian times a number."""
    for leaf in (first, second):
        group = circuit.groups[leaf.group]
        if not isinstance(group, LeafGroup) or not isinstance(group.family, Gaussian):
            return []
        if len(group.variables) > 1:
            return []
    one, two = circuit.unit_name(first), circuit.unit_name(second)
    pair = f"the square of {one}" if first == second else f"{one} times {two}"
    return [
        Repair(
            "multiply",
            f"Make one Gaussian of {pair}",
            "The product of two Gaussian densities of one variable is a Gaussian times a number, "
            "which becomes a weight. S(x) of every complete state stays exactly what it was, and "
            "the integral over the variable becomes right.",
            "exact",
            lambda: _multiplied(circuit, unit, first, second),
        )
    ]


def _multiplied(circuit: Circuit, unit: Unit, first: Unit, second: Unit) -> Circuit:
    sketch = Sketch(circuit)
    before = sketch.unreached()
    number = sketch.at(unit)
    one, two = sketch.at(first), sketch.at(second)
    left, right = sketch.nodes[one], sketch.nodes[two]
    assert left.value is not None and right.value is not None
    (m1, v1), (m2, v2) = left.value.tolist(), right.value.tolist()
    total = v1 + v2
    value = torch.tensor([(m1 * v2 + m2 * v1) / total, v1 * v2 / total], dtype=torch.float64)
    log_scale = -0.5 * (math.log(2 * math.pi * total) + (m1 - m2) ** 2 / total)
    leaf = Node("leaf", sketch.fresh(f"{left.name}·{right.name}"), variable=left.variable)
    leaf.family, leaf.value, leaf.dtype = left.family, value, left.dtype
    factors = list(sketch.nodes[number].children)
    factors[factors.index(one)] = sketch.add_leaf(leaf)
    factors.remove(two)
    _become(sketch, number, [(log_scale, factors)])
    sketch.keep_reachable(before)
    return assemble(sketch)
