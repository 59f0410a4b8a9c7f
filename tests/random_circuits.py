"""The generator of random valid circuits behind tests/strategies.py."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator

ALL_FAMILIES = ("bernoulli", "categorical", "binomial", "indicator")
REAL = 0  # "number of states" of a real variable, inside this file


@dataclass(frozen=True)
class Recipe:
    """What a random circuit may contain; every field is a keyword of `random_circuit`."""

    variables: int = 4
    reals: int = 0  # the last `reals` variables are real (Gaussian leaves)
    max_states: int = 3
    max_size: int = 3  # units per group
    families: tuple[str, ...] = ALL_FAMILIES
    grouped: bool = True  # False: every group has one unit
    deterministic: bool = False  # sums are decisions on a variable
    structured: bool = False  # one vtree for all products
    normalised: bool = True
    zero_weights: bool = False
    zero_probabilities: bool = False  # leaves with impossible states
    tied: bool = False  # some groups share parameters
    roots: int = 1
    dtype: torch.dtype = torch.float64


def random_circuit(seed: int, **options: object) -> Circuit:
    """A smooth, decomposable circuit; `options` are the fields of `Recipe`."""
    recipe = replace(Recipe(), **options)  # type: ignore[arg-type]
    maker = Maker(recipe, np.random.default_rng(seed))
    return maker.circuit()


@dataclass
class Maker:
    recipe: Recipe
    rng: np.random.Generator
    groups: list[Group] = field(default_factory=list)
    params: dict[str, Tensor] = field(default_factory=dict)
    scopes: list[frozenset[int]] = field(default_factory=list)
    pool: dict[frozenset[int], list[int]] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    partitions: dict[frozenset[int], list[frozenset[int]]] = field(default_factory=dict)

    def circuit(self) -> Circuit:
        r = self.recipe
        finite = r.variables - r.reals
        self.states = [int(self.rng.integers(2, r.max_states + 1)) for _ in range(finite)]
        self.states += [REAL] * r.reals
        top = self.region(frozenset(range(r.variables)), self.size())
        for _ in range(r.roots - 1):
            self.region(frozenset(range(r.variables)), self.size())
        full = [g for g, s in enumerate(self.scopes) if len(s) == r.variables]
        roots = [Unit(top, int(self.rng.integers(self.groups[top].size)))]
        while len(roots) < r.roots:
            g = int(self.rng.choice(full))
            roots.append(Unit(g, int(self.rng.integers(self.groups[g].size))))
        names = [f"X{v}" for v in range(r.variables)]
        return Circuit(self.groups, roots, names, self.params)

    # -- choices -------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def size(self) -> int:
        return int(self.rng.integers(1, self.recipe.max_size + 1)) if self.recipe.grouped else 1

    def add(self, group: Group, scope: frozenset[int]) -> int:
        self.groups.append(group)
        self.scopes.append(scope)
        self.pool.setdefault(scope, []).append(len(self.groups) - 1)
        return len(self.groups) - 1

    def name(self, letter: str) -> str:
        return f"{letter}{len(self.groups)}"

    def store(self, name: str, make: Tensor, compatible: Sequence[str]) -> str:
        """The id under which `make` is stored, or that of a tied tensor of the same shape."""
        if self.recipe.tied and compatible and self.chance(0.5):
            return str(self.rng.choice(list(compatible)))
        self.params[name] = make.to(self.recipe.dtype)
        return name

    # -- regions -------------------------------------------------------------------------

    def region(self, scope: frozenset[int], size: int) -> int:
        """A group of `size` units over `scope`, new or shared."""
        shared = [g for g in self.pool.get(scope, []) if self.groups[g].size == size]
        if shared and self.chance(0.4):
            return int(self.rng.choice(shared))
        if len(scope) == 1:
            return self.single(min(scope), size)
        if self.recipe.deterministic:
            return self.decision(scope, size)
        factorised = self.common_family(scope)
        if factorised is not None and self.chance(0.15):
            return self.leaf(factorised, sorted(scope), size)
        return self.mixture(scope, size)

    def single(self, variable: int, size: int) -> int:
        family = self.family(variable)
        if self.recipe.deterministic or self.chance(0.6):
            return self.leaf(family, [variable], size)
        others = [self.leaf(self.family(variable), [variable], self.size()) for _ in range(2)]
        return self.weighted(others, size)

    def mixture(self, scope: frozenset[int], size: int) -> int:
        count = int(self.rng.integers(1, 4))
        inputs = [self.product(scope, size) for _ in range(count)]
        if self.chance(0.15):  # a sum directly below a sum
            inputs.append(self.weighted([inputs[0]], self.size()))
        return self.weighted(inputs, size)

    def split(self, scope: frozenset[int]) -> list[frozenset[int]]:
        if self.recipe.structured and scope in self.partitions:
            return self.partitions[scope]
        order = self.rng.permutation(sorted(scope)).tolist()
        parts = 3 if len(order) >= 3 and self.chance(0.3) else 2
        cuts = sorted(self.rng.choice(np.arange(1, len(order)), parts - 1, replace=False).tolist())
        bounds = [0, *cuts, len(order)]
        blocks = [frozenset(order[a:b]) for a, b in itertools.pairwise(bounds)]
        self.partitions[scope] = blocks
        return blocks

    def product(self, scope: frozenset[int], size: int) -> int:
        blocks = self.split(scope)
        how = self.rng.choice(["hadamard", "kronecker", "sparse"])
        if how == "hadamard":
            inputs = [self.region(block, size) for block in blocks]
            return self.add(ProductGroup(self.name("p"), size, tuple(inputs)), scope)
        inputs = [self.region(block, min(self.size(), 2)) for block in blocks]
        sizes = [self.groups[i].size for i in inputs]
        if how == "kronecker":
            name = self.name("p")
            group = ProductGroup(name, math.prod(sizes), tuple(inputs), "kronecker")
            return self.add(group, scope)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        rows = np.stack([self.rng.integers(0, n, size) + s for n, s in zip(sizes, starts)], 1)  # noqa: B905
        edges = SparseEdges(np.arange(size + 1) * len(inputs), rows.reshape(-1).astype(np.int64))
        return self.add(ProductGroup(self.name("p"), size, tuple(inputs), edges), scope)

    def decision(self, scope: frozenset[int], size: int) -> int:
        finite = [v for v in sorted(scope) if self.states[v] != REAL]
        if not finite or (not self.recipe.structured and len(scope) > 2 and self.chance(0.25)):
            inputs = [self.region(block, size) for block in self.split(scope)]
            return self.add(ProductGroup(self.name("p"), size, tuple(inputs)), scope)
        variable = min(finite) if self.recipe.structured else int(self.rng.choice(finite))
        states = self.states[variable]
        tests = self.leaf(Indicator(states), [variable], states)
        rest = self.region(scope - {variable}, self.size())
        width = self.groups[rest].size
        both = ProductGroup(self.name("p"), states * width, (tests, rest), "kronecker")
        pairs = self.add(both, scope)
        picks = np.arange(states) * width + self.rng.integers(0, width, (size, states))
        edges = SparseEdges(np.arange(size + 1) * states, picks.reshape(-1).astype(np.int64))
        return self.weighted([pairs], size, edges)

    # -- sums ----------------------------------------------------------------------------

    def weighted(self, inputs: list[int], size: int, edges: SparseEdges | None = None) -> int:
        """A sum group over `inputs`, with any kind of edges that fits."""
        total = sum(self.groups[i].size for i in inputs)
        name = self.name("s")
        if edges is not None:
            group = SumGroup(name, size, tuple(inputs), name, edges)
        elif self.chance(0.4):
            group = SumGroup(name, size, tuple(inputs), name, self.some_edges(size, total))
        elif all(self.groups[i].size == size for i in inputs) and self.chance(0.5):
            group = SumGroup(name, size, tuple(inputs), name, "elementwise")
        else:
            group = SumGroup(name, size, tuple(inputs), name, "dense")
        values = self.weights(group, inputs, total)
        scope = self.scopes[inputs[0]]
        alike = [
            g.parameter
            for g in self.groups
            if isinstance(g, SumGroup) and _same_rows(g, group, self.params, values)
        ]
        group = replace(group, parameter=self.store(name, values, alike))
        return self.add(group, scope)

    def some_edges(self, size: int, total: int) -> SparseEdges:
        counts = self.rng.integers(1, total + 1, size)
        rows = [np.sort(self.rng.choice(total, n, replace=False)) for n in counts]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return SparseEdges(offsets, np.concatenate(rows).astype(np.int64))

    def weights(self, group: SumGroup, inputs: list[int], total: int) -> Tensor:
        if isinstance(group.edges, SparseEdges):
            lengths = np.diff(group.edges.offsets).tolist()
            return torch.cat([self.row(n) for n in lengths])
        width = total if group.edges == "dense" else len(inputs)
        return torch.stack([self.row(width) for _ in range(group.size)])

    def row(self, n: int) -> Tensor:
        values = self.rng.gamma(1.0, size=n) + 0.05
        if self.recipe.zero_weights and n > 1:
            off = self.rng.random(n) < 0.35
            off[int(self.rng.integers(n))] = False
            values[off] = 0.0
        if self.recipe.normalised:
            values = values / values.sum()
        return torch.as_tensor(values, dtype=torch.float64)

    # -- leaves --------------------------------------------------------------------------

    def family(self, variable: int) -> LeafFamily:
        states = self.states[variable]
        if states == REAL:
            return Gaussian()
        usable = _families(states, self.recipe.families)
        return usable[int(self.rng.integers(len(usable)))]

    def common_family(self, scope: frozenset[int]) -> LeafFamily | None:
        """A family for a factorised leaf over `scope`, where the variables are alike."""
        kinds = {self.states[v] for v in scope}
        return self.family(min(scope)) if len(kinds) == 1 else None

    def leaf(self, family: LeafFamily, variables: list[int], size: int) -> int:
        if not self.recipe.deterministic and isinstance(family, Indicator):
            return self.indicators(family, variables, size)
        name = self.name("x")
        shape = (len(variables), size)
        alike = [
            g.parameter
            for g in self.groups
            if isinstance(g, LeafGroup)
            and g.family == family
            and (len(g.variables), g.size) == shape
            and not isinstance(family, Indicator)
        ]
        parameter = self.store(name, self.leaf_params(family, shape), alike)
        group = LeafGroup(name, size, family, tuple(variables), parameter)
        return self.add(group, frozenset(variables))

    def indicators(self, family: Indicator, variables: list[int], size: int) -> int:
        """Raw indicators, or (so that every state stays possible) a mixture over all of them."""
        name, states = self.name("x"), family.categories
        if len(variables) > 1 or self.chance(0.2):
            values = self.leaf_params(family, (len(variables), size))
            self.params[name] = values.to(self.recipe.dtype)
            group = LeafGroup(name, size, family, tuple(variables), name)
            return self.add(group, frozenset(variables))
        self.params[name] = torch.arange(states, dtype=self.recipe.dtype).reshape(1, states)
        group = LeafGroup(name, states, family, tuple(variables), name)
        return self.weighted([self.add(group, frozenset(variables))], size)

    def leaf_params(self, family: LeafFamily, shape: tuple[int, int]) -> Tensor:
        if isinstance(family, Gaussian):
            mean = self.rng.normal(0.0, 2.0, shape)
            variance = self.rng.uniform(0.5, 2.0, shape)
            return torch.as_tensor(np.stack([mean, variance], -1))
        if isinstance(family, Indicator):
            states = self.rng.integers(0, family.categories, shape)
            if self.recipe.deterministic and shape == (1, family.categories):
                states = np.arange(family.categories)[None]
            return torch.as_tensor(states.astype(np.float64))
        if isinstance(family, Categorical):
            values = self.rng.gamma(1.0, size=(*shape, family.categories)) + 0.05
            if self.recipe.zero_probabilities:
                off = self.rng.random(values.shape) < 0.3
                keep = self.rng.integers(0, family.categories, shape)
                np.put_along_axis(off, keep[..., None], False, -1)
                values[off] = 0.0
            return torch.as_tensor(values / values.sum(-1, keepdims=True))
        p = self.rng.uniform(0.05, 0.95, shape)
        if self.recipe.zero_probabilities:
            p = np.where(self.rng.random(shape) < 0.2, np.round(p), p)
        return torch.as_tensor(p)


def _families(states: int, names: Sequence[str]) -> list[LeafFamily]:
    usable: list[LeafFamily] = []
    if "bernoulli" in names and states == 2:
        usable.append(Bernoulli())
    if "categorical" in names:
        usable.append(Categorical(states))
    if "binomial" in names:
        usable.append(Binomial(states - 1))
    if "indicator" in names:
        usable.append(Indicator(states))
    return usable or [Categorical(states)]


def _same_rows(old: SumGroup, new: SumGroup, params: dict[str, Tensor], values: Tensor) -> bool:
    """Whether two sums may share weights: same shape and the same rows."""
    if params[old.parameter].shape != values.shape:
        return False
    if isinstance(old.edges, SparseEdges) and isinstance(new.edges, SparseEdges):
        return bool(np.array_equal(old.edges.offsets, new.edges.offsets))
    return not isinstance(old.edges, SparseEdges) and not isinstance(new.edges, SparseEdges)
