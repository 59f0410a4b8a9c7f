"""Sums whose children lack variables, made smooth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pccore.graph import Circuit
from pccore.scope import Scope
from pccore.transform.assemble import assemble
from pccore.transform.sketch import Sketch


def smooth(circuit: Circuit) -> Circuit:
    """The same function of complete states, by a circuit that is smooth.

    A child that lacks a variable is multiplied by the sum of all its indicators, weight 1 each:
    a factor of 1 whatever the state. S(x) of a complete state x stays what it was; where the
    variable is missing, S(e) now counts all its states and is the sum of S(x) over x in e, if
    the circuit is consistent. Groups without such a child stay as they are.

    Raises OptionError where a real variable is missing (no leaf is 1 everywhere) or the circuit is
    too large.
    """
    sketch = Sketch(circuit)
    scopes = sketch.scopes()
    completer = Completer(sketch)
    for number in sketch.order():
        if sketch.nodes[number].kind == "sum":
            completer.complete(number, scopes, scopes[number])
    return assemble(sketch)


class Completer:
    """Multiplies children of sums by what they lack; equal children get one common product.

    densities: by factors that add up to 1 (see `Sketch.density`), not by factors that are 1
    everywhere.
    """

    def __init__(self, sketch: Sketch, densities: bool = False) -> None:
        self._sketch = sketch
        self._densities = densities
        self._uses = sketch.uses()
        self._made: dict[tuple[int, int], int] = {}

    def complete(self, number: int, scopes: Mapping[int, Scope], scope: Scope) -> None:
        """Give every child of a sum this scope."""
        node = self._sketch.nodes[number]
        children = [self._completed(c, scope - scopes[c]) for c in node.children]
        if children != node.children:
            self._sketch.rewire(number, children, node.weights)

    def _completed(self, child: int, lacking: Scope) -> int:
        if not lacking:
            return child
        key = (child, lacking.bits)
        if key not in self._made:
            self._made[key] = self._product(child, lacking)
        return self._made[key]

    def _product(self, child: int, lacking: Scope) -> int:
        sketch = self._sketch
        factors = factors_over(sketch, lacking, self._densities)
        old = sketch.nodes[child]
        if old.kind == "product" and self._uses[child] == 1 and sketch.alone(child):
            sketch.rewire(child, [*old.children, *factors])
            return child
        titles = [sketch.variables[v] for v in lacking]
        names = "·".join(titles if len(titles) <= 3 else [*titles[:2], f"{len(titles) - 2} more"])
        return sketch.add_product(f"{old.name}·{names}", [child, *factors])


def factors_over(
    sketch: Sketch, variables: Iterable[int], densities: bool = False
) -> Sequence[int]:
    """Factors over some variables: 1 everywhere, or densities. Raises OptionError."""
    return [sketch.density(v) if densities else sketch.factor(v) for v in variables]
