"""What a draft consists of: nodes with a place on the canvas, arcs to their children, leaves."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pccore.errors import GraphError, ParameterError
from pccore.leaves.base import LeafFamily
from pccore.leaves.indicator import Indicator

Kind = Literal["sum", "product", "leaf"]

#: The longest name of a unit or variable.
MAX_NAME = 80
#: Numbers that one leaf may have (the states of a categorical leaf, for instance).
MAX_VALUES = 4096
#: Coordinates are kept within this distance of the origin, in pixels.
FARTHEST = 1e6

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,31}")
_SHORT_NAME = re.compile(r"[A-Za-z]\d*")


class Arc(NamedTuple):
    """An edge to a child; weight: linear and >= 0 for a child of a sum, None for a product's."""

    child: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One univariate input distribution.

    values: its parameters in the order of `family.parameter_shape`, flattened.
    """

    variable: str
    family: LeafFamily
    values: tuple[float, ...]

    @property
    def tensor(self) -> Tensor:
        """The parameters, float64 [*family.parameter_shape]."""
        return torch.tensor(self.values, dtype=torch.float64).reshape(self.family.parameter_shape)

    def check(self, where: str | None = None) -> None:
        """Raise GraphError for a bad variable name, ParameterError for illegal parameters."""
        check_name(self.variable, "variable", where)
        _check_values(self.family, self.values, where)


@functools.lru_cache(maxsize=4096)
def _check_values(family: LeafFamily, values: tuple[float, ...], where: str | None) -> None:
    count = math.prod(family.parameter_shape)
    if count > MAX_VALUES:
        raise ParameterError(f"a drawn leaf has at most {MAX_VALUES} parameters", where=where)
    if len(values) != count:
        given = "none is" if not values else f"{len(values)} are" if len(values) > 1 else "1 is"
        needs = f"{count} numbers" if count != 1 else "one number"
        raise ParameterError(f"{family.name} takes {needs}, {given} given", where=where)
    tensor = torch.tensor(values, dtype=torch.float64).reshape(family.parameter_shape)
    try:
        family.validate(tensor)
    except ParameterError as error:
        raise ParameterError(error.message, where=where) from None


@dataclass(frozen=True, slots=True)
class Node:
    """A unit on the canvas.

    id: stable through every operation. name: distinct; the unit's name in the circuit. x, y: in
    pixels, y downwards. arcs: the children in order (none for a leaf). leaf: of a leaf, else None.
    """

    id: str
    kind: Kind
    name: str
    x: float = 0.0
    y: float = 0.0
    arcs: tuple[Arc, ...] = ()
    leaf: Leaf | None = None

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of a sum; empty for the other kinds."""
        return tuple(arc.weight for arc in self.arcs if arc.weight is not None)

    def place_of(self, child: str, number: int = 0) -> int | None:
        """Position in `arcs` of the edge with this number among those to `child`."""
        places = [i for i, arc in enumerate(self.arcs) if arc.child == child]
        return places[number] if 0 <= number < len(places) else None


def check_id(text: str) -> None:
    """Raise GraphError unless the text may be the id of a node."""
    if not _ID.fullmatch(text):
        raise GraphError(f"{text[:40]!r} cannot be the id of a unit")


def check_name(text: str, what: str, where: str | None = None) -> None:
    """Raise GraphError unless the text may be the name of a unit or variable."""
    if not text or text != text.strip():
        raise GraphError(f"a {what} needs a name without blanks around it", where=where)
    if len(text) > MAX_NAME:
        raise GraphError(f"a name has at most {MAX_NAME} characters", where=where)
    if not text.isprintable():
        raise GraphError(f"the name of a {what} must be printable", where=where)


def check_weight(weight: float, where: str) -> float:
    """A legal weight as a float. Raises ParameterError."""
    value = float(weight)
    if not math.isfinite(value):
        raise ParameterError(f"a weight must be a finite number, not {weight}", where=where)
    if value < 0:
        raise ParameterError(f"a weight cannot be negative, as {value:g} is", where=where)
    return value


def check_place(x: float, y: float, where: str) -> tuple[float, float]:
    """A place within the bounds of the canvas. Raises GraphError."""
    if not (abs(x) <= FARTHEST and abs(y) <= FARTHEST):  # false for NaN, too
        raise GraphError("the place lies outside of the canvas", where=where)
    return float(x), float(y)


def leaf_name(leaf: Leaf) -> str:
    """What a leaf is called by itself: x1 and ¬x1 for Boolean indicators, `Y=2`, `X gaussian`."""
    if not isinstance(leaf.family, Indicator):
        return f"{leaf.variable} {leaf.family.name}"[:MAX_NAME]
    state = int(leaf.values[0])
    if leaf.family.categories == 2 and _SHORT_NAME.fullmatch(leaf.variable):
        return leaf.variable.lower() if state else f"¬{leaf.variable.lower()}"
    return f"{leaf.variable}={state}"[-MAX_NAME:]


def free_name(wish: str, taken: Container[str]) -> str:
    """`wish`, or `wish_2`, `wish_3` ... where that is taken."""
    number, name = 1, wish
    while name in taken:
        number += 1
        ending = f"_{number}"
        name = wish[: MAX_NAME - len(ending)] + ending
    return name


def free_names(prefix: str, taken: Container[str], count: int = 1) -> list[str]:
    """The first `count` of prefix1, prefix2 ... that are not taken."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if f"{prefix}{number}" not in taken:
            found.append(f"{prefix}{number}")
    return found


def default_name(kind: Kind, leaf: Leaf | None, taken: Container[str]) -> str:
    """The name of a new unit: s1, s2 ... for sums, p1 ... for products, leaves by what they say."""
    if leaf is not None:
        return free_name(leaf_name(leaf), taken)
    return free_names("s" if kind == "sum" else "p", taken)[0]


def new_variables(variables: Sequence[str], leaves: Sequence[Leaf]) -> tuple[str, ...]:
    """The variables, and after them those that only `leaves` mention."""
    return tuple(dict.fromkeys((*variables, *(leaf.variable for leaf in leaves))))
