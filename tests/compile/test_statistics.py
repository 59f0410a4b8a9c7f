"""Accumulators of statistics: added to, or overwritten whatever they hold."""

from __future__ import annotations

import pytest
import torch

from pccore.compile import compile_circuit
from pccore.graph import Circuit
from pccore.learn.base import Expectation
from pccore.learn.em import OnlineEM, OnlineEMOptions
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure

CIRCUITS = {
    "rat": {"depth": 2, "replicas": 2, "units": 3},
    "hmm": {"units": 3},  # one transition for all steps, each in a layer of its own
}


@pytest.mark.parametrize("structure", CIRCUITS)
@pytest.mark.parametrize("missing", [False, True])
def test_statistics_are_overwritten_or_added_to(structure: str, missing: bool) -> None:
    """What the accumulators held is gone with `fresh`, also where batches come in tiles or are
    empty."""
    shape = Shape.of(8, Support("finite", 3))
    model = build_structure(structure, shape, CIRCUITS[structure])
    program = compile_circuit(model, dtype=torch.float64)
    x = torch.randint(0, 3, (40, 8), generator=torch.Generator().manual_seed(0)).double()
    if missing:
        x[::3, 2] = torch.nan
    plain, fresh = program.zero_statistics(), program.zero_statistics()
    for accumulator in fresh:
        accumulator.fill_(torch.nan)
    expect = Expectation(program)
    first = expect(x, plain)
    assert expect(x, fresh, fresh=True) == first
    for a, b in zip(plain, fresh, strict=True):
        torch.testing.assert_close(a, b)
    expect(x, plain)
    program.memory = 8 * program.plan.values_per_sample * 12  # a few rows at a time
    tiled = expect(x, fresh, fresh=True)
    assert tiled.rows == first.rows
    expect(x, fresh)
    for a, b in zip(plain, fresh, strict=True):
        torch.testing.assert_close(a, b)
    expect(x[:0], fresh, fresh=True)
    assert not any(accumulator.any() for accumulator in fresh)


@pytest.mark.parametrize("categories", [3, 40, 200])
@pytest.mark.parametrize("units", [3, 20])
@pytest.mark.parametrize("asked", [False, True])
def test_a_program_made_anew_goes_on_bit_for_bit(categories: int, units: int, asked: bool) -> None:
    """Whether it was asked something in between or not."""
    shape = Shape.of(40, Support("finite", categories))
    model = build_structure("rat", shape, {"depth": 1, "replicas": 2, "units": units})
    generator = torch.Generator().manual_seed(0)
    batches = torch.randint(0, categories, (4, 30, 40), generator=generator).float()
    batches[1, ::3, 2] = torch.nan

    def learner(circuit: Circuit) -> OnlineEM:
        return OnlineEM(compile_circuit(circuit), 120, OnlineEMOptions(0.3))

    one = learner(model)
    for batch in batches[:2]:
        one.batch(batch)
    if asked:
        one.program(batches[0])
    other = learner(model.with_params(one.program.params))
    for batch in batches[2:]:
        assert one.batch(batch) == other.batch(batch)
    assert one.program.params.equal(other.program.params)
