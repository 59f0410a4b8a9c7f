"""What does not count, left out."""

from __future__ import annotations

from pccore.graph import Circuit
from pccore.transform.assemble import assemble
from pccore.transform.sketch import Sketch


def drop_dead(circuit: Circuit) -> Circuit:
    """The circuit without what never counts; S stays exactly what it was, at every evidence.

    Left out are edges of weight zero, edges to units that zero weights make zero everywhere, and
    then units that no root reaches. A root that is zero itself keeps one edge of each sum. Groups
    of which nothing is left out stay as they are.

    Raises OptionError for a circuit too large for that, ParameterError for illegal parameters.
    """
    sketch = Sketch(circuit)
    zero = set[int]()
    for number in sketch.order(sketch.roots):
        node = sketch.nodes[number]
        if node.kind == "product":
            if not zero.isdisjoint(node.children):
                zero.add(number)
        elif node.kind == "sum":
            edges = list(zip(node.weights, node.children, strict=True))
            counts = [w > 0 and c not in zero for w, c in edges]
            if all(counts):
                continue
            if not any(counts):
                zero.add(number)
                counts[0] = True
            left = [edge for edge, kept in zip(edges, counts, strict=True) if kept]
            sketch.rewire(number, [c for _, c in left], [w for w, _ in left])
    sketch.keep_reachable()
    return assemble(sketch)
