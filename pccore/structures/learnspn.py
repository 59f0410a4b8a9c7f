"""LearnSPN: a circuit whose structure and parameters both come from the data.

A slice of the data, some rows and some columns, becomes a product where its columns fall into
independent parts, else a sum over clusters of its rows; a slice of few rows becomes a product of
leaves. Slices wait in a list, there is no recursion. A sum below a sum is taken into it.

Source: Gens and Domingos, "Learning the structure of sum-product networks", 2013, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, IntArray, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import LeafFamily, Support
from pccore.options import option
from pccore.structures.base import FloatArray, Shape, Structure
from pccore.structures.clustering import cluster_rows
from pccore.structures.independence import independent_parts
from pccore.structures.leaf_groups import FamilyOptions, families_of

#: More units than this are not made.
MAX_UNITS = 500_000
#: Statistics of leaves that are held at a time.
_CHUNK = 2**22


@dataclass(frozen=True)
class LearnSpnOptions(FamilyOptions):
    """Options of LearnSPN."""

    min_rows: int = option(
        100,
        help="slices of fewer rows become independent leaves; fewer: a larger circuit that fits "
        "the training data more closely",
        minimum=2,
        maximum=10_000_000,
    )
    significance: float = option(
        0.0015,
        help="two columns are dependent if the p-value of their test is below this; smaller: "
        "more products",
        minimum=0.0,
        maximum=1.0,
    )
    clusters: int = option(
        2, help="clusters that a slice's rows are divided into", minimum=2, maximum=100
    )
    clustering: Literal["kmeans", "em"] = option(
        "kmeans",
        help="kmeans: scikit-learn's; em: then EM of a mixture of independent columns, which "
        "leaves missing values out",
    )
    bins: int = option(
        8,
        help="real columns, and finite ones of more states, are cut into so many quantiles for "
        "the tests",
        minimum=2,
        maximum=64,
    )
    smoothing: float = option(
        1.0,
        help="rows of the whole data's marginals that every leaf counts besides its own",
        minimum=0.0,
        maximum=1000.0,
    )


class _Slice(NamedTuple):
    """Rows and columns that wait to become a child, with this weight, of a node (-1: the root).

    connected: whether its columns are known not to fall apart.
    """

    parent: int
    weight: float
    rows: IntArray
    columns: IntArray
    connected: bool


@dataclass
class _Node:
    """A unit in the making; a child has a higher number than its parents."""

    kind: Literal["sum", "product", "leaf"]
    children: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])
    family: LeafFamily | None = None
    variables: tuple[int, ...] = ()
    values: Tensor | None = None


class _Leaves:
    """Leaves fitted to slices, smoothed by what the whole data say."""

    def __init__(self, data: FloatArray, families: tuple[LeafFamily, ...], smoothing: float):
        self.data = data
        self.families = families
        self._share = smoothing / (len(data) + 1)
        self._prior: dict[int, Tensor] = {}
        everything, rows = np.arange(data.shape[1]), np.arange(len(data))
        for family, columns in self.by_family(everything):
            for v, statistics in zip(columns, self._count(family, rows, columns), strict=True):
                self._prior[int(v)] = statistics * self._share

    def by_family(self, columns: IntArray) -> list[tuple[LeafFamily, IntArray]]:
        """The columns of each family."""
        found: dict[LeafFamily, list[int]] = {}
        for v in columns.tolist():
            found.setdefault(self.families[v], []).append(v)
        return [(family, np.array(own)) for family, own in found.items()]

    def fit(self, family: LeafFamily, rows: IntArray, columns: IntArray) -> Tensor:
        """Parameters [len(columns), 1, *family.parameter_shape], float32.

        The smoothing adds the mean of the whole data, in which one row of the family's default is
        counted, so that no state is impossible.
        """
        statistics = self._count(family, rows, columns)
        statistics += torch.stack([self._prior[v] for v in columns.tolist()])
        return family.m_step(statistics, self._share)[:, None].float().contiguous()

    def _count(self, family: LeafFamily, rows: IntArray, columns: IntArray) -> Tensor:
        """Summed sufficient statistics, float64 [len(columns), S]."""
        total = torch.zeros((len(columns), family.num_statistics), dtype=torch.float64)
        step = max(1, _CHUNK // (len(columns) * family.num_statistics))
        for first in range(0, len(rows), step):
            part = self.data[np.ix_(rows[first : first + step], columns)].astype(np.float64)
            x = torch.from_numpy(part)
            missing = torch.isnan(x)
            values = family.sufficient_statistics(torch.where(missing, 0.0, x))
            total += torch.where(missing[..., None], 0.0, values).sum(0)
        return total


class _Learner:
    """The nodes, and the slices that are still to become some."""

    def __init__(self, shape: Shape, data: FloatArray, options: LearnSpnOptions) -> None:
        self.shape = shape
        self.data = data
        self.options = options
        self.leaves = _Leaves(data, families_of(shape, options), options.smoothing)
        self.nodes: list[_Node] = []
        self.waiting: list[_Slice] = []
        self._clusterings = 0

    def learn(self) -> None:
        rows, columns = np.arange(len(self.data)), np.arange(self.data.shape[1])
        self.waiting = [_Slice(-1, 1.0, rows, columns, False)]
        while self.waiting:
            part = self.waiting.pop()
            if len(part.columns) == 1 or len(part.rows) < self.options.min_rows:
                self._factorise(part)
            elif part.connected or not self._split_columns(part):
                self._split_rows(part)
            if len(self.nodes) > MAX_UNITS:
                raise OptionError(
                    f"more than {MAX_UNITS} units",
                    where="structure learnspn",
                    hint="raise min_rows",
                )

    def _add(self, parent: int, weight: float, node: _Node) -> int:
        self.nodes.append(node)
        number = len(self.nodes) - 1
        if parent >= 0:
            self.nodes[parent].children.append(number)
            if self.nodes[parent].kind == "sum":
                self.nodes[parent].weights.append(weight)
        return number

    def _factorise(self, part: _Slice) -> None:
        """Independent leaves: one factorised leaf for each family."""
        groups = self.leaves.by_family(part.columns)
        parent = part.parent
        joined = parent >= 0 and self.nodes[parent].kind == "product"
        if len(groups) > 1 and not joined:
            parent = self._add(parent, part.weight, _Node("product"))
        for family, columns in groups:
            values = self.leaves.fit(family, part.rows, columns)
            leaf = _Node("leaf", family=family, variables=tuple(columns.tolist()), values=values)
            self._add(parent, part.weight, leaf)

    def _split_columns(self, part: _Slice) -> bool:
        """A product of independent parts; False where the columns hang together."""
        supports: list[Support] = [self.shape.supports[v] for v in part.columns]
        cells = self.data[np.ix_(part.rows, part.columns)]
        parts = independent_parts(cells, supports, self.options.significance, self.options.bins)
        if len(parts) == 1:
            return False
        single = [own[0] for own in parts if len(own) == 1]
        if len(single) == len(parts):
            self._factorise(part)
            return True
        product = self._add(part.parent, part.weight, _Node("product"))
        if single:
            alone = part.columns[np.array(single)]
            self._factorise(_Slice(product, 1.0, part.rows, alone, True))
        self.waiting += [
            _Slice(product, 1.0, part.rows, part.columns[own], True)
            for own in parts
            if len(own) > 1
        ]
        return True

    def _split_rows(self, part: _Slice) -> None:
        """A sum over clusters, weighted by their numbers of rows."""
        options = self.options
        self._clusterings += 1
        labels = cluster_rows(
            self.data[np.ix_(part.rows, part.columns)],
            [self.shape.supports[v] for v in part.columns],
            options.clusters,
            options.seed + self._clusterings,
            method=options.clustering,
            bins=options.bins,
        )
        sizes = np.bincount(labels)
        if len(sizes) < 2:
            self._factorise(part)
            return
        parent, weight = part.parent, part.weight
        if parent < 0 or self.nodes[parent].kind != "sum":
            parent, weight = self._add(parent, weight, _Node("sum")), 1.0
        for k, size in enumerate(sizes.tolist()):
            rows = part.rows[labels == k]
            self.waiting.append(
                _Slice(parent, weight * size / len(part.rows), rows, part.columns, False)
            )

    # -- the circuit ---------------------------------------------------------------------------

    def circuit(self) -> Circuit:
        """The nodes as groups of one unit, children first."""
        groups: list[Group] = []
        params: dict[str, Tensor] = {}
        last = len(self.nodes) - 1
        for number in range(last, -1, -1):
            node = self.nodes[number]
            inputs = tuple(last - child for child in node.children)
            if node.kind == "product":
                groups.append(ProductGroup(f"P{number}", 1, inputs))
            elif node.kind == "sum":
                name = f"S{number}"
                weights = np.array([node.weights])
                params[name] = torch.from_numpy(weights / weights.sum()).float()
                groups.append(SumGroup(name, 1, inputs, name))
            else:
                assert node.family is not None and node.values is not None
                name = f"L{number}"
                params[name] = node.values
                groups.append(LeafGroup(name, 1, node.family, node.variables, name))
        return Circuit(groups, [(last, 0)], self.shape.variables, params)


def _build(shape: Shape, options: LearnSpnOptions) -> Circuit:
    assert shape.data is not None, "Structure.require has seen to that"
    learner = _Learner(shape, shape.data, options)
    learner.learn()
    return learner.circuit()


STRUCTURE = Structure(
    name="learnspn",
    title="LearnSPN",
    description="Structure and parameters learned from the training data: independent columns "
    "become products, clusters of rows become sums. Can be trained further.",
    options=LearnSpnOptions,
    build=_build,
    needs_data=True,
    trained=True,
)
