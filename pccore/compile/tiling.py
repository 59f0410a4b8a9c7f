"""Large batches in tiles that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from pccore.compile.program import Program
from pccore.errors import MemoryLimitError

#: Numbers in the value buffer of one tile, unless the caller or the program's budget says
#: otherwise: what stays in the cache of a CPU.
TILE = 2**22

T = TypeVar("T")


def in_tiles(
    program: Program,
    rows: Tensor,
    work: Callable[[Tensor], T],
    *,
    numbers: int | None = None,
    buffers: int = 1,
    answer: int = 0,
    training: bool = False,
) -> Iterator[T]:
    """`work` on tiles of rows [B, V] one after the other; a tile for which memory does not
    suffice is halved and done again.

    numbers: largest value buffer of a tile (TILE). buffers: how many of them `work` needs.
    answer: further numbers that each row needs. training: `work` adds to statistics. Raises
    MemoryLimitError where one row is too much.
    """
    limit = numbers or TILE
    step = program.tile_rows(limit, buffers, training=training)
    if answer:
        step = max(1, min(step, limit // answer))
    start = 0
    while start < len(rows) or start == 0:
        tile = rows[start : start + step]
        try:
            result = work(tile)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(tile) <= 1:
                raise MemoryLimitError(
                    f"one row of data needs more memory than there is on {program.device}",
                    hint="a smaller circuit, or another --device",
                ) from error
            step = -(-len(tile) // 2)
            continue
        yield result
        start += max(1, len(tile))


def out_of_memory(error: BaseException) -> bool:
    """Whether this is torch's or Python's way of saying that memory is exhausted."""
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "can't allocate memory" in str(error)
        or "out of memory" in str(error)
    )
