"""Region graphs: which sets of variables are split into which.

A region is a set of variables, a partition splits one region into two or more others, and
the region graph shares regions freely. Every structure of the EiNet kind is a region graph;
`pccore.structures.parametrise` turns it into a circuit (Peharz et al. 2020, sec. 3; the
GenerateDenseSPN scheme of Poon & Domingos 2011, sec. 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pccore.errors import GraphError
from pccore.graph import IntArray
from pccore.scope import Scope

#: Structures refuse to make more regions or partitions than this.
MAX_REGIONS = 500_000


@dataclass(frozen=True, eq=False, repr=False)
class RegionGraph:
    """N regions in topological order, children first; the last one is the root.

    labels: N short unique names. leaf_offsets int64 [N + 1], leaf_variables: region i is a leaf
    over leaf_variables[leaf_offsets[i]:leaf_offsets[i + 1]] (ascending), or an inner region
    where that is empty. parents int64 [P]: the region that partition p splits, ascending.
    child_offsets int64 [P + 1], children: the regions that it splits it into.

    Raises GraphError unless every inner region has a partition, no leaf has one, and children
    come before their parents. `validate` checks the scopes.
    """

    num_variables: int
    labels: tuple[str, ...]
    leaf_offsets: IntArray
    leaf_variables: IntArray
    parents: IntArray
    child_offsets: IntArray
    children: IntArray

    def __post_init__(self) -> None:
        if len(self.labels) != self.num_regions or len(set(self.labels)) != len(self.labels):
            raise GraphError(f"{self.num_regions} regions need as many distinct labels")
        if len(self.child_offsets) != len(self.parents) + 1:
            raise GraphError("a region graph needs one row of children for each partition")
        if np.any(np.diff(self.child_offsets) < 2):
            raise GraphError("a partition needs two or more children")
        if np.any(np.diff(self.parents) < 0):
            raise GraphError("partitions must be sorted by the region that they split")
        owners = np.repeat(self.parents, np.diff(self.child_offsets))
        if np.any(self.children >= owners) or np.any(self.children < 0):
            raise GraphError("a region must come after the regions that it is split into")
        if np.any(self.is_leaf == (self.num_partitions > 0)):
            raise GraphError("a region has either variables (a leaf) or partitions")

    def __repr__(self) -> str:
        return (
            f"RegionGraph({self.num_variables} variables, {self.num_regions} regions, "
            f"{len(self.parents)} partitions)"
        )

    @classmethod
    def of(
        cls,
        num_variables: int,
        leaves: Sequence[Iterable[int]],
        splits: Sequence[Sequence[Sequence[int]]],
        labels: Sequence[str] | None = None,
    ) -> RegionGraph:
        """A small region graph by hand.

        Regions 0 .. L-1 are the leaves; region L + i is split in the ways splits[i], each a
        sequence of region numbers. Raises GraphError, for wrong scopes too.
        """
        rows = [sorted(leaf) for leaf in leaves] + [[] for _ in splits]
        first = len(leaves)
        ways = [(first + i, list(way)) for i, region in enumerate(splits) for way in region]
        names = labels if labels is not None else [f"r{i}" for i in range(len(rows))]
        graph = cls(
            num_variables,
            tuple(names),
            offsets([len(row) for row in rows]),
            np.array([v for row in rows for v in row], dtype=np.int64),
            np.array([parent for parent, _ in ways], dtype=np.int64),
            offsets([len(way) for _, way in ways]),
            np.array([child for _, way in ways for child in way], dtype=np.int64),
        )
        graph.validate()
        return graph

    @property
    def num_regions(self) -> int:
        """N."""
        return len(self.leaf_offsets) - 1

    @property
    def root(self) -> int:
        """The root region."""
        return self.num_regions - 1

    @cached_property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """Whether each region is a leaf, bool [N]."""
        return np.diff(self.leaf_offsets) > 0

    @cached_property
    def num_partitions(self) -> IntArray:
        """Partitions of each region, int64 [N]."""
        return np.bincount(self.parents, minlength=self.num_regions).astype(np.int64)

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """The variables of each region; an inner region has those of its first partition."""
        bits = [0] * self.num_regions
        starts, variables = self.leaf_offsets.tolist(), self.leaf_variables.tolist()
        for region in np.flatnonzero(self.is_leaf).tolist():
            scope = 0
            for v in variables[starts[region] : starts[region + 1]]:
                scope |= 1 << v
            bits[region] = scope
        rows, children = self.child_offsets.tolist(), self.children.tolist()
        for p, parent in enumerate(self.parents.tolist()):
            if not bits[parent]:
                for child in children[rows[p] : rows[p + 1]]:
                    bits[parent] |= bits[child]
        return tuple(Scope(b) for b in bits)

    def validate(self) -> None:
        """Raise GraphError unless each partition splits its region into disjoint parts.

        Also where the root does not cover all variables.
        """
        bits = [scope.bits for scope in self.scopes]
        rows, children = self.child_offsets.tolist(), self.children.tolist()
        for p, parent in enumerate(self.parents.tolist()):
            union = 0
            for child in children[rows[p] : rows[p + 1]]:
                if union & bits[child]:
                    raise GraphError(
                        f"the parts of partition {p} overlap", where=self.labels[parent]
                    )
                union |= bits[child]
            if union != bits[parent]:
                raise GraphError(
                    f"partition {p} does not split the whole region", where=self.labels[parent]
                )
        if bits[self.root] != Scope.full(self.num_variables).bits:
            raise GraphError("the root region does not cover all variables")


def offsets(lengths: Sequence[int] | IntArray) -> IntArray:
    """The starts of rows of these lengths, and the end: int64 [n + 1]."""
    result = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(np.asarray(lengths, dtype=np.int64), out=result[1:])
    return result
