"""Short texts for units, scopes and numbers, as they stand in the drawing and in tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pccore.graph import Circuit, LeafGroup, SumGroup, Unit
from pccore.scope import Scope

_GLYPHS: Mapping[str, str] = {"gaussian": "bell", "binomial": "steps", "poisson": "steps"}
_SHORT_NAME = re.compile(r"[A-Za-z]\d*")


def number(value: float) -> str:
    """Three significant digits, without needless zeros: 0.5, 0.0123, 1.2e-05, 1259."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}"


def count(amount: int, one: str, many: str = "") -> str:
    """`1 unit`, `12 units`, `12,345 units`."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def scope_text(scope: Scope, names: Sequence[str], limit: int = 3) -> str:
    """`{X1, X2}`, or `64 variables` where the names would not fit."""
    if len(scope) <= limit:
        return scope.pretty(names)
    return count(len(scope), "variable")


def parameters_of(circuit: Circuit, group: LeafGroup | SumGroup) -> Tensor | None:
    """The tensor of a group, or None where it is missing or misshapen."""
    tensor = circuit.params.get(group.parameter)
    if tensor is None or tuple(tensor.shape) != circuit.parameter_shape(group):
        return None
    return tensor


def glyph(group: LeafGroup) -> str:
    """The sign inside a leaf."""
    return _GLYPHS.get(group.family.name, "bars")


def literal(name: str, state: int, states: int) -> str:
    """`x1` and `x̄1` for the indicators of a Boolean variable with a short name, else `Y=2`."""
    if states != 2 or not _SHORT_NAME.fullmatch(name):
        return f"{name}={state}"
    small = name.lower()
    return small if state == 1 else f"{small[0]}\u0304{small[1:]}"


def leaf_text(circuit: Circuit, unit: Unit) -> str:
    """What a leaf is: `x̄1`, `B(X1; 0.6)`, `N(X; 0, 1)`, `Cat(X3)`, `16 × Bin`."""
    group = circuit.groups[unit.group]
    assert isinstance(group, LeafGroup)
    family = group.family
    short = {
        "bernoulli": "B",
        "gaussian": "N",
        "categorical": "Cat",
        "binomial": "Bin",
        "poisson": "Poi",
        "indicator": "Ind",
    }.get(family.name, family.name)
    if len(group.variables) != 1:
        return f"{len(group.variables)} × {short}"
    name = circuit.variables[group.variables[0]]
    tensor = parameters_of(circuit, group)
    if tensor is None:
        return f"{short}({name})"
    values = [float(v) for v in torch.atleast_1d(tensor[0, unit.index]).flatten()[:3]]
    if family.name == "indicator" and values[0] == int(values[0]):
        return literal(name, int(values[0]), family.support.states or 2)
    if family.name == "binomial":
        values = [float((family.support.states or 1) - 1), *values]
    if family.name == "categorical" or len(values) > 2:
        return f"{short}({name})"
    return f"{short}({name}; {', '.join(number(v) for v in values)})"
