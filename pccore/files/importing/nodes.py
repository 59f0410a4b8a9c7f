"""A circuit as it stands in a file: scalar nodes in arrays, children before their parents."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pccore.errors import FileError
from pccore.files.base import Limits
from pccore.groups import IntArray
from pccore.leaves.base import LeafFamily
from pccore.leaves.indicator import Indicator

LEAF, PRODUCT, SUM = 0, 1, 2


class Nodes:
    """Nodes under construction; a node is its number, and its children have lower ones.

    A product without children is the constant 1, a sum without children 0: `fold` removes both.
    kinds: LEAF, PRODUCT or SUM. offsets: node k has the edges offsets[k] to offsets[k + 1].
    children, log_weights: of each edge (0 for those of products). A leaf has no edges; leaf[k]
    is its number among the leaves, which have a family (its number), a variable and values.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.kinds = bytearray()
        self.offsets = array("q", [0])
        self.children = array("q")
        self.log_weights = array("d")
        self.leaf = array("q")
        self.families: list[LeafFamily] = []
        self.leaf_family = array("q")
        self.leaf_variable = array("q")
        self.leaf_values: list[tuple[float, ...]] = []
        self._family_numbers: dict[LeafFamily, int] = {}
        self._numbers = 0  # of all leaves
        self._literals: dict[tuple[int, int, int], int] = {}

    def __len__(self) -> int:
        return len(self.kinds)

    def _check_room(self, more: int) -> None:
        size = len(self.kinds) + len(self.children) + self._numbers + more
        if size > self.limits.max_text_size:
            raise FileError(
                f"more than {self.limits.max_text_size} nodes and edges are not supported",
                hint=self.limits.way_out("max_text_size"),
            )

    def _close(self, kind: int, leaf: int) -> int:
        self.kinds.append(kind)
        self.offsets.append(len(self.children))
        self.leaf.append(leaf)
        return len(self.kinds) - 1

    def add_leaf(self, family: LeafFamily, variable: int, values: tuple[float, ...]) -> int:
        """A univariate leaf with the parameters `values` of its family."""
        if not 0 <= variable < self.limits.max_variables:
            raise FileError(
                f"variable {variable} is not below {self.limits.max_variables}",
                hint=self.limits.way_out("max_variables"),
            )
        self._numbers += len(values)
        self._check_room(1)
        number = self._family_numbers.setdefault(family, len(self.families))
        if number == len(self.families):
            self.families.append(family)
        self.leaf_family.append(number)
        self.leaf_variable.append(variable)
        self.leaf_values.append(values)
        return self._close(LEAF, len(self.leaf_values) - 1)

    def literal(self, variable: int, state: int, categories: int = 2) -> int:
        """The indicator [variable = state], one node however often it is asked for."""
        key = (variable, state, categories)
        if key not in self._literals:
            self._literals[key] = self.add_leaf(Indicator(categories), variable, (float(state),))
        return self._literals[key]

    def widen(self, categories: Mapping[int, int]) -> None:
        """Give the indicators of some variables more states: how many a file may show late."""
        for leaf, number in enumerate(self.leaf_family):
            family, states = self.families[number], categories.get(self.leaf_variable[leaf], 0)
            if isinstance(family, Indicator) and states > family.categories:
                wide = Indicator(states)
                new = self._family_numbers.setdefault(wide, len(self.families))
                if new == len(self.families):
                    self.families.append(wide)
                self.leaf_family[leaf] = new

    def add_product(self, children: Iterable[int]) -> int:
        """A product of earlier nodes."""
        before = len(self.children)
        self.children.extend(children)
        self.log_weights.extend([0.0] * (len(self.children) - before))
        self._check_room(1)
        return self._close(PRODUCT, -1)

    def add_sum(self, children: Sequence[int], log_weights: Sequence[float] | None = None) -> int:
        """A sum of earlier nodes; weights of 1 if none are given."""
        self._check_room(1 + len(children))
        self.children.extend(children)
        self.log_weights.extend([0.0] * len(children) if log_weights is None else log_weights)
        return self._close(SUM, -1)

    def add_rows(self, kind: int, children: IntArray, log_weights: np.ndarray) -> IntArray:
        """A node for each row of children [n, k] with their log-weights [n, k]; their numbers."""
        count, width = children.shape
        self._check_room(count * (1 + width))
        first = len(self.kinds)
        ends = len(self.children) + width * np.arange(1, count + 1, dtype=np.int64)
        self.children.frombytes(np.ascontiguousarray(children, np.int64).tobytes())
        self.log_weights.frombytes(np.ascontiguousarray(log_weights, np.float64).tobytes())
        self.offsets.frombytes(ends.tobytes())
        self.leaf.frombytes(np.full(count, -1, np.int64).tobytes())
        self.kinds.extend(bytes([kind]) * count)
        return np.arange(first, first + count, dtype=np.int64)
