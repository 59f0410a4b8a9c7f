"""Fused kernels: exponential, product and logarithm of a layer in one, without the large
intermediates of the plain torch path. They are Triton's, for CUDA devices; without Triton, or
without such a device, everything works in plain torch."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pccore.errors import OptionError

#: "auto": Triton on CUDA devices that it suits. "torch", "triton": that and nothing else.
Choice = Literal["auto", "torch", "triton"]
#: The first compute capability whose matrix units the kernels are written for.
CAPABILITY = (8, 0)


class Kernels(NamedTuple):
    """The kernels by name; shapes and formulas are in the modules they come from."""

    dense_up: Callable[[Tensor, Tensor, Tensor], None]
    dense_flow: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None], None]
    einsum_up: Callable[[Tensor, Tensor, Tensor, Tensor], None]
    einsum_flow: Callable[
        [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None], None
    ]
    categorical_up: Callable[[Tensor, Tensor, Tensor], None]
    categorical_flow: Callable[[Tensor, Tensor, Tensor], None]


def kernels_for(device: torch.device, choice: Choice) -> Kernels | None:
    """The fused kernels to use on a device, None for plain torch.

    Raises OptionError where Triton is asked for and not installed, or the choice is unknown.
    """
    if choice not in ("auto", "torch", "triton"):
        raise OptionError(f"there are no {choice!r} kernels", hint="auto, torch, triton")
    if choice == "torch" or (choice == "auto" and not _suits(device)):
        return None
    if importlib.util.find_spec("triton") is None:
        raise OptionError("Triton is not installed", hint="kernels='torch' needs nothing")
    # Imported here, not above: Triton is optional, and slow to import.
    sums = importlib.import_module("pccore.compile.kernels.triton_sums")
    leaves = importlib.import_module("pccore.compile.kernels.triton_leaves")
    return Kernels(
        sums.dense_up,
        sums.dense_flow,
        sums.einsum_up,
        sums.einsum_flow,
        leaves.categorical_up,
        leaves.categorical_flow,
    )


def _suits(device: torch.device) -> bool:
    return (
        device.type == "cuda"
        and importlib.util.find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= CAPABILITY
    )
