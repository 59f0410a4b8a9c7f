"""The quick logarithm is torch's."""

from __future__ import annotations

import pytest
import torch

from pccore.logarithm import UNDIVIDED, log


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_logarithms_are_those_of_float64(dtype: torch.dtype, turned: bool) -> None:
    values = torch.logspace(-44, 30, 1001, dtype=torch.float64).to(dtype)
    values = torch.cat((values, torch.tensor([0.0], dtype=dtype))).expand(3, -1).clone()
    out = torch.empty(values.shape[::-1], dtype=dtype).mT if turned else torch.empty_like(values)
    assert log(values, out) is out
    expected = values.double().log()
    torch.testing.assert_close(out.double(), expected, rtol=2e-7, atol=1e-7)
    assert bool(torch.isneginf(out[:, -1]).all())


def test_large_tensors_on_many_threads_are_left_to_torch() -> None:
    values = torch.rand(UNDIVIDED + 1) + 0.1
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        divided = log(values, torch.empty_like(values))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(divided, torch.log(values))
