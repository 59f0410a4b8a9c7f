"""Parameters from clusters: every unit of a region stands for one cluster of the region's data.

The rows are clustered by k-means once for each region, on the region's variables alone. That says
which unit of every group a row belongs to, and so the maximum likelihood parameters are counts: no
iteration over the circuit, no local optimum of EM that forgets what distant parts have in common.

Source: the latent variable distillation of Liu, Zhang and Van den Broeck 2023, sec. 3 and 4.1, with
the regions' own data in the place of a teacher's embeddings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.gaussian import Gaussian
from pccore.scope import Scope
from pccore.structures.base import FloatArray, Shape, summarise
from pccore.structures.clustering import MOST_ROWS, Points, different, k_means, nearest
from pccore.structures.leaf_groups import LeafOptions

#: Principal components that k-means sees.
COMPONENTS = 64
#: Rows for each cluster that k-means sees at most.
ROWS_EACH = 100
#: Penalty of what a region says about the whole, relative to the trace of its Gram matrix.
RIDGE = 1e-3
#: Rows of the whole data's marginals that every leaf counts besides its own.
LEAF_SMOOTHING = 1.0
#: Statistics that are held at a time.
_CHUNK = 2**24

IntArray = npt.NDArray[np.int64]


def from_clusters(circuit: Circuit, shape: Shape, options: LeafOptions) -> Circuit:
    """The circuit with the parameters of clusters of `shape.data`; missing values are left out.

    options: seed, context, smoothing and variance_floor are used.

    Raises OptionError without data, or for groups with irregular edges.
    """
    if shape.data is None:
        raise OptionError("clusters need training data", where="start")
    regions = _Regions(shape.data, options.seed, options.context)
    member = _members(circuit, regions)
    users: dict[str, list[tuple[int, LeafGroup | SumGroup]]] = {}  # tied groups count together
    for number, group in enumerate(circuit.groups):
        if not isinstance(group, ProductGroup):
            users.setdefault(group.parameter, []).append((number, group))
    params = dict(circuit.params.items())
    for parameter, groups in users.items():
        params[parameter] = _fitted(circuit, groups, shape.data, member, options.smoothing)
    return with_floor(circuit.with_params(params), shape, options.variance_floor)


def with_floor(circuit: Circuit, shape: Shape, floor: float) -> Circuit:
    """Gaussian variances raised to at least `floor` times the mean variance of `shape.data`.

    The pixels of a region are taken for independent given its cluster, which makes a circuit far
    too sure of the one cluster that fits a new image best; wider leaves let it blend several. No
    family's max_variance is exceeded.
    """
    if floor == 0 or shape.data is None:
        return circuit
    summary = shape.summary or summarise(shape.data, shape.supports)
    least = float(summary.variance.mean()) * floor
    params = dict(circuit.params.items())
    for group in circuit.groups:
        if isinstance(group, LeafGroup) and isinstance(group.family, Gaussian):
            values = params[group.parameter].clone()
            values[..., 1].clamp_(min=min(least, group.family.max_variance))
            params[group.parameter] = values
    return circuit.with_params(params)


def _fitted(
    circuit: Circuit,
    groups: list[tuple[int, LeafGroup | SumGroup]],
    data: FloatArray,
    member: list[IntArray],
    smoothing: float,
) -> Tensor:
    """The parameter that these groups share."""
    total: Tensor | None = None
    for number, group in groups:
        if isinstance(group, LeafGroup):
            found = _statistics(group, data, member[number])
        else:
            found = _edges(circuit, group, number, member)
        total = found if total is None else total.add_(found)
    assert total is not None, "a parameter has a user"
    first = groups[0][1]
    if isinstance(first, LeafGroup):
        return first.family.m_step(total, 1e-3).float()
    total += smoothing / total.shape[1]
    return (total / total.sum(1, keepdim=True)).float()


class _Regions:
    """Cluster numbers of the rows for each scope and number of units, found when asked for."""

    def __init__(self, data: FloatArray, seed: int, context: float) -> None:
        self.data = data
        self.seed = seed
        self.context = context
        self._whole: Points | None = None
        self._known: dict[tuple[Scope, int], IntArray] = {}

    def __call__(self, scope: Scope, units: int) -> IntArray:
        """int64 [N], 0 to units - 1."""
        found = self._known.get((scope, units))
        if found is None:
            found = self._clusters(scope, units)
            self._known[scope, units] = found
        return found

    def _clusters(self, scope: Scope, units: int) -> IntArray:
        if units == 1:
            return np.zeros(len(self.data), dtype=np.int64)
        generator = np.random.default_rng((self.seed, len(self._known)))
        most = min(MOST_ROWS, max(ROWS_EACH * units, 10 * COMPONENTS))
        points, some = self._points(self.data[:, list(scope)], most, generator)
        units = min(units, different(points[some], generator))
        points = _components(points, some, generator)
        if self.context:
            if self._whole is None:
                whole = self._points(self.data, most, generator)
                self._whole = _components(*whole, generator)
            points = np.concatenate([points, self.context * _foreseen(points, self._whole)], 1)
        state = int(generator.integers(2**31 - 1))
        centres = k_means(points[some], units, generator, state=state, quick=True)
        parts = np.array_split(points, -(-len(points) * units // _CHUNK))
        return np.concatenate([nearest(part, centres) for part in parts])

    def _points(
        self, columns: FloatArray, most: int, generator: np.random.Generator
    ) -> tuple[Points, IntArray | slice]:
        """Columns of mean 0, where a missing value is 0; and the rows that are looked at."""
        missing = np.isnan(columns)
        mean = np.where(missing, 0.0, columns).sum(0) / np.maximum((~missing).sum(0), 1)
        points = np.where(missing, 0.0, columns - mean).astype(np.float32)
        if len(points) <= most:
            return points, slice(None)
        return points, generator.choice(len(points), most, replace=False)


def _components(points: Points, some: IntArray | slice, generator: np.random.Generator) -> Points:
    """At most COMPONENTS principal components of the rows [N, d], found from some of them."""
    chosen = points[some]
    if min(chosen.shape) <= COMPONENTS:
        return points
    from sklearn.decomposition import PCA  # slow to import: only when asked for

    state = int(generator.integers(2**31 - 1))
    settings: dict[str, Any] = {"svd_solver": "randomized", "iterated_power": 1}  # typed as text
    reduce = PCA(COMPONENTS, random_state=state, **settings)
    return reduce.fit(chosen).transform(points)


def _foreseen(points: Points, whole: Points) -> Points:
    """What the region's points [N, d] say about the whole [N, c], by ridge regression: [N, c]."""
    gram = points.T @ points
    penalty = max(RIDGE * float(np.trace(gram)), 1e-12)
    return points @ np.linalg.solve(gram + penalty * np.eye(len(gram)), points.T @ whole)


