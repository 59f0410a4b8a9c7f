"""Repairs of sums whose children lack variables, and of sums below sums."""

from __future__ import annotations

from collections.abc import Sequence

from pccore.check import Witness, check
from pccore.graph import Circuit, Unit
from pccore.repair.repair import Repair
from pccore.transform.assemble import assemble
from pccore.transform.sketch import Sketch
from pccore.transform.smooth import Completer

#: Units are merged into one of at most about so many children.
MAX_CHILDREN = 10_000


def names(circuit: Circuit, variables: Sequence[int]) -> str:
    """`X1, X2 and X3`, at most four of them."""
    shown = [circuit.variables[v] for v in variables[:4]]
    if len(variables) > 4:
        return f"{', '.join(shown)} and {len(variables) - 4} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def smoothing(circuit: Circuit, witness: Witness) -> list[Repair]:
    """Multiply the children by what they lack."""
    unit = circuit.unit_name(witness.unit)
    missing = list(witness.variables)
    what = names(circuit, missing)
    children = [circuit.unit_name(child) for child in witness.children]
    which = children[0] if len(children) == 1 else f"{len(children)} children of {unit}"
    it = "it" if len(children) == 1 else "each"
    kinds = {circuit.domain(v).kind for v in missing}
    first = ""
    if not check(circuit, ("decomposable",)).holds("decomposable"):
        first = (
            " Mend the products first that are not decomposable: what is added here may contradict "
            "a factor there, and S(e) be wrong because of that."
        )
    if kinds == {"finite"}:
        return [
            Repair(
                "smooth",
                f"Smooth {which} with {what}",
                f"Multiplies {it} by the sum of all indicators of {what}, a factor of 1 whatever "
                "the state: S(x) of every complete state stays exactly what it was, and S(e) now "
                f"counts every state of what is missing.{first}",
                "exact",
                lambda: _smoothed(circuit, witness.unit, False),
            ),
            Repair(
                "smooth_uniform",
                f"Smooth {which} with a uniform {what}",
                f"Multiplies {it} by a uniform distribution over {what}, whose states then share "
                "the child's weight: S(*) stays what it was, but complete states of this child "
                f"get a smaller value than before.{first}",
                "changes",
                lambda: _smoothed(circuit, witness.unit, True),
            ),
        ]
    if kinds <= {"finite", "real"}:
        return [
            Repair(
                "smooth_density",
                f"Smooth {which} with a density of {what}",
                f"No leaf over a real variable is 1 at each of its values. Multiplies {it} by a "
                "Gaussian with the mean and variance of the circuit's leaves (by a uniform "
                f"distribution where a variable is finite): S(e) stays what it was while {what} "
                "is not observed, and where it is, the child now has a density, not 1 "
                f"everywhere.{first}",
                "changes",
                lambda: _smoothed(circuit, witness.unit, True),
            )
        ]
    return []


def _smoothed(circuit: Circuit, unit: Unit, densities: bool) -> Circuit:
    sketch = Sketch(circuit)
    number = sketch.at(unit)
    scopes = sketch.scopes([number])
    Completer(sketch, densities).complete(number, scopes, scopes[number])
    return assemble(sketch)


def merging(circuit: Circuit, witness: Witness) -> list[Repair]:
    """A sum below a sum, or a product below a product, made one with it."""
    unit = circuit.unit_name(witness.unit)
    kind = circuit.groups[witness.unit.group].kind
    how = "their weights multiplied by that of the edge to it" if kind == "sum" else "as factors"
    return [
        Repair(
            "merge",
            f"Merge the {kind}s below {unit} into it",
            f"{unit} takes over the children of every {kind} below it, {how}. S stays exactly "
            "what it was, at every evidence; other users of those units see no change.",
            "exact",
            lambda: _merged(circuit, witness.unit),
        )
    ]


def _merged(circuit: Circuit, unit: Unit) -> Circuit:
    sketch = Sketch(circuit)
    before = sketch.unreached()
    number = sketch.at(unit)
    kind = sketch.nodes[number].kind
    while len(sketch.nodes[number].children) <= MAX_CHILDREN:
        node = sketch.nodes[number]
        inner = {c for c in node.children if sketch.nodes[c].kind == kind and not sketch.is_leaf(c)}
        if not inner:
            break
        if kind == "product":
            below = [sketch.nodes[c].children if c in inner else [c] for c in node.children]
            sketch.rewire(number, [c for row in below for c in row])
            continue
        weights: dict[int, float] = {}
        for w, c in zip(node.weights, node.children, strict=True):
            child = sketch.nodes[c]
            rows = zip(child.weights, child.children, strict=True) if c in inner else [(1.0, c)]
            for share, below_it in rows:
                weights[below_it] = weights.get(below_it, 0.0) + w * share
        sketch.rewire(number, list(weights), list(weights.values()))
    sketch.keep_reachable(before)
    return assemble(sketch)
