"""What pairs are made of: each factor in the linear domain, once for all products it is in.

A region of a Poon-Domingos circuit takes part in many partitions. exp(log-values - their maximum)
does not depend on the partition, so it is computed where it is first wanted and read from a
buffer of its own by every einsum layer above, in the up pass and again in the flow pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile.buffers import ALL, Inputs, RowSet
from pccore.compile.kernels import dense
from pccore.compile.plan import Address, Plan
from pccore.compile.state import Pass


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Factors written by one layer, all of the same size: where their values are, and where
    their linear values [n, K, B] and maxima [n, B] go."""

    values: RowSet
    first: int
    slot: int


class Sides:
    """The factors of all einsum layers of a plan."""

    def __init__(self, plan: Plan, device: torch.device) -> None:
        self._chunks: list[_Chunk] = []
        self._chunk_of: dict[int, int] = {}
        self._address_of: dict[int, Address] = {}
        writers = {
            slot: number
            for number, layer in enumerate(plan.layers)
            for slot in range(layer.slot, layer.slot + len(layer.groups))
        }
        rows = slots = 0
        for (_, size), members in itertools.groupby(
            plan.factors, key=lambda a: (writers[a.slot], a.size)
        ):
            group = list(members)
            firsts = [address.first for address in group]
            self._chunks.append(_Chunk(RowSet(firsts, size, device), rows, slots))
            for address in group:
                self._chunk_of[address.first] = len(self._chunks) - 1
                self._address_of[address.first] = Address(rows, size, slots)
                rows += size
                slots += 1
        self.rows, self.slots = rows, slots

    def chunks_of(self, inputs: Sequence[Sequence[Address]]) -> list[int]:
        """The chunks that a layer with these inputs reads."""
        return sorted({self._chunk_of[address.first] for row in inputs for address in row})

    def moved(self, inputs: Sequence[Sequence[Address]]) -> list[list[Address]]:
        """The inputs' addresses in the buffer of linear values."""
        return [[self._address_of[address.first] for address in row] for row in inputs]

    def fill(self, state: Pass, chunks: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(linear values [rows, B], maxima [slots, B]), the given chunks up to date."""
        take = state.workspace.take
        linear = take("sides", (self.rows, state.samples), state.values)
        tops = take("tops", (self.slots, state.samples), state.values)
        for number in chunks:
            if number not in state.sides:
                state.sides.add(number)
                chunk = self._chunks[number]
                count, size = chunk.values.count, chunk.values.size
                values = chunk.values.read(state.values)
                out = linear[chunk.first : chunk.first + count * size].view(values.shape)
                top = dense.top_of(values, 1)
                dense.exp_(torch.sub(values, top, out=out))
                tops[chunk.slot : chunk.slot + count] = top.squeeze(1)
        return linear, tops


class Pairs:
    """The two factors of each group of an einsum layer, in the linear domain."""

    def __init__(
        self, sides: Sides, inputs: Sequence[Sequence[Address]], device: torch.device
    ) -> None:
        moved = sides.moved(inputs)
        self._sides = sides
        self._chunks = sides.chunks_of(inputs)
        self._linear = Inputs(moved, device)
        self._tops = Inputs([[Address(a.slot, 1, a.slot) for a in row] for row in moved], device)

    def read(self, state: Pass, part: slice = ALL) -> tuple[Tensor, Tensor, Tensor]:
        """(left [G, K, B], right [G, K', B], the sum of their maxima [G, 1, B])."""
        linear, tops = self._sides.fill(state, self._chunks)
        shift = self._tops.stacked(tops, part).sum(1)
        if self._linear.uniform:
            left, right = self._linear.stacked(linear, part, state.workspace).unbind(1)
        else:
            left, right = (column.read(linear, part) for column in self._linear.columns)
        return left, right, shift
