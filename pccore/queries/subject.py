"""What every query starts with: a compiled program, its report, and checked evidence."""

from __future__ import annotations

import torch
from torch import Tensor

from pccore.compile import Program, compile_circuit
from pccore.errors import EvidenceError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit
from pccore.queries.table import Licence, require

#: A query takes a circuit (compiled on the spot, in float64) or a program made earlier.
Model = Circuit | Program


def as_program(model: Model) -> Program:
    """The program itself, or a fresh float64 one of a circuit."""
    return model if isinstance(model, Program) else compile_circuit(model, dtype=torch.float64)


def licensed(model: Model, query: str) -> tuple[Program, Licence]:
    """The program and its licence for `query`. Raises PropertyError with the witness."""
    program = as_program(model)
    return program, require(program, query)


def checked(program: Program, evidence: Evidence) -> Tensor:
    """Evidence as float64 [B, V]; see pccore.evidence for the forms and errors."""
    return evidence_rows(program.circuit, evidence)


def refuse_impossible(log_values: Tensor, rows: int, start: int = 0, repeated: int = 1) -> None:
    """Raise EvidenceError naming the first row of probability zero.

    rows: of the whole evidence. start: where this tile begins among the rows, each of
    which is there `repeated` times.
    """
    impossible = torch.isneginf(log_values)
    if bool(impossible.any()):
        row = (start + int(torch.nonzero(impossible)[0])) // repeated
        where = f"row {row}" if rows > 1 else None
        raise EvidenceError("the evidence has probability zero under this circuit", where=where)
