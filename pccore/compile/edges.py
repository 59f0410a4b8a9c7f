"""Layers of edges: all scalar and irregular sums, or products, of one step at once.

Units are grouped by their number of children, rounded up to a few widths, so that a thousand
sums of five children are one operation over [1000, 5, B] and the cost stays linear in the edges.
An edge that is only there to fill up a row points to the unit's first child with weight zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pccore.compile.edge_bank import EdgeBank
from pccore.compile.kernels import dense
from pccore.compile.layer import Layer
from pccore.compile.plan import Address, LayerSpec
from pccore.compile.state import Choice, Pass
from pccore.graph import Circuit, IntArray, LeafGroup, SparseEdges

#: Units with more children than this are padded to the next of a geometric series of widths.
EXACT_WIDTHS = 8


@dataclass(frozen=True)
class Edges:
    """Edges of the units of a layer, in compressed rows.

    offsets: [U + 1]. children: rows of the value buffer, [E]. numbers: positions of the weights
    in the bank, [E]; empty for products.
    """

    offsets: IntArray
    children: IntArray
    numbers: IntArray


def edges_of(circuit: Circuit, spec: LayerSpec, weighted: bool) -> Edges:
    """The edges of the groups of a layer."""
    offsets, children, numbers = [np.zeros(1, np.int64)], [], []
    total = 0
    for i, g in enumerate(spec.groups):
        group = circuit.groups[g]
        assert not isinstance(group, LeafGroup)
        rows = _input_rows(spec.inputs[i])
        if isinstance(group.edges, SparseEdges):
            ends, rows = group.edges.offsets[1:], rows[group.edges.children]
        else:  # one unit over all units of its inputs
            ends = np.array([len(rows)])
        offsets.append(total + ends)
        children.append(rows)
        if weighted:
            numbers.append(spec.rows[i] + np.arange(len(rows)))
        total += len(rows)
    none = np.zeros(0, np.int64)
    return Edges(
        np.concatenate(offsets), np.concatenate(children), np.concatenate(numbers or [none])
    )


def _input_rows(addresses: tuple[Address, ...]) -> IntArray:
    return np.concatenate([np.arange(a.first, a.first + a.size) for a in addresses])


def _widths(counts: IntArray) -> IntArray:
    """The width to which each number of children is rounded up."""
    widths = list(range(1, EXACT_WIDTHS + 1))
    while widths[-1] < int(counts.max()):
        widths.append(-(-widths[-1] * 5 // 4))
    ladder = np.array(widths)
    return ladder[np.searchsorted(ladder, counts)]


@dataclass(frozen=True)
class _Block:
    """Units of one width: unit numbers in the layer [U], child rows and weights [U, n]."""

    units: Tensor
    rows: Tensor
    children: Tensor
    numbers: Tensor


class EdgeLayer(Layer):
    """What sums and products of edges have in common."""

    def __init__(
        self, number: int, spec: LayerSpec, device: torch.device, circuit: Circuit, slots: IntArray
    ) -> None:
        """slots: for each row of the buffer the slot of its group and its index there, [2, R]."""
        super().__init__(number, spec, device)
        self.slot_of, self.index_of = (torch.as_tensor(part, device=device) for part in slots)
        sizes = np.array([circuit.groups[g].size for g in spec.groups])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.group_start = torch.as_tensor(starts, device=device)

    def units_of(self, choice: Choice) -> tuple[Tensor, Tensor]:
        """(unit number in the layer, sample) of the active units, each [n]."""
        groups, samples, units = self.active(choice)
        return self.group_start[groups] + units, samples

    def activate(self, choice: Choice, rows: Tensor, samples: Tensor) -> None:
        """Mark the units at `rows` of the buffer as chosen."""
        choice.active[self.slot_of[rows], samples] = self.index_of[rows]


class EdgeProductLayer(EdgeLayer):
    """Products over any selection of units."""

    def __init__(
        self, number: int, spec: LayerSpec, device: torch.device, circuit: Circuit, slots: IntArray
    ) -> None:
        super().__init__(number, spec, device, circuit, slots)
        edges = edges_of(circuit, spec, weighted=False)
        self.children = torch.as_tensor(edges.children, device=device)
        self.offsets = torch.as_tensor(edges.offsets, device=device)
        # The same edges seen from below: each child adds up the flows of its parents.
        parents = spec.first + np.repeat(np.arange(spec.units), np.diff(edges.offsets))
        order = np.argsort(edges.children, kind="stable")
        below, first = np.unique(edges.children[order], return_index=True)
        self.below = torch.as_tensor(below, device=device)
        self.parents = torch.as_tensor(parents[order], device=device)
        self.parent_offsets = torch.as_tensor(first, device=device)

    def up(self, state: Pass, keep: bool) -> None:
        """Sum of log-values."""
        self.read(state.values)[0].copy_(_bags(self.children, state.values, self.offsets[:-1]))

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """A product has nothing to maximise."""
        self.up(state, keep=False)

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Every factor receives the whole flow."""
        flows.index_add_(0, self.below, _bags(self.parents, flows, self.parent_offsets))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Every factor is in the induced tree."""
        units, samples = self.units_of(choice)
        counts = self.offsets[units + 1] - self.offsets[units]
        where = torch.repeat_interleave(torch.arange(len(units), device=self.device), counts)
        within = torch.arange(len(where), device=self.device)
        within -= torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        rows = self.children[self.offsets[units][where] + within]
        self.activate(choice, rows, samples[where])


def _bags(rows: Tensor, buffer: Tensor, starts: Tensor) -> Tensor:
    """Sums of rows of the buffer: those from each start to the next."""
    return torch.nn.functional.embedding_bag(rows, buffer, starts, mode="sum")


class EdgeSumLayer(EdgeLayer):
    """Sums over any selection of units."""

    def __init__(
        self,
        number: int,
        spec: LayerSpec,
        device: torch.device,
        circuit: Circuit,
        slots: IntArray,
        bank: EdgeBank,
    ) -> None:
        super().__init__(number, spec, device, circuit, slots)
        self.bank = bank
        edges = edges_of(circuit, spec, weighted=True)
        missing = len(bank.values)
        counts = np.diff(edges.offsets)
        widths = _widths(counts)
        self.blocks: list[_Block] = []
        block_of = np.zeros(spec.units, np.int64)
        place = np.zeros(spec.units, np.int64)
        for n in np.unique(widths):
            units = np.flatnonzero(widths == n)
            grid = edges.offsets[units][:, None] + np.arange(n)
            filled = np.arange(n) < counts[units][:, None]
            grid = np.where(filled, grid, edges.offsets[units][:, None])
            numbers = np.where(filled, edges.numbers[grid], missing)
            block_of[units], place[units] = len(self.blocks), np.arange(len(units))
            arrays = (units, spec.first + units, edges.children[grid], numbers)
            self.blocks.append(_Block(*(torch.as_tensor(a, device=device) for a in arrays)))
        self.block_of, self.place = (torch.as_tensor(a, device=device) for a in (block_of, place))

    def _tiles(self, samples: int) -> Iterator[_Block]:
        for block in self.blocks:
            step = max(1, self.chunk // max(1, block.children.shape[1] * samples))
            if step >= len(block.units):
                yield block
                continue
            for start in range(0, len(block.units), step):
                part = slice(start, start + step)
                yield _Block(
                    block.units[part], block.rows[part], block.children[part], block.numbers[part]
                )

    def _children(self, state: Pass, tile: _Block) -> Tensor:
        """A copy of the children's log-values, [U, n, B]."""
        shape = (*tile.children.shape, state.samples)
        values = state.workspace.take("scores", shape, state.values)
        torch.index_select(state.values, 0, tile.children.reshape(-1), out=values.flatten(0, 1))
        return values

    def _terms(self, state: Pass, tile: _Block) -> tuple[Tensor, Tensor, Tensor] | None:
        """(terms [U, n, B], their sums, top) in the linear domain; None: not without loss."""
        linear = self.bank.linear
        if linear is None:
            return None
        terms = self._children(state, tile)
        sums, top = dense.weighted_terms(terms, linear[tile.numbers].unsqueeze(-1), 1)
        return None if dense.lost(sums, top.squeeze(1)) else (terms, sums, top)

    def up(self, state: Pass, keep: bool) -> None:
        """Log of the weighted sum of the children, shifted by the largest."""
        for tile in self._tiles(state.samples):
            found = self._terms(state, tile)
            if found is None:
                log_weights = self.bank.log_weights[tile.numbers].unsqueeze(-1)
                sums = dense.weighted_log_sum(self._children(state, tile), log_weights, 1)
            else:
                sums = found[1].log_().add_(found[2].squeeze(1))
            state.values.index_copy_(0, tile.rows, sums)

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """Maximum over the children."""
        for tile in self._tiles(state.samples):
            log_weights = self.bank.log_weights[tile.numbers].unsqueeze(-1)
            best = self._children(state, tile).add_(log_weights).amax(1)
            state.values.index_copy_(0, tile.rows, best)

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Each child receives its share."""
        for tile in self._tiles(state.samples):
            found, incoming = self._terms(state, tile), flows.index_select(0, tile.rows)
            if found is None:
                log_weights = self.bank.log_weights[tile.numbers].unsqueeze(-1)
                share = dense.shares(self._children(state, tile), log_weights, incoming, 1)
            else:
                share = found[0].mul_(dense.ratio(incoming, found[1]).unsqueeze(1))
            if statistics is not None:
                statistics.index_add_(0, tile.numbers.reshape(-1), share.sum(2).reshape(-1))
            flows.index_add_(0, tile.children.reshape(-1), share.flatten(0, 1))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Pick one child: sampled by its share, or the largest."""
        units, samples = self.units_of(choice)
        counts = choice.counts_of(self.spec.parameters)
        blocks = self.block_of[units]
        for number, block in enumerate(self.blocks):
            mine = torch.nonzero(blocks == number).squeeze(1)
            step = max(1, dense.EXACT_CHUNK // block.children.shape[1])
            for chosen in mine.split(step):
                place, where = self.place[units[chosen]], samples[chosen]
                children = block.children[place]
                scores = state.values[children, where[:, None]]
                scores += self.bank.log_weights[block.numbers[place]]
                picked = dense.draw(scores, choice.generator)
                edge = picked.unsqueeze(1)
                self.activate(choice, children.gather(1, edge).squeeze(1), where)
                if counts is not None:
                    numbers = block.numbers[place].gather(1, edge).squeeze(1)
                    counts.index_add_(0, numbers, counts.new_ones(len(numbers)))
