"""The GPU's circuits as lists of blocks of K units, which pyjuice and pccore build alike.

They are those of PyJuice's table (Liu et al. 2024, arXiv:2406.00766): Poon-Domingos rectangles in
which a sum sees the products of at most four partitions, and hidden Chow-Liu trees. Products are
unit by unit, sums see all units of their products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .job import Job

#: Partitions that a region of PyJuice's PD keeps at most (`max_prod_block_conns`).
MOST_PARTITIONS = 4


@dataclass(frozen=True)
class Block:
    """kind "input" (of a variable), "product" or "sum"; inputs are numbers of earlier blocks."""

    kind: str
    units: int
    inputs: tuple[int, ...] = ()
    variable: int = -1


def blocks(job: Job) -> list[Block]:
    """The blocks of a job, the root last."""
    rng = np.random.default_rng(job.seed)
    made = _Made(job.units)
    if job.structure == "blocks-hclt":
        _hidden_tree(made, job.variables, rng)
    else:
        _rectangles(made, job.side, job.delta[0], rng)
    return made.blocks


def sizes(made: list[Block]) -> dict[str, int]:
    """units: of inputs and sums, as PyJuice counts nodes; edges: below sums."""
    below = {i: block.units for i, block in enumerate(made)}
    edges = sum(b.units * sum(below[i] for i in b.inputs) for b in made if b.kind == "sum")
    return {"units": sum(b.units for b in made if b.kind != "product"), "edges": edges}


class _Made:
    def __init__(self, units: int) -> None:
        self.units = units
        self.blocks: list[Block] = []

    def add(self, kind: str, *inputs: int, variable: int = -1, units: int = 0) -> int:
        self.blocks.append(Block(kind, units or self.units, inputs, variable))
        return len(self.blocks) - 1


def _rectangles(made: _Made, side: int, step: int, rng: np.random.Generator) -> None:
    cuts = list(range(step, side, step))
    lines = [0, *cuts, side]
    cells = range(len(lines) - 1)
    spans = [
        (a, b) for width in range(1, len(lines)) for a in cells if (b := a + width) < len(lines)
    ]
    region: dict[tuple[int, int, int, int], int] = {}
    order = sorted(((t, b, lf, r) for t, b in spans for lf, r in spans), key=_area)
    for top, bottom, left, right in order:
        parts = [((top, y, left, right), (y, bottom, left, right)) for y in range(top + 1, bottom)]
        parts += [((top, bottom, left, x), (top, bottom, x, right)) for x in range(left + 1, right)]
        whole = (top, bottom, left, right)
        root = whole == (0, len(cells), 0, len(cells))
        if not parts:
            pixels = [
                made.add("input", variable=y * side + x)
                for y in range(lines[top], lines[bottom])
                for x in range(lines[left], lines[right])
            ]
            region[whole] = made.add("sum", made.add("product", *pixels))
            continue
        if len(parts) > MOST_PARTITIONS and not root:
            kept = sorted(rng.choice(len(parts), MOST_PARTITIONS, replace=False).tolist())
            parts = [parts[k] for k in kept]
        products = [made.add("product", region[one], region[two]) for one, two in parts]
        region[whole] = made.add("sum", *products, units=1 if root else 0)


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _hidden_tree(made: _Made, variables: int, rng: np.random.Generator) -> None:
    """A random spanning tree of the pixels' grid, as neighbours depend most on each other."""
    side = round(variables**0.5)
    number = np.arange(variables).reshape(-1, side)
    pairs = np.concatenate(
        [
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
            np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
        ]
    )
    near: list[list[int]] = [[] for _ in range(variables)]
    group = list(range(variables))

    def find(v: int) -> int:
        while group[v] != v:
            group[v] = group[group[v]]
            v = group[v]
        return v

    for a, b in rng.permutation(pairs).tolist():
        if find(a) != find(b):
            group[find(a)] = find(b)
            near[a].append(b)
            near[b].append(a)
    root = variables // 2 + side // 2
    parent, order = {root: -1}, [root]
    for v in order:  # grows while it is read: parents before children
        for w in near[v]:
            if w not in parent:
                parent[w] = v
                order.append(w)
    top: dict[int, int] = {}
    for v in reversed(order):
        own = made.add("input", variable=v)
        below = [top[w] for w in near[v] if parent[w] == v]
        if below:
            product = made.add("product", *below, own)
            top[v] = made.add("sum", product, units=1 if v == root else 0)
        else:
            top[v] = own
