"""Sums whose children lack variables, made smooth."""

from __future__ import annotations

from collections.abc import Collection

from pccore.graph import Circuit
from pccore.transform.sketch import Sketch


def smooth(circuit: Circuit) -> Circuit:
    """The same function of complete states, by a circuit that is smooth.

    A child that lacks a variable is multiplied by the sum of all its indicators, weight 1 each:
    a factor of 1 whatever the state. S(x) of a complete state x stays what it was; where the
    variable is missing, S(e) now counts all its states and is the sum of S(x) over x in e, if
    the circuit is consistent. The result has one unit in each group.

    Raises OptionError where a real variable is missing (no leaf is 1 everywhere) or the circuit is
    too large.
    """
    sketch = Sketch.of(circuit)
    scopes = sketch.scopes()
    for number in sketch.order():
        if sketch.nodes[number].kind != "sum":
            continue
        for i, child in enumerate(list(sketch.nodes[number].children)):
            lacking = scopes[number] - scopes[child]
            if lacking:
                complete(sketch, number, i, lacking)
    return sketch.circuit()


def complete(
    sketch: Sketch, number: int, child: int, lacking: Collection[int], uniform: bool = False
) -> None:
    """Multiply one child of a sum by factors over the variables that it lacks.

    uniform: factors that add up to 1 instead of factors that are 1 everywhere.
    """
    factors = [
        sketch.factor(v, 1.0 / (sketch.states[v] or 1) if uniform else 1.0) for v in sorted(lacking)
    ]
    node = sketch.nodes[number]
    target = node.children[child]
    old = sketch.nodes[target]
    if old.kind == "product" and sketch.uses(target) == 1:
        old.children += factors
        return
    names = "·".join(sketch.variables[v] for v in sorted(lacking))
    node.children[child] = sketch.add_product(f"{old.name}·{names}", [target, *factors])
