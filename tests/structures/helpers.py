"""Values of circuits by the reference evaluation."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pccore import reference
from pccore.graph import Circuit

NAN = math.nan


def value(circuit: Circuit, *x: float) -> float:
    """S(x), NaN where a value is missing."""
    return float(np.exp(reference.evaluate(circuit, np.array([x])).root[0, 0]))


def states(n: int) -> list[tuple[int, ...]]:
    """All states of n Boolean variables."""
    return list(itertools.product((0, 1), repeat=n))


def over_all_states(circuit: Circuit) -> float:
    """The sum of S(x) over all states of Boolean variables."""
    return sum(value(circuit, *x) for x in states(len(circuit.variables)))
