"""A compiled program as a drawing: a row for each layer, leaves at the bottom, root on top.

A block is one stacked group, as wide as it has inputs and as high as it has units; cells are the
children of the units of a layer of edges, and what only fills up a row is marked as padding. Sizes
grow with the numbers up to a few, then with their logarithm. Texts are plain: the browser shows
them as text, never as markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pc_workbench.views.compile_costs import amount, seconds_of, time_text
from pc_workbench.views.compile_facts import Facts, LayerFacts, Row, shape_text, share_text, span
from pccore.compile.profile import LayerCost
from pccore.graph import Circuit, Unit

Drawing = dict[str, Any]

#: Pixels at zoom 1: the whole; room left of the blocks; room for the share on the right.
WIDTH, LEFT, RIGHT = 480.0, 50.0, 76.0
ROOM = WIDTH - LEFT - RIGHT
#: Layers, blocks of a layer, rows and columns of cells that are drawn at most.
LAYERS, BLOCKS, LINES, COLUMNS = 60, 24, 6, 20
_HEAD, _LABEL, _BELOW, _GAP = 24.0, 24.0, 10.0, 5.0
_CELL, _PITCH = 8.0, 10.0
#: A program of few units is drawn larger, if it is no higher than that.
LARGER, FEW, FITS = 1.8, 150, 430.0
#: How large the cells of a layer with rows of many widths are drawn.
DENSE = 0.7


def drawing(
    circuit: Circuit,
    found: Facts,
    costs: Sequence[LayerCost],
    *,
    selected: int | None = None,
    focus: Unit | None = None,
    name: str = "program",
) -> Drawing:
    """Draw a program.

    costs: of each layer; where all have a time, shares are of the time, else of the operations.
    selected: a layer that is drawn whatever their number. focus: a unit whose block, or row of
    cells, is drawn and marked. name: tells drawings of different programs apart.
    """
    if focus is not None and focus.group in found.plan.fused:
        focus = Unit(found.plan.fused[focus.group], 0)
    shown = _shown(len(found.layers), selected)
    rows, height = _rows(circuit, found, shown, focus, LARGER)
    if height > FITS or found.plan.rows > FEW:
        rows, height = _rows(circuit, found, shown, focus, 1.0)
    weights = shares(costs)
    for row in rows:
        if "number" in row:
            number = row["number"]
            row["share"] = weights[number]
            row["share_text"] = share_text(weights[number])
            row["facts"] = describe(found.layers[number], costs[number])
    timed = all(cost.seconds is not None for cost in costs)
    return {
        "id": name,
        "width": WIDTH,
        "height": height,
        "rows": rows,
        "head": "share of time" if timed else "share of FLOPs",
    }


def _rows(
    circuit: Circuit, found: Facts, shown: Sequence[int], focus: Unit | None, zoom: float
) -> tuple[list[dict[str, Any]], float]:
    """The layers `shown` one below the other, and the height of them all."""
    rows: list[dict[str, Any]] = []
    y = _HEAD
    for place, number in enumerate(shown):
        above = len(found.layers) if place == 0 else shown[place - 1]
        if above - number > 1:
            rows.append({"more": f"{above - number - 1:,} more layers", "y": y, "height": 22.0})
            y += 22.0
        rows.append(_layer(circuit, found, found.layers[number], focus, y, zoom))
        y += rows[-1]["height"]
    return rows, y + 4


def shares(costs: Sequence[LayerCost]) -> list[float]:
    """What part of the time of both passes, or of the operations, each layer takes."""
    times = [seconds_of(cost) for cost in costs]
    known = [t for t in times if t is not None]
    weights = known if len(known) == len(costs) else [float(cost.flops) for cost in costs]
    total = sum(weights)
    return [weight / total if total else 0.0 for weight in weights]


def describe(layer: LayerFacts, cost: LayerCost) -> list[list[str]]:
    """(name, text) of what is known of a layer, for the card beside the pointer."""
    about = layer.words.about
    sizes = "of different sizes" if layer.sizes[0] != layer.sizes[1] else f"of {layer.sizes[0]:,}"
    listed = [
        ["Computes", about],
        ["Groups", f"{len(layer.groups):,} {sizes}; {layer.units:,} units"],
        ["Statistics" if layer.kind == "leaf" else "Inputs", span(layer.inputs)],
    ]
    if layer.edges:
        text = f"{layer.edges:,}"
        if layer.padding:
            text += f" and {layer.padding:,} of padding ({share_text(layer.padded)})"
        listed.append(["Edges", text])
    if layer.parameters:
        listed.append(["Parameters", f"{layer.parameters:,}"])
    listed.append(["Up pass", f"{amount(cost.flops, 'FLOP')}, {amount(cost.moved, 'B')}"])
    if cost.seconds is not None and cost.flow_seconds is not None:
        listed.append(
            ["Time", f"{time_text(cost.seconds)} up, {time_text(cost.flow_seconds)} flow"]
        )
    return listed


def block_size(units: int, inputs: int, zoom: float = 1.0) -> tuple[float, float]:
    """Width and height of a block."""
    width, height = max(12.0, 5 * _grown(inputs, 1.6)), max(10.0, 5 * _grown(units, 1.2))
    return zoom * width, zoom * height


def _grown(count: int, rate: float) -> float:
    """A count up to 8; beyond, `rate` for each doubling; at most 40."""
    return float(count) if count <= 8 else min(40.0, 8 + rate * math.log2(count / 8))


def _shown(count: int, selected: int | None) -> list[int]:
    """Numbers of the layers that are drawn, from the top: both ends, and those near a selection."""
    if count <= LAYERS:
        return list(range(count - 1, -1, -1))
    third = LAYERS // 3
    kept = {*range(third), *range(count - third, count)}
    if selected is not None:
        kept |= set(range(max(0, selected - third // 2), min(count, selected + third // 2)))
    return sorted(kept, reverse=True)


def _layer(
    circuit: Circuit, found: Facts, layer: LayerFacts, focus: Unit | None, y: float, zoom: float
) -> dict[str, Any]:
    if layer.rows:
        blocks, notes, height = _cells(found, layer, focus, y + _LABEL, zoom)
    else:
        blocks, notes, height = _stack(circuit, layer, focus, y + _LABEL, zoom)
    return {
        "number": layer.number,
        "y": y,
        "height": max(_LABEL + height + _BELOW, 48.0),
        "signs": list(layer.words.signs),
        "label": layer.title,
        "detail": shape_text(layer),
        "blocks": blocks,
        "notes": notes,
    }


# -- stacked groups --------------------------------------------------------------------------


def _stack(
    circuit: Circuit, layer: LayerFacts, focus: Unit | None, top: float, zoom: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """One block for each group, as many as there is room for."""
    units, inputs = layer.sizes[0], layer.inputs[0]
    width, height = block_size(units, inputs, zoom)
    total = len(layer.groups)
    fit = int((ROOM + _GAP) // (width + _GAP))
    if total > min(fit, BLOCKS):  # room for the number of all
        fit = int((ROOM - 60 + _GAP) // (width + _GAP))
    numbers = list(range(min(total, max(1, min(fit, BLOCKS)))))
    wanted = layer.groups.index(focus.group) if focus and focus.group in layer.groups else -1
    if wanted >= len(numbers):
        numbers[-1] = wanted
    blocks: list[dict[str, Any]] = []
    separate = layer.kind in ("mix", "hadamard", "kronecker")
    for place, number in enumerate(numbers):
        group = circuit.groups[layer.groups[number]]
        first = number * units
        rows = f"row {first:,}" if units == 1 else f"rows {first:,} to {first + units - 1:,}"
        blocks.append(
            {
                "x": LEFT + place * (width + _GAP),
                "y": top,
                "w": width,
                "h": height,
                "lines": units if units <= 8 else 0,
                "separate": separate,
                "chosen": number == wanted,
                "title": f"{group.name}, {rows} of layer {layer.number}",
            }
        )
    notes: list[dict[str, Any]] = []
    if total > len(numbers):
        end = LEFT + len(numbers) * (width + _GAP) + 3
        notes.append({"x": end, "y": top + height / 2, "text": f"× {total:,}"})
    return blocks, notes, height


# -- layers of edges -------------------------------------------------------------------------


def _cells(
    found: Facts, layer: LayerFacts, focus: Unit | None, top: float, zoom: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """One block for each width of rows; a cell for each child, and for each place left empty."""
    wanted = _position(found, layer, focus)
    zoom = zoom if len(layer.rows) <= 2 else min(zoom, DENSE)
    blocks: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    x, below = LEFT, 0.0
    chosen = _fitting(layer.rows, wanted, zoom)
    for row in chosen:
        block = _grid(row, wanted, layer.number, x, top, zoom)
        blocks.append(block)
        if len(row.units) > len(block["shown"]):
            y, below = top + block["h"] + 9, 16.0
            notes.append({"x": x, "y": y, "text": f"× {len(row.units):,}"})
        x += _breadth(row, zoom)
    tallest = max(block["h"] for block in blocks)
    left_out = len(layer.rows) - len(chosen)
    if left_out:
        text = f"+ {left_out} width" + ("s" if left_out > 1 else "")
        notes.append({"x": x, "y": top + tallest / 2, "text": text})
    return blocks, notes, tallest + below


def _breadth(row: Row, zoom: float) -> float:
    """The room that a block of cells takes, with the number of its units below."""
    text = 7.0 * len(f"× {len(row.units):,}") if len(row.units) > LINES else 0.0
    return max(min(row.width, COLUMNS) * _PITCH * zoom, text) + 9


def _position(found: Facts, layer: LayerFacts, focus: Unit | None) -> int:
    """The row of a unit in a layer, -1 where it is not in it."""
    if focus is None or int(found.where[focus.group]) != layer.number:
        return -1
    address = found.plan.addresses[focus.group]
    return address.first + focus.index - found.plan.layers[layer.number].first


def _fitting(rows: Sequence[Row], wanted: int, zoom: float) -> list[Row]:
    """The widths that there is room for: that of the unit in focus and padded ones first."""

    def rank(row: Row) -> tuple[bool, bool, int]:
        return wanted not in row.units, bool((row.counts == row.width).all()), -len(row.units)

    room, taken = ROOM, list[Row]()
    if sum(_breadth(row, zoom) for row in rows) > room:
        room -= 64  # for the number of those left out
    for row in sorted(rows, key=rank):
        wide = _breadth(row, zoom)
        if taken and wide > room:
            continue
        taken.append(row)
        room -= wide
    return sorted(taken, key=lambda row: row.width)


def _grid(row: Row, wanted: int, number: int, x: float, top: float, zoom: float) -> dict[str, Any]:
    """Rows of cells, the longest first; of many rows some, from the longest to the shortest."""
    pitch, size = zoom * _PITCH, zoom * _CELL
    order = np.argsort(-row.counts, kind="stable")
    lines = order[np.unique(np.linspace(0, len(order) - 1, min(LINES, len(order))).astype(int))]
    at = np.flatnonzero(row.units == wanted)
    if len(at) and at[0] not in lines:
        lines[len(lines) // 2] = at[0]
    columns = min(row.width, COLUMNS)
    cells: list[list[float]] = []
    padding: list[list[float]] = []
    chosen: float | None = None
    for line, place in enumerate(lines.tolist()):
        y = top + line * pitch
        filled = _filled(int(row.counts[place]), row.width, columns)
        cells += [[x + c * pitch, y] for c in range(filled)]
        padding += [[x + c * pitch, y] for c in range(filled, columns)]
        if int(row.units[place]) == wanted:
            chosen = y
    empty = int((row.width - row.counts).sum())
    units = "1 unit" if len(row.units) == 1 else f"{len(row.units):,} units"
    title = f"Layer {number}: {units} in rows of {row.width:,}"
    if empty:
        title += f", {empty:,} of {row.width * len(row.units):,} cells are padding"
    if columns < row.width:
        title += f"; {columns} cells stand for {row.width:,}"
    return {
        "x": x,
        "y": top,
        "w": columns * pitch - (pitch - size),
        "h": len(lines) * pitch - (pitch - size),
        "cells": cells,
        "padding": padding,
        "size": size,
        "shown": row.units[lines].tolist(),
        "chosen_row": chosen,
        "title": title,
    }


def _filled(count: int, width: int, columns: int) -> int:
    """How many of the drawn cells are children; of padding at least one remains to be seen."""
    if columns == width:
        return count
    return min(math.ceil(columns * count / width), columns if count == width else columns - 1)
