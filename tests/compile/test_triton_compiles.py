"""The Triton kernels pass the compiler and the assembler of the H200's architecture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

class Hopper:  # what the compiler asks of a driver
    def get_current_device(self): return 0
    def get_current_stream(self, device): return 0
    def get_current_target(self): return GPUTarget("cuda", 90, 32)

driver.set_active(Hopper())
from pccore.compile.kernels import triton_leaves as leaves, triton_sums as sums

def launch(kernel, programs, arguments, *, samples, warps=4, stages=2, **constants):
    compiled = kernel.warmup(
        *arguments, grid=(1,), BLOCK_B=samples, num_warps=warps, num_stages=stages, **constants
    )
    assert compiled.metadata.shared <= 227 * 1024, (kernel, constants)
    print(len(compiled.asm["cubin"]))

sums.launch = leaves.launch = launch
for inputs, outputs, samples in ((64, 64, 8192), (1, 1, 1), (100, 100, 100)):
    values, out = torch.empty(2, inputs, samples), torch.empty(2, outputs, samples)
    weights = torch.empty(2, outputs, inputs)
    sums.dense_up(values, weights, out)
    sums.dense_flow(values, weights, out, out, values, weights)
for size, outputs, samples in ((64, 64, 8192), (1, 1, 1), (20, 100, 100)):
    values, out = torch.empty(2, size, samples), torch.empty(2, outputs, samples)
    weights = torch.empty(2, outputs, size * size)
    sums.einsum_up(values, values, weights, out)
    sums.einsum_flow(values, values, weights, out, out, values, values, weights)
values = torch.empty(2, 64, 512)
x, table = torch.empty(2, 3, 512, dtype=torch.int64), torch.empty(2, 3, 256, 64)
leaves.categorical_up(x, table, values)
leaves.categorical_flow(x, values, table)
"""


@pytest.mark.slow
def test_every_kernel_compiles_for_hopper(tmp_path: Path) -> None:
    """No GPU needed: the compiler and assembler come with Triton."""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    sizes = run.stdout.split()
    assert len(sizes) == 18
    assert all(int(size) > 0 for size in sizes)
