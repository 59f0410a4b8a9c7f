"""The library that multiplies float32 matrices on a CPU.

Torch takes MKL, whose kernels use half the width of the vector units of some processors. oneDNN
uses all of it, but torch hands float32 products to oneDNN only where it may round to bfloat16. On
a processor without matrix units for bfloat16 oneDNN does not round, and the permission just
selects the faster library. So it is given during a pass where a trial shows that nothing is
rounded.
"""

from __future__ import annotations

import functools
import threading
from types import TracebackType

import torch

#: (batch, rows, inner, columns) of the products of the trial.
TRIALS = ((1, 64, 64, 64), (8, 10, 100, 100), (4, 40, 1600, 100), (1, 512, 512, 512))
#: Largest relative error of an unrounded product; bfloat16 is wrong by 1e-3.
EXACT = 2e-5


@functools.cache
def helps() -> bool:
    """Whether oneDNN's float32 products are exact on this processor. Nothing is changed."""
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    if getattr(settings, "fp32_precision", None) != "none":
        return False  # somebody has chosen
    generator = torch.Generator().manual_seed(0)
    _permit("bf16")
    try:
        return all(_is_exact(*trial, generator) for trial in TRIALS)
    finally:
        _permit("none")


def _permit(precision: str) -> None:
    settings = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - torch's stubs lack it
    settings.fp32_precision = precision


def _is_exact(batch: int, rows: int, inner: int, columns: int, generator: torch.Generator) -> bool:
    left = torch.rand(batch, rows, inner, generator=generator)
    right = torch.rand(batch, inner, columns, generator=generator)
    exact = left.double() @ right.double()
    return bool(((left @ right) / exact - 1).abs().max() < EXACT)


class _FastProducts:
    """Gives the permission while some pass of this process runs.

    The setting is torch's and belongs to the process, so the count of passes does, too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passes = 0

    def __enter__(self) -> None:
        with self._lock:
            self._passes += 1
            if self._passes == 1 and helps():
                _permit("bf16")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._passes -= 1
            if self._passes == 0 and helps():
                _permit("none")


#: `with fast_products:` around passes in float32 on a CPU.
fast_products = _FastProducts()
