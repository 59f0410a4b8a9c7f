"""RAT-SPNs in sectors: trees down to single variables, one dense block of weights per region.

Each replica is a balanced binary tree over a random order of the V variables. A leaf of the tree
has K sums over the leaf distributions of its variable, an inner node K sums over the products of
its children (unit by unit), and K sums more stand on the root; a mixture over the replicas takes
the first of those (Shih et al. 2021, sec. 2.1).

That makes 2V sectors of K x K weights for each of R replicas, and R weights of the mixture, which
is how table 1 of the paper counts: 2 V K^2 R + R, 40 050 for V = 16, K = 5, R = 50. (Section 2.1
counts less: there the root needs K weights and a binary variable 2K. Here a variable has K
indicators, each state several times over if need be, and the root region has two blocks, of which
the second is used by its first unit; neither changes what the circuit can express. Where a network
generates the weights it is what counts, and an indicator for each state will do; copies learn
faster and overfit sooner.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pccore.errors import OptionError
from pccore.graph import MAX_EDGES, Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.base import LeafFamily, Summary
from pccore.leaves.indicator import Indicator
from pccore.structures.base import Shape, Size
from pccore.structures.drafting import random_weights
from pccore.structures.leaf_groups import FamilyOptions, families_of
from pccore.structures.region_graph import MAX_REGIONS


def leaf_families(shape: Shape, options: FamilyOptions) -> tuple[LeafFamily, ...]:
    """The family of each variable: indicators where it is finite and nothing else is asked for."""
    chosen = families_of(shape, options)
    if options.leaf != "auto":
        return chosen
    finite = (support.states if support.kind == "finite" else None for support in shape.supports)
    return tuple(
        family if states is None else Indicator(states)
        for family, states in zip(chosen, finite, strict=True)
    )


def leaf_units(family: LeafFamily, units: int, copies: bool) -> int:
    """Distributions of a variable: K, or its states where there are more of them; without copies
    of indicators, its states."""
    if not isinstance(family, Indicator):
        return units
    return max(units, family.categories) if copies else family.categories


def sectors_size(
    shape: Shape, options: FamilyOptions, units: int, replicas: int, copies: bool = True
) -> Size:
    """The size of `sectors_circuit`, without making it."""
    variables = shape.num_variables
    families = leaf_families(shape, options)
    leaves = [leaf_units(family, units, copies) for family in families]
    learned = [
        width * int(np.prod(family.parameter_shape, dtype=np.int64))
        for family, width in zip(families, leaves, strict=True)
        if family.trainable
    ]
    trees = [replicas if family.trainable else 1 for family in families]
    weights = replicas * units * (sum(leaves) + variables * units)
    products = replicas * (variables - 1) * units
    stored = sum(width * n for width, n in zip(leaves, trees, strict=True))
    return Size(
        stored + replicas * 2 * variables * units + products + 1,
        weights + 2 * products + replicas,
        weights + replicas + replicas * sum(learned),
    )


def sectors_circuit(
    shape: Shape, options: FamilyOptions, units: int, replicas: int, copies: bool = True
) -> Circuit:
    """The circuit, float32, a parameter id being the name of its group.

    copies: K indicators for each variable, also where that is more than its states.
    Names: L(variable) indicators, which the replicas share, or L(replica.path) other leaves;
    S(replica.path) sums, P(replica.path) products, T(replica) the second sums of the root region.

    Raises OptionError where the circuit would be too large.
    """
    variables = shape.num_variables
    if sectors_size(shape, options, units, replicas, copies).edges > MAX_EDGES:
        raise OptionError("so many edges cannot be built", hint="fewer units or replicas")
    if replicas * 2 * variables > MAX_REGIONS:
        raise OptionError(
            f"{replicas} trees over {variables} variables have more than {MAX_REGIONS} regions",
            hint="fewer replicas",
        )
    draft = _Draft(shape, leaf_families(shape, options), units, copies, options.seed)
    random = np.random.default_rng(options.seed)
    orders = random.permuted(np.tile(np.arange(variables), (replicas, 1)), axis=1)
    leaves, inner = _balanced(variables)
    tops = [draft.tree(replica, order, leaves, inner) for replica, order in enumerate(orders)]
    first = SparseEdges(
        np.array([0, replicas], dtype=np.int64), units * np.arange(replicas, dtype=np.int64)
    )
    root = draft.add(SumGroup("M(root)", 1, tuple(tops), "M(root)", first))
    params = draft.parameters()
    return Circuit(draft.groups, [(root, 0)], shape.variables, params)


def _balanced(count: int) -> tuple[list[str], list[str]]:
    """Paths (0 left, 1 right) of the leaves, from left to right, and of the inner nodes, children
    first, of the tree that halves `count` places until each is alone."""
    leaves: list[tuple[int, str]] = []
    inner: list[tuple[int, int, str]] = []
    waiting = [(0, count, "")]
    while waiting:
        start, end, path = waiting.pop()
        if end - start == 1:
            leaves.append((start, path))
            continue
        inner.append((-len(path), start, path))
        middle = (start + end) // 2
        waiting += [(start, middle, path + "0"), (middle, end, path + "1")]
    return [path for _, path in sorted(leaves)], [path for *_, path in sorted(inner)]


class _Draft:
    """Groups in the making."""

    def __init__(
        self,
        shape: Shape,
        families: tuple[LeafFamily, ...],
        units: int,
        copies: bool,
        seed: int,
    ) -> None:
        self.groups: list[Group] = []
        self._summary = shape.summary
        self._families = families
        self._units, self._copies = units, copies
        self._generator = torch.Generator().manual_seed(seed)
        self._params: dict[str, torch.Tensor] = {}
        self._shared = {
            v: self._leaf(f"L({v})", v) for v, f in enumerate(families) if not f.trainable
        }

    def add(self, group: Group) -> int:
        self.groups.append(group)
        return len(self.groups) - 1

    def tree(
        self, replica: int, order: npt.NDArray[np.int64], leaves: list[str], inner: list[str]
    ) -> int:
        """One replica; returns its top group."""
        sums: dict[str, int] = {}
        for variable, path in zip(order.tolist(), leaves, strict=True):
            leaf = self._shared.get(variable)
            if leaf is None:
                leaf = self._leaf(f"L({replica}.{path})", variable)
            sums[path] = self._sum(f"S({replica}.{path})", leaf)
        for path in inner:
            below = (sums[path + "0"], sums[path + "1"])
            product = self.add(ProductGroup(f"P({replica}.{path})", self._units, below))
            sums[path] = self._sum(f"S({replica}.{path})", product)
        return self._sum(f"T({replica})", sums[""])

    def _leaf(self, name: str, variable: int) -> int:
        family = self._families[variable]
        width = leaf_units(family, self._units, self._copies)
        known = self._summary
        if known is not None:
            row = slice(variable, variable + 1)
            counts = None if known.counts is None else known.counts[row]
            known = Summary(known.mean[row], known.variance[row], counts)
        self._params[name] = family.initial((1, width), self._generator, known)
        return self.add(LeafGroup(name, width, family, (variable,), name))

    def _sum(self, name: str, below: int) -> int:
        return self.add(SumGroup(name, self._units, (below,), name))

    def parameters(self) -> dict[str, torch.Tensor]:
        """All parameters; the weights are drawn in one go for each shape.

        Those of the mixture are nearly equal: a replica that starts light learns little.
        """
        waiting: dict[tuple[int, int], list[str]] = {}
        for group in self.groups:
            if isinstance(group, SumGroup):
                sparse = isinstance(group.edges, SparseEdges)
                fan = len(group.inputs) if sparse else self.groups[group.inputs[0]].size
                waiting.setdefault((group.size, fan), []).append(group.name)
        for (size, fan), names in waiting.items():
            block = random_weights((len(names), size, fan), self._generator)
            self._params.update(zip(names, block.unbind(), strict=True))
        mixture = torch.rand(self._params["M(root)"].numel(), generator=self._generator)
        self._params["M(root)"] = torch.softmax(mixture, 0)
        return self._params
