"""Pruning: edges of weight zero, of little weight or of little flow, and what only they lead to.

Works on whole groups with arrays, so that circuits of millions of edges can be pruned; a group
that loses some of its edges gets a list of edges (`SparseEdges`), one that loses whole units
only gets smaller. Products lose no edge of a unit that stays, and children of a sum have one
scope, so a pruned circuit is as smooth and decomposable as it was.

Sources: Poon and Domingos 2011, algorithm 1 (zero weights are pruned after learning); Dang, Liu
and Van den Broeck, "Sparse probabilistic circuits via pruning and growing", 2022, sec. 3 (flows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.reference import edge_rows

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def prune(
    circuit: Circuit,
    threshold: float = 0.0,
    flows: Mapping[str, Tensor] | None = None,
    share: float = 0.0,
    *,
    rescale: bool = True,
) -> Circuit:
    """The circuit without edges of little weight or flow, and without what they alone kept alive.

    threshold: an edge is dropped if its share of the weights of its sum is below this; the
    largest always stays, and what stays is scaled so that each sum keeps its total weight. With
    0 only edges go that are zero, or lead to a unit that is zero for every input: S stays exactly
    what it was, for every evidence, and no weight changes. Units that no root reaches go as well.

    flows: how often each edge takes part (`pccore.queries.expected_flows(...).edges`), by
    parameter id; of all weights of the store the `share` with the smallest flow is dropped, but
    the largest of each sum stays. rescale: without it what stays keeps its weight. Then S'(x) <=
    S(x), and S'(x) / S(x) is the probability that the induced tree of x has no dropped edge: as
    scaling only raises S', log S(x) - log S'(x) without scaling bounds the loss of x with it.
    (The bound of the paper, -log(1 - the dropped edges' flow), is weaker by the union bound.)

    A root that is zero itself keeps one edge of each of its sums. Groups that lose nothing keep
    name, parameters and ties.

    Raises OptionError for a threshold or a share outside [0, 1) or flows of other shapes,
    ParameterError for illegal parameters, and GraphError where units of one group would get
    different scopes (never in a smooth circuit).
    """
    for name, value in (("threshold", threshold), ("share", share)):
        if not 0 <= value < 1:
            raise OptionError(f"{value:g} is not in [0, 1)", where=name)
    circuit.validate_params()
    pruning = _Pruning(circuit, threshold, _smallest(circuit, flows, share), rescale)
    pruning.choose()
    pruning.reach()
    return pruning.circuit()


def _smallest(
    circuit: Circuit, flows: Mapping[str, Tensor] | None, share: float
) -> dict[str, tuple[FloatArray, BoolArray]]:
    """The flows of each parameter's edges, and which of them are among the smallest, flat."""
    if flows is None or not share:
        return {}
    reached = {root.group for root in circuit.roots}
    for position in range(len(circuit.groups) - 1, -1, -1):
        if position in reached:
            reached.update(circuit.groups[position].inputs)
    live = [group for position, group in enumerate(circuit.groups) if position in reached]
    names = {group.parameter: None for group in live if isinstance(group, SumGroup)}
    own: list[FloatArray] = [np.zeros(0)]
    for name in names:
        found = flows.get(name)
        if found is None or found.shape != circuit.params[name].shape:
            raise OptionError(f"no flow for each edge of {name!r}", where="flows")
        own.append(found.detach().cpu().double().numpy().reshape(-1))
    everything = np.concatenate(own)
    gone = np.zeros(len(everything), dtype=np.bool_)
    gone[np.argsort(everything, kind="stable")[: int(share * len(everything))]] = True
    parts = np.split(gone, np.cumsum([len(part) for part in own])[:-1])
    return dict(zip(names, zip(own[1:], parts[1:], strict=True), strict=True))


@dataclass
class _Pruning:
    """For each group, by position: its edges, which stay, and which of its units stay."""

    source: Circuit
    threshold: float
    little: Mapping[str, tuple[FloatArray, BoolArray]]
    rescale: bool
    rows: list[SparseEdges | None] = field(default_factory=list[SparseEdges | None])
    kept: list[BoolArray] = field(default_factory=list[BoolArray])
    scale: list[FloatArray] = field(default_factory=list[FloatArray])
    live: list[BoolArray] = field(default_factory=list[BoolArray])

    # -- what stays --------------------------------------------------------------------------

    def choose(self) -> None:
        """Children first: which edges are kept, which units are zero for every input."""
        zero: list[BoolArray] = []
        for group in self.source.groups:
            if isinstance(group, LeafGroup):
                self.rows.append(None)
                self.kept.append(np.ones(0, dtype=np.bool_))
                self.scale.append(np.ones(0))
                zero.append(np.zeros(group.size, dtype=np.bool_))
                continue
            rows = edge_rows(self.source, group)
            nothing = np.concatenate([zero[i] for i in group.inputs])[rows.children]
            self.rows.append(rows)
            if isinstance(group, ProductGroup):
                self.kept.append(np.ones(len(nothing), dtype=np.bool_))
                self.scale.append(np.ones(0))
                zero.append(np.logical_or.reduceat(nothing, rows.offsets[:-1]))
            else:
                zero.append(self._choose_sum(group, rows, nothing))

    def _choose_sum(self, group: SumGroup, rows: SparseEdges, nothing: BoolArray) -> BoolArray:
        stored = self.source.params[group.parameter].detach().cpu().double().numpy().reshape(-1)
        starts = rows.offsets[:-1]
        owner = _owners(rows)
        weights = np.where(nothing, 0.0, stored)
        total = np.add.reduceat(weights, starts)
        largest = np.maximum.reduceat(weights, starts)
        positive = weights > 0
        kept = positive.copy()
        scale = np.ones(group.size)
        # Of equals all stay, which is simpler than choosing one and loses nothing.
        if self.threshold:
            kept &= weights >= np.minimum(self.threshold * total, largest)[owner]
        if group.parameter in self.little:
            flow, little = self.little[group.parameter]
            flow = np.where(kept, flow, -1.0)
            kept &= ~little | (flow == np.maximum.reduceat(flow, starts)[owner])
        if self.rescale and not np.array_equal(kept, positive):
            left = np.add.reduceat(np.where(kept, weights, 0.0), starts)
            cut = left < total
            scale[cut] = total[cut] / left[cut]
        empty = largest <= 0
        kept[starts[empty]] = True  # of a unit that is zero; it counts only below such a root
        self.kept.append(kept)
        self.scale.append(scale)
        return empty

    def reach(self) -> None:
        """Parents first: which units a root still reaches."""
        groups = self.source.groups
        self.live = [np.zeros(group.size, dtype=np.bool_) for group in groups]
        for root in self.source.roots:
            self.live[root.group][root.index] = True
        for position in range(len(groups) - 1, -1, -1):
            rows = self.rows[position]
            if rows is None or not self.live[position].any():
                continue
            self.kept[position] &= self.live[position][_owners(rows)]
            inputs = groups[position].inputs
            used = np.zeros(sum(groups[i].size for i in inputs), dtype=np.bool_)
            used[rows.children[self.kept[position]]] = True
            at = 0
            for i in inputs:
                self.live[i] |= used[at : at + groups[i].size]
                at += groups[i].size

    # -- the circuit -------------------------------------------------------------------------

    def circuit(self) -> Circuit:
        """Put together what stays."""
        source = self.source
        groups: list[Group] = []
        params: dict[str, Tensor] = {}
        moved: dict[int, int] = {}
        for position, group in enumerate(source.groups):
            live = self.live[position]
            if not live.any():
                continue
            moved[position] = len(groups)
            if isinstance(group, LeafGroup):
                values = source.params[group.parameter]
                if not live.all():
                    values = values[:, torch.from_numpy(np.flatnonzero(live)).to(values.device)]
                name = _stored(params, group.parameter, values)
                groups.append(replace(group, size=int(live.sum()), parameter=name))
            else:
                groups.append(self._inner(position, group, moved, groups, params))
        roots = [Unit(moved[g], int(np.count_nonzero(self.live[g][:k]))) for g, k in source.roots]
        return Circuit(groups, roots, source.variables, params, source.meta)

    def _inner(
        self,
        position: int,
        group: SumGroup | ProductGroup,
        moved: dict[int, int],
        groups: list[Group],
        params: dict[str, Tensor],
    ) -> Group:
        rows, kept, live = self.rows[position], self.kept[position], self.live[position]
        assert rows is not None, "leaves are handled elsewhere"
        sizes = [self.source.groups[i].size for i in group.inputs]
        ends = np.cumsum(sizes)
        used = np.zeros(int(ends[-1]), dtype=np.bool_)
        used[rows.children[kept]] = True
        # An input that no edge leads to is left out; of the others the units that live count.
        needed = [bool(part.any()) for part in np.split(used, ends[:-1])]
        there = np.concatenate(
            [self.live[i] & need for i, need in zip(group.inputs, needed, strict=True)]
        )
        number = np.cumsum(there) - 1
        counts = np.add.reduceat(kept, rows.offsets[:-1], dtype=np.int64)[live]
        sparse = SparseEdges(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            number[rows.children[kept]].astype(np.int64),
        )
        made: SumGroup | ProductGroup = replace(
            group,
            size=int(live.sum()),
            inputs=tuple(moved[i] for i, n in zip(group.inputs, needed, strict=True) if n),
        )
        regular = _is_regular(made, sparse, groups)
        if not regular:
            made = replace(made, edges=sparse)
        if isinstance(made, ProductGroup):
            return made
        weights = self._weights(position, made, rows)
        if regular and weights.ndim == 1:
            weights = weights.reshape(made.size, -1)
        return replace(made, parameter=_stored(params, made.parameter, weights))

    def _weights(self, position: int, group: SumGroup, rows: SparseEdges) -> Tensor:
        """The weights that stay, scaled where the threshold took some: [E], or as they were."""
        stored = self.source.params[group.parameter]
        kept, scale = self.kept[position], self.scale[position]
        if kept.all():
            return stored
        chosen = stored.reshape(-1)[torch.from_numpy(np.flatnonzero(kept)).to(stored.device)]
        factors = scale[_owners(rows)[kept]]
        if bool((factors != 1).any()):
            chosen = (chosen.double() * torch.from_numpy(factors).to(chosen.device)).to(chosen)
        return chosen


def _owners(rows: SparseEdges) -> IntArray:
    """The unit of each edge, [E]."""
    return np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))


