"""The logarithm of large float32 tensors, which is half of what some updates take."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Numbers that torch does not divide among its threads.
UNDIVIDED = 2**15


def log(values: Tensor, out: Tensor) -> Tensor:
    """log of `values` into `out`, both of the same shape and without gradients; log 0 is -inf.

    numpy's is up to three times as fast as torch's on one thread of a CPU with AVX.
    """
    alone = torch.get_num_threads() <= 2 or values.numel() <= UNDIVIDED
    if alone and values.stride() == out.stride() and _quick(values) and _quick(out):
        with np.errstate(divide="ignore", invalid="ignore"):
            np.log(values.numpy(), out=out.numpy())
        return out
    return torch.log(values, out=out)


def _quick(values: Tensor) -> bool:
    """Whether numpy has vector instructions for these numbers."""
    return (
        values.dtype == torch.float32
        and values.device.type == "cpu"
        and not values.requires_grad
        and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    )
