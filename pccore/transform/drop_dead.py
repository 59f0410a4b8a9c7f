"""What does not count, left out."""

from __future__ import annotations

from pccore.graph import Circuit
from pccore.transform.sketch import Sketch


def drop_dead(circuit: Circuit) -> Circuit:
    """The circuit without edges of weight zero and without units that no root then reaches.

    S stays exactly what it was, at every evidence. A sum all of whose weights are zero keeps its
    first edge. The result has one unit in each group. Raises OptionError for a circuit too large
    for that, ParameterError for illegal parameters.
    """
    sketch = Sketch.of(circuit)
    for node in sketch.nodes.values():
        if node.kind == "sum" and min(node.weights) == 0:
            kept = [(w, c) for w, c in zip(node.weights, node.children, strict=True) if w > 0]
            kept = kept or [(node.weights[0], node.children[0])]
            node.weights = [w for w, _ in kept]
            node.children = [c for _, c in kept]
    sketch.keep_reachable()
    return sketch.circuit()