def _members(circuit: Circuit, regions: _Regions) -> list[IntArray]:
    """The unit of each group that a row belongs to, int64 [N] each."""
    scopes = list(circuit.scopes)
    # Unit k of a Hadamard product multiplies unit k of each factor: these mean clusters of the
    # product's region, not of their own.
    for number in reversed(range(len(circuit.groups))):
        group = circuit.groups[number]
        if isinstance(group, ProductGroup) and group.edges == "hadamard":
            for i in group.inputs:
                scopes[i] = scopes[number]
    member: list[IntArray] = []
    for number, group in enumerate(circuit.groups):
        if not isinstance(group, LeafGroup) and isinstance(group.edges, SparseEdges):
            raise OptionError(f"{group.name} has irregular edges", where="start")
        if isinstance(group, ProductGroup) and group.edges == "kronecker":
            unit = np.zeros(len(regions.data), dtype=np.int64)
            for i in group.inputs:
                unit = unit * circuit.groups[i].size + member[i]
            member.append(unit)
        else:
            member.append(regions(scopes[number], group.size))
    return member


def _edges(circuit: Circuit, group: SumGroup, number: int, member: list[IntArray]) -> Tensor:
    """How often the units of the inputs go with each unit of the group, float64."""
    own = member[number]
    if group.edges == "elementwise":
        return torch.ones(group.size, len(group.inputs), dtype=torch.float64)
    sizes = [circuit.groups[i].size for i in group.inputs]
    total = sum(sizes)
    counts = np.zeros(group.size * total)
    first = 0
    for i, size in zip(group.inputs, sizes, strict=True):
        counts += np.bincount(own * total + first + member[i], minlength=len(counts))
        first += size
    return torch.from_numpy(counts.reshape(group.size, total))


def _statistics(group: LeafGroup, data: FloatArray, own: IntArray) -> Tensor:
    """What the rows of each unit say, with a little of the whole data's marginals."""
    family, width = group.family, group.family.num_statistics
    columns = data[:, list(group.variables)]
    pieces: list[Tensor] = []
    step = max(1, _CHUNK // (len(data) * (1 if family.one_hot else width)))
    for start in range(0, columns.shape[1], step):
        part = columns[:, start : start + step]
        if family.one_hot:
            sums = _state_counts(part, own, group.size, width)
        else:
            known = ~np.isnan(part)
            x = torch.from_numpy(np.where(known, part, 0.0)).double()
            statistics = family.sufficient_statistics(x) * torch.from_numpy(known).unsqueeze(-1)
            members = torch.nn.functional.one_hot(torch.from_numpy(own), group.size).double()
            sums = torch.einsum("nk,nds->dks", members, statistics)
        whole = sums.sum(1, keepdim=True)
        pieces.append(sums + LEAF_SMOOTHING * whole / max(1, len(data)))
    return torch.cat(pieces)


def _state_counts(columns: FloatArray, own: IntArray, units: int, states: int) -> Tensor:
    """Rows of each unit in each state, float64 [d, K, C]."""
    known = ~np.isnan(columns)
    state = np.where(known, columns, 0.0).astype(np.int64)
    d = columns.shape[1]
    place = (np.arange(d) * units + own[:, None]) * states + state
    counts = np.bincount(place[known], minlength=d * units * states)
    return torch.from_numpy(counts.reshape(d, units, states)).double()
