"""Groups of many units written out as groups of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pccore.graph import Circuit, Unit
from pccore.transform.assemble import apart
from pccore.transform.sketch import Sketch


@dataclass(frozen=True)
class Scalar:
    """circuit: one unit in each group. units: where each unit of the original is."""

    circuit: Circuit
    units: Mapping[Unit, Unit]


def scalar(circuit: Circuit) -> Scalar:
    """The same units, each in a group of its own under its name; S stays what it was.

    A factorised leaf becomes a product of its leaves. Tied parameters become equal ones. Raises
    OptionError for a circuit too large for that, ParameterError for illegal parameters.
    """
    sketch = Sketch(circuit)
    result, places = apart(sketch)
    units = {
        Unit(g, k): places[number]
        for g, numbers in enumerate(sketch.numbers)
        for k, number in enumerate(numbers)
    }
    return Scalar(result, units)
