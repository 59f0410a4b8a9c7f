"""A circuit as the field draws it: ⊕ and ⊗ in circles, the root on top, leaves at the bottom.

The conventions are those of Poon & Domingos 2011, fig. 1: weights stand on the edges of sums, what
a leaf means stands below it, a negated variable carries a bar. `picture` decides what is where;
the renderers (`to_svg`, `to_tikz`, `to_pdf`, `to_png`) only write it down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pccore.check.walk import child_units
from pccore.drawing.layout import Layout, layered_routes
from pccore.drawing.texts import (
    Text,
    leaf_lines,
    number,
    parameters_of,
    plain,
    shortened,
    width,
)
from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, SparseEdges, Unit

#: More units or edges than this make no picture that anybody could read.
MAX_UNITS = 2000
MAX_EDGES = 20_000

RADIUS = 11.0
TEXT, SMALL = 10.5, 8.5  # sizes of the texts of leaves, and of weights, values and names
LINE = 13.0  # from one line of text to the next
MARGIN = 12.0
_GAP = 66.0  # between ranks, at least
_STEEP = 0.16  # ... and of the width of the picture, so that long edges are not too flat
_STUB = 9.0  # the line that leaves a root upwards
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2)

Point = tuple[float, float]
Glyph = Literal["plus", "times", "bars", "bell", "stick", "steps"]
_GLYPHS: Mapping[str, Glyph] = {
    "gaussian": "bell",
    "indicator": "stick",
    "binomial": "steps",
    "poisson": "steps",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A drawn unit. x, y: of its centre. name: "" where it is not written. below: under a leaf."""

    unit: Unit
    kind: Literal["sum", "product", "leaf"]
    x: float
    y: float
    glyph: Glyph
    root: bool
    name: str
    below: tuple[Text, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Arc:
    """A drawn edge, from node number `parent` to node number `child`.

    points: from the rim of the one to the rim of the other. weight: "" where none is written;
    label: the middle of it.
    """

    parent: int
    child: int
    points: tuple[Point, ...]
    weight: str
    label: Point


@dataclass(frozen=True, slots=True)
class Picture:
    """All of a drawing, in points, x to the right and y down."""

    title: str
    width: float
    height: float
    nodes: tuple[Node, ...]
    arcs: tuple[Arc, ...]


def picture(
    circuit: Circuit,
    *,
    values: Mapping[Unit, float | str] | None = None,
    weights: bool = True,
    names: bool = False,
    units: Collection[Unit] | None = None,
) -> Picture:
    """Where everything goes.

    values: written beside the units, numbers with three digits. weights: on the edges of sums
    (left out where the parameter is missing or misshapen). names: of sums and products. units:
    those to be drawn, with the edges among them; all by default, also the unreachable ones.

    Raises OptionError for more than MAX_UNITS units or MAX_EDGES edges, or none at all.
    """
    chosen = _chosen(circuit, units)
    place = {unit: number for number, unit in enumerate(chosen)}
    edges: list[tuple[int, int]] = []
    marks: list[str] = []
    for parent, unit in enumerate(chosen):
        for child, weight in _below(circuit, unit):
            if child in place:
                edges.append((parent, place[child]))
                marks.append(number(weight) if weights and weight is not None else "")
    _limit(len(edges), MAX_EDGES, "edges")
    texts = [_below_leaf(circuit, unit) for unit in chosen]
    given = values or {}
    shown = [_value(given[unit]) if unit in given else "" for unit in chosen]
    labels = [_name(circuit, unit) if names else "" for unit in chosen]
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    levels = circuit.levels[[unit.group for unit in chosen]]
    layout = _spread(chosen, pairs, levels, _node_width(texts, shown, labels))
    roots = set(circuit.roots)
    nodes = tuple(
        Node(
            unit,
            circuit.groups[unit.group].kind,
            float(layout.positions[i, 0]),
            float(layout.positions[i, 1]),
            _glyph(circuit, unit),
            unit in roots,
            labels[i],
            texts[i],
            shown[i],
        )
        for i, unit in enumerate(chosen)
    )
    arcs = _arcs(nodes, edges, marks, layout)
    return _framed(shortened(str(circuit.meta.get("title", "")), 200), nodes, arcs)


def _chosen(circuit: Circuit, units: Collection[Unit] | None) -> list[Unit]:
    amount = circuit.num_units if units is None else len(units)
    _limit(amount, MAX_UNITS, "units")
    if amount == 0:
        raise OptionError("there are no units to draw")
    if units is not None:
        return sorted({Unit(*unit) for unit in units})
    return [Unit(g, i) for g, group in enumerate(circuit.groups) for i in range(group.size)]


def _limit(amount: int, most: int, what: str) -> None:
    if amount > most:
        raise OptionError(
            f"a picture of {amount:,} {what} is more than the {most:,} that can be drawn",
            hint="draw a part of the circuit",
        )


def _below(circuit: Circuit, unit: Unit) -> Iterator[tuple[Unit, float | None]]:
    """The children of a unit, with weights where they are known."""
    group = circuit.groups[unit.group]
    children = child_units(circuit, unit)
    tensor = parameters_of(circuit, group) if group.kind == "sum" else None
    if tensor is None or group.kind != "sum":
        yield from ((child, None) for child in children)
        return
    if isinstance(group.edges, SparseEdges):
        start = int(group.edges.offsets[unit.index])
        row = tensor[start : start + len(children)]
    else:
        row = tensor[unit.index]
    yield from zip(children, row.tolist(), strict=True)


def _below_leaf(circuit: Circuit, unit: Unit) -> tuple[Text, ...]:
    leaf = circuit.groups[unit.group].kind == "leaf"
    return leaf_lines(circuit, unit) if leaf else ()


def _value(value: float | str) -> str:
    return shortened(value) if isinstance(value, str) else number(float(value))


def _name(circuit: Circuit, unit: Unit) -> str:
    leaf = circuit.groups[unit.group].kind == "leaf"
    return "" if leaf else shortened(circuit.unit_name(unit))


def _glyph(circuit: Circuit, unit: Unit) -> Glyph:
    group = circuit.groups[unit.group]
    if isinstance(group, LeafGroup):
        return _GLYPHS.get(group.family.name, "bars")
    return "plus" if group.kind == "sum" else "times"


# -- places --------------------------------------------------------------------------------


def _node_width(texts: list[tuple[Text, ...]], values: list[str], names: list[str]) -> float:
    """Room for the texts below leaves and on the right of the others."""
    widest = 2 * RADIUS + 12
    for lines, value, name in zip(texts, values, names, strict=True):
        widest = max([widest, *(width(line, TEXT) + 8 for line in lines)])
        widest = max(widest, 2 * RADIUS + 10 + max(_wide(value), _wide(name)))
    return widest


def _wide(text: str) -> float:
    """Width of a small text; 0 for none."""
    return 0.6 * SMALL * len(text)


def _spread(units: list[Unit], edges: np.ndarray, levels: np.ndarray, room: float) -> Layout:
    """The layout, with ranks so far apart that the longest edges are not too flat."""
    found = layered_routes(len(units), edges, levels, node_width=room, level_gap=_GAP)
    reach = float(np.ptp(found.positions[:, 0])) if len(units) else 0.0
    # A deep drawing is high enough as it is.
    deep = min(1.0, 5 / len(np.unique(levels)))
    factor = min(3.0, max(1.0, deep * _STEEP * reach / _GAP))
    stretch = np.array([1.0, factor])
    routes = {edge: points * stretch for edge, points in found.routes.items()}
    return Layout(found.positions * stretch, routes)


def _arcs(
    nodes: tuple[Node, ...], edges: list[tuple[int, int]], marks: list[str], layout: Layout
) -> tuple[Arc, ...]:
    paths: list[tuple[Point, ...]] = []
    for edge, (parent, child) in enumerate(edges):
        inner = [(float(x), float(y)) for x, y in layout.routes.get(edge, ())]
        a, b = (nodes[parent].x, nodes[parent].y), (nodes[child].x, nodes[child].y)
        start = _towards(a, inner[0] if inner else b)
        end = _towards(b, inner[-1] if inner else a)
        paths.append((start, *inner, end))
    spots = _labels(nodes, paths, marks)
    return tuple(
        Arc(parent, child, path, mark, spot)
        for (parent, child), path, mark, spot in zip(edges, paths, marks, spots, strict=True)
    )


def _towards(centre: Point, other: Point) -> Point:
    """The point on the rim of a circle in the direction of another point."""
    dx, dy = other[0] - centre[0], other[1] - centre[1]
    length = math.hypot(dx, dy) or 1.0
    return (centre[0] + RADIUS * dx / length, centre[1] + RADIUS * dy / length)


def _labels(
    nodes: tuple[Node, ...], paths: list[tuple[Point, ...]], marks: list[str]
) -> list[Point]:
    """A place on its edge for each weight, away from nodes and from other weights if possible."""
    taken: dict[tuple[int, int], list[Point]] = {}
    for node in nodes:
        _take(taken, (node.x, node.y))
        if node.value or node.name:
            _take(taken, (node.x + RADIUS + 14, node.y))
    spots: list[Point] = []
    for path, mark in zip(paths, marks, strict=True):
        if not mark:
            spots.append(_along(path, 0.5))
            continue
        places = [_along(path, t) for t in _PLACES]
        best = max(places, key=lambda place: min(_clear(taken, place), 1.0))
        _take(taken, best)
        spots.append(best)
    return spots


_CELL = (26.0, 14.0)


def _take(taken: dict[tuple[int, int], list[Point]], point: Point) -> None:
    cell = (int(point[0] // _CELL[0]), int(point[1] // _CELL[1]))
    taken.setdefault(cell, []).append(point)


def _clear(taken: dict[tuple[int, int], list[Point]], point: Point) -> float:
    """How far the nearest text is, in units of the room that a text needs."""
    column, row = int(point[0] // _CELL[0]), int(point[1] // _CELL[1])
    nearest = math.inf
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            for x, y in taken.get((column + i, row + j), ()):
                apart = max(abs(x - point[0]) / _CELL[0], abs(y - point[1]) / _CELL[1])
                nearest = min(nearest, apart)
    return nearest


def _along(path: tuple[Point, ...], t: float) -> Point:
    """The point of a polyline after the fraction t of its length."""
    lengths = [math.dist(a, b) for a, b in itertools.pairwise(path)]
    left = t * sum(lengths)
    for (a, b), length in zip(itertools.pairwise(path), lengths, strict=True):
        if left <= length and length > 0:
            return (a[0] + (b[0] - a[0]) * left / length, a[1] + (b[1] - a[1]) * left / length)
        left -= length
    return path[-1]


def _framed(title: str, nodes: tuple[Node, ...], arcs: tuple[Arc, ...]) -> Picture:
    """Everything moved so that the drawing fits its frame exactly."""
    left = right = nodes[0].x
    top = bottom = nodes[0].y
    for node in nodes:
        half = max([RADIUS, *(width(line, TEXT) / 2 for line in node.below)])
        beside = max(_wide(node.value), _wide(node.name))
        left = min(left, node.x - half)
        right = max(right, node.x + half, node.x + RADIUS + 4 + beside if beside else 0)
        top = min(top, node.y - RADIUS - (_STUB if node.root else 0))
        bottom = max(bottom, node.y + RADIUS + LINE * len(node.below) + 3)
    dx, dy = MARGIN - left, MARGIN - top
    moved = tuple(
        Node(n.unit, n.kind, n.x + dx, n.y + dy, n.glyph, n.root, n.name, n.below, n.value)
        for n in nodes
    )
    shifted = tuple(
        Arc(
            a.parent,
            a.child,
            tuple((x + dx, y + dy) for x, y in a.points),
            a.weight,
            (a.label[0] + dx, a.label[1] + dy),
        )
        for a in arcs
    )
    size = (right - left + 2 * MARGIN, bottom - top + 2 * MARGIN)
    return Picture(title, *size, moved, shifted)


def describe(drawn: Picture) -> str:
    """One sentence for those who cannot see the picture."""
    kinds = {kind: sum(node.kind == kind for node in drawn.nodes) for kind in ("sum", "product")}
    leaves = [node for node in drawn.nodes if node.kind == "leaf"]
    shown = ", ".join(" ".join(plain(line) for line in leaf.below) for leaf in leaves[:6])
    more = ", …" if len(leaves) > 6 else ""
    return (
        f"A circuit of {kinds['sum']} sums, {kinds['product']} products and {len(leaves)} leaves"
        f" ({shown}{more})"
    )
