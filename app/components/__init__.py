"""First-party Streamlit components: the painting canvas, the circuit viewer, the live curve.

Each is a folder of html, css and js files of ours and a Python function that mounts it. They run
in the page itself (no iframe), load nothing, and put text on the page as text only.
"""

from __future__ import annotations

from .canvas import PRESETS, MaskEvent, Panel, paint_canvas, read_mask
from .chart import live_chart
from .graph import GraphEvent, circuit_graph, graph_event

__all__ = [
    "PRESETS",
    "GraphEvent",
    "MaskEvent",
    "Panel",
    "circuit_graph",
    "graph_event",
    "live_chart",
    "paint_canvas",
    "read_mask",
]
