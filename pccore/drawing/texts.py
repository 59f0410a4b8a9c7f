"""Short texts of a drawing: numbers, literals and leaves, with overlines and subscripts.

A `Text` is a line of `Run`s, so that every renderer writes x̄₁ in its own way and none depends on
combining characters, which few fonts place well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pccore.graph import Circuit, LeafGroup, SumGroup, Unit

#: Widths of the characters 32 to 126 of Bitstream Vera Sans, in thousandths of the font size.
_WIDTHS = (
    (318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337)
    + (636,) * 10
    + (337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656)
    + (557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390)
    + (838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612)
    + (635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838)
)
_OTHER = 700
#: Size of a subscript beside that of the text.
SUBSCRIPT = 0.72
_SHORT_NAME = re.compile(r"([A-Za-z])[_ ]?(\d*)")
#: Characters of a name that are shown.
LONGEST = 18


class Run(NamedTuple):
    """Characters that are written alike."""

    text: str
    over: bool = False
    sub: bool = False


Text = tuple[Run, ...]


def plain(text: Text) -> str:
    """The text as ordinary characters, `¬` for an overline: `¬x1`."""
    return "".join(("¬" if run.over else "") + run.text for run in text)


def width(text: Text, size: float) -> float:
    """About how wide a text is."""
    return sum(run_width(run, size) for run in text)


def run_width(run: Run, size: float) -> float:
    """About how wide a run is."""
    total = sum(_WIDTHS[ord(c) - 32] if 32 <= ord(c) < 127 else _OTHER for c in run.text)
    return total * size / 1000 * (SUBSCRIPT if run.sub else 1.0)


def number(value: float) -> str:
    """Three significant digits, without needless zeros and with a true minus sign."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = str(int(value)) if value == int(value) and abs(value) < 1000000.0 else f"{value:.3g}"
    return text.replace("-", "−")


def shortened(text: str, longest: int = LONGEST) -> str:
    """One line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def variable(name: str) -> Text:
    """`X₁` for X1, else the name."""
    short = _SHORT_NAME.fullmatch(name)
    if short is None:
        return (Run(shortened(name)),)
    letter, digits = short.groups()
    return (Run(letter), Run(digits, sub=True)) if digits else (Run(letter),)


def literal(name: str, state: float, states: int) -> Text:
    """`x₁` and `x̄₁` for the indicators of a Boolean variable with a short name, else `Y=2`."""
    short = _SHORT_NAME.fullmatch(name)
    if states != 2 or short is None or state not in (0.0, 1.0):
        return (*variable(name), Run(f"={number(state)}"))
    letter, digits = short.groups()
    first = Run(letter.lower(), over=state == 0)
    return (first, Run(digits, sub=True)) if digits else (first,)


def leaf_lines(circuit: Circuit, unit: Unit) -> tuple[Text, ...]:
    """What is written below a leaf: a literal, or the variable and its distribution."""
    group = circuit.groups[unit.group]
    assert isinstance(group, LeafGroup)
    family = group.family
    if len(group.variables) != 1:
        return (_names(circuit, group.variables), (Run(family.name),))
    name = circuit.variables[group.variables[0]]
    values = _values(circuit, group, unit.index)
    if family.name == "indicator" and values:
        return (literal(name, values[0], family.support.states or 2),)
    return (variable(name), (Run(_distribution(family.name, values, family.support.states)),))


def _names(circuit: Circuit, variables: Sequence[int]) -> Text:
    if len(variables) > 3:
        return (Run(f"{len(variables)} variables"),)
    parts: list[Run] = []
    for v in variables:
        parts += [*([Run(", ")] if parts else []), *variable(circuit.variables[v])]
    return tuple(parts)


_LETTERS: Mapping[str, str] = {
    "bernoulli": "B",
    "gaussian": "N",
    "categorical": "Cat",
    "binomial": "Bin",
    "poisson": "Poi",
}


def _distribution(family: str, values: list[float], states: int | None) -> str:
    """`B(0.6)`, `N(0, 1)`, `Cat(0.2, 0.3, 0.5)`; without numbers where they would not fit."""
    short = _LETTERS.get(family, family)
    if family == "binomial" and values:
        values = [float((states or 1) - 1), *values]
    if not values or len(values) > 3:
        return short
    return f"{short}({', '.join(number(v) for v in values)})"


def _values(circuit: Circuit, group: LeafGroup, index: int) -> list[float]:
    """The parameters of one unit; empty where the tensor is missing or does not fit."""
    tensor = parameters_of(circuit, group)
    if tensor is None:
        return []
    return [float(v) for v in torch.atleast_1d(tensor[0, index]).flatten().tolist()]


def parameters_of(circuit: Circuit, group: LeafGroup | SumGroup) -> Tensor | None:
    """The tensor of a group, or None where it is missing or misshapen."""
    tensor = circuit.params.get(group.parameter)
    if tensor is None or tuple(tensor.shape) != circuit.parameter_shape(group):
        return None
    return tensor.detach()
