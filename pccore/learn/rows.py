"""The rows that a trainer takes its batches from: in memory, or in files larger than it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pccore.datasets import Shards

#: Values of a block of rows that are read from files at once.
BLOCK = 2**21


class Rows:
    """Rows [N, V] of data, by number; of files no more is in memory than was asked for.

    dtype: of the tensors that come out.
    """

    def __init__(self, data: np.ndarray | Tensor | Shards, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._files = data if isinstance(data, Shards) else None
        if not isinstance(data, Shards):
            known = data if isinstance(data, Tensor) else torch.tensor(data)
            self._known = known.to(dtype)
        self.shape = tuple(data.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """The rows of these numbers [B], [B, V]."""
        if self._files is None:
            return self._known[rows]
        which = rows.numpy() if isinstance(rows, Tensor) else rows
        return torch.from_numpy(self._files[which]).to(self._dtype)

    def blocks(self, part: range | None = None) -> Iterator[Tensor]:
        """The rows of `part`, consecutive ones (all), one block after the other."""
        part = range(len(self)) if part is None else part
        step = len(part) if self._files is None else max(1, BLOCK // max(1, self.shape[1]))
        for start in range(part.start, part.stop, max(1, step)):
            yield self[start : min(start + step, part.stop)]
