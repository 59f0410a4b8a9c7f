"""What a repair is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pccore.check import Witness
from pccore.graph import Circuit

#: "exact": S(x) of every complete state stays what it was. "distribution": it is multiplied by one
#: constant. "changes": in general another distribution.
Preserves = Literal["exact", "distribution", "changes"]


@dataclass(frozen=True)
class Repair:
    """One way to mend one violation.

    name: of the kind. title: what a button says. explanation: what is done and what becomes of the
    distribution. apply: makes the mended circuit; units that are not concerned keep their names.
    It may raise OptionError for a circuit that is too large to be rewired.
    """

    name: str
    title: str
    explanation: str
    preserves: Preserves
    apply: Callable[[], Circuit]


@dataclass(frozen=True)
class Repaired:
    """A step of `repair_all`: the violation, the repair that was chosen, and its result."""

    witness: Witness
    repair: Repair
    circuit: Circuit
