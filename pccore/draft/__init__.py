"""Circuits while they are being drawn by hand.

    draft = Draft().add("s", "sum").add("x", "leaf", leaf=Leaf("X1", Indicator(2), (1.0,)))
    draft = draft.connect("s", "x", 0.5)
    draft.circuit()                    # the circuit of the finished part
    draft.unfinished                   # what is missing, as sentences
    Draft.of(circuit)                  # the way back

A draft knows places on a canvas, stable ids and unfinished units, which a circuit does not.
`History` has undo and redo, `to_json` and `from_json` store a draft, and `adopt` takes over a
circuit that was changed elsewhere (in the text beside the drawing) and keeps the layout.
"""

from __future__ import annotations

from pccore.draft.adopt import adopt
from pccore.draft.convert import Finished
from pccore.draft.document import MAX_EDGES, MAX_UNITS, NEW_WEIGHT, Draft, Edge
from pccore.draft.history import History
from pccore.draft.nodes import Arc, Kind, Leaf, Node, leaf_name
from pccore.draft.storage import from_json, to_json

__all__ = [
    "MAX_EDGES",
    "MAX_UNITS",
    "NEW_WEIGHT",
    "Arc",
    "Draft",
    "Edge",
    "Finished",
    "History",
    "Kind",
    "Leaf",
    "Node",
    "adopt",
    "from_json",
    "leaf_name",
    "to_json",
]
