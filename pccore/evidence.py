"""Evidence in every form a caller may hold it, as one float64 tensor [B, V] with NaN = missing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pccore.errors import EvidenceError
from pccore.graph import Circuit
from pccore.leaves.base import Support

Value = float | int | bool | None
#: Name to value (absent, None or NaN = missing), or numbers [V] or [B, V] with NaN = missing.
Evidence = Mapping[str, Value] | Tensor | np.ndarray | Sequence[Value] | Sequence[Sequence[Value]]


def evidence_rows(circuit: Circuit, evidence: Evidence) -> Tensor:
    """The evidence as a float64 tensor [B, V] on the CPU, NaN where a variable is missing.

    A mapping from names and a vector [V] make one row. The result never shares memory with
    the argument.

    Raises EvidenceError for an unknown variable, a wrong number of columns, a value that is
    not a number, and a value outside the variable's domain (naming row, variable and value).
    """
    rows = _from_mapping(circuit, evidence) if isinstance(evidence, Mapping) else _numbers(evidence)
    if rows.ndim == 1:
        rows = rows[None]
    width = len(circuit.variables)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise EvidenceError(
            f"evidence of shape {list(rows.shape)} does not fit a circuit of {width} variables",
            hint=f"give [{width}] or [rows, {width}], NaN where a value is missing",
        )
    _check_values(circuit, rows)
    return rows


def parse_evidence(text: str, circuit: Circuit) -> dict[str, float]:
    """The mapping that `X1=1,X3=0` writes; `X2=?` and the empty text say nothing.

    Raises EvidenceError for bad syntax, unknown or repeated variables and impossible values.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, equals, value = (piece.strip() for piece in part.rpartition("="))
        if not equals or not name:
            raise EvidenceError(f"{part.strip()!r} is not of the form NAME=VALUE")
        circuit.variable_index(name)
        if name in found:
            raise EvidenceError(f"variable {name} is given twice")
        try:
            found[name] = math.nan if value in ("?", "") else float(value)
        except ValueError:
            raise EvidenceError(f"{value!r} is not a number", where=name) from None
    evidence_rows(circuit, found)
    return found


def _from_mapping(circuit: Circuit, evidence: Mapping[str, Value]) -> Tensor:
    row = [math.nan] * len(circuit.variables)
    for name, value in evidence.items():
        column = circuit.variable_index(name)
        if value is None:
            continue
        try:
            row[column] = math.nan if isinstance(value, str) else float(value)
        except (TypeError, ValueError):
            raise EvidenceError(f"{value!r} is not a number", where=name) from None
        if isinstance(value, str):
            raise EvidenceError(f"{value!r} is text, not a number", where=name)
    return torch.tensor(row, dtype=torch.float64)


def _numbers(evidence: object) -> Tensor:
    if isinstance(evidence, Tensor):
        if evidence.is_complex():
            raise EvidenceError("evidence holds complex numbers")
        return evidence.detach().to("cpu", torch.float64, copy=True)
    try:
        given = np.asarray(evidence)
        if given.dtype.kind not in "biufO":  # text would turn into numbers silently
            raise EvidenceError(f"evidence holds {given.dtype}, not numbers")
        if given.dtype.kind == "O" and any(isinstance(value, str) for value in given.flat):
            raise EvidenceError("evidence holds text, not numbers")
        return torch.from_numpy(np.array(given, dtype=np.float64))  # None becomes NaN
    except (TypeError, ValueError) as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError("evidence is not an array of numbers") from None


def _check_values(circuit: Circuit, rows: Tensor) -> None:
    columns: dict[Support | None, list[int]] = defaultdict(list)
    for v in range(len(circuit.variables)):
        columns[circuit.domains.get(v)].append(v)
    wrong = torch.zeros(rows.shape, dtype=torch.bool)
    for domain, members in columns.items():
        part = rows[:, members]
        # A variable without a leaf has no domain: any finite number is a value of it.
        legal = torch.isfinite(part) if domain is None else domain.contains(part)
        wrong[:, members] = ~legal & ~torch.isnan(part)
    if not bool(wrong.any()):
        return
    row, v = torch.nonzero(wrong)[0].tolist()
    domain = circuit.domains.get(v)
    what = "a finite number" if domain is None else str(domain)
    name = circuit.variables[v]
    where = name if len(rows) == 1 else f"row {row}, variable {name}"
    raise EvidenceError(f"the value {float(rows[row, v]):g} is not {what}", where=where)
