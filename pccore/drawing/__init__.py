"""Drawings of circuits: places for units and edges, and pictures in the field's convention.

from pccore.drawing import picture, to_svg
text = to_svg(picture(circuit, values={circuit.root: 0.522}))
"""

from __future__ import annotations

from pccore.drawing.picture import MAX_EDGES, MAX_UNITS, Arc, Node, Picture, picture
from pccore.drawing.svg import to_svg
from pccore.drawing.tikz import to_tikz

__all__ = [
    "MAX_EDGES",
    "MAX_UNITS",
    "Arc",
    "Node",
    "Picture",
    "picture",
    "to_pdf",
    "to_png",
    "to_svg",
    "to_tikz",
]


def to_pdf(drawn: Picture) -> bytes:
    """The picture as a one-page PDF of vectors; the same picture gives the same bytes."""
    # reportlab takes a moment to import, which only this needs.
    from pccore.drawing.pdf import to_pdf

    return to_pdf(drawn)


def to_png(drawn: Picture, scale: float = 2.0) -> bytes:
    """The picture as PNG, `scale` pixels for a point or fewer where it would become too large."""
    from pccore.drawing.png import to_png

    return to_png(drawn, scale)
