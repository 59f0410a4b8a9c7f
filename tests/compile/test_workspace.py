"""Buffers that are used again, and the data that a pass keeps in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pccore.compile import compile_circuit
from pccore.compile.state import MOST_VIEWS, Workspace
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure


def test_a_name_has_one_memory_in_every_shape() -> None:
    space, like = Workspace(), torch.zeros(())
    first = space.take("a", (2, 3), like)
    assert space.take("a", (2, 3), like) is first
    assert space.take("a", (6,), like).data_ptr() == first.data_ptr()
    assert space.take("b", (2, 3), like).data_ptr() != first.data_ptr()
    whole = space.take("a", (4, 3), like)  # larger: all shapes move
    assert space.take("a", (2, 3), like).data_ptr() == whole.data_ptr()
    assert space.nbytes == 4 * (12 + 6)


def test_a_type_of_its_own_has_its_own_memory() -> None:
    space, like = Workspace(), torch.zeros(())
    numbers = space.take("a", (5,), like)
    flags = space.take("a", (5,), like, torch.bool)
    assert flags.dtype == torch.bool and flags.data_ptr() != numbers.data_ptr()
    assert space.nbytes == 4 * 5 + 5


def test_shapes_without_end_are_not_all_kept() -> None:
    space, like = Workspace(), torch.zeros(())
    space.take("a", (1000,), like)
    for length in range(1, 4 * MOST_VIEWS):
        assert space.take("a", (length,), like).shape == (length,)
    assert all(len(buffer.views) <= MOST_VIEWS for buffer in space._buffers.values())  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_a_pass_leaves_the_data_alone(dtype: type[np.generic]) -> None:
    """Missing values are filled in on a copy, whatever the type of what is given."""
    shape = Shape.of(6, Support("finite", 3))
    program = compile_circuit(build_structure("rat", shape, {"depth": 1, "units": 2}))
    x = torch.tensor(np.random.default_rng(0).integers(0, 3, (4, 6)).astype(dtype))
    if x.is_floating_point():
        x[0, 1] = torch.nan
    before = x.clone()
    state = program.evaluate(x, workspace=Workspace())
    assert torch.equal(x, before) or torch.equal(x.nan_to_num(), before.nan_to_num())
    observed = ~torch.isnan(before)
    assert torch.equal(state.observed, observed)
    assert torch.equal(state.x, before.nan_to_num().to(state.x))
    assert state.complete == bool(observed.all())