def _is_regular(group: SumGroup | ProductGroup, rows: SparseEdges, groups: list[Group]) -> bool:
    """Whether these rows are what the kind of edges that the group had says."""
    if isinstance(group.edges, SparseEdges):
        return False
    sizes = [groups[i].size for i in group.inputs]
    width, size = sum(sizes), group.size
    if group.edges == "dense":
        expected = np.tile(np.arange(width), size) if len(rows.children) == size * width else None
    elif group.edges == "kronecker":
        whole = int(np.prod([float(n) for n in sizes])) == size
        starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
        picks = np.stack(np.unravel_index(np.arange(size), sizes), axis=1) if whole else None
        expected = None if picks is None else (picks + starts).reshape(-1)
    else:  # unit k of each input
        fits = all(n == size for n in sizes)
        starts = np.arange(len(sizes)) * size
        expected = (np.arange(size)[:, None] + starts).reshape(-1) if fits else None
    return expected is not None and np.array_equal(rows.children, expected)


def _stored(params: dict[str, Tensor], name: str, values: Tensor) -> str:
    """Store values under the name, or, where tied groups have come apart, under another one."""
    while name in params:
        known = params[name]
        if known is values or (known.shape == values.shape and torch.equal(known, values)):
            return name
        name += "'"
    params[name] = values
    return name
