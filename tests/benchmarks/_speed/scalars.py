"""Random irregular circuits of scalar units: a graph in arrays, for every engine the same.

The variables are split at random into a binary tree of regions. Each inner region has sums over
products, each product of one unit of the left region and one of the right; which ones, and how
many a sum has, is random. All units are used. So the circuit is smooth and decomposable, and has
no regularity that an engine could exploit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pccore.graph import Circuit

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

LEAF, PRODUCT, SUM = 0, 1, 2


@dataclass(frozen=True, eq=False)
class ScalarGraph:
    """Units in topological order, children first, those of a region together; the last is the root.

    Block b has the units first[b] : first[b + 1], all of kind[b] and of one scope; inputs[b] are
    the blocks of their children, -1 for none. Unit u has the children
    children[offsets[u] : offsets[u + 1]], and a sum has weights at the same places.
    variable [blocks]: of leaves; probability [units]: of 1, of Bernoulli leaves.
    """

    kind: IntArray
    first: IntArray
    inputs: IntArray
    variable: IntArray
    offsets: IntArray
    children: IntArray
    weights: FloatArray
    probability: FloatArray

    @property
    def num_edges(self) -> int:
        """Edges between units."""
        return len(self.children)

    @property
    def num_variables(self) -> int:
        """V."""
        return int(self.variable.max()) + 1

    def save(self, path: str) -> None:
        """Write the arrays."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: str) -> ScalarGraph:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**dict(file))

    def grouped_circuit(self) -> Circuit:
        """Blocks as groups with SparseEdges."""
        import torch

        from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
        from pccore.leaves.bernoulli import Bernoulli

        groups: list[Group] = []
        params: dict[str, torch.Tensor] = {}
        for b, (kind, begin, end) in enumerate(
            zip(self.kind, self.first, self.first[1:], strict=False)
        ):
            name, size = f"b{b}", int(end - begin)
            if kind == LEAF:
                groups.append(LeafGroup(name, size, Bernoulli(), (int(self.variable[b]),), name))
                params[name] = torch.from_numpy(self.probability[begin:end]).float()[None]
                continue
            edges = slice(self.offsets[begin], self.offsets[end])
            inputs = tuple(int(i) for i in self.inputs[b] if i >= 0)
            rows = SparseEdges(
                self.offsets[begin : end + 1] - self.offsets[begin], self._places(inputs, edges)
            )
            if kind == PRODUCT:
                groups.append(ProductGroup(name, size, inputs, rows))
            else:
                groups.append(SumGroup(name, size, inputs, name, rows))
                params[name] = torch.from_numpy(self.weights[edges]).float()
        names = [f"X{v}" for v in range(self.num_variables)]
        return Circuit(groups, [(len(groups) - 1, 0)], names, params)

    def _places(self, inputs: Sequence[int], edges: slice) -> IntArray:
        """Positions of the children in the concatenation of the input blocks."""
        children = self.children[edges]
        places = np.empty_like(children)
        before = 0
        for block in inputs:
            begin, end = self.first[block], self.first[block + 1]
            inside = (children >= begin) & (children < end)
            places[inside] = children[inside] - begin + before
            before += end - begin
        return places

    def scalar_circuit(self) -> Circuit:
        """Every unit a group of its own, as in a circuit drawn by hand or learned."""
        import torch

        from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
        from pccore.leaves.bernoulli import Bernoulli

        groups: list[Group] = []
        params: dict[str, torch.Tensor] = {}
        probability = torch.from_numpy(self.probability).float()
        weights = torch.from_numpy(self.weights).float()
        offsets, children = self.offsets.tolist(), self.children.tolist()
        sizes = np.diff(self.first)
        kinds, variables = np.repeat(self.kind, sizes), np.repeat(self.variable, sizes)
        for u, (kind, v) in enumerate(zip(kinds.tolist(), variables.tolist(), strict=True)):
            name, edges = f"u{u}", slice(offsets[u], offsets[u + 1])
            if kind == LEAF:
                groups.append(LeafGroup(name, 1, Bernoulli(), (v,), name))
                params[name] = probability[u].reshape(1, 1)
            elif kind == PRODUCT:
                groups.append(ProductGroup(name, 1, tuple(children[edges])))
            else:
                groups.append(SumGroup(name, 1, tuple(children[edges]), name))
                params[name] = weights[edges][None]
        names = [f"X{v}" for v in range(self.num_variables)]
        return Circuit(groups, [(len(groups) - 1, 0)], names, params)


def random_graph(size: int, variables: int = 64, seed: int = 0) -> ScalarGraph:
    """About 9 * size * (variables - 1) edges: `size` sums and 2 * size products in each region."""
    rng = np.random.default_rng(seed)
    builder = _Builder(rng)
    top = builder.region(np.arange(variables), size)
    return builder.finish(top)


