"""Weights that add up to one, for the same distribution."""

from __future__ import annotations

import torch

from pccore.compile import Program
from pccore.compile.banks import LeafBank

#: How far from one the weights of a sum may be (float32 rounding).
TOLERANCE = 1e-4


@torch.no_grad()
def normalise(program: Program) -> bool:
    """Give every sum weights that add up to one; returns whether that changed anything.

    The distribution of a smooth and decomposable circuit stays the same: the new weight of
    an edge is its share of the sum's partition function, w_k Z_k / Z (Peharz et al. 2015,
    "On Theoretical Properties of Sum-Product Networks", theorem 2). Sums that share one
    parameter but have other shares get their mean. Sums of value zero keep their weights.
    """
    banks = [bank for bank in program.banks if not isinstance(bank, LeafBank)]
    local = (bank.m_step(bank.values, 0.0) for bank in banks)
    if all(
        torch.allclose(new, bank.values, rtol=0.0, atol=TOLERANCE)
        for new, bank in zip(local, banks, strict=True)
    ):
        return False
    nothing = torch.full((1, len(program.circuit.variables)), torch.nan)
    state = program.evaluate(nothing, keep=True)
    statistics = program.zero_statistics()
    flows = torch.zeros_like(state.values)
    with program.products():
        for layer in program.layers:
            number = layer.spec.parameters
            if number is None or isinstance(program.banks[number], LeafBank):
                continue
            # A flow of 1 into each unit makes the expected counts of its edges their shares.
            possible = ~torch.isinf(layer.read(state.values))
            layer.read(flows).copy_(possible)
            layer.flow(state, flows, statistics[number])
    for bank, shares in zip(program.banks, statistics, strict=True):
        if not isinstance(bank, LeafBank):
            bank.set(bank.m_step(bank.counts(shares), 0.0))
    return True
