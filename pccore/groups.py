"""Units, edges and the three kinds of group that a circuit is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pccore.leaves.base import LeafFamily

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
IntArray = npt.NDArray[np.int64]


class Unit(NamedTuple):
    """A scalar node: position of its group, index within the group."""

    group: int
    index: int  # pyright: ignore[reportIncompatibleMethodOverride]


class Edge(NamedTuple):
    """An edge from a unit to `child`; the linear weight of a sum edge, None elsewhere."""

    child: Unit
    weight: float | None


@dataclass(frozen=True, slots=True, eq=False)
class SparseEdges:
    """Irregular edges in compressed rows.

    offsets: int64 [size + 1]. children: int64 [E], positions in the concatenation of the
    input groups' units; unit k has the children[offsets[k]:offsets[k + 1]].
    """

    offsets: IntArray
    children: IntArray

    def row(self, index: int) -> IntArray:
        """The children of one unit."""
        return self.children[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True, slots=True)
class LeafGroup:
    """`size` input distributions of one family over `variables`.

    Each unit is a product of independent univariate leaves (a factorised leaf); its
    parameters have the shape [len(variables), size, *family.parameter_shape].
    """

    name: str
    size: int
    family: LeafFamily
    variables: tuple[int, ...]
    parameter: str

    @property
    def kind(self) -> Literal["leaf"]:
        """Always "leaf"."""
        return "leaf"

    @property
    def inputs(self) -> tuple[int, ...]:
        """A leaf has no inputs."""
        return ()


@dataclass(frozen=True, slots=True)
class SumGroup:
    """`size` weighted sums over the units of `inputs`; weights are linear and >= 0.

    edges "dense": every unit sees every input unit, weights [size, sum of input sizes].
    edges "elementwise": unit k sees unit k of each input (a mixing layer), weights
    [size, len(inputs)]. SparseEdges: weights [E].
    """

    name: str
    size: int
    inputs: tuple[int, ...]
    parameter: str
    edges: Literal["dense", "elementwise"] | SparseEdges = "dense"

    @property
    def kind(self) -> Literal["sum"]:
        """Always "sum"."""
        return "sum"


@dataclass(frozen=True, slots=True)
class ProductGroup:
    """`size` products over the units of `inputs`.

    edges "hadamard": unit k multiplies unit k of each input. "kronecker": one unit for each
    combination of input units, row-major over the inputs. SparseEdges: any selection.
    """

    name: str
    size: int
    inputs: tuple[int, ...]
    edges: Literal["hadamard", "kronecker"] | SparseEdges = "hadamard"

    @property
    def kind(self) -> Literal["product"]:
        """Always "product"."""
        return "product"


Group = LeafGroup | SumGroup | ProductGroup
