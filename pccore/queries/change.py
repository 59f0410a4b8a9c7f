"""How the likelihood of rows changed when a circuit was changed, and what bounds the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile import Program, compile_circuit
from pccore.graph import Circuit
from pccore.queries.likelihood import log_partition, log_value


@dataclass(frozen=True)
class Change:
    """before, after: mean log-likelihoods of all rows, in nats. loss, largest_difference: over the
    rows that both find possible; lost: how many only the first finds possible. bound: what the
    loss cannot be larger than, None where nothing bounds it."""

    rows: int
    before: float
    after: float
    loss: float
    largest_difference: float
    lost: int
    bound: float | None = None


def change_of(
    circuit: Circuit,
    changed: Circuit,
    rows: Tensor,
    bare: Circuit | None = None,
    compiler: Callable[[Circuit], Program] = compile_circuit,
) -> Change:
    """What became of the likelihoods of rows [N, V], NaN missing.

    bare: the changed circuit before its weights were scaled (`pccore.transform.prune` with
    rescale=False); as it nowhere has more mass than the circuit, it bounds the loss. Raises
    PropertyError for a circuit that is not smooth and consistent.
    """

    def scores(model: Circuit, whole: Circuit) -> Tensor:
        """log of S(x) over the Z of another circuit, for each row, float64."""
        log_z = log_partition(compiler(whole)).double()
        return log_value(compiler(model), rows).double() - log_z

    before, after = scores(circuit, circuit), scores(changed, changed)
    possible = ~torch.isneginf(before), ~torch.isneginf(after)
    both = possible[0] & possible[1]
    difference = (before - after)[both]
    some = len(difference) > 0
    bound = None
    if bare is not None:
        least = scores(bare, changed)[both]
        bound = float((before[both] - least).mean()) if some else 0.0
    return Change(
        len(rows),
        float(before.mean()),
        float(after.mean()),
        float(difference.mean()) if some else 0.0,
        float(difference.abs().max()) if some else 0.0,
        int((possible[0] & ~possible[1]).sum()),
        bound,
    )
