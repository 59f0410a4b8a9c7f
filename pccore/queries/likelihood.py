"""Up-pass queries: value, partition function, probability, conditional."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile.tiling import in_tiles
from pccore.errors import EvidenceError
from pccore.evidence import Evidence
from pccore.queries.subject import Model, as_program, checked, licensed, refuse_impossible


def log_value(model: Model, evidence: Evidence, root: int = 0) -> Tensor:
    """log S(e) of the root, [B] on the CPU; missing leaves have the value 1.

    Asked of any circuit, valid or not: for a broken one S(e) is just not the measure of e.
    Raises EvidenceError for unknown variables or values outside their domain.
    """
    program = as_program(model)
    rows = checked(program, evidence)
    return torch.cat(list(in_tiles(program, rows, lambda tile: program(tile, root).cpu())))


def log_partition(model: Model, root: int = 0) -> Tensor:
    """log Z = log S(*), a scalar tensor. Raises PropertyError unless smooth and consistent."""
    program, _ = licensed(model, "partition")
    return _log_z(program, root)


def _log_z(model: Model, root: int) -> Tensor:
    program = as_program(model)
    everything = torch.full((1, len(program.circuit.variables)), torch.nan)
    return program(everything, root).cpu()[0]


def log_probability(model: Model, evidence: Evidence, root: int = 0) -> Tensor:
    """log P(e) = log S(e) - log Z in nats, [B]; NaN in the evidence is summed out.

    For real variables this is a log-density. Raises PropertyError unless the circuit is
    smooth and consistent, EvidenceError for bad evidence.
    """
    program, _ = licensed(model, "probability")
    return log_value(program, evidence, root) - _log_z(program, root)


#: On data without missing values this is the log-likelihood of each row.
log_likelihood = log_probability


def log_conditional(model: Model, query: Evidence, evidence: Evidence, root: int = 0) -> Tensor:
    """log P(q | e) in nats, [B]; q and e may each be one row or B rows.

    Raises EvidenceError if they contradict each other or e has probability zero.
    """
    program, _ = licensed(model, "conditional")
    q, e = checked(program, query), checked(program, evidence)
    if len(q) != len(e) and 1 not in (len(q), len(e)):
        raise EvidenceError(f"{len(q)} rows of query do not go with {len(e)} rows of evidence")
    q, e = torch.broadcast_tensors(q, e)
    clash = ~torch.isnan(q) & ~torch.isnan(e) & (q != e)
    if bool(clash.any()):
        row, v = torch.nonzero(clash)[0].tolist()
        name = program.circuit.variables[v]
        raise EvidenceError(f"query and evidence disagree on {name}", where=f"row {row}")
    below = log_value(program, e, root)
    refuse_impossible(below, len(below))
    return log_value(program, torch.where(torch.isnan(q), e, q), root) - below
