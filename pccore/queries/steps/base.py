"""What a step is, and what the passes share: the units in order, names, numbers, edges."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.queries.values import UnitValues
from pccore.transform.soften import num_children

#: Units that are stepped through at most.
MAX_UNITS = 400
#: Edges below them that are written down at most.
MAX_EDGES = 20_000
#: Terms of an equation that are written out.
MAX_TERMS = 8

Scale = Literal["linear", "log"]
#: What a step does: "up", "derivatives", "flows"; "max" and "trace" of MPE; "sample".
Kind = Literal["up", "derivatives", "flows", "max", "trace", "sample"]

# Not "00101": it would be read as a number.
_PLAIN = re.compile(r"(?!\d)[\w¬\u0304|]+(\[\d+\])?'*")


class Part(NamedTuple):
    """What one child has to do with a step.

    contribution: what the child gives (up, max: its term), gets (derivatives, flows) or its
    probability (sample), in the scale asked. chosen: whether it won or was drawn, None where
    nothing is chosen. margin: of the winner over the next best, or of the winner over this loser,
    as a difference of logs (>= 0); None where nothing is chosen or there is no other.
    """

    child: Unit
    contribution: float
    chosen: bool | None = None
    margin: float | None = None

    @property
    def ratio(self) -> float | None:
        """The margin as a ratio of the linear terms, >= 1."""
        if self.margin is None:
            return None
        return math.exp(self.margin) if self.margin < 709 else math.inf


class Interval(NamedTuple):
    """A share [low, high) of a die: a child or a state."""

    label: str
    low: float
    high: float


class Roll(NamedTuple):
    """One roll of a die.

    what: of which die. u: the roll in [0, 1). intervals: they fill [0, 1) in the order of children
    or states; those of probability zero are left out. hit: the number of the interval that was hit.
    """

    what: str
    u: float
    intervals: tuple[Interval, ...]
    hit: int


@dataclass(frozen=True)
class Step:
    """What happens at one unit.

    equation: with names; filled: the same with numbers. result: the value, derivative, flow,
    maximum or (sample) probability of what was drawn, in the scale asked. children: in the order of
    `circuit.children`. notes: further sentences. rolls: of a sampling step.
    """

    unit: Unit
    kind: Kind
    title: str
    equation: str
    filled: str
    result: float
    children: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    rolls: tuple[Roll, ...] = ()


# -- units ------------------------------------------------------------------------------------


def units_below(values: UnitValues, below: Unit | None = None) -> list[Unit]:
    """The units under `below` (by default the root), itself included, children first.

    Raises OptionError where there are more than MAX_UNITS or MAX_EDGES edges, or where the unit is
    not one that was evaluated.
    """
    circuit = values.circuit
    top = top_of(values, below)
    seen = {top}
    stack = [top]
    edges = 0
    while stack:
        unit = stack.pop()
        if circuit.groups[unit.group].kind == "leaf":
            continue
        edges += num_children(circuit, unit)
        if edges > MAX_EDGES:
            raise _too_large(circuit, top, f"{MAX_EDGES} edges")
        for edge in circuit.children(unit):
            if edge.child not in seen:
                seen.add(edge.child)
                stack.append(edge.child)
        if len(seen) > MAX_UNITS:
            raise _too_large(circuit, top, f"{MAX_UNITS} units")
    return sorted(seen)


def _too_large(circuit: Circuit, top: Unit, limit: str) -> OptionError:
    return OptionError(
        f"the part below {circuit.unit_name(top)} has more than the {limit} that are stepped "
        "through",
        hint="zoom into a unit further down, once it is selected",
    )


def top_of(values: UnitValues, below: Unit | None) -> Unit:
    """Where the steps begin: the root unless another unit is given. Raises OptionError."""
    if below is None:
        return values.unit
    groups = values.circuit.groups
    if not (0 <= below.group < len(groups) and 0 <= below.index < groups[below.group].size):
        raise OptionError(f"there is no unit {below.index} of group {below.group}")
    if math.isnan(values.log_value_of(below)):
        raise OptionError(
            "no root reaches this unit, so it has no value", where=values.circuit.unit_name(below)
        )
    return below


# -- texts ------------------------------------------------------------------------------------


def name_of(circuit: Circuit, unit: Unit) -> str:
    """The unit's name; in brackets where it would be misread within an equation."""
    name = circuit.unit_name(unit)
    return name if _PLAIN.fullmatch(name) else f"⟨{name}⟩"


def title_of(circuit: Circuit, unit: Unit) -> str:
    """`Sum A1`, `Leaf x1`."""
    return f"{circuit.groups[unit.group].kind.capitalize()} {circuit.unit_name(unit)}"


def number(value: float) -> str:
    """Four significant digits, with a true minus sign: `0.108`, `−2.226`, `−∞`, `1.2e−05`."""
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.4g}"
    return ("0" if text == "-0" else text).replace("-", "−")


def factor(value: float) -> str:
    """A number within a product or behind a sign: in brackets where it is negative."""
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def joined(terms: Sequence[str], sign: str) -> str:
    """The terms with a sign between them; long lists are cut."""
    if len(terms) <= MAX_TERMS:
        return sign.join(terms)
    kept = terms[: MAX_TERMS - 1]
    return f"{sign.join(kept)}{sign}… ({len(terms) - len(kept)} more)"


def added(numbers: Iterable[float]) -> str:
    """`−0.5 − 0.2 + 1.3`: an addition without brackets."""
    shown = [number(value) for value in numbers]
    if not shown:
        return "0"
    more = len(shown) - MAX_TERMS
    if more > 0:
        shown = shown[:MAX_TERMS]
    text = shown[0]
    for one in shown[1:]:
        text += f" − {one[1:]}" if one.startswith("−") else f" + {one}"
    return f"{text} + … ({more} more)" if more > 0 else text


def exp(log: float) -> float:
    """exp without an overflow error: infinity where a density is too large for a float."""
    return math.exp(log) if log < 709 else log if math.isnan(log) else math.inf


def scaled(log: float, scale: Scale) -> float:
    """A log-number in the scale asked."""
    return log if scale == "log" else exp(log)


def log_weights_of(values: UnitValues, unit: Unit) -> np.ndarray:
    """log w of each child of a sum, [children]; -inf where an observed hidden variable excludes."""
    weights = np.array([edge.weight for edge in values.circuit.children(unit)], dtype=np.float64)
    child = values.hidden.get(unit)
    if child is not None:
        weights[np.arange(len(weights)) != child] = 0.0
    with np.errstate(divide="ignore"):
        return np.log(weights)


def is_leaf(circuit: Circuit, unit: Unit) -> bool:
    """Whether the unit is a leaf."""
    return circuit.groups[unit.group].kind == "leaf"


def leaf_group(circuit: Circuit, unit: Unit) -> LeafGroup:
    """The group of a leaf."""
    group = circuit.groups[unit.group]
    assert isinstance(group, LeafGroup)
    return group
