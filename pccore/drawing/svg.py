"""A picture as SVG. Every string goes through the XML writer, so no name can become markup."""

from __future__ import annotations

from xml.sax.saxutils import escape

from pccore.drawing.picture import Picture, describe
from pccore.drawing.shapes import INK, PAPER, Circle, Colour, Shape, Stroke, Words, shapes

#: Fonts with the widths that the layout counts with, as far as a reader has one of them.
_FONTS = "'DejaVu Sans', 'Bitstream Vera Sans', Verdana, sans-serif"


def to_svg(drawn: Picture) -> str:
    """The picture as a stand-alone SVG document; one user unit is a point."""
    width, height = _n(drawn.width), _n(drawn.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{_FONTS}" '
        'stroke-linecap="round" stroke-linejoin="round">',
        f"<title>{escape(drawn.title or 'Circuit')}</title>",
        f"<desc>{escape(describe(drawn))}</desc>",
        f'<rect width="{width}" height="{height}" fill="{_colour(PAPER)}"/>',
        *(_element(shape) for shape in shapes(drawn)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Circle():
            return (
                f'<circle cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}" '
                f'fill="{_colour(PAPER)}" stroke="{_colour(INK)}" stroke-width="1.1"/>'
            )
        case Stroke():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
            if shape.filled:
                return f'<polygon points="{points}" fill="{_colour(shape.colour)}"/>'
            return (
                f'<polyline points="{points}" fill="none" stroke="{_colour(shape.colour)}" '
                f'stroke-width="{_n(shape.thickness)}"/>'
            )
        case Words():
            return (
                f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}" '
                f'fill="{_colour(shape.colour)}">{escape(shape.text)}</text>'
            )


def _n(value: float) -> str:
    """A number with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _colour(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
