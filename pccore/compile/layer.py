"""What all layers of a compiled circuit have in common: four passes over their rows.

Every layer reads its inputs from the value buffer and writes its own rows (see plan.py), so the
same four passes serve likelihood, marginals, EM, gradients, MPE and sampling.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pccore.compile.buffers import ALL, Inputs
from pccore.compile.plan import LayerSpec
from pccore.compile.state import Choice, Pass

#: Numbers that a layer works on at once: what stays in the cache of a CPU, and much more where
#: thousands of cores want work.
CPU_CHUNK = 2**20
GPU_CHUNK = 2**27


def chunk_for(device: str) -> int:
    """Numbers that a layer works on at once on this type of device."""
    return CPU_CHUNK if device == "cpu" else GPU_CHUNK


class Layer:
    """Base of all layers: the rows of `spec`, G groups."""

    def __init__(self, number: int, spec: LayerSpec, device: torch.device) -> None:
        self.number = number
        self.spec = spec
        self.device = device
        self.slots = slice(spec.slot, spec.slot + len(spec.groups))
        self.chunk = chunk_for(device.type)

    def read(self, buffer: Tensor, part: slice = ALL) -> Tensor:
        """This layer's rows as [G, K, B], a view; [1, units, B] for groups of several sizes."""
        rows = buffer[self.spec.first : self.spec.first + self.spec.units]
        if not self.spec.size:
            return rows.unsqueeze(0)
        return rows.unflatten(0, (len(self.spec.groups), self.spec.size))[part]

    def parts(self, numbers: int) -> Iterator[slice]:
        """Consecutive parts of the groups, each of which needs `numbers` numbers of work."""
        count = len(self.spec.groups)
        step = max(1, min(count, self.chunk // max(1, numbers)))
        for start in range(0, count, step):
            yield slice(start, min(count, start + step))

    def up(self, state: Pass, keep: bool) -> None:
        """Write log-values; with keep, remember what `flow` can reuse."""
        raise NotImplementedError

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Add this layer's flows to its inputs and what its bank learns from to `statistics`."""
        raise NotImplementedError

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """Write max-product log-values; with keep, leaves remember what `flow` can reuse."""
        raise NotImplementedError

    def choose(self, state: Pass, choice: Choice) -> None:
        """Extend the induced trees from this layer's active units to its inputs."""
        raise NotImplementedError

    def active(self, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
        """(group, sample, unit index) of the active units, each [n]."""
        chosen = choice.active[self.slots]
        groups, samples = torch.nonzero(chosen >= 0, as_tuple=True)
        return groups, samples, chosen[groups, samples]


class InnerLayer(Layer):
    """A layer with inputs of equal shape for every group."""

    def __init__(self, number: int, spec: LayerSpec, device: torch.device) -> None:
        super().__init__(number, spec, device)
        self.inputs = Inputs(spec.inputs, device)


class BankRows:
    """Rows of a parameter bank that a layer uses, a slice where consecutive."""

    def __init__(self, rows: tuple[int, ...], device: torch.device) -> None:
        self.start, self.count = rows[0], len(rows)
        self.index: Tensor | None = None
        if list(rows) != list(range(self.start, self.start + self.count)):
            self.index = torch.tensor(rows, dtype=torch.long, device=device)

    def _slice(self, part: slice) -> slice:
        begin, end, _ = part.indices(self.count)
        return slice(self.start + begin, self.start + end)

    def of(self, tensor: Tensor, part: slice = ALL) -> Tensor:
        """The rows, [G, ...]."""
        return tensor[self._slice(part)] if self.index is None else tensor[self.index[part]]

    def add(self, tensor: Tensor, amount: Tensor, part: slice = ALL) -> None:
        """Add [G, ...]; tied rows receive the sum."""
        if self.index is None:
            tensor[self._slice(part)] += amount
        else:
            tensor.index_add_(0, self.index[part], amount)

    def add_product(self, tensor: Tensor, left: Tensor, right: Tensor, part: slice = ALL) -> None:
        """Add the batched matrix product of left [G, M, B] and right [G, B, N]."""
        if self.index is None:
            tensor[self._slice(part)].baddbmm_(left, right)
        else:
            tensor.index_add_(0, self.index[part], torch.bmm(left, right))

    def put_product(self, tensor: Tensor, left: Tensor, right: Tensor, part: slice = ALL) -> None:
        """Write what `add_product` adds, for rows that are not tied: a third less time, and nobody
        has to write zeros first."""
        torch.bmm(left, right, out=tensor[self._slice(part)])

    def tally(self, counts: Tensor, groups: Tensor, units: Tensor, picked: Tensor) -> None:
        """Count the chosen edges, each [n], in counts [rows, units, inputs]."""
        _, size, inputs = counts.shape
        flat = (self.numbers(groups) * size + units) * inputs + picked
        counts.view(-1).index_add_(0, flat, counts.new_ones(len(flat)))

    def numbers(self, groups: Tensor) -> Tensor:
        """Bank rows of the layer's groups."""
        return groups + self.start if self.index is None else self.index[groups]
