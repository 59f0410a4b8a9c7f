"""DIMACS formulas (.cnf): what a compiled formula does not say itself.

That is its number of variables and, for weighted counting, the weights of its literals, as

- `c p weight LITERAL WEIGHT 0` of the model counting competitions (unweighted literals weigh 1, but
  a variable has both weights or none);
- `w VARIABLE P` of Cachet (P and 1 - P; -1 for 1 and 1), or `w LITERAL WEIGHT` for both literals.

Other comments are none of these, also not the `c weights` of miniC2D: models are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pccore.errors import FileError
from pccore.files.base import Source
from pccore.files.importing.lines import (
    at_line,
    count_is,
    integer,
    log_weight,
    source_of,
    words_of,
)

SUFFIXES = (".cnf", ".dimacs")


@dataclass(slots=True)
class Formula:
    """variables: how many. log_weights: of literals; those that are missing weigh 1."""

    variables: int = 0
    log_weights: dict[int, float] = field(default_factory=dict[int, float])
    lone: dict[int, float] = field(default_factory=dict[int, float])  # lines w, as they stand


def formula_beside(source: Source) -> Formula | None:
    """What the formula beside a circuit declares; None without one. Raises FileError."""
    companion = source.beside(SUFFIXES)
    if companion is None:
        return None
    found = Formula()
    try:
        for line, words in words_of(source_of(companion, source.limits), comment=None):
            with at_line(line):
                _read(found, words, source.limits.max_variables)
        _complete(found)
        _check(found)
    except FileError as error:
        where = f"{companion.name}, {error.where}" if error.where else companion.name
        raise FileError(error.message, where=where, hint=error.hint) from None
    return found


def _read(found: Formula, words: list[bytes], largest: int) -> None:
    if words[0] == b"p":
        if found.variables or len(words) < 4:
            raise FileError("a formula has one line: p cnf variables clauses")
        found.variables = integer(words[2], "the number of variables", 1, largest)
        return
    weight = words[:3] == [b"c", b"p", b"weight"]
    count = 5 if weight else 3
    if len(words) == count + 1 and words[-1] == b"0":
        words = words[:-1]
    if weight:
        count_is(words, count, "a weight")
        literal = integer(words[3], "the literal", -largest, largest)
        found.log_weights[literal] = log_weight(float(words[4]))
    elif words[0] == b"w":
        count_is(words, count, "a weight")
        literal, value = integer(words[1], "the literal", -largest, largest), float(words[2])
        if value == -1 and literal > 0:
            found.log_weights |= {literal: 0.0, -literal: 0.0}
            return
        log_weight(value)  # refused here, where the line is known
        found.lone[literal] = value


def _complete(found: Formula) -> None:
    """Weigh the literals that have lines w, and the other literals of their variables."""
    for literal, value in found.lone.items():
        other = found.lone.get(-literal, 1 - value)
        if other < 0:
            raise FileError(
                f"the weight {value:g} of {literal} is no probability, and {-literal} has none"
            )
        found.log_weights |= {literal: log_weight(value), -literal: log_weight(other)}


def _check(found: Formula) -> None:
    if not found.variables:
        raise FileError("there is no line: p cnf variables clauses")
    for literal in found.log_weights:
        if not 0 < abs(literal) <= found.variables:
            raise FileError(f"the weight of {literal} is that of no literal")
        if -literal not in found.log_weights:
            raise FileError(
                f"literal {literal} has a weight and literal {-literal} has none",
                hint="write both; what is meant otherwise depends on the program",
            )
