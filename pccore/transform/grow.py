"""Growing: units split in two, which share what the one had and then learn apart.

Splitting unit n gives two copies with the children of n; whoever saw n sees both, each with half
the weight. Before noise is added nothing changes but the size. Groups whose units are multiplied
one by one, or that have tied parameters, grow together, so that products stay regular and ties
stay ties: in a tree of hidden variables that is one hidden variable, in a homogeneous hidden
Markov model all of them.

Sources: Dang, Liu and Van den Broeck, "Sparse probabilistic circuits via pruning and growing",
2022, sec. 4 (weights times noise of mean 1); Liu et al. 2024 ("Scaling tractable probabilistic
circuits: a systems perspective") for circuits as blocks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit

IntArray = npt.NDArray[np.int64]

#: Edges of groups whose unit k sees unit k of each input.
_ONE_BY_ONE = ("hadamard", "elementwise")


def grow(
    circuit: Circuit,
    groups: Collection[str] | None = None,
    share: float = 1.0,
    flows: Mapping[int, Tensor] | None = None,
    noise: float = 0.1,
    seed: int = 0,
) -> Circuit:
    """The circuit with units split in two.

    groups: names; what is bound to them grows along. None: all that can. share: of the units of a
    group, rounded up: those of the largest flow where `flows` (by position of the group, [size])
    are given, else the first; all of them where products are irregular. noise: standard deviation
    of the factors of mean 1 that new weights are multiplied by, each sum keeping its total; new
    leaves move so much of their own standard deviation towards a value drawn from them. With 0 S
    is what it was, for every evidence. New units come after the one that they were split from.

    Raises OptionError for a share outside (0, 1], noise outside [0, 1], or a group that is bound
    to a root; NotFoundError for an unknown name; ParameterError for illegal parameters.
    """
    if not 0 < share <= 1:
        raise OptionError(f"{share:g} is not in (0, 1]", where="share")
    if not 0 <= noise <= 1:
        raise OptionError(f"{noise:g} is not in [0, 1]", where="noise")
    circuit.validate_params()
    bound = _Bound.of(circuit)
    split = bound.split(bound.chosen(groups), share, flows or {})
    return _Growth(circuit, split, noise, torch.Generator().manual_seed(seed)).run()


def growable(circuit: Circuit) -> list[list[str]]:
    """Names of the groups that can grow, those that do so together in one list."""
    bound = _Bound.of(circuit)
    found: dict[int, list[str]] = {}
    for position, group in enumerate(circuit.groups):
        if bound.of_group(position) in bound.chosen(None):
            found.setdefault(bound.of_group(position), []).append(group.name)
    return list(found.values())


@dataclass
class _Bound:
    """Which groups grow together. first: by position, another group of the class, or itself.

    whole: classes of which every unit is split. fixed: classes that cannot grow. irregular, stuck:
    groups of such classes.
    """

    circuit: Circuit
    first: list[int]
    irregular: list[int] = field(default_factory=list[int])
    stuck: list[int] = field(default_factory=list[int])
    whole: set[int] = field(default_factory=set[int])
    fixed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, circuit: Circuit) -> _Bound:
        bound = cls(circuit, list(range(len(circuit.groups))))
        users: dict[str, int] = {}
        for position, group in enumerate(circuit.groups):
            if not isinstance(group, LeafGroup) and group.edges in _ONE_BY_ONE:
                bound.join(position, *group.inputs)
            if isinstance(group, ProductGroup):
                if isinstance(group.edges, SparseEdges):
                    bound.join(position, *group.inputs)
                    bound.irregular.append(position)
                continue
            other = users.setdefault(group.parameter, position)
            if other != position:
                bound.tie(position, other)
        bound.whole = {bound.of_group(position) for position in bound.irregular}
        bound.fixed = bound.all_fixed()
        return bound

    def of_group(self, position: int) -> int:
        """The class of a group."""
        while self.first[position] != position:
            self.first[position] = position = self.first[self.first[position]]
        return position

    def join(self, *positions: int) -> None:
        """Make these one class."""
        classes = {self.of_group(position) for position in positions}
        for one in classes:
            self.first[one] = min(classes)

    def tie(self, a: int, b: int) -> None:
        """Groups with one parameter: their inputs correspond, and what these combine."""
        self.join(a, b)
        waiting = [(a, b)]
        while waiting:
            one, other = (self.circuit.groups[p] for p in waiting.pop())
            everything = [*one.inputs, *other.inputs]
            sizes = [[self.circuit.groups[i].size for i in g.inputs] for g in (one, other)]
            products = any(_combines(self.circuit.groups[i]) for i in everything)
            if _edges_of(one) != _edges_of(other) or (
                sizes[0] != sizes[1] and (products or _combines(one))
            ):
                # Two ways to use the same weights, which would not grow alike.
                self.stuck += [a, b, *everything]
            if everything and (sizes[0] != sizes[1] or _edges_of(one) == "sparse"):
                # The edges of one lead elsewhere than those of the other.
                self.join(*everything)
                self.irregular.append(everything[0])
                continue
            for i, j in zip(one.inputs, other.inputs, strict=True):
                self.join(i, j)
                if i != j and all(_combines(self.circuit.groups[p]) for p in (i, j)):
                    waiting.append((i, j))

    def all_fixed(self) -> frozenset[int]:
        """Classes with a root, or with a product of all combinations among other groups, and what
        such products combine."""
        groups = self.circuit.groups
        fixed = {self.of_group(root.group) for root in self.circuit.roots}
        fixed |= {self.of_group(position) for position in self.stuck}
        combining = [p for p, group in enumerate(groups) if _combines(group)]
        classes = {self.of_group(p) for p in combining}
        fixed |= {
            self.of_group(p)
            for p, group in enumerate(groups)
            if not _combines(group) and self.of_group(p) in classes
        }
        while True:
            more = {
                self.of_group(i)
                for p in combining
                if self.of_group(p) in fixed
                for i in groups[p].inputs
            }
            if more <= fixed:
                return frozenset(fixed)
            fixed |= more

    def chosen(self, names: Collection[str] | None) -> frozenset[int]:
        """The classes to grow. Raises NotFoundError, OptionError."""
        groups = self.circuit.groups
        own = [p for p, group in enumerate(groups) if not _combines(group)]
        if names is None:
            return frozenset(map(self.of_group, own)) - self.fixed
        known = {group.name: position for position, group in enumerate(groups)}
        found = set[int]()
        for name in names:
            if name not in known:
                raise NotFoundError(f"there is no group {name!r}")
            position = known[name]
            if _combines(groups[position]):
                raise OptionError("grows with its factors, name these", where=name)
            if self.of_group(position) in self.fixed:
                raise OptionError("is bound to a root and cannot grow", where=name)
            found.add(self.of_group(position))
        return frozenset(found)

    def split(
        self, chosen: frozenset[int], share: float, flows: Mapping[int, Tensor]
    ) -> list[IntArray]:
        """The old unit of each new one, by position of the group."""
        members: dict[int, list[int]] = {}
        for position in range(len(self.circuit.groups)):
            members.setdefault(self.of_group(position), []).append(position)
        found: list[IntArray] = []
        ready: dict[int, IntArray] = {}
        for position, group in enumerate(self.circuit.groups):
            if _combines(group):
                parts = np.meshgrid(*(found[i] for i in group.inputs), indexing="ij")
                sizes = [self.circuit.groups[i].size for i in group.inputs]
                found.append(np.ravel_multi_index(parts, sizes).reshape(-1).astype(np.int64))
                continue
            one = self.of_group(position)
            if one not in chosen:
                found.append(np.arange(group.size))
                continue
            if one not in ready:
                sizes = {self.circuit.groups[p].size for p in members[one]}
                ready[one] = (
                    np.zeros(0, dtype=np.int64)
                    if one in self.whole or len(sizes) > 1
                    else self._best(members[one], share, flows)
                )
            times = np.full(group.size, 2 if not len(ready[one]) else 1)
            times[ready[one]] = 2
            found.append(np.repeat(np.arange(group.size), times))
        return found

    def _best(self, members: list[int], share: float, flows: Mapping[int, Tensor]) -> IntArray:
        """The units of the largest flow, of all members together."""
        size = self.circuit.groups[members[0]].size
        total = np.zeros(size)
        for position in members:
            if position in flows:
                total += flows[position].double().numpy()
        return np.argsort(-total, kind="stable")[: math.ceil(share * size)]


def _combines(group: Group) -> bool:
    """Whether it is a product of all combinations, whose size follows from its factors."""
    return isinstance(group, ProductGroup) and group.edges == "kronecker"


def _edges_of(group: Group) -> str:
    """The kind of edges in a word; none of a leaf."""
    if isinstance(group, LeafGroup):
        return ""
    return "sparse" if isinstance(group.edges, SparseEdges) else group.edges


@dataclass
class _Growth:
    """split: the old unit of each new one, by position of the group."""

    circuit: Circuit
    split: list[IntArray]
    noise: float
    generator: torch.Generator

    def run(self) -> Circuit:
        groups: list[Group] = []
        params = dict(self.circuit.params.items())
        done = set[str]()
        for position, group in enumerate(self.circuit.groups):
            made: Group = replace(group, size=len(self.split[position]))
            edges = None
            if not isinstance(group, LeafGroup) and isinstance(group.edges, SparseEdges):
                edges = self._rows(position, group, group.edges)
                made = replace(made, edges=edges[0])
            groups.append(made)
            if isinstance(group, ProductGroup) or group.parameter in done:
                continue
            done.add(group.parameter)
            stored = self.circuit.params[group.parameter]
            if isinstance(group, LeafGroup):
                params[group.parameter] = self._leaf(position, group, stored)
            elif edges is not None:
                weights = self._edges(position, stored, edges)
                params[group.parameter] = weights
            else:
                params[group.parameter] = self._weights(position, group, stored)
        roots = [Unit(g, k) for g, k in self.circuit.roots]
        return Circuit(groups, roots, self.circuit.variables, params, self.circuit.meta)

    def _times(self, position: int) -> IntArray:
        """Into how many each old unit was split."""
        return np.bincount(self.split[position], minlength=self.circuit.groups[position].size)

    def _leaf(self, position: int, group: LeafGroup, stored: Tensor) -> Tensor:
        old = self.split[position]
        values = stored[:, torch.from_numpy(old).to(stored.device)]
        fresh = np.flatnonzero(self._times(position)[old] > 1)
        if not self.noise or not len(fresh) or not group.family.trainable:
            return values
        family, chosen = group.family, torch.from_numpy(fresh)
        own = values[:, chosen].detach().cpu().double()
        x = family.sample(own, self.generator)
        target = family.m_step(family.sufficient_statistics(x), 0.0)
        moved = family.blend(own, target, min(self.noise, 0.5))
        values[:, chosen.to(values.device)] = moved.to(values)
        return values

    def _weights(self, position: int, group: SumGroup, stored: Tensor) -> Tensor:
        """Dense or elementwise weights; the split of a child halves its column."""
        rows = self.split[position]
        fresh_rows = self._times(position)[rows] > 1
        weights = stored[torch.from_numpy(rows).to(stored.device)]
        fresh = np.repeat(fresh_rows[:, None], weights.shape[1], axis=1)
        if group.edges == "dense":
            starts = np.cumsum([0, *(self.circuit.groups[i].size for i in group.inputs)])
            columns = np.concatenate(
                [self.split[i] + at for i, at in zip(group.inputs, starts, strict=False)]
            )
            times = np.concatenate([self._times(i)[self.split[i]] for i in group.inputs])
            weights = weights[:, torch.from_numpy(columns).to(stored.device)]
            weights = weights / torch.from_numpy(times).to(weights)
            fresh = fresh_rows[:, None] | (times > 1)
        noisy = self._noisy(weights, fresh)
        total = noisy.sum(1, keepdim=True)
        kept = weights.sum(1, keepdim=True)
        return noisy if not self.noise else noisy * (kept / total.clamp_min(1e-30))

    def _noisy(self, weights: Tensor, fresh: npt.NDArray[np.bool_]) -> Tensor:
        if not self.noise or not fresh.any():
            return weights
        drawn = torch.randn(weights.shape, generator=self.generator, dtype=torch.float64)
        factors = (1 + self.noise * drawn).clamp_min(1e-3)
        factors[torch.from_numpy(~fresh)] = 1.0
        return weights * factors.to(weights)

    def _rows(
        self, position: int, group: SumGroup | ProductGroup, edges: SparseEdges
    ) -> tuple[SparseEdges, IntArray, IntArray]:
        """The edges of the new units, the old edge of each, and in how many parts it is."""
        times = np.concatenate([self._times(i) for i in group.inputs])
        begin = np.concatenate([[0], np.cumsum(times)])
        # The new units of each old one: the copies of combined products do not lie together.
        ends = np.cumsum([0, *(len(self.split[i]) for i in group.inputs)])
        place = np.concatenate(
            [
                at + np.argsort(self.split[i], kind="stable")
                for i, at in zip(group.inputs, ends, strict=False)
            ]
        )
        children: list[IntArray] = []
        origin: list[IntArray] = []
        before = -1
        copy = 0
        for old in self.split[position].tolist():
            copy = copy + 1 if old == before else 0
            before = old
            span = np.arange(int(edges.offsets[old]), int(edges.offsets[old + 1]))
            own = edges.children[span]
            if isinstance(group, ProductGroup):
                children.append(place[begin[own] + np.minimum(copy, times[own] - 1)])
                origin.append(span)
            else:
                origin.append(np.repeat(span, times[own]))
                parts = [place[begin[c] : begin[c + 1]] for c in own.tolist()]
                children.append(np.concatenate(parts))
        offsets = np.cumsum([0, *map(len, children)]).astype(np.int64)
        rows = SparseEdges(offsets, np.concatenate(children).astype(np.int64))
        source = np.concatenate(origin)
        return rows, source, times[edges.children[source]]

    def _edges(
        self, position: int, stored: Tensor, edges: tuple[SparseEdges, IntArray, IntArray]
    ) -> Tensor:
        """The weights of irregular edges, [E]."""
        rows, source, times = edges
        weights = stored[torch.from_numpy(source).to(stored.device)]
        weights = weights / torch.from_numpy(times).to(weights)
        owner = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))
        split = self._times(position)[self.split[position]] > 1
        noisy = self._noisy(weights, split[owner] | (times > 1))
        if not self.noise:
            return noisy
        index = torch.from_numpy(owner).to(weights.device)
        sums = torch.zeros(len(rows.offsets) - 1, dtype=weights.dtype, device=weights.device)
        kept, total = sums.index_add(0, index, weights), sums.index_add(0, index, noisy)
        return noisy * (kept / total.clamp_min(1e-30))[index]
