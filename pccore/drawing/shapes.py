"""A picture as lines, circles and runs of text, for the renderers that know nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pccore.drawing.picture import LINE, RADIUS, SMALL, TEXT, Node, Picture, Point
from pccore.drawing.texts import SUBSCRIPT, Run, Text, run_width, width

#: Grey levels and colours as (red, green, blue) of 255.
Colour = tuple[int, int, int]
INK: Colour = (17, 24, 32)
EDGE: Colour = (85, 94, 108)
VALUE: Colour = (18, 84, 168)
PAPER: Colour = (255, 255, 255)
STUB = 9.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """Lines through points, or a filled polygon."""

    points: tuple[Point, ...]
    colour: Colour
    thickness: float
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle filled with paper."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Words:
    """Characters from (x, y), the left end of their base line."""

    text: str
    x: float
    y: float
    size: float
    colour: Colour


Shape = Stroke | Circle | Words


def shapes(drawn: Picture) -> Iterator[Shape]:
    """What to draw, in this order."""
    for arc in drawn.arcs:
        yield Stroke(arc.points, EDGE, 0.9)
    for node in drawn.nodes:
        if node.root:
            yield Stroke(((node.x, node.y - RADIUS), (node.x, node.y - RADIUS - STUB)), EDGE, 0.9)
        yield Circle(node.x, node.y, RADIUS)
        yield from _glyph(node)
    for node in drawn.nodes:
        for number, line in enumerate(node.below):
            base = node.y + RADIUS + LINE * (number + 1) - 1
            yield from _centred(line, node.x, base, TEXT if number == 0 else TEXT * 0.9)
        yield from _beside(node)
    for arc in drawn.arcs:
        if arc.weight:
            x, y = arc.label
            yield from _centred((Run(arc.weight),), x, y + 0.36 * SMALL, SMALL, boxed=True)


# fmt: off
_BELL: tuple[Point, ...] = (
    (-7, 5), (-5, 4.4), (-3.6, 2.6), (-2.6, -0.4), (-1.6, -3.3), (-0.7, -4.8), (0, -5.2),
    (0.7, -4.8), (1.6, -3.3), (2.6, -0.4), (3.6, 2.6), (5, 4.4), (7, 5),
)
_STEPS: tuple[Point, ...] = (
    (-7, 5), (-7, 3), (-3.5, 3), (-3.5, -3), (0, -3), (0, -5), (2.5, -5), (2.5, 1),
    (5, 1), (5, 4), (7, 4), (7, 5),
)
_DOT: tuple[Point, ...] = ((0.6, -4), (2, -5.4), (3.4, -4), (2, -2.6), (0.6, -4))
# fmt: on
#: Lines of the signs, in a circle of radius 11 around (0, 0); bars and sticks are filled.
_SIGNS: Mapping[str, tuple[tuple[Point, ...], ...]] = {
    "plus": (((-5.5, 0), (5.5, 0)), ((0, -5.5), (0, 5.5))),
    "times": (((-4, -4), (4, 4)), ((-4, 4), (4, -4))),
    "stick": (((-6, 5), (6, 5)), ((2, 5), (2, -3)), _DOT),
    "bell": (_BELL,),
    "steps": (_STEPS,),
    "bars": (
        ((-6, 5), (-6, 1), (-3, 1), (-3, 5)),
        ((-1.5, 5), (-1.5, -5), (1.5, -5), (1.5, 5)),
        ((3, 5), (3, -1.5), (6, -1.5), (6, 5)),
    ),
}


def sign(glyph: str) -> tuple[tuple[Point, ...], ...]:
    """The lines of a sign around (0, 0)."""
    return _SIGNS[glyph]


def _glyph(node: Node) -> Iterator[Shape]:
    for line in _SIGNS[node.glyph]:
        points = tuple((node.x + x, node.y + y) for x, y in line)
        yield Stroke(points, INK, 1.1, filled=node.glyph == "bars")


def _beside(node: Node) -> Iterator[Shape]:
    """Name and value on the right, the name above."""
    left = node.x + RADIUS + 3
    if node.name:
        y = node.y - (3 if node.value else -3)
        yield from _line((Run(node.name),), left, y, SMALL, EDGE, boxed=True)
    if node.value:
        y = node.y + (SMALL if node.name else 3)
        yield from _line((Run(node.value),), left, y, SMALL, VALUE, boxed=True)


def _centred(line: Text, x: float, y: float, size: float, boxed: bool = False) -> Iterator[Shape]:
    yield from _line(line, x - width(line, size) / 2, y, size, INK, boxed)


def _line(
    line: Text, x: float, y: float, size: float, colour: Colour, boxed: bool = False
) -> Iterator[Shape]:
    """A line of text from x on, run by run; bars are lines of their own.

    boxed: on paper of its own, so that no edge runs through it.
    """
    if boxed:
        left, right = x - 1, x + width(line, size) + 1
        top, bottom = y - 0.86 * size, y + 0.14 * size
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        yield Stroke(corners, PAPER, 0.0, filled=True)
    for run in line:
        wide = run_width(run, size)
        scale = SUBSCRIPT if run.sub else 1.0
        drop = 0.18 * size if run.sub else 0.0
        yield Words(run.text, x, y + drop, size * scale, colour)
        if run.over:
            top = y - 0.72 * size
            yield Stroke(((x + 0.3, top), (x + wide - 0.3, top)), colour, 0.08 * size)
        x += wide
