"""Evidence in every form a caller may hold it, as one float64 tensor [B, V] with NaN = missing."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pccore.errors import EvidenceError
from pccore.graph import Circuit
from pccore.leaves.base import Support

Value = float | int | bool | str | None
#: Key of `Circuit.meta` under which the names of states lie, by the name of the variable.
STATES = "states"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
#: What stands between two commas; a comma inside quotes behind "=" is none of them.
_PART = re.compile(rf"([^,]*?=\s*{_QUOTED}\s*|[^,]*)(?:,|$)")
_NAMED = re.compile(rf"(.*?)=\s*{_QUOTED}\s*", re.S)
#: Name to value (absent, None or NaN = missing; a text is the name of a state), or numbers [V] or
#: [B, V] with NaN = missing.
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


def state_names(circuit: Circuit, variable: str) -> tuple[str, ...]:
    """What the states 0, 1, ... of a variable are called, "" for none, () where none has a name.

    The names come from the data or the file that the circuit was made of (`meta["states"]`), and
    only count where they are texts, different ones, and no more than there are states.
    """
    noted = circuit.meta.get(STATES)
    names = noted.get(variable) if isinstance(noted, dict) else None
    if not isinstance(names, list) or variable not in circuit.variables:
        return ()
    domain = circuit.domains.get(circuit.variable_index(variable))
    states = 0 if domain is None else domain.states or 0
    texts = [name for name in names if isinstance(name, str) and name]
    if not 0 < len(texts) == len(names) == len(set(texts)) or len(names) > states:
        return ()
    return (*texts, *[""] * (states - len(texts)))


def state_value(circuit: Circuit, variable: str, text: str) -> float:
    """The value that a text means: the state of this name, else a number; "" and "?": NaN.

    Raises EvidenceError where it is neither.
    """
    names = state_names(circuit, variable)
    if text and text in names:
        return float(names.index(text))
    if text in ("?", ""):
        return math.nan
    try:
        return float(text)
    except ValueError:
        known = ", ".join(name for name in names[:12] if name)
        what = f"is no state, there are: {known}" if names else "is not a number"
        raise EvidenceError(f"{text!r} {what}", where=variable) from None


def state_text(circuit: Circuit, variable: str, value: float) -> str:
    """The value as `state_value` reads it: the name of the state, quoted where it has to be."""
    names = state_names(circuit, variable)
    if names and value == int(value) and 0 <= value < len(names) and names[int(value)]:
        name = names[int(value)]
        plain = name == name.strip() and not set(name) & set('",=\\') and name != "?"
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return name if plain else f'"{escaped}"'
    text = str(int(value)) if value == int(value) else repr(value)
    while text in names:  # the name of another state: 3.0 is the number
        text += "0" if "." in text else ".0"
    return text


def parse_evidence(text: str, circuit: Circuit) -> dict[str, float]:
    """The mapping that `X1=1,X3=0` writes; `X2=?` and the empty text say nothing.

    Where states have names, `colour=red` and `colour="dark, red"` say them; a name counts before
    the number of a state that looks the same.

    Raises EvidenceError for bad syntax, unknown or repeated variables and impossible values.
    """
    found: dict[str, float] = {}
    for match in _PART.finditer(text):
        if not match[1].strip():
            continue
        name, value = _divided(match[1])
        circuit.variable_index(name)
        if name in found:
            raise EvidenceError(f"variable {name} is given twice")
        found[name] = state_value(circuit, name, value)
    evidence_rows(circuit, found)
    return found


def write_evidence(circuit: Circuit, evidence: Mapping[str, float]) -> str:
    """The text that `parse_evidence` reads, states by their names."""
    return ",".join(f"{n}={state_text(circuit, n, value)}" for n, value in evidence.items())


def _divided(part: str) -> tuple[str, str]:
    """Name and value of `NAME=VALUE`. Raises EvidenceError."""
    quoted = _NAMED.fullmatch(part)
    if quoted is not None:
        return quoted[1].strip(), re.sub(r"\\(.)", r"\1", quoted[2])
    name, equals, value = (piece.strip() for piece in part.rpartition("="))
    if not equals or not name:
        raise EvidenceError(f"{part.strip()!r} is not of the form NAME=VALUE")
    return name, value


def _from_mapping(circuit: Circuit, evidence: Mapping[str, Value]) -> Tensor:
    row = [math.nan] * len(circuit.variables)
    for name, value in evidence.items():
        column = circuit.variable_index(name)
        if value is None:
            continue
        if isinstance(value, str):
            row[column] = _named(circuit, name, value)
            continue
        try:
            row[column] = float(value)
        except (TypeError, ValueError):
            raise EvidenceError(f"{value!r} is not a number", where=name) from None
    return torch.tensor(row, dtype=torch.float64)


def _named(circuit: Circuit, name: str, value: str) -> float:
    """The state of this name; other texts, also of numbers, are a mistake of the caller's."""
    if value not in (names := state_names(circuit, name)):
        if names:
            return state_value(circuit, name, value)
        raise EvidenceError(f"{value!r} is text, not a number", where=name)
    return float(names.index(value))


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
