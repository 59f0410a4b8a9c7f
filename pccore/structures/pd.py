"""Poon-Domingos structure of images: rectangles, split in all ways at the lines of a grid.

The lines are the multiples of a step delta, counted from the corner of the image (a global
grid). A rectangle is split at every line that crosses it; equal rectangles, reached in
different ways, are one region. With several steps a rectangle is split by the first step that
has a line in it: (4, 1) splits by 4 down to blocks of 4 x 4 and these by single pixels, the
coarse-to-fine scheme of Poon & Domingos 2011, sec. 5; (4, 7) is what the EiNet code calls
[4, 7]. A rectangle that no line crosses is a leaf region.

Without any limit a grid of n x n cells has (n(n+1)/2)^2 regions and n(n^2 - 1)/3 * n(n+1)/2
partitions: 100 and 200 for 28 x 28 pixels with step 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pccore.errors import OptionError
from pccore.graph import Circuit, IntArray
from pccore.options import option
from pccore.structures.base import Grid, Shape, Size, Structure
from pccore.structures.parametrise import RegionOptions, region_circuit, region_size
from pccore.structures.region_graph import MAX_REGIONS, RegionGraph, offsets


@dataclass(frozen=True)
class PdOptions(RegionOptions):
    """Options of the Poon-Domingos structure."""

    delta: tuple[int, ...] = option(
        (),
        help="distance of the cuts in pixels, coarse to fine where several; none given: "
        "a quarter of the longer side",
        minimum=1,
        maximum=4096,
    )
    axes: Literal["both", "vertical", "horizontal"] = option(
        "both",
        help="direction of the cuts; vertical: only left from right, as for the EiNet paper's "
        "colour images; horizontal: only top from bottom",
    )


def rectangles(grid: Grid, delta: tuple[int, ...], axes: str = "both") -> RegionGraph:
    """The region graph of an image; a region is named by its rows and columns, ends included.

    All channels of a pixel are in the same region. Raises OptionError for more than
    MAX_REGIONS regions or partitions.
    """
    height, width = grid.height, grid.width
    cuts = [
        (
            np.arange(step, height if axes != "vertical" else 0, step),
            np.arange(step, width if axes != "horizontal" else 0, step),
        )
        for step in delta
    ]
    base = max(height, width) + 1
    frontier = np.array([[0, height, 0, width]], dtype=np.int64)
    codes = [_encode(frontier, base)]
    splits: list[IntArray] = []  # rows of (parent, first part, second part), as codes
    found, cut = 1, 0
    known = codes[0]
    while len(frontier):
        rows = _cut_all(frontier, cuts, base, MAX_REGIONS - cut)
        fresh = np.setdiff1d(rows[:, 1:], known)
        known = np.union1d(known, fresh)
        splits.append(rows)
        found, cut = found + len(fresh), cut + len(rows)
        if found > MAX_REGIONS:
            raise _too_many()
        frontier = _decode(fresh, base)
    return _assemble(grid, known, np.concatenate(splits), base)


def _cut_all(
    boxes: IntArray, cuts: list[tuple[IntArray, IntArray]], base: int, limit: int
) -> IntArray:
    """All splits of the boxes, as rows of codes; the order within one box is by axis and line."""
    rows: list[IntArray] = [np.zeros((0, 3), dtype=np.int64)]
    open_ = np.ones(len(boxes), dtype=np.bool_)
    total = 0
    for lines in cuts:
        crossed = np.zeros(len(boxes), dtype=np.bool_)
        for axis in (0, 1):
            low, high = boxes[:, 2 * axis], boxes[:, 2 * axis + 1]
            first = np.searchsorted(lines[axis], low, side="right")
            number = np.searchsorted(lines[axis], high, side="left") - first
            number = np.where(open_, np.maximum(number, 0), 0)
            total += int(number.sum())
            if total > limit:
                raise _too_many()
            which = np.repeat(np.arange(len(boxes)), number)
            step = np.arange(len(which)) - np.repeat(np.cumsum(number) - number, number)
            at = lines[axis][first[which] + step]
            before, after = boxes[which], boxes[which]
            before[:, 2 * axis + 1] = at
            after[:, 2 * axis] = at
            parts = (boxes[which], before, after)
            rows.append(np.stack([_encode(part, base) for part in parts], axis=1))
            crossed |= number > 0
        open_ &= ~crossed
    return np.concatenate(rows)


def _encode(boxes: IntArray, base: int) -> IntArray:
    """One number for each box (top, bottom, left, right; ends excluded)."""
    return ((boxes[:, 0] * base + boxes[:, 1]) * base + boxes[:, 2]) * base + boxes[:, 3]


def _decode(codes: IntArray, base: int) -> IntArray:
    return np.stack([codes // base**power % base for power in (3, 2, 1, 0)], axis=1)


def _assemble(grid: Grid, codes: IntArray, splits: IntArray, base: int) -> RegionGraph:
    """The region graph: regions by area, so that parts come before the whole."""
    boxes = _decode(codes, base)  # codes are sorted
    area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    order = np.argsort(area, kind="stable")
    number = np.empty(len(codes), dtype=np.int64)
    number[order] = np.arange(len(codes))
    regions = number[np.searchsorted(codes, splits)]
    regions = regions[np.argsort(regions[:, 0], kind="stable")]
    boxes = boxes[order]
    is_leaf = np.ones(len(boxes), dtype=np.bool_)
    is_leaf[regions[:, 0]] = False
    lengths = np.where(is_leaf, area[order] * grid.channels, 0)
    pixels = [_variables(grid, box) for box in boxes[is_leaf].tolist()]
    labels = [_label(box) for box in boxes.tolist()]
    labels[-1] = "root"
    return RegionGraph(
        grid.height * grid.width * grid.channels,
        tuple(labels),
        offsets(lengths),
        np.concatenate(pixels),
        np.ascontiguousarray(regions[:, 0]),
        2 * np.arange(len(regions) + 1, dtype=np.int64),
        np.ascontiguousarray(regions[:, 1:]).reshape(-1),
    )


def _variables(grid: Grid, box: list[int]) -> npt.NDArray[np.int64]:
    top, bottom, left, right = box
    pixel = np.arange(top, bottom)[:, None] * grid.width + np.arange(left, right)
    return (pixel[..., None] * grid.channels + np.arange(grid.channels)).reshape(-1)


def _label(box: list[int]) -> str:
    top, bottom, left, right = box
    rows = f"r{top}" if bottom == top + 1 else f"r{top}-{bottom - 1}"
    return rows + (f",c{left}" if right == left + 1 else f",c{left}-{right - 1}")


def _too_many() -> OptionError:
    return OptionError(
        f"more than {MAX_REGIONS} ways to split a rectangle", where="delta", hint="raise delta"
    )


def _graph(shape: Shape, options: PdOptions) -> RegionGraph:
    if shape.image is None:
        raise OptionError("needs image data", where="structure pd")
    grid = shape.image
    delta = options.delta or (-(-max(grid.height, grid.width) // 4),)
    return rectangles(grid, delta, options.axes)


def _build(shape: Shape, options: PdOptions) -> Circuit:
    return region_circuit(_graph(shape, options), shape, options)


def _size(shape: Shape, options: PdOptions) -> Size:
    return region_size(_graph(shape, options), shape, options)


STRUCTURE = Structure(
    name="pd",
    title="Poon-Domingos rectangles",
    description="All rectangles of an image on a coarse grid, each split in every way; regions "
    "are shared. Made for images.",
    options=PdOptions,
    build=_build,
    size=_size,
    needs_image=True,
)