class _Builder:
    """Blocks in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows: list[tuple[int, int, list[int], int]] = []  # kind, size, inputs, variable
        self.children: list[IntArray] = []
        self.fan: list[IntArray] = []
        self.weights: list[FloatArray] = []
        self.probability: list[FloatArray] = []
        self.units = 0

    def block(
        self, kind: int, inputs: list[int], variable: int, fan: IntArray, children: IntArray,
        weights: FloatArray, probability: FloatArray,
    ) -> int:  # fmt: skip
        self.rows.append((kind, len(fan), inputs, variable))
        self.fan.append(fan)
        self.children.append(children)
        self.weights.append(weights)
        self.probability.append(probability)
        self.units += len(fan)
        return len(self.rows) - 1

    def start(self, block: int) -> int:
        return sum(row[1] for row in self.rows[:block])

    def region(self, variables: IntArray, size: int) -> int:
        """The block of sums (or leaves) of the whole tree; without recursion."""
        order = self.rng.permutation(variables)
        todo: list[tuple[int, int, int]] = [(0, len(order), -1)]
        splits: list[tuple[int, int, int]] = []
        while todo:  # parents before children
            low, high, _ = todo.pop()
            middle = int(self.rng.integers(low + 1, high)) if high - low > 1 else -1
            splits.append((low, high, middle))
            if middle > 0:
                todo += [(low, middle, -1), (middle, high, -1)]
        made: dict[tuple[int, int], int] = {}
        for low, high, middle in reversed(splits):
            if middle < 0:
                made[low, high] = self.leaves(int(order[low]), size)
            else:
                last = high - low == len(order)
                made[low, high] = self.sums(made[low, middle], made[middle, high], size, last)
        return made[0, len(order)]

    def leaves(self, variable: int, size: int) -> int:
        none = np.zeros(0)
        chances = self.rng.uniform(0.1, 0.9, size)
        zero = np.zeros(size, dtype=np.int64)
        return self.block(LEAF, [-1, -1], variable, zero, zero[:0], none, chances)

    def sums(self, left: int, right: int, size: int, root: bool) -> int:
        """Products of the two blocks, and sums over these; one sum at the root."""
        many = 2 * size
        pairs = np.stack([self.start(b) + self.all_of(b, many) for b in (left, right)], 1)
        two = np.full(many, 2, dtype=np.int64)
        unused = np.full(many, np.nan)
        below = self.block(
            PRODUCT, [left, right], -1, two, pairs.reshape(-1), np.ones(2 * many), unused
        )
        fan = self.rng.integers(2, min(8, many) + 1, 1 if root else size)  # five on average
        if root:
            fan[:] = many
        total = int(fan.sum())
        picks = self.start(below) + self.rows_of(below, fan)
        weights = self.rng.uniform(0.1, 1.0, total)
        rows = np.repeat(np.arange(len(fan)), fan)
        weights /= np.bincount(rows, weights)[rows]
        return self.block(SUM, [below, -1], -1, fan, picks, weights, np.full(len(fan), np.nan))

    def all_of(self, block: int, number: int) -> IntArray:
        """`number` units of a block at random, every one at least once where that is possible."""
        size = self.rows[block][1]
        rounds = -(-number // size)
        return np.concatenate([self.rng.permutation(size) for _ in range(rounds)])[:number]

    def rows_of(self, block: int, fan: IntArray) -> IntArray:
        """As all_of, cut into rows of fan units, all different within a row."""
        size = self.rows[block][1]
        picks = self.all_of(block, int(fan.sum()))
        ends = np.cumsum(fan)
        # Only rows that reach into the next permutation can have a unit twice.
        for end in range(size, len(picks), size):
            row = int(np.searchsorted(ends, end, side="right"))
            begin = int(ends[row] - fan[row])
            part = picks[begin : ends[row]]
            if len(np.unique(part)) < len(part):
                picks[begin : ends[row]] = self.rng.choice(size, len(part), replace=False)
        return picks

    def finish(self, top: int) -> ScalarGraph:
        assert top == len(self.rows) - 1
        sizes = np.array([row[1] for row in self.rows])
        fan = np.concatenate(self.fan)
        columns: dict[str, Any] = {
            "kind": np.array([row[0] for row in self.rows]),
            "first": np.concatenate([[0], np.cumsum(sizes)]),
            "inputs": np.array([row[2] for row in self.rows]),
            "variable": np.array([row[3] for row in self.rows]),
            "offsets": np.concatenate([[0], np.cumsum(fan)]),
            "children": np.concatenate(self.children),
            "weights": np.concatenate(self.weights),
            "probability": np.concatenate(self.probability),
        }
        return ScalarGraph(**columns)
