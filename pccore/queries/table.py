"""Which query may be asked of which circuit: the one table behind refusals, docs and buttons.

Every row says what a query needs, whether its answer is exact, and what it costs. A circuit
that lacks a property gets a PropertyError that carries the witness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pccore.check import Report, Witness, check
from pccore.compile import Program
from pccore.errors import NotFoundError, PropertyError
from pccore.graph import Circuit

Quality = Literal["exact", "bound", "estimate"]


@dataclass(frozen=True)
class Query:
    """A row of the table.

    requires: properties without which the answer would be wrong. exact_with: the further
    properties under which the answer is exact; without them it is only `otherwise`.
    """

    name: str
    title: str
    asks: str
    requires: tuple[str, ...]
    cost: str
    exact_with: tuple[str, ...] = ()
    otherwise: Quality = "exact"


_ROWS = (
    Query("value", "Value", "S(x) of a complete state x", (), "one up pass"),
    Query("values", "Values of all units", "S(e) of every unit", (), "one up pass"),
    Query("partition", "Partition function", "Z = S(*)", ("smooth", "consistent"), "one up pass"),
    Query(
        "probability",
        "Probability of evidence",
        "P(e) = S(e) / Z",
        ("smooth", "consistent"),
        "two up passes",
    ),
    Query(
        "conditional",
        "Conditional probability",
        "P(q | e) = S(q, e) / S(e)",
        ("smooth", "consistent"),
        "two up passes",
    ),
    Query(
        "marginals",
        "All single-variable marginals",
        "P(X = x | e) for every X and x",
        ("smooth", "decomposable"),
        "one up and one down pass",
    ),
    Query(
        "mean",
        "Posterior mean and variance",
        "E[X | e] and Var[X | e] for every X",
        ("smooth", "decomposable"),
        "one up and one down pass",
    ),
    Query(
        "derivatives",
        "Derivatives",
        "the derivative of S with respect to every unit",
        (),
        "one up and one down pass",
    ),
    Query(
        "hidden",
        "Hidden variables of sums",
        "P(Y = i | e) for the hidden variable Y of every sum",
        ("smooth", "decomposable"),
        "one up and one down pass",
    ),
    Query(
        "polynomial",
        "Network polynomial",
        "S written out, monomial by monomial",
        (),
        "grows with the number of monomials",
    ),
    Query(
        "sample",
        "Samples",
        "x ~ P(X | e)",
        ("smooth", "decomposable"),
        "one up and one down pass",
    ),
    Query(
        "mpe",
        "Most probable explanation",
        "argmax P(x | e)",
        ("smooth", "decomposable"),
        "one max pass and a trace back",
        ("deterministic",),
        "bound",
    ),
)


def queries() -> Mapping[str, Query]:
    """The table, by name."""
    return MappingProxyType({row.name: row for row in _ROWS})


@dataclass(frozen=True)
class Licence:
    """Whether a circuit may be asked a query, and how good the answer is.

    missing: properties that are not known to hold. witness: one violation, if any.
    """

    query: Query
    missing: tuple[str, ...]
    quality: Quality
    witness: Witness | None

    @property
    def granted(self) -> bool:
        """Whether the query may be asked."""
        return not self.missing

    def reason(self) -> str:
        """One sentence: why not, or how good the answer is."""
        if self.missing:
            lacking = " and ".join(self.missing)
            text = f"{self.query.title.lower()} needs a circuit that is {lacking}"
            return f"{text}: {self.witness.message}" if self.witness else text
        return f"{self.quality}, {self.query.cost}"


def licence(subject: Circuit | Program | Report, name: str) -> Licence:
    """Look a query up for a circuit, a program (which remembers), or a report made earlier.

    Raises NotFoundError for an unknown query.
    """
    row = queries().get(name)
    if row is None:
        raise NotFoundError(f"there is no query {name!r}; known are {', '.join(queries())}")
    needed = row.requires + row.exact_with
    if isinstance(subject, Program):
        report = subject.check(needed)
    else:
        report = check(subject, needed) if isinstance(subject, Circuit) else subject
    missing = tuple(p for p in row.requires if report.properties.get(p) != "yes")
    exact = all(report.properties.get(p) == "yes" for p in row.exact_with)
    witness = next((w for w in report.witnesses if w.property in missing), None)
    return Licence(row, missing, "exact" if exact else row.otherwise, witness)


def require(subject: Circuit | Program | Report, name: str) -> Licence:
    """The licence; raises PropertyError, with the witness, where it is not granted."""
    found = licence(subject, name)
    if not found.granted:
        raise PropertyError(
            found.reason(), hint="see the violations on the Inspect page", witness=found.witness
        )
    return found
