"""Soft evidence and observed hidden variables as people type them."""

from __future__ import annotations

from pccore.errors import EvidenceError
from pccore.graph import Circuit
from pccore.transform.soften import chosen_children, likelihoods


def parse_likelihoods(text: str) -> list[float]:
    """The numbers of `0.2 0.8`, which blanks, colons or slashes separate. Raises EvidenceError."""
    found: list[float] = []
    for part in text.replace(":", " ").replace("/", " ").split():
        try:
            found.append(float(part))
        except ValueError:
            raise EvidenceError(f"{part!r} is not a number") from None
    return found


def parse_soft(text: str, circuit: Circuit) -> dict[str, list[float]]:
    """The mapping that `X1=0.2 0.8, X2=1 0 3` writes; the empty text says nothing.

    Raises EvidenceError for bad syntax, unknown, real or repeated variables, and likelihoods that
    are not one number >= 0 for each state.
    """
    found: dict[str, list[float]] = {}
    for name, value in _pairs(text, "NAME=NUMBER NUMBER ..."):
        if name in found:
            raise EvidenceError(f"variable {name} is given twice")
        try:
            found[name] = parse_likelihoods(value)
        except EvidenceError as error:
            raise EvidenceError(error.message, where=name) from None
    likelihoods(circuit, found)
    return found


def parse_hidden(text: str, circuit: Circuit) -> dict[str, int]:
    """The mapping that `S=0, A1=1` writes: unit name of a sum to the number of its child.

    Raises EvidenceError for bad syntax, unknown or repeated units, and children that do not exist.
    """
    found: dict[str, int] = {}
    for name, value in _pairs(text, "UNIT=NUMBER"):
        if name in found:
            raise EvidenceError(f"the hidden variable of {name} is given twice")
        if not value.isdecimal() or len(value) > 12:
            raise EvidenceError(f"{value!r} is not the number of a child", where=name)
        found[name] = int(value)
    chosen_children(circuit, found)
    return found


def _pairs(text: str, form: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        if part.strip():
            name, equals, value = (piece.strip() for piece in part.rpartition("="))
            if not equals or not name:
                raise EvidenceError(f"{part.strip()!r} is not of the form {form}")
            pairs.append((name, value))
    return pairs
